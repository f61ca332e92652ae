"""The twin: what `athena-watch` does in a sweep, as one would write it with Python and boto3.

`make bench` runs it beside the watch against the same stage. It makes the same calls, cold and warm (the bench counts
them), keeps the same memory between invocations, and judges with as little code as does the same work. Its clients are
made at import, once for each process, as AWS recommends.
"""

import json
import os
import re
import time
from datetime import UTC, datetime, timedelta

import boto3

GUARDRAIL = "athena-query-runtime"
ROOT = "/sandbox-guardrails"
SETTINGS = f"{ROOT}/athena/{GUARDRAIL}"
LEVELS = "75,95,100"
SEVERITIES = ("notice", "warning", "breach")
ACTIVE = ("QUEUED", "RUNNING")
BATCH = 50
REMEMBERED = 10 * BATCH
HORIZON = timedelta(hours=10)
FRESH_SECONDS = 55
HEARTBEAT_SECONDS = 300
STRANDED_SECONDS = 10
AROUND = timedelta(seconds=60)
OWNERS_AGAIN = timedelta(minutes=2)
OWNERS_ASKED = timedelta(minutes=10)
KEPT_SECONDS = 400 * 24 * 3600

SANDBOX = {
    "account": os.environ["SANDBOX_ACCOUNT"],
    "region": os.environ["AWS_REGION"],
    "alias": os.environ["SANDBOX_ALIAS"],
}
BUS = os.environ["GUARDRAIL_BUS"]
TABLE = os.environ["LEDGER_TABLE"]

athena = boto3.client("athena")
cloudtrail = boto3.client("cloudtrail")
dynamodb = boto3.client("dynamodb")
events = boto3.client("events")
ssm = boto3.client("ssm")

# What a warm function knows.
read_at, parameters = None, {}
known, active, reported = {}, {}, set()
next_beat = None
no_owners_until, asked_owners = datetime.min.replace(tzinfo=UTC), {}


def sweep(event, context):
    """Looks at every active query of every workgroup, reports those at or over a level, and gives a sign of life."""
    began = datetime.now(UTC)
    settings = in_force()
    workgroups, new = look(began - HORIZON)
    repair(began)
    now = datetime.now(UTC)
    findings = [finding for query in active.values() for finding in judge(query, settings, now)]
    report(findings, now)
    took = datetime.now(UTC) - began
    saw = {"workgroups": workgroups, "active": len(active), "new": new, "findings": len(findings)}
    took_ms = took // timedelta(milliseconds=1)
    print(json.dumps({"level": "INFO", "message": "sweep was completed", "took_ms": took_ms, **saw}))
    beat(saw, took, now)
    find_owners()


def in_force():
    """The parameters, at most a minute old."""
    global read_at, parameters
    if read_at is None or time.monotonic() - read_at >= FRESH_SECONDS:
        pages = ssm.get_paginator("get_parameters_by_path")
        parameters = {
            parameter["Name"]: parameter["Value"]
            for path in (f"{ROOT}/athena", f"{ROOT}/exemptions")
            for page in pages.paginate(Path=path, Recursive=True)
            for parameter in page["Parameters"]
        }
        read_at = time.monotonic()
    return parameters


def look(horizon):
    """Takes in what is new and what is active; how many workgroups there are, and how many queries were new."""
    workgroups, token = [], {}
    while True:
        page = athena.list_work_groups(**token)
        workgroups += [workgroup["Name"] for workgroup in page["WorkGroups"]]
        if not page.get("NextToken"):
            break
        token = {"NextToken": page["NextToken"]}
    waiting = list(active)
    new = sum(look_at(workgroup, horizon, waiting) for workgroup in workgroups)
    for start in range(0, len(waiting), BATCH):
        get(waiting[start : start + BATCH])
    return len(workgroups), new


def look_at(workgroup, horizon, waiting):
    """Pages a history to what is known or to the horizon; new ids not looked up on the way are added to `waiting`."""
    seen, known_here, new, token = [], known.get(workgroup, frozenset()), 0, {}
    while True:
        page = athena.list_query_executions(WorkGroup=workgroup, **token)
        ids, next_token = page["QueryExecutionIds"], page.get("NextToken")
        unknown = [id for id in ids if id not in known_here]
        new += len(unknown)
        seen += ids
        if not next_token or (ids and ids[-1] in known_here):
            waiting += unknown
            break
        if len(unknown) < len(ids):
            waiting += unknown
        elif any(query["Status"]["SubmissionDateTime"] < horizon for query in get(ids)):
            break
        token = {"NextToken": next_token}
    known[workgroup] = frozenset(seen[:REMEMBERED])
    return new


def get(ids):
    """Asks about queries and remembers those that are active."""
    queries = athena.batch_get_query_execution(QueryExecutionIds=ids)["QueryExecutions"]
    for query in queries:
        if query["Status"]["State"] in ACTIVE:
            active[query["QueryExecutionId"]] = query
        else:
            active.pop(query["QueryExecutionId"], None)
    return queries


def judge(query, settings, now):
    """The findings of one query that were not reported before."""
    workgroup, submitted_at = query["WorkGroup"], query["Status"]["SubmissionDateTime"]
    limit = seconds(settings.get(f"{SETTINGS}/limit/{workgroup}") or settings[f"{SETTINGS}/limit"])
    levels = map(int, settings.get(f"{SETTINGS}/levels", LEVELS).split(","))
    elapsed = (now - submitted_at).total_seconds()
    for percent, severity in zip(levels, SEVERITIES):
        id = f"{GUARDRAIL}/{query['QueryExecutionId']}/{percent}"
        if elapsed * 100 < limit * percent or id in reported:
            continue
        yield {
            **header(id, now),
            "guardrail": GUARDRAIL,
            "service": "athena",
            "resource": {"kind": "query", "id": query["QueryExecutionId"]},
            "scope": workgroup,
            "owner": None,
            "state": query["Status"]["State"],
            "started_at": submitted_at.isoformat(),
            "measure": "elapsed_time",
            "level": {"percent": percent, "severity": severity},
            "limit": {"duration": f"PT{limit}S"},
            "measured": {"duration": f"PT{elapsed:.3f}S"},
            "mode": settings[f"{SETTINGS}/mode"],
            "exemption": None,
            "held_back": False,
            "message": f"query in `{workgroup}` has run {elapsed:.0f}s of the {limit}s allowed",
        }


def seconds(text):
    """A limit such as `1h30m`, in seconds."""
    return sum(int(count) * {"h": 3600, "m": 60, "s": 1}[unit] for count, unit in re.findall(r"(\d+)([hms])", text))


def header(id, now):
    """What every event begins with."""
    return {"schema_version": "1", "id": id, "sandbox": SANDBOX, "occurred_at": now.isoformat()}


def report(findings, now):
    """Reports findings through the ledger and the bus: recorded, published, marked as published."""
    global no_owners_until
    recorded = []
    for finding in findings:
        if try_write(dynamodb.put_item, Item=entry(finding, now), ConditionExpression="attribute_not_exists(id)"):
            recorded.append(("Guardrail Finding", finding))
            no_owners_until = now
        reported.add(finding["id"])
    publish(recorded)
    for _, finding in recorded:
        mark_published(finding["id"], now, awaits_owner=True)


def entry(finding, now):
    """A finding as the ledger holds it until it is published."""
    return {
        "id": {"S": finding["id"]},
        "detail_type": {"S": "Guardrail Finding"},
        "detail": {"S": json.dumps(finding)},
        "occurred_at": {"N": milliseconds(now)},
        "recorded_at": {"N": milliseconds(now)},
        "outbox": {"S": "pending"},
        "expires_at": {"N": str(int(now.timestamp()) + KEPT_SECONDS)},
    }


def find_owners():
    """Asks CloudTrail who started what has no owner yet, and tells it under the finding's id."""
    global no_owners_until
    now = datetime.now(UTC)
    if now < no_owners_until:
        return
    unowned = [json.loads(item["detail"]["S"]) for item in waiting_for("unowned", now) if "detail" in item]
    if not unowned:
        no_owners_until = now + OWNERS_ASKED
    for finding in unowned:
        query = finding["resource"]["id"]
        if now < asked_owners.get(query, now):
            continue
        if not claim(f"owner/query/{query}", now, now + OWNERS_AGAIN):
            asked_owners[query] = now + OWNERS_AGAIN
            continue
        started_at = datetime.fromisoformat(finding["started_at"])
        answer = cloudtrail.lookup_events(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "StartQueryExecution"}],
            StartTime=started_at - AROUND,
            EndTime=started_at + AROUND,
        )
        records = (json.loads(event["CloudTrailEvent"]) for event in answer["Events"])
        started = [record for record in records if query in json.dumps(record.get("responseElements"))]
        if not started:
            asked_owners[query] = now + OWNERS_AGAIN
            continue
        arn = started[0]["userIdentity"]["arn"]
        told_at = datetime.now(UTC)
        owned = {**finding, **header(finding["id"], told_at), "owner": arn.split("/")[-1], "principal": arn}
        try_write(
            dynamodb.put_item,
            Item=entry(owned, told_at),
            ConditionExpression="attribute_not_exists(occurred_at) OR occurred_at < :occurred_at",
            ExpressionAttributeValues={":occurred_at": {"N": milliseconds(told_at)}},
        )
        publish([("Guardrail Finding", owned)])
        mark_published(finding["id"], told_at)


def repair(now):
    """Publishes again what an earlier run left pending."""
    before = now - timedelta(seconds=STRANDED_SECONDS)
    stranded = [item for item in waiting_for("pending", before) if "detail" in item]
    publish([(item["detail_type"]["S"], json.loads(item["detail"]["S"])) for item in stranded])
    for item in stranded:
        mark_published(item["id"]["S"], now)


def waiting_for(what, before):
    """The ledger's entries that wait in the outbox for this, recorded before that moment."""
    pages = dynamodb.get_paginator("query").paginate(
        TableName=TABLE,
        IndexName="outbox",
        KeyConditionExpression="outbox = :what AND recorded_at < :before",
        ExpressionAttributeValues={":what": {"S": what}, ":before": {"N": milliseconds(before)}},
    )
    return [item for page in pages for item in page["Items"]]


def beat(saw, took, now):
    """Publishes a heartbeat, at most one in five minutes whoever sweeps."""
    global next_beat
    if next_beat and now < next_beat:
        return
    next_beat = now + timedelta(seconds=HEARTBEAT_SECONDS)
    id = "heartbeat/athena-watch"
    if claim(id, now, next_beat):
        heartbeat = {**header(id, now), "function": "athena-watch", "saw": saw, "took": f"PT{took.total_seconds()}S"}
        publish([("Guardrail Heartbeat", heartbeat)])


def claim(id, now, until):
    """Whether this run is the one to deal with it until then."""
    return try_write(
        dynamodb.update_item,
        Key={"id": {"S": id}},
        UpdateExpression="SET claimed_until = :until, claimed_by = :holder, expires_at = :expires_at",
        ConditionExpression="attribute_not_exists(claimed_until) OR claimed_until <= :now OR claimed_by = :holder",
        ExpressionAttributeValues={
            ":holder": {"S": now.isoformat()},
            ":now": {"N": milliseconds(now)},
            ":until": {"N": milliseconds(until)},
            ":expires_at": {"N": str(int(now.timestamp()) + KEPT_SECONDS)},
        },
    )


def publish(details):
    """Puts events on the bus, ten at a time."""
    for start in range(0, len(details), 10):
        entries = [
            {"EventBusName": BUS, "Source": "sandbox.guardrails", "DetailType": kind, "Detail": json.dumps(detail)}
            for kind, detail in details[start : start + 10]
        ]
        if events.put_events(Entries=entries)["FailedEntryCount"]:
            raise RuntimeError("the bus did not take every event")


def mark_published(id, now, awaits_owner=False):
    """Takes an event out of the outbox, or leaves it there for its owner."""
    values = {":now": {"N": milliseconds(now)}}
    change = "REMOVE outbox SET published_at = :now"
    if awaits_owner:
        change = "SET outbox = :unowned, published_at = :now"
        values[":unowned"] = {"S": "unowned"}
    dynamodb.update_item(
        TableName=TABLE, Key={"id": {"S": id}}, UpdateExpression=change, ExpressionAttributeValues=values
    )


def try_write(write, **arguments):
    """Whether the condition of a write to the ledger held."""
    try:
        write(TableName=TABLE, **arguments)
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True


def milliseconds(instant):
    """An instant as the ledger holds it."""
    return str(int(instant.timestamp() * 1000))
