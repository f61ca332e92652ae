"""Hands the services that the workload simulator plays over to it, once MiniStack has authorised the call.

    POST /_stage/hub {"account": "999999999999"}

says that an account is the hub: nothing is governed there, and it asks its own Athena about cost exports, so Athena and
Glue are MiniStack's for it.
"""

import asyncio
import json
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import urllib3
from ministack import app
from ministack.core import iam_actions, router
from ministack.core.responses import get_account_id, get_region
from patches import seen

# The services the workload simulator answers: MiniStack's name, which is also the endpoint prefix, the signing name
# and the IAM namespace, and the start of its X-Amz-Target.
SIMULATED_SERVICES = {
    "athena": "AmazonAthena",
    "cloudtrail": "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101",
    "elasticmapreduce": "ElasticMapReduce",
    "glue": "AWSGlue",
    "sagemaker": "SageMaker",
}
# Those that MiniStack answers itself in the hub.
OWN_IN_HUB = ("athena", "glue")
HUB_PATH = "/_stage/hub"
# Single operations of services that MiniStack otherwise answers itself.
SIMULATED_OPERATIONS = {"ssm": {"AmazonSSM.GetCalendarState"}}

CONNECTIONS = 32
# An SDK gives up reading after about a minute; a scenario may hold an answer back for that long to test just that.
TIMEOUT = urllib3.Timeout(connect=2, read=70)
# Headers that belong to one connection; the next one has its own.
HOP_BY_HOP = {"connection", "content-length", "expect", "host", "keep-alive", "te", "transfer-encoding", "upgrade"}


class SimulatorHeaders(dict):
    """The simulator's headers, which those that MiniStack stamps on every answer do not replace."""

    def update(self, stamped):
        for name, value in stamped.items():
            self.setdefault(name.lower(), value)


def apply(simulator_url):
    """Replaces MiniStack's handlers by the simulator, in the table that it consults once a request is routed,
    attributed to an account and authorised; raises `MiniStackChanged` if that no longer fits.

    The simulator gets the request as it came, with the account and the Region beside it.
    """
    dispatch = seen(app, "_dispatch_service_request", "17e5ef6dcfa0")
    hubs = set()
    threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="stage-simulator")
    pool = None
    if simulator_url:
        pool = urllib3.connection_from_url(simulator_url, maxsize=CONNECTIONS, retries=False, timeout=TIMEOUT)

    def refuse(reason):
        # Not retryable, so that a suite without its simulator fails at the first call and says why.
        body = json.dumps({"__type": "SimulatorUnavailable", "message": reason}).encode()
        return 400, {"content-type": "application/x-amz-json-1.1", "x-amzn-errortype": "SimulatorUnavailable"}, body

    def ask(method, path, headers, body):
        try:
            answer = pool.urlopen(method, path, body=body, headers=headers, decode_content=False)
        except urllib3.exceptions.HTTPError as error:
            return refuse(f"the workload simulator at {simulator_url} did not answer: {error}")
        kept = {name.lower(): value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
        return answer.status, SimulatorHeaders(kept), answer.data

    async def handler(method, path, headers, body, query_params):
        if pool is None:
            return refuse("this service is simulated and the stage was started without a simulator")
        sent = {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}
        sent |= {"x-stage-account": get_account_id(), "x-stage-region": get_region()}
        # urllib3 would add these two where the caller sent none.
        sent = {"accept-encoding": urllib3.util.SKIP_HEADER, "user-agent": urllib3.util.SKIP_HEADER} | sent
        query = urllib.parse.urlencode(query_params, doseq=True)
        path_and_query = f"{urllib.parse.quote(path)}?{query}" if query else urllib.parse.quote(path)
        return await asyncio.get_running_loop().run_in_executor(threads, ask, method, path_and_query, sent, body)

    def partly(operations, own):
        async def either(method, path, headers, body, query_params):
            simulated = headers.get("x-amz-target", "") in operations
            return await (handler if simulated else own)(method, path, headers, body, query_params)

        return either

    def outside_the_hub(own):
        async def either(method, path, headers, body, query_params):
            of_hub = get_account_id() in hubs
            return await (own if of_hub else handler)(method, path, headers, body, query_params)

        return either

    async def dispatch_service_request(method, path, headers, body, query_params, request_id):
        if path == HUB_PATH:
            hubs.add(json.loads(body)["account"])
            return 200, {"content-type": "application/json"}, b"{}"
        return await dispatch(method, path, headers, body, query_params, request_id)

    app._dispatch_service_request = dispatch_service_request
    for service, target_prefix in SIMULATED_SERVICES.items():
        # A service that MiniStack does not know needs routing and an IAM namespace too; the others have both.
        router.SERVICE_PATTERNS.setdefault(
            service, {"target_prefixes": [target_prefix], "host_patterns": [rf"{service}\."]}
        )
        iam_actions.SERVICE_TO_IAM_NAMESPACE.setdefault(service, service)
        own = app.SERVICE_HANDLERS.get(service)
        app.SERVICE_HANDLERS[service] = outside_the_hub(own) if service in OWN_IN_HUB else handler
    for service, operations in SIMULATED_OPERATIONS.items():
        app.SERVICE_HANDLERS[service] = partly(operations, app.SERVICE_HANDLERS[service])
