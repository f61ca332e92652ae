"""EMR: every operation on clusters and steps, its errors and its paging."""

import time

OPERATIONS = {
    "ListClusters",
    "DescribeCluster",
    "ListInstanceGroups",
    "ListInstanceFleets",
    "ListInstances",
    "ListBootstrapActions",
    "ListSteps",
    "DescribeStep",
    "CancelSteps",
    "TerminateJobFlows",
    "SetTerminationProtection",
    "GetAutoTerminationPolicy",
    "PutAutoTerminationPolicy",
    "RemoveAutoTerminationPolicy",
    "RunJobFlow",
    "AddJobFlowSteps",
}
INVALID = "InvalidRequestException"
VALIDATION = "ValidationException"


def check(emr, checks, url):
    cluster = clusters(emr, checks)
    collections(emr, checks, cluster)
    steps(emr, checks, cluster)
    policies(emr, checks, cluster)
    terminations(emr, checks, cluster)
    paging(emr, checks)


def start(emr, **spec):
    return emr.control("POST", "clusters", {"starting_takes": "0s", "terminating_takes": "0s", **spec})["id"]


def add(emr, cluster, **spec):
    return emr.control("POST", "steps", {"cluster": cluster, **spec})["id"]


def describe(emr, cluster, why):
    return emr.call("DescribeCluster", why, ClusterId=cluster)["Cluster"]


def wait_for(what):
    for _ in range(200):
        if found := what():
            return found
        time.sleep(0.02)
    raise TimeoutError("gave up waiting")


def clusters(emr, checks):
    run = emr.call(
        "RunJobFlow",
        "with everything",
        Name="full",
        ReleaseLabel="emr-6.15.0",
        LogUri="s3://logs/emr/",
        Instances={
            "InstanceGroups": [
                {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1},
                {"InstanceRole": "CORE", "InstanceType": "r5.2xlarge", "InstanceCount": 4},
                {"InstanceRole": "TASK", "InstanceType": "c5.xlarge", "InstanceCount": 9, "Market": "SPOT"},
            ],
            "KeepJobFlowAliveWhenNoSteps": True,
            "TerminationProtected": True,
            "Ec2SubnetId": "subnet-1",
            "Ec2KeyName": "key",
        },
        Steps=[step("first", "simulate: run 50ms")],
        Applications=[{"Name": "Spark"}, {"Name": "Hive"}],
        Tags=[{"Key": "owner", "Value": "anna"}, {"Key": "project", "Value": "p1"}],
        SecurityConfiguration="encrypted",
        StepConcurrencyLevel=2,
        AutoTerminationPolicy={"IdleTimeout": 3600},
        JobFlowRole="EMR_EC2_Role",
        ServiceRole="EMR_Role",
    )
    cluster = run["JobFlowId"]
    seen = {}
    while "WAITING" not in seen:
        described = emr.client.describe_cluster(ClusterId=cluster)["Cluster"]
        seen[described["Status"]["State"]] = described
    checks.say("DescribeCluster when WAITING", emr.check_success("DescribeCluster"))
    checks.that("it came up", {"STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"} <= set(seen), set(seen))
    full = describe(emr, cluster, "with everything")
    checks.that(
        "what was asked for comes back",
        (full["ReleaseLabel"], full["SecurityConfiguration"], full["TerminationProtected"], full["AutoTerminate"])
        == ("emr-6.15.0", "encrypted", True, False),
    )
    checks.that(
        "tags come back", {tag["Key"]: tag["Value"] for tag in full["Tags"]} == {"owner": "anna", "project": "p1"}
    )
    checks.that("concurrency comes back", full["StepConcurrencyLevel"] == 2)
    checks.that("the ARN is the same", full["ClusterArn"] == run["ClusterArn"])
    checks.that("the master has a name", full["MasterPublicDnsName"].endswith(".compute.internal"))
    bare = emr.call(
        "RunJobFlow",
        "with little",
        Name="bare",
        Instances={"MasterInstanceType": "m5.xlarge", "SlaveInstanceType": "m5.xlarge", "InstanceCount": 3},
    )["JobFlowId"]
    ended = wait_for(lambda: find(emr, bare, "TERMINATED"))
    checks.say("DescribeCluster when TERMINATED", emr.check_success("DescribeCluster"))
    checks.that(
        "without steps it ends by itself", ended["Status"]["StateChangeReason"]["Code"] == "ALL_STEPS_COMPLETED"
    )
    checks.that("without a security configuration there is none", "SecurityConfiguration" not in ended)
    failed = start(emr, age="1h", runs_for="10m", fails=True)
    checks.that(
        "a cluster may break",
        describe(emr, failed, "when broken")["Status"]["State"] == "TERMINATED_WITH_ERRORS",
    )
    emr.refuse(
        "DescribeCluster", INVALID, why="when unknown", ClusterId="j-NONE", says="Cluster id 'j-NONE' is not valid."
    )
    emr.refuse("DescribeCluster", VALIDATION, why="without an id", says="must not be null")
    emr.refuse("RunJobFlow", VALIDATION, why="without a name", Instances={}, says="'name'")
    emr.refuse("RunJobFlow", VALIDATION, why="without instances", Name="x", says="'instances'")
    emr.refuse(
        "RunJobFlow",
        VALIDATION,
        why="with a bad release",
        Name="x",
        ReleaseLabel="latest",
        Instances={"MasterInstanceType": "m5.xlarge"},
        says="latest",
    )
    emr.refuse(
        "RunJobFlow",
        VALIDATION,
        why="with groups and fleets",
        Name="x",
        Instances={"InstanceGroups": [], "InstanceFleets": []},
        says="mutually exclusive",
    )
    emr.refuse(
        "RunJobFlow",
        VALIDATION,
        why="with a policy its release does not know",
        Name="x",
        ReleaseLabel="emr-5.29.0",
        Instances={"MasterInstanceType": "m5.xlarge"},
        AutoTerminationPolicy={"IdleTimeout": 60},
        says="emr-5.29.0",
    )
    return cluster


def find(emr, cluster, state):
    described = emr.client.describe_cluster(ClusterId=cluster)["Cluster"]
    return described if described["Status"]["State"] == state else None


def step(name, *args, action="CONTINUE"):
    jar = {"Jar": "command-runner.jar", "Args": ["spark-submit", *args], "Properties": [{"Key": "a", "Value": "b"}]}
    return {"Name": name, "ActionOnFailure": action, "HadoopJarStep": {**jar, "MainClass": "com.example.Main"}}


def collections(emr, checks, groups):
    found = emr.call("ListInstanceGroups", ClusterId=groups)["InstanceGroups"]
    kinds = [(each["InstanceGroupType"], each["InstanceType"], each["RunningInstanceCount"]) for each in found]
    checks.that(
        "every group is there",
        kinds == [("MASTER", "m5.xlarge", 1), ("CORE", "r5.2xlarge", 4), ("TASK", "c5.xlarge", 9)],
    )
    fleets = emr.call(
        "RunJobFlow",
        "with fleets",
        Name="fleets",
        ReleaseLabel="emr-7.5.0",
        Instances={
            "InstanceFleets": [
                {
                    "InstanceFleetType": "MASTER",
                    "TargetOnDemandCapacity": 1,
                    "InstanceTypeConfigs": [{"InstanceType": "m5.xlarge"}],
                },
                {
                    "InstanceFleetType": "CORE",
                    "TargetOnDemandCapacity": 2,
                    "TargetSpotCapacity": 6,
                    "InstanceTypeConfigs": [{"InstanceType": "r5.xlarge"}, {"InstanceType": "r5a.xlarge"}],
                },
            ],
            "KeepJobFlowAliveWhenNoSteps": True,
        },
    )["JobFlowId"]
    described = wait_for(lambda: find(emr, fleets, "WAITING"))
    checks.that("it is of fleets", described["InstanceCollectionType"] == "INSTANCE_FLEET")
    found = emr.call("ListInstanceFleets", ClusterId=fleets)["InstanceFleets"]
    core = found[1]
    checks.that("every fleet is there", [each["InstanceFleetType"] for each in found] == ["MASTER", "CORE"])
    checks.that(
        "capacities come back", (core["ProvisionedOnDemandCapacity"], core["TargetSpotCapacity"]) == (2, 6), core
    )
    instances = emr.call("ListInstances", "of fleets", ClusterId=fleets, InstanceStates=["RUNNING"])["Instances"]
    checks.that("instances are listed one by one", len(instances) == 9, len(instances))
    emr.call("ListInstances", "of groups", ClusterId=groups)
    emr.refuse("ListInstanceGroups", INVALID, why="of fleets", ClusterId=fleets, says="Use the ListInstanceFleets")
    emr.refuse("ListInstanceFleets", INVALID, why="of groups", ClusterId=groups, says="Use the ListInstanceGroups")
    emr.call("ListBootstrapActions", ClusterId=groups)
    emr.refuse("ListInstanceGroups", INVALID, why="when unknown", ClusterId="j-NONE", says="not valid")
    emr.call("TerminateJobFlows", "of fleets", JobFlowIds=[fleets])
    wait_for(lambda: find(emr, fleets, "TERMINATED"))
    emr.call("ListInstanceFleets", "after the end", ClusterId=fleets)


def steps(emr, checks, cluster):
    added = emr.call(
        "AddJobFlowSteps",
        JobFlowId=cluster,
        Steps=[
            step("long"),
            step("stubborn", "simulate: ignore-interrupt"),
            step("waits"),
            step("fails", "simulate: fail, run 1ms"),
        ],
    )["StepIds"]
    long, stubborn, waits, fails = added

    def state(which, why=""):
        return emr.call("DescribeStep", why, ClusterId=cluster, StepId=which)["Step"]["Status"]["State"]

    checks.that(
        "two run at once",
        (state(long, "that runs"), state(stubborn), state(waits, "that waits")) == ("RUNNING", "RUNNING", "PENDING"),
    )
    listed = emr.call("ListSteps", "of all", ClusterId=cluster)["Steps"]
    checks.that("steps are newest first", [each["Id"] for each in listed[:4]] == [fails, waits, stubborn, long])
    some = emr.call("ListSteps", "by state", ClusterId=cluster, StepStates=["RUNNING"])["Steps"]
    checks.that("a state finds its steps", [each["Id"] for each in some] == [long, stubborn])
    some = emr.call("ListSteps", "by id", ClusterId=cluster, StepIds=[waits])["Steps"]
    checks.that("an id finds its step", [each["Id"] for each in some] == [waits])

    answer = emr.call("CancelSteps", "of any kind", ClusterId=cluster, StepIds=[long, stubborn, waits, "s-NONE"])
    statuses = [each["Status"] for each in answer["CancelStepsInfoList"]]
    checks.that("each step has its answer", statuses == ["SUBMITTED", "SUBMITTED", "SUBMITTED", "FAILED"], answer)
    checks.that(
        "an interrupt may be ignored",
        (state(long, "that was cancelled"), state(stubborn), state(waits)) == ("CANCELLED", "RUNNING", "CANCELLED"),
    )
    emr.call(
        "CancelSteps", "by force", ClusterId=cluster, StepIds=[stubborn], StepCancellationOption="TERMINATE_PROCESS"
    )
    checks.that("force is not", state(stubborn) == "CANCELLED")
    again = emr.call("CancelSteps", "again", ClusterId=cluster, StepIds=[stubborn])["CancelStepsInfoList"]
    checks.that("what has ended cannot be cancelled", again[0]["Status"] == "FAILED" and again[0]["Reason"])
    wait_for(lambda: emr.client.describe_step(ClusterId=cluster, StepId=fails)["Step"]["Status"]["State"] == "FAILED")
    checks.say("DescribeStep that failed", emr.check_success("DescribeStep"))

    old = start(emr, release="emr-5.27.0", age="1h")
    running, pending = add(emr, old), add(emr, old)
    answer = emr.call("CancelSteps", "on an old release", ClusterId=old, StepIds=[running, pending])[
        "CancelStepsInfoList"
    ]
    checks.that(
        "an old release cancels what waits only", [each["Status"] for each in answer] == ["FAILED", "SUBMITTED"]
    )
    slow = add(emr, start(emr), cancel_takes="1h")
    owner = emr.control("GET", f"steps/{slow}")["cluster"]
    emr.call("CancelSteps", "of a slow one", ClusterId=owner, StepIds=[slow])
    pending = emr.call("DescribeStep", "that is about to end", ClusterId=owner, StepId=slow)["Step"]
    checks.that("it is about to", pending["Status"]["State"] == "CANCEL_PENDING")
    broken = start(emr, age="1h", runs_for="1h1s", fails=True)
    interrupted = add(emr, broken)
    wait_for(lambda: find(emr, broken, "TERMINATED_WITH_ERRORS"))
    seen = emr.call("DescribeStep", "of a broken cluster", ClusterId=broken, StepId=interrupted)["Step"]
    checks.that("it was interrupted", seen["Status"]["State"] == "INTERRUPTED")

    emr.refuse("DescribeStep", INVALID, why="when unknown", ClusterId=cluster, StepId="s-NONE", says="Step id 's-NONE'")
    emr.refuse("ListSteps", INVALID, why="of an unknown cluster", ClusterId="j-NONE", says="not valid")
    emr.refuse(
        "ListSteps", VALIDATION, why="of 11 ids", ClusterId=cluster, StepIds=["s"] * 11, says="less than or equal to 10"
    )
    emr.refuse("ListSteps", VALIDATION, why="of a bad state", ClusterId=cluster, StepStates=["LOST"], says="enum")
    emr.refuse("CancelSteps", INVALID, why="of an unknown cluster", ClusterId="j-NONE", StepIds=["s"], says="not valid")
    emr.refuse("CancelSteps", VALIDATION, why="without steps", ClusterId=cluster, says="'stepIds'")
    emr.refuse(
        "AddJobFlowSteps",
        VALIDATION,
        why="to an unknown cluster",
        JobFlowId="j-NONE",
        Steps=[step("x")],
        says="not valid",
    )


def policies(emr, checks, cluster):
    policy = emr.call("GetAutoTerminationPolicy", ClusterId=cluster)["AutoTerminationPolicy"]
    checks.that("the policy comes back", policy == {"IdleTimeout": 3600})
    emr.call("PutAutoTerminationPolicy", ClusterId=cluster, AutoTerminationPolicy={"IdleTimeout": 60})
    policy = emr.call("GetAutoTerminationPolicy", "changed", ClusterId=cluster)["AutoTerminationPolicy"]
    checks.that("the policy is changed", policy == {"IdleTimeout": 60})
    emr.call("RemoveAutoTerminationPolicy", ClusterId=cluster)
    none = emr.call("GetAutoTerminationPolicy", "when there is none", ClusterId=cluster)
    checks.that("the policy is gone", "AutoTerminationPolicy" not in none)
    for timeout, says in ((59, "60"), (604_801, "604800")):
        emr.refuse(
            "PutAutoTerminationPolicy",
            VALIDATION,
            why=f"of {timeout} s",
            ClusterId=cluster,
            AutoTerminationPolicy={"IdleTimeout": timeout},
            says=says,
        )
    for release in ("emr-5.29.0", "emr-6.0.0"):
        emr.refuse(
            "PutAutoTerminationPolicy",
            VALIDATION,
            why=f"on {release}",
            ClusterId=start(emr, release=release),
            AutoTerminationPolicy={"IdleTimeout": 60},
            says=release,
        )


def terminations(emr, checks, cluster):
    other = start(emr)
    emr.refuse(
        "TerminateJobFlows",
        VALIDATION,
        why="when one is protected",
        JobFlowIds=[other, cluster],
        says="Could not shut down one or more job flows since they are termination protected.",
    )
    checks.that("then none is terminated", describe(emr, other, "spared")["Status"]["State"] == "WAITING")
    emr.call("SetTerminationProtection", JobFlowIds=[cluster], TerminationProtected=False)
    emr.call("TerminateJobFlows", JobFlowIds=[other, cluster])
    ended = wait_for(lambda: find(emr, cluster, "TERMINATED"))
    checks.that("its user ended it", ended["Status"]["StateChangeReason"]["Code"] == "USER_REQUEST")
    emr.call("TerminateJobFlows", "again", JobFlowIds=[cluster])
    emr.call("ListInstanceGroups", "after the end", ClusterId=cluster)
    emr.refuse(
        "TerminateJobFlows",
        VALIDATION,
        why="when unknown",
        JobFlowIds=["j-NONE"],
        says="Specified job flow ID not valid",
    )
    emr.refuse("TerminateJobFlows", VALIDATION, why="of 11", JobFlowIds=[other] * 11, says="less than or equal to 10")
    for operation, arguments in (
        ("SetTerminationProtection", {"JobFlowIds": [cluster], "TerminationProtected": True}),
        ("AddJobFlowSteps", {"JobFlowId": cluster, "Steps": [step("x")]}),
        ("PutAutoTerminationPolicy", {"ClusterId": cluster, "AutoTerminationPolicy": {"IdleTimeout": 60}}),
        ("RemoveAutoTerminationPolicy", {"ClusterId": cluster}),
    ):
        emr.refuse(operation, VALIDATION, why="after the end", says="may not be modified", **arguments)


def paging(emr, checks):
    # The policies' clusters and others are younger than this history, so a window of creation keeps them out.
    seeded = emr.control("POST", "history", {"count": 120, "spacing": "1m", "newest_age": "48h"})["ids"]
    window = {"CreatedBefore": time.time() - 47 * 3600, "CreatedAfter": time.time() - 72 * 3600}
    listed, sizes = [], []
    for page in emr.client.get_paginator("list_clusters").paginate(**window):
        checks.say(f"ListClusters page {len(sizes) + 1}", emr.check_success("ListClusters"))
        sizes.append(len(page["Clusters"]))
        listed += [each["Id"] for each in page["Clusters"]]
    checks.that("pages are of 50", sizes == [50, 50, 20], sizes)
    checks.that("pages are complete and newest first", listed == seeded)
    broken = emr.call("ListClusters", "by state", ClusterStates=["TERMINATED_WITH_ERRORS"], **window)["Clusters"]
    checks.that("every tenth broke", [each["Id"] for each in broken] == seeded[9::10])
    emr.refuse("ListClusters", INVALID, why="with a bad marker", Marker="x", says="Marker 'x' is not valid.")
    emr.refuse("ListClusters", VALIDATION, why="of a bad state", ClusterStates=["LOST"], says="enum value set")

    cluster = start(emr, step_concurrency=256)
    added = [add(emr, cluster) for _ in range(60)]
    listed, sizes = [], []
    for page in emr.client.get_paginator("list_steps").paginate(ClusterId=cluster):
        checks.say(f"ListSteps page {len(sizes) + 1}", emr.check_success("ListSteps"))
        sizes.append(len(page["Steps"]))
        listed += [each["Id"] for each in page["Steps"]]
    checks.that("pages of steps are of 50", sizes == [50, 10], sizes)
    checks.that("pages of steps are complete and newest first", listed == added[::-1])
    emr.refuse("ListSteps", INVALID, why="with a bad marker", ClusterId=cluster, Marker="x", says="Marker")
