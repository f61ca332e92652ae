"""CloudTrail: looking up who created what, its errors and its paging."""

import datetime
import json

from validation import control

OPERATIONS = {"LookupEvents"}


def check(trail, checks, url):
    attributes(trail, checks)
    paging(trail, checks)
    refusals(trail, checks)
    delays(trail, checks)


def lookup(trail, why, key=None, value=None, **more):
    if key:
        more["LookupAttributes"] = [{"AttributeKey": key, "AttributeValue": value}]
    return trail.call("LookupEvents", why, **more)["Events"]


def start_query(trail, **spec):
    path = f"accounts/{trail.account}/{trail.region}/athena/queries"
    return control(trail.url, "POST", path, spec)["id"]


def attributes(trail, checks):
    query = start_query(trail, started_by="validator", age="2m")
    event = lookup(trail, "by user", "Username", "validator")[0]
    record = json.loads(event["CloudTrailEvent"])
    checks.that("the record names the query", record["responseElements"]["queryExecutionId"] == query, record)
    checks.that("the record names the session", record["userIdentity"]["arn"].endswith("/DataScientist/validator"))
    age = datetime.datetime.now(datetime.timezone.utc) - event["EventTime"]
    checks.that("the event is two minutes old", abs(age.total_seconds() - 120) < 5, age)
    for key, value in (
        ("EventName", "StartQueryExecution"),
        ("EventSource", "athena.amazonaws.com"),
        ("EventId", event["EventId"]),
        ("ReadOnly", "false"),
    ):
        found = {each["EventId"] for each in lookup(trail, f"by {key}", key, value)}
        checks.that(f"{key} finds it", event["EventId"] in found)
    for key, value in (("ReadOnly", "true"), ("ResourceType", "none"), ("ResourceName", "none"), ("AccessKeyId", "A")):
        checks.that(f"{key} {value} finds none", lookup(trail, f"by {key} {value}", key, value) == [])
    seconds = datetime.timedelta(seconds=1)
    window = {"StartTime": event["EventTime"] - seconds, "EndTime": event["EventTime"] + seconds}
    found = [each["EventId"] for each in lookup(trail, "in a window", "Username", "validator", **window)]
    checks.that("a window finds it", found == [event["EventId"]])
    before = {"EndTime": event["EventTime"] - seconds}
    checks.that("a window before it does not", lookup(trail, "before it", "Username", "validator", **before) == [])


def paging(trail, checks):
    for number in range(60):
        start_query(trail, started_by="pager", age=f"{number + 1}m")
    listed, sizes = [], []
    arguments = {"LookupAttributes": [{"AttributeKey": "Username", "AttributeValue": "pager"}]}
    for page in trail.client.get_paginator("lookup_events").paginate(**arguments):
        checks.say(f"LookupEvents page {len(sizes) + 1}", trail.check_success("LookupEvents"))
        sizes.append(len(page["Events"]))
        listed += [event["EventTime"] for event in page["Events"]]
    checks.that("pages are of 50", sizes == [50, 10], sizes)
    checks.that("events are newest first", listed == sorted(listed, reverse=True))
    checks.that("a page may be shorter", len(lookup(trail, "of seven", MaxResults=7)) == 7)


def refusals(trail, checks):
    two = [{"AttributeKey": "Username", "AttributeValue": "a"}, {"AttributeKey": "EventName", "AttributeValue": "b"}]
    now = datetime.datetime.now(datetime.timezone.utc)
    for code, why, arguments in (
        ("InvalidLookupAttributesException", "with two attributes", {"LookupAttributes": two}),
        ("InvalidMaxResultsException", "with a page of 51", {"MaxResults": 51}),
        ("InvalidMaxResultsException", "with a page of 0", {"MaxResults": 0}),
        ("InvalidNextTokenException", "with a bad token", {"NextToken": "x"}),
        (
            "InvalidTimeRangeException",
            "with an end before its start",
            {"StartTime": now, "EndTime": now - datetime.timedelta(hours=1)},
        ),
        (
            "ValidationException",
            "with an unknown attribute",
            {"LookupAttributes": [{"AttributeKey": "Colour", "AttributeValue": "red"}]},
        ),
    ):
        trail.refuse("LookupEvents", code, why=why, **arguments)


def delays(trail, checks):
    trail.control("PUT", "delivery", {"delay": "1h"})
    start_query(trail, started_by="late")
    checks.that("a late event is not seen", lookup(trail, "of a late event", "Username", "late") == [])
    trail.control("PUT", "delivery", {"delay": "0s"})
    checks.that("it is seen in the end", len(lookup(trail, "of an event delivered", "Username", "late")) == 1)
