"""Glue: every operation on interactive sessions, statements, jobs and job runs, its errors and its paging."""

import datetime
import time

from botocore.exceptions import ClientError

OPERATIONS = {
    "ListSessions",
    "GetSession",
    "CreateSession",
    "StopSession",
    "ListStatements",
    "RunStatement",
    "ListJobs",
    "GetJobs",
    "GetJobRuns",
    "GetJobRun",
    "StartJobRun",
    "BatchStopJobRun",
    "GetTags",
}
INVALID = "InvalidInputException"
UNKNOWN = "EntityNotFoundException"
ILLEGAL = "IllegalSessionStateException"


def check(glue, checks, url):
    sessions(glue, checks)
    statements(glue, checks)
    runs(glue, checks)
    stops(glue, checks)
    paging(glue, checks)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def sessions(glue, checks):
    role = f"arn:aws:iam::{glue.account}:role/analyst"
    command = {"Name": "glueetl", "PythonVersion": "3"}
    glue.call(
        "CreateSession",
        "with everything",
        Id="full",
        Description="ours",
        Role=role,
        Command=command,
        Timeout=600,
        IdleTimeout=30,
        DefaultArguments={"--simulate": "age 10m, start 1m, stop 1h"},
        Connections={"Connections": ["one"]},
        NumberOfWorkers=4,
        WorkerType="G.025X",
        SecurityConfiguration="secure",
        GlueVersion="5.0",
        Tags={"owner": "ann"},
        SessionType="LIVY",
    )
    full = glue.call("GetSession", "with everything", Id="full")["Session"]
    checks.that("what was asked comes back", full["DefaultArguments"]["--simulate"].startswith("age"), full)
    checks.that("a quarter DPU counts as one", full["MaxCapacity"] == 1.0, full["MaxCapacity"])
    checks.that("it was created 10 minutes ago", abs((now() - full["CreatedOn"]).total_seconds() - 600) < 5)
    glue.call("CreateSession", "with the least", Id="bare", Role=role, Command=command)
    bare = glue.call("GetSession", "with the least", Id="bare", RequestOrigin="notebook")["Session"]
    checks.that("the least is ten DPUs for two days", (bare["MaxCapacity"], bare["IdleTimeout"]) == (10.0, 2_880), bare)
    glue.call("CreateSession", "by capacity", Id="dpus", Role=role, Command=command, MaxCapacity=2.5)
    specs = {
        "PROVISIONING": {"provisioning": "1h"},
        "READY": {"age": "1h"},
        "FAILED": {"age": "1h", "outcome": "fails"},
        "TIMEOUT": {"age": "1h", "idle_for": "45m", "idle_timeout": "30m"},
        "STOPPING": {"stopping_takes": "1h"},
        "STOPPED": {"age": "1h"},
    }
    for state, spec in specs.items():
        glue.control("POST", "sessions", {"id": state, **spec})
    for state in ("STOPPING", "STOPPED"):
        glue.call("StopSession", f"to be {state}", Id=state, RequestOrigin="notebook")
    for state in specs:
        seen = glue.call("GetSession", f"when {state}", Id=state)["Session"]
        checks.that(f"state {state}", seen["Status"] == state, seen["Status"])
        if state not in ("PROVISIONING", "READY"):
            glue.refuse("StopSession", ILLEGAL, why=f"when {state}", Id=state, says=f"Session is in {state} status")
        if state != "READY":
            glue.refuse("ListStatements", ILLEGAL, why=f"when {state}", SessionId=state, says="unavailable")
            says = f"session_id={state}, status={state}"
            glue.refuse("RunStatement", INVALID, why=f"when {state}", SessionId=state, Code="1", says=says)
    listed = glue.call("ListSessions", "of every state")
    checks.that("ids and sessions agree", listed["Ids"] == [each["Id"] for each in listed["Sessions"]])
    checks.that("all are listed", {*specs, "full", "bare", "dpus"} == set(listed["Ids"]), listed["Ids"])
    owned = glue.call("ListSessions", "by tag", Tags={"owner": "ann"})["Ids"]
    checks.that("the tag finds its session", owned == ["full"], owned)
    arn = f"arn:aws:glue:{glue.region}:{glue.account}:session/"
    tags = glue.call("GetTags", "of a session", ResourceArn=arn + "full")["Tags"]
    checks.that("tags come back", tags == {"owner": "ann"}, tags)
    glue.refuse("GetTags", UNKNOWN, why="of an unknown session", ResourceArn=arn + "none", says="not found")
    glue.refuse("GetTags", INVALID, why="of what is no ARN", ResourceArn="full", says="regular expression")
    glue.refuse("CreateSession", "AlreadyExistsException", why="twice", Id="bare", Role=role, Command=command)
    glue.refuse("CreateSession", INVALID, why="without a command", Id="a", Role=role, says="'command'")
    glue.refuse("CreateSession", INVALID, why="with a bad role", Id="a", Role="a" * 20, Command=command, says="pattern")
    both = {"MaxCapacity": 2.0, "WorkerType": "G.1X", "NumberOfWorkers": 2}
    glue.refuse("CreateSession", INVALID, why="with two sizes", Id="a", Role=role, Command=command, **both)
    odd = {"WorkerType": "G.3X", "NumberOfWorkers": 2}
    glue.refuse("CreateSession", INVALID, why="of odd workers", Id="a", Role=role, Command=command, says="enum", **odd)
    glue.refuse("GetSession", UNKNOWN, why="when unknown", Id="none", says="Session none not found")
    glue.refuse("GetSession", INVALID, why="without an id", says="must not be null")
    glue.refuse("ListSessions", INVALID, why="with a page of 1001", MaxResults=1_001, says="equal to 1000")
    glue.refuse("ListSessions", INVALID, why="with a bad token", NextToken="x", says="NextToken")
    glue.refuse("ListSessions", "SerializationException", why="with a number for a tag", Tags={"owner": 1})
    # The model lists no such error for this operation; it is what a client has to expect of a session that is gone.
    try:
        glue.method("StopSession")(Id="none")
        code = "none"
    except ClientError as error:
        code = error.response["Error"]["Code"]
    checks.that("StopSession is refused when unknown", code == UNKNOWN, code)


def statements(glue, checks):
    code = "spark.range(10).count()"
    glue.control("POST", "sessions", {"id": "busy", "age": "1h", "statements": [{"age": "50m", "runs_for": "5m"}]})
    for why, directive in (("that fails", "fail, run 1s, age 40m"), ("that runs", "age 30m"), ("that waits", "")):
        glue.call("RunStatement", why, SessionId="busy", Code=f"{code} # simulate: {directive}")
    seen = glue.call("ListStatements", "of every state but one", SessionId="busy")["Statements"]
    states = [each["State"] for each in seen]
    checks.that("statements run in turn", states == ["AVAILABLE", "ERROR", "RUNNING", "WAITING"], states)
    age = time.time() - seen[0]["StartedOn"] / 1_000
    checks.that("their times are in milliseconds", abs(age - 50 * 60) < 5, age)
    ended = [each["CompletedOn"] > 0 for each in seen]
    checks.that("what has not ended has no end", ended == [True, True, False, False], ended)
    glue.call("StopSession", "with statements", Id="busy")
    left = glue.control("GET", "sessions/busy/statements")["statements"]
    checks.that("a stop cancels what is left", [each["state"] for each in left[2:]] == ["CANCELLED"] * 2, left)
    glue.refuse("RunStatement", INVALID, why="without code", SessionId="busy", says="'code'")
    glue.refuse("RunStatement", UNKNOWN, why="in an unknown session", SessionId="none", Code="1")
    glue.refuse("ListStatements", UNKNOWN, why="of an unknown session", SessionId="none")


def runs(glue, checks):
    job = {"name": "etl", "max_concurrent_runs": 9, "notify_delay_after": "90s", "tags": {"owner": "ann"}}
    glue.control("POST", "jobs", job)
    glue.control("POST", "jobs", {"name": "once"})
    jobs = glue.call("GetJobs", "with and without a delay")["Jobs"]
    checks.that("jobs come by name", [each["Name"] for each in jobs] == ["etl", "once"], jobs)
    checks.that("a begun minute counts", jobs[0]["NotificationProperty"] == {"NotifyDelayAfter": 2}, jobs[0])
    names = glue.call("ListJobs", "by tag", Tags={"owner": "ann"})["JobNames"]
    checks.that("the tag finds its job", names == ["etl"], names)
    arn = f"arn:aws:glue:{glue.region}:{glue.account}:job/etl"
    checks.that("tags come back", glue.call("GetTags", "of a job", ResourceArn=arn)["Tags"] == {"owner": "ann"})
    started = glue.call(
        "StartJobRun",
        "with everything",
        JobName="etl",
        JobRunQueuingEnabled=True,
        Arguments={"--simulate": "age 10m, start 30s", "--day": "1"},
        Timeout=45,
        SecurityConfiguration="secure",
        NotificationProperty={"NotifyDelayAfter": 5},
        WorkerType="G.4X",
        NumberOfWorkers=3,
        ExecutionClass="FLEX",
        ExecutionRoleSessionPolicy="{}",
    )["JobRunId"]
    seen = glue.call("GetJobRun", "with everything", JobName="etl", RunId=started, PredecessorsIncluded=True)["JobRun"]
    size = seen["WorkerType"], seen["NumberOfWorkers"], seen["MaxCapacity"], seen["AllocatedCapacity"]
    checks.that("its size comes back", size == ("G.4X", 3, 12.0, 12), size)
    checks.that("it has run for 9.5 minutes", abs(seen["ExecutionTime"] - 570) < 5, seen["ExecutionTime"])
    glue.call("StartJobRun", "by capacity", JobName="etl", MaxCapacity=0.0625, Arguments={"--simulate": "run 0s"})
    specs = {
        "WAITING": {"waiting": "1h"},
        "STARTING": {"starting": "1h"},
        "RUNNING": {"age": "1h"},
        "STOPPING": {"stopping_takes": "1h"},
        "STOPPED": {"age": "1h"},
        "SUCCEEDED": {"age": "1h", "runs_for": "1m"},
        "FAILED": {"age": "1h", "runs_for": "1m", "outcome": "fails"},
        "TIMEOUT": {"age": "1h", "timeout": "10m"},
    }
    ids = {state: glue.control("POST", "runs", {"job": "etl", **spec})["id"] for state, spec in specs.items()}
    stopping = [ids["STOPPING"], ids["STOPPED"]]
    glue.call("BatchStopJobRun", "of two", JobName="etl", JobRunIds=stopping)
    for state, run in ids.items():
        seen = glue.call("GetJobRun", f"when {state}", JobName="etl", RunId=run)["JobRun"]
        checks.that(f"state {state}", seen["JobRunState"] == state, seen["JobRunState"])
    again = glue.call("StartJobRun", "again", JobName="etl", JobRunId=ids["FAILED"])["JobRunId"]
    seen = glue.call("GetJobRun", "of a second attempt", JobName="etl", RunId=again)["JobRun"]
    checks.that("an attempt names the one before", (seen["PreviousRunId"], seen["Attempt"]) == (ids["FAILED"], 1), seen)
    glue.call("StartJobRun", "the only one", JobName="once")
    says = "Concurrent runs exceeded for once"
    glue.refuse("StartJobRun", "ConcurrentRunsExceededException", why="past the limit", JobName="once", says=says)
    glue.refuse("StartJobRun", UNKNOWN, why="of an unknown job", JobName="none", says="missing metadata")
    glue.refuse("StartJobRun", UNKNOWN, why="after an unknown run", JobName="etl", JobRunId="none")
    glue.refuse("StartJobRun", INVALID, why="without a job", says="'jobName'")
    glue.refuse("StartJobRun", INVALID, why="without time", JobName="etl", Timeout=0, says="equal to 1")
    glue.refuse("StartJobRun", INVALID, why="of an odd class", JobName="etl", ExecutionClass="CHEAP", says="enum")
    glue.refuse("StartJobRun", "SerializationException", why="with a number", JobName="etl", Arguments={"--a": 1})
    glue.refuse("GetJobRun", UNKNOWN, why="when unknown", JobName="etl", RunId="none")
    glue.refuse("GetJobRun", UNKNOWN, why="of another job", JobName="once", RunId=started)
    glue.refuse("GetJobRuns", UNKNOWN, why="of an unknown job", JobName="none")
    glue.refuse("CancelStatement", "UnknownOperationException", why="as not simulated", SessionId="READY", Id=0)


def stops(glue, checks):
    runs = [glue.control("POST", "runs", {"job": "stops"})["id"] for _ in range(3)]
    answer = glue.call("BatchStopJobRun", "of known and unknown", JobName="stops", JobRunIds=[*runs, "none"])
    done = [each["JobRunId"] for each in answer["SuccessfulSubmissions"]]
    checks.that("every known run is stopped", done == runs, done)
    checks.that("the unknown one is an error", [each["JobRunId"] for each in answer["Errors"]] == ["none"], answer)
    answer = glue.call("BatchStopJobRun", "again", JobName="stops", JobRunIds=runs[:1])
    checks.that("what has stopped cannot be stopped", not answer["SuccessfulSubmissions"] and answer["Errors"], answer)
    glue.call("BatchStopJobRun", "of an unknown job", JobName="none", JobRunIds=runs)
    glue.refuse("BatchStopJobRun", INVALID, why="with 26 runs", JobName="stops", JobRunIds=["x"] * 26, says="25")
    glue.refuse("BatchStopJobRun", INVALID, why="without runs", JobName="stops", says="'jobRunIds'")


def paging(glue, checks):
    past = {"spacing": "5m", "newest_age": "2h"}
    names = glue.control("POST", "history/jobs", {"count": 230, "runs": 1, **past})["names"]
    seeded = glue.control("POST", "history/runs", {"job": "long", "count": 450, **past})["ids"]
    glue.control("POST", "history/sessions", {"count": 150, **past})
    listed, sizes = [], []
    for page in glue.client.get_paginator("get_job_runs").paginate(JobName="long", PaginationConfig={"PageSize": 200}):
        checks.say(f"GetJobRuns page {len(sizes) + 1}", glue.check_success("GetJobRuns"))
        sizes.append(len(page["JobRuns"]))
        listed += [run["Id"] for run in page["JobRuns"]]
    checks.that("pages of runs are of 200", sizes == [200, 200, 50], sizes)
    checks.that("runs are complete and newest first", listed == seeded)
    jobs = []
    for page in glue.client.get_paginator("get_jobs").paginate():
        checks.say(f"GetJobs page of {len(page['Jobs'])}", glue.check_success("GetJobs"))
        jobs += [job["Name"] for job in page["Jobs"]]
    checks.that("jobs are complete and in order", jobs == sorted(set(jobs)) and set(names) < set(jobs), len(jobs))
    checks.that("job names are the same", pages(glue, "ListJobs", "JobNames") == jobs)
    sessions = pages(glue, "ListSessions", "Sessions")
    times = [session["CreatedOn"] for session in sessions]
    checks.that("sessions are complete and newest first", len(times) > 150 and times == sorted(times, reverse=True))
    glue.refuse("GetJobRuns", INVALID, why="with a page of 201", JobName="long", MaxResults=201, says="200")
    glue.refuse("GetJobs", INVALID, why="with a page of 0", MaxResults=0, says="equal to 1")
    glue.refuse("ListJobs", INVALID, why="with a bad token", NextToken="x", says="NextToken")


def pages(glue, operation, member):
    """All entries of a list for which boto3 has no paginator."""
    entries, more = [], {}
    while True:
        page = glue.call(operation, f"from entry {len(entries)}", **more)
        entries += page[member]
        if "NextToken" not in page:
            return entries
        more = {"NextToken": page["NextToken"]}
