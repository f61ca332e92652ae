"""Faults on demand: every n-th call of an operation is refused as AWS refuses what it throttles.

    POST /_stage/faults {"service": "events", "operation": "PutEvents", "one_in": 10,
                         "error": "ThrottlingException", "status": 400, "callers": "functions"}
    GET /_stage/faults      the rules, each with the calls it has matched and those it has refused
    DELETE /_stage/faults   forgets the rules, and answers with them

Only `service` is required; a service is named as in IAM, and `*` stands for every service or operation. `callers` is
`functions` by default, which sign with a session token, so that a test is not refused by its own faults; `everyone`
includes the test. A rule refuses its n-th, 2n-th and so on matching call: not at random, so that a test sees the same
again. Each error name has its own HTTP status and its own shape in each protocol, as the SDKs read them.
"""

import json
import threading
from dataclasses import asdict, dataclass

from ministack import app
from ministack.core import iam_actions, router

PATH = "/_stage/faults"
CALLERS = ("functions", "everyone")
JSON = {"Content-Type": "application/json"}


@dataclass
class Rule:
    """Which calls are refused, how, and how many were."""

    service: str
    operation: str = "*"
    one_in: int = 1
    error: str = "ThrottlingException"
    status: int = 400
    message: str = "Rate exceeded"
    callers: str = "functions"
    matched: int = 0
    refused: int = 0

    def check(self):
        """Raises `ValueError` if no call could ever match."""
        if self.callers not in CALLERS:
            raise ValueError(f"callers is `{self.callers}`, expected one of {', '.join(CALLERS)}")
        if not isinstance(self.one_in, int) or self.one_in < 1:
            raise ValueError(f"one_in is `{self.one_in}`, expected a whole number of at least 1")

    def names(self, service, operation, from_session):
        """Whether the rule is about such a call."""
        about = self.service in ("*", service) and self.operation in ("*", operation)
        return about and (from_session or self.callers == "everyone")


rules: list[Rule] = []
# Tasks of state machines are counted on their own threads.
counting = threading.Lock()


def apply():
    """Lets requests pass the rules before anything else looks at them; answers those about the rules themselves."""
    # Already wrapped by simulated_services.py, which holds its digest.
    dispatch = app._dispatch_service_request

    async def dispatch_service_request(method, path, headers, body, query_params, request_id):
        if path == PATH:
            return answer(method, body)
        rule = struck(method, path, headers, body, query_params) if rules else None
        if rule:
            return rule.status, *shape(rule, method, path, headers, body, query_params, request_id)
        return await dispatch(method, path, headers, body, query_params, request_id)

    app._dispatch_service_request = dispatch_service_request


def answer(method, body):
    """What a request about the rules is answered with."""
    if method == "POST":
        try:
            rule = Rule(**json.loads(body))
            rule.check()
        except (TypeError, ValueError) as fault:
            return 400, dict(JSON), json.dumps({"message": str(fault)}).encode()
        rules.append(rule)
    told = json.dumps([asdict(rule) for rule in rules]).encode()
    if method == "DELETE":
        rules.clear()
    return 200, dict(JSON), told


def strikes(service, operation, from_session):
    """Counts a call against the rules about it; the rule whose turn it is to refuse it, or None."""
    with counting:
        for rule in rules:
            if not rule.names(service, operation, from_session):
                continue
            rule.matched += 1
            if rule.matched % rule.one_in == 0:
                rule.refused += 1
                return rule
    return None


def struck(method, path, headers, body, query_params):
    """The rule that refuses a request, or None."""
    service, parameters = service_of(method, path, headers, body, query_params)
    action = iam_actions.extract_iam_action(service, method, path, headers, body, parameters) or ""
    namespace, _, operation = action.partition(":")
    # The action that allows an invocation has another name than the operation.
    operation = "Invoke" if action == "lambda:InvokeFunction" else operation
    return strikes(namespace or service, operation, "x-amz-security-token" in headers)


def service_of(method, path, headers, body, query_params):
    """MiniStack's name of the service that a request is for, and the parameters by which it was found."""
    parameters = app._routing_params(method, path, headers, body, query_params)
    return router.detect_service(method, path, headers, parameters), parameters


def shape(rule, method, path, headers, body, query_params, request_id):
    """Headers and body of a refusal in the protocol of the request."""
    service, _ = service_of(method, path, headers, body, query_params)
    _, told, text = iam_actions.access_denied_response(
        service, "", "", request_id, error_code=rule.error, message=rule.message, headers=headers
    )
    return told | {"x-amzn-requestid": request_id}, text
