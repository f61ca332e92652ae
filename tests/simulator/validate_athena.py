"""Athena: every operation on workgroups and queries, its errors and its paging."""

import datetime
import time
import uuid

from botocore.exceptions import ClientError

from validation import Service, control

OPERATIONS = {
    "ListWorkGroups",
    "GetWorkGroup",
    "CreateWorkGroup",
    "UpdateWorkGroup",
    "DeleteWorkGroup",
    "StartQueryExecution",
    "GetQueryExecution",
    "BatchGetQueryExecution",
    "ListQueryExecutions",
    "StopQueryExecution",
}


def check(athena, checks, url):
    workgroups(athena, checks)
    queries(athena, checks)
    paging(athena, checks)
    faults(athena, checks, url)
    stranger = Service(checks, url, "AKIAEXAMPLE", athena.region, "athena")
    stranger.refuse("ListWorkGroups", "UnrecognizedClientException", status=403, why="to a stranger")
    elsewhere = Service(checks, url, athena.account, "us-east-1", "athena")
    checks.that(
        "another Region is another world", len(elsewhere.call("ListWorkGroups", "in another Region")["WorkGroups"]) == 1
    )


def workgroups(athena, checks):
    groups = athena.call("ListWorkGroups", "at first")["WorkGroups"]
    checks.that("primary is there at first", [group["Name"] for group in groups] == ["primary"])
    athena.call(
        "CreateWorkGroup",
        "with everything",
        Name="full",
        Description="ours",
        Tags=[{"Key": "a", "Value": "b"}],
        Configuration={
            "ResultConfiguration": {
                "OutputLocation": "s3://results/full/",
                "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"},
                "ExpectedBucketOwner": "111111111111",
                "AclConfiguration": {"S3AclOption": "BUCKET_OWNER_FULL_CONTROL"},
            },
            "EnforceWorkGroupConfiguration": True,
            "PublishCloudWatchMetricsEnabled": True,
            "RequesterPaysEnabled": True,
            "BytesScannedCutoffPerQuery": 10_000_000,
            "EngineVersion": {"SelectedEngineVersion": "AUTO"},
            "EnableMinimumEncryptionConfiguration": True,
            "QueryResultsS3AccessGrantsConfiguration": {
                "EnableS3AccessGrants": False,
                "AuthenticationType": "DIRECTORY_IDENTITY",
            },
        },
    )
    group = athena.call("GetWorkGroup", "with everything", WorkGroup="full")["WorkGroup"]
    checks.that("settings come back", group["Configuration"]["BytesScannedCutoffPerQuery"] == 10_000_000)
    checks.that("creation time is recent", abs(time.time() - group["CreationTime"].timestamp()) < 60)
    athena.call("CreateWorkGroup", "with nothing", Name="bare")
    athena.call("GetWorkGroup", "with nothing", WorkGroup="bare")
    athena.call(
        "UpdateWorkGroup",
        "of settings",
        WorkGroup="full",
        Description="changed",
        ConfigurationUpdates={
            "BytesScannedCutoffPerQuery": 20_000_000,
            "EnforceWorkGroupConfiguration": False,
            "ResultConfigurationUpdates": {"OutputLocation": "s3://results/other/", "RemoveAclConfiguration": True},
            "ManagedQueryResultsConfigurationUpdates": {"Enabled": False},
        },
    )
    changed = athena.call("GetWorkGroup", "after the update", WorkGroup="full")["WorkGroup"]
    checks.that("update changes the cutoff", changed["Configuration"]["BytesScannedCutoffPerQuery"] == 20_000_000)
    checks.that(
        "update changes one result setting",
        changed["Configuration"]["ResultConfiguration"]
        == {
            "OutputLocation": "s3://results/other/",
            "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"},
            "ExpectedBucketOwner": "111111111111",
        },
    )
    athena.call(
        "UpdateWorkGroup",
        "to remove the cutoff",
        WorkGroup="full",
        ConfigurationUpdates={"RemoveBytesScannedCutoffPerQuery": True},
    )
    bare = athena.call("GetWorkGroup", "without a cutoff", WorkGroup="full")["WorkGroup"]
    checks.that("the cutoff is gone", "BytesScannedCutoffPerQuery" not in bare["Configuration"])
    athena.refuse("CreateWorkGroup", "InvalidRequestException", why="twice", Name="full", says="already created")
    athena.refuse("CreateWorkGroup", "InvalidRequestException", why="with a bad name", Name="a b", says="pattern")
    athena.refuse("CreateWorkGroup", "InvalidRequestException", why="without a name", says="must not be null")
    athena.refuse(
        "GetWorkGroup", "InvalidRequestException", why="when unknown", WorkGroup="none", says="WorkGroup is not found."
    )
    athena.refuse("UpdateWorkGroup", "InvalidRequestException", why="when unknown", WorkGroup="none", says="not found")
    athena.refuse(
        "UpdateWorkGroup", "InvalidRequestException", why="with a bad state", WorkGroup="full", State="OFF", says="enum"
    )
    athena.refuse(
        "UpdateWorkGroup",
        "InvalidRequestException",
        why="with a cutoff under 10 MB",
        WorkGroup="full",
        ConfigurationUpdates={"BytesScannedCutoffPerQuery": 1},
        says="greater than or equal to 10000000",
    )
    athena.refuse(
        "UpdateWorkGroup",
        "SerializationException",
        why="with text for a number",
        WorkGroup="full",
        ConfigurationUpdates={"BytesScannedCutoffPerQuery": "1"},
    )
    for number in range(60):
        athena.client.create_work_group(Name=f"group-{number:02}")
    names, token = [], None
    while True:
        page = athena.call(
            "ListWorkGroups", f"page {len(names) // 25 + 1}", MaxResults=25, **({"NextToken": token} if token else {})
        )
        names += [group["Name"] for group in page["WorkGroups"]]
        token = page.get("NextToken")
        if not token:
            break
    checks.that(
        "pages of workgroups are complete and in order", len(names) == 63 and names == sorted(set(names)), names
    )
    athena.refuse(
        "ListWorkGroups",
        "InvalidRequestException",
        why="with a page of 51",
        MaxResults=51,
        says="less than or equal to 50",
    )
    athena.refuse(
        "ListWorkGroups",
        "InvalidRequestException",
        why="with a page of 0",
        MaxResults=0,
        says="greater than or equal to 1",
    )
    athena.refuse(
        "ListWorkGroups",
        "InvalidRequestException",
        why="with a bad token",
        NextToken="x",
        says="nextPageToken is malformed: x",
    )


def queries(athena, checks):
    def start(sql, why="", **more):
        return athena.call("StartQueryExecution", why, QueryString=sql, **more)["QueryExecutionId"]

    def get(query, why):
        return athena.call("GetQueryExecution", why, QueryExecutionId=query)["QueryExecution"]

    running = start("SELECT 1 -- simulate: age 28m, queue 5s", "in the past")
    seen = get(running, "while it runs")
    age = datetime.datetime.now(datetime.timezone.utc) - seen["Status"]["SubmissionDateTime"]
    checks.that("it was submitted 28 minutes ago", abs(age.total_seconds() - 28 * 60) < 5, age)
    checks.that(
        "its statistics add up",
        seen["Statistics"]["TotalExecutionTimeInMillis"]
        == seen["Statistics"]["QueryQueueTimeInMillis"] + seen["Statistics"]["EngineExecutionTimeInMillis"],
    )
    later = get(running, "a little later")
    checks.that(
        "what it reads grows", later["Statistics"]["DataScannedInBytes"] >= seen["Statistics"]["DataScannedInBytes"] > 0
    )
    states = {
        "QUEUED": start("SELECT 1 -- simulate: queue 1h", "that queues"),
        "RUNNING": running,
        "SUCCEEDED": start("SELECT 1 -- simulate: age 1m, run 30s", "that has ended"),
        "FAILED": start("SELECT 1 -- simulate: age 1m, run 30s, fail", "that has failed"),
        "CANCELLED": start(
            "SELECT 1",
            "to be stopped",
            QueryExecutionContext={"Database": "d", "Catalog": "AwsDataCatalog"},
            ExecutionParameters=["1"],
            ResultConfiguration={"OutputLocation": "s3://mine/here"},
            ResultReuseConfiguration={"ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": 60}},
        ),
    }
    athena.call("StopQueryExecution", QueryExecutionId=states["CANCELLED"])
    athena.call("StopQueryExecution", "again", QueryExecutionId=states["CANCELLED"])
    athena.call("StopQueryExecution", "after its end", QueryExecutionId=states["SUCCEEDED"])
    for state, query in states.items():
        checks.that(f"state {state}", get(query, f"when {state}")["Status"]["State"] == state)
    cancelled = get(states["CANCELLED"], "with everything it was started with")
    checks.that("a stop gives its reason", cancelled["Status"]["StateChangeReason"] == "Query cancelled by user")
    checks.that(
        "the catalogue is in lower case",
        cancelled["QueryExecutionContext"] == {"Database": "d", "Catalog": "awsdatacatalog"},
    )
    for sql in ("CREATE TABLE t (i int)", "SHOW TABLES", "INSERT INTO t VALUES (1)"):
        get(start(sql, f"of {sql}"), f"of {sql}")
    batch = athena.call(
        "BatchGetQueryExecution", "of every state and an unknown id", QueryExecutionIds=[*states.values(), "unknown"]
    )
    checks.that(
        "the batch has every state", [query["Status"]["State"] for query in batch["QueryExecutions"]] == list(states)
    )
    checks.that(
        "the batch names the unknown",
        [each["QueryExecutionId"] for each in batch["UnprocessedQueryExecutionIds"]] == ["unknown"],
    )
    athena.refuse(
        "BatchGetQueryExecution",
        "InvalidRequestException",
        why="with 51 ids",
        QueryExecutionIds=["x"] * 51,
        says="less than or equal to 50",
    )
    athena.refuse("BatchGetQueryExecution", "InvalidRequestException", why="without ids", says="must not be null")
    for operation in ("GetQueryExecution", "StopQueryExecution"):
        athena.refuse(
            operation,
            "InvalidRequestException",
            why="when unknown",
            QueryExecutionId="unknown",
            says="QueryExecution unknown was not found",
        )
    athena.refuse("GetQueryExecution", "InvalidRequestException", why="without an id", says="'queryExecutionId'")
    token = str(uuid.uuid4())
    once = [start("SELECT 2", "with a token", ClientRequestToken=token) for _ in range(2)]
    checks.that("a token starts one query", once[0] == once[1])
    athena.refuse(
        "StartQueryExecution",
        "InvalidRequestException",
        why="with a token used otherwise",
        QueryString="SELECT 3",
        ClientRequestToken=token,
        says="Idempotent parameters do not match",
    )
    athena.refuse(
        "StartQueryExecution",
        "InvalidRequestException",
        why="with a short token",
        QueryString="SELECT 3",
        ClientRequestToken="x",
        says="32",
    )
    athena.refuse("StartQueryExecution", "InvalidRequestException", why="without SQL", says="'queryString'")
    athena.refuse(
        "StartQueryExecution",
        "InvalidRequestException",
        why="with a bad place for results",
        QueryString="SELECT 3",
        ResultConfiguration={"OutputLocation": "nowhere"},
        says="not a valid S3 path",
    )
    athena.refuse(
        "StartQueryExecution",
        "InvalidRequestException",
        why="in an unknown workgroup",
        QueryString="SELECT 3",
        WorkGroup="none",
        says="not found",
    )
    athena.call("UpdateWorkGroup", "to disable", WorkGroup="full", State="DISABLED")
    athena.refuse(
        "StartQueryExecution",
        "InvalidRequestException",
        why="in a disabled workgroup",
        QueryString="SELECT 3",
        WorkGroup="full",
        says="disabled",
    )
    athena.call("UpdateWorkGroup", "to enable", WorkGroup="full", State="ENABLED")
    athena.refuse("GetQueryResults", "UnknownOperationException", why="as not simulated", QueryExecutionId=running)
    start("SELECT 4", "in a workgroup", WorkGroup="full")
    athena.refuse(
        "DeleteWorkGroup", "InvalidRequestException", why="when not empty", WorkGroup="full", says="not empty"
    )
    athena.call("DeleteWorkGroup", "with its history", WorkGroup="full", RecursiveDeleteOption=True)
    athena.call("DeleteWorkGroup", "when empty", WorkGroup="bare")
    athena.refuse("DeleteWorkGroup", "InvalidRequestException", why="of primary", WorkGroup="primary")


def paging(athena, checks):
    athena.call("CreateWorkGroup", "for a history", Name="history")
    seeded = athena.control(
        "POST",
        "history",
        {"workgroup": "history", "count": 120, "spacing": "10s", "newest_age": "1h"},
    )["ids"]
    listed, sizes = [], []
    for page in athena.client.get_paginator("list_query_executions").paginate(WorkGroup="history"):
        checks.say(f"ListQueryExecutions page {len(sizes) + 1}", athena.check_success("ListQueryExecutions"))
        sizes.append(len(page["QueryExecutionIds"]))
        listed += page["QueryExecutionIds"]
    checks.that("pages are of 50", sizes == [50, 50, 20], sizes)
    checks.that("pages are complete and newest first", listed == seeded)
    batch = athena.call("BatchGetQueryExecution", "of 50", QueryExecutionIds=listed[:50])["QueryExecutions"]
    times = [query["Status"]["SubmissionDateTime"] for query in batch]
    checks.that("submission times fall", times == sorted(times, reverse=True))
    athena.call("ListQueryExecutions", "of primary when none is named")
    athena.refuse(
        "ListQueryExecutions",
        "InvalidRequestException",
        why="of an unknown workgroup",
        WorkGroup="none",
        says="not found",
    )
    athena.refuse("ListQueryExecutions", "InvalidRequestException", why="with a page of 51", MaxResults=51, says="50")
    athena.refuse(
        "ListQueryExecutions", "InvalidRequestException", why="with a bad token", NextToken="x", says="malformed"
    )


def faults(athena, checks, url):
    for code, status in (
        ("ThrottlingException", 400),
        ("TooManyRequestsException", 400),
        ("InternalServerException", 500),
        ("AccessDeniedException", 400),
    ):
        operation = "StartQueryExecution" if code == "TooManyRequestsException" else "ListWorkGroups"
        control(
            url,
            "POST",
            "faults",
            {"operation": operation, "times": 1, "error": {"code": code, "status": status, "message": "on purpose"}},
        )
        arguments = {"QueryString": "SELECT 1"} if operation == "StartQueryExecution" else {}
        meet_fault(athena, operation, code, status, arguments)
    control(url, "DELETE", "faults")
    athena.call("ListWorkGroups", "after the faults")


def meet_fault(athena, operation, code, status, arguments):
    """A fault answers the generic body, not the operation's shape, so only what a client sees of it is checked."""
    try:
        athena.method(operation)(**arguments)
        found = ["it succeeded"]
    except ClientError as error:
        seen = (
            error.response["Error"]["Code"],
            error.response["ResponseMetadata"]["HTTPStatusCode"],
            error.response["Error"]["Message"],
        )
        found = [] if seen == (code, status, "on purpose") else [f"botocore read {seen}"]
    athena.checks.say(f"{operation} meets {code}", found)
