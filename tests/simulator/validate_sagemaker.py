"""SageMaker: every operation on what runs there, its errors and its paging."""

import uuid

OPERATIONS = {
    "ListPipelines",
    "DescribePipeline",
    "ListPipelineExecutions",
    "DescribePipelineExecution",
    "StartPipelineExecution",
    "StopPipelineExecution",
    "ListTrainingJobs",
    "DescribeTrainingJob",
    "StopTrainingJob",
    "ListProcessingJobs",
    "DescribeProcessingJob",
    "StopProcessingJob",
    "ListTransformJobs",
    "DescribeTransformJob",
    "StopTransformJob",
    "ListHyperParameterTuningJobs",
    "DescribeHyperParameterTuningJob",
    "StopHyperParameterTuningJob",
    "ListAutoMLJobs",
    "DescribeAutoMLJobV2",
    "StopAutoMLJob",
    "ListNotebookInstances",
    "DescribeNotebookInstance",
    "StopNotebookInstance",
    "StartNotebookInstance",
    "ListApps",
    "DescribeApp",
    "CreateApp",
    "DeleteApp",
    "ListSpaces",
    "DescribeSpace",
    "ListEndpoints",
    "DescribeEndpoint",
    "ListDomains",
    "DescribeDomain",
    "ListModelPackageGroups",
    "ListModelPackages",
    "DescribeModelPackage",
    "ListTags",
}
# The kinds of job: as the routes name them, as the operations do, what describes them, and the error of an unknown one.
JOBS = (
    ("training", "TrainingJob", "DescribeTrainingJob", "ValidationException"),
    ("processing", "ProcessingJob", "DescribeProcessingJob", "ValidationException"),
    ("transform", "TransformJob", "DescribeTransformJob", "ValidationException"),
    ("hyper-parameter-tuning", "HyperParameterTuningJob", "DescribeHyperParameterTuningJob", "ResourceNotFound"),
    ("auto-ml", "AutoMLJob", "DescribeAutoMLJobV2", "ResourceNotFound"),
)


def check(sagemaker, checks, _url):
    pipelines(sagemaker, checks)
    jobs(sagemaker, checks)
    notebooks(sagemaker, checks)
    studio(sagemaker, checks)
    apps(sagemaker, checks)
    endpoints(sagemaker)
    models(sagemaker, checks)
    paging(sagemaker, checks)


def pipelines(sagemaker, checks):
    arns = {
        "Executing": start(sagemaker, "executions", age="28m", started_by="alice", description="by hand"),
        "Failed": start(sagemaker, "executions", age="2h", runs_for="1h", fails=True, user_profile="alice"),
        "Succeeded": start(sagemaker, "executions", age="2h", runs_for="1h", stopping_takes="1h"),
    }
    for state, arn in arns.items():
        answer = sagemaker.call("DescribePipelineExecution", f"when {state}", PipelineExecutionArn=arn)
        checks.that(f"state {state}", answer["PipelineExecutionStatus"] == state)
    listed = sagemaker.call("ListPipelineExecutions", PipelineName="pipeline")["PipelineExecutionSummaries"]
    checks.that("the newest execution comes first", listed[0]["PipelineExecutionArn"] == arns["Executing"])
    started = sagemaker.call(
        "StartPipelineExecution",
        "with everything",
        PipelineName="pipeline",
        PipelineExecutionDisplayName="by-hand",
        PipelineExecutionDescription="now",
        ClientRequestToken=str(uuid.uuid4()),
    )
    sagemaker.call("ListPipelines")
    sagemaker.call("DescribePipeline", PipelineName="pipeline")
    for arn in (arns["Executing"], started["PipelineExecutionArn"]):
        token = str(uuid.uuid4())
        for why in ("", "again with its token"):
            sagemaker.call("StopPipelineExecution", why, PipelineExecutionArn=arn, ClientRequestToken=token)
    sagemaker.call("DescribePipelineExecution", "when stopped", PipelineExecutionArn=arns["Executing"])
    sagemaker.refuse(
        "StopPipelineExecution",
        "ValidationException",
        why="after its end",
        PipelineExecutionArn=arns["Executing"],
        ClientRequestToken=str(uuid.uuid4()),
        says="Only pipelines with 'Executing' status can be stopped",
    )
    sagemaker.refuse(
        "StopPipelineExecution",
        "ValidationException",
        why="with a short token",
        PipelineExecutionArn=arns["Executing"],
        ClientRequestToken="x",
        says="32",
    )
    token = str(uuid.uuid4())
    sagemaker.call("StartPipelineExecution", "with a token", PipelineName="pipeline", ClientRequestToken=token)
    sagemaker.control("POST", "executions", {"pipeline": "other"})
    sagemaker.refuse(
        "StartPipelineExecution",
        "ConflictException",
        why="with a token used otherwise",
        PipelineName="other",
        ClientRequestToken=token,
    )
    sagemaker.refuse(
        "DescribePipelineExecution",
        "ResourceNotFound",
        why="when unknown",
        PipelineExecutionArn=f"{arns['Executing']}x",
    )
    sagemaker.refuse("ListPipelineExecutions", "ResourceNotFound", why="when unknown", PipelineName="none")
    sagemaker.refuse("ListPipelines", "ValidationException", why="with a bad order", SortOrder="Random", says="enum")
    sagemaker.refuse("ListPipelines", "ValidationException", why="with a page of 101", MaxResults=101, says="100")


def jobs(sagemaker, checks):
    for kind, stem, describe, error in JOBS:
        name = {f"{stem}Name": f"{kind}-job"}
        tags = {"owner": "alice"}
        arn = start(sagemaker, "jobs", kind=kind, name=f"{kind}-job", age="3h", tags=tags, started_by="alice")
        start(sagemaker, "jobs", kind=kind, age="3h", runs_for="1h", fails=True)
        sagemaker.call(describe, "while it runs", **name)
        checks.that(f"a {kind} job has its tags", sagemaker.call("ListTags", ResourceArn=arn)["Tags"] != [])
        listed = sagemaker.call(f"List{stem}s", "of those that run", StatusEquals="InProgress", MaxResults=100)
        checks.that(f"one {kind} job runs", len(listed[f"{stem}Summaries"]) == 1)
        sagemaker.call(f"Stop{stem}", **name)
        sagemaker.call(describe, "when stopped", **name)
        sagemaker.call(f"List{stem}s", "of all")
        sagemaker.refuse(f"Stop{stem}", "ValidationException", why="after its end", says="in status Stopped", **name)
        for operation in (describe, f"Stop{stem}"):
            sagemaker.refuse(operation, error, why="when unknown", **{f"{stem}Name": "none"})
        sagemaker.refuse(describe, "ValidationException", why="without a name", says="must not be null")
    start(
        sagemaker,
        "jobs",
        name="mixed",
        instance_groups=[{"name": "data", "instance_type": "ml.g5.xlarge", "instance_count": 2}],
    )
    sagemaker.call("DescribeTrainingJob", "of a mixed cluster", TrainingJobName="mixed")
    sagemaker.refuse("ListTags", "ValidationException", why="of nothing", ResourceArn=f"{arn}x")


def notebooks(sagemaker, checks):
    start(sagemaker, "notebooks", name="Lab", age="9h", internet=False, root=False)
    name = {"NotebookInstanceName": "Lab"}
    seen = sagemaker.call("DescribeNotebookInstance", **name)
    checks.that("a notebook may be off the Internet", seen["DirectInternetAccess"] == "Disabled")
    sagemaker.refuse("StartNotebookInstance", "ValidationException", why="in service", says="not in", **name)
    sagemaker.call("StopNotebookInstance", **name)
    sagemaker.refuse("StopNotebookInstance", "ValidationException", why="when stopped", says="not in", **name)
    sagemaker.call("ListNotebookInstances")
    sagemaker.call("StartNotebookInstance", **name)
    for operation in ("DescribeNotebookInstance", "StopNotebookInstance", "StartNotebookInstance"):
        unknown = {"NotebookInstanceName": "none"}
        sagemaker.refuse(operation, "ValidationException", why="when unknown", says="RecordNotFound", **unknown)


def studio(sagemaker, checks):
    domain = sagemaker.control("POST", "domains", {"vpc_only": True})["id"]
    sagemaker.control("POST", "spaces", {"domain": domain, "name": "lab", "owner": "alice"})
    start(sagemaker, "apps", domain=domain, space="lab", age="9h")
    start(sagemaker, "apps", domain=domain, user_profile="alice", app_type="KernelGateway", deleting_takes="1h")
    sagemaker.call("ListDomains")
    seen = sagemaker.call("DescribeDomain", DomainId=domain)
    checks.that("a domain may be in the VPC only", seen["AppNetworkAccessType"] == "VpcOnly")
    sagemaker.refuse("DescribeDomain", "ResourceNotFound", why="when unknown", DomainId="d-none")
    sagemaker.refuse("DescribeDomain", "ValidationException", why="with a bad id", DomainId="none", says="pattern")
    sagemaker.call("ListSpaces", DomainIdEquals=domain)
    sagemaker.call("DescribeSpace", DomainId=domain, SpaceName="lab")
    sagemaker.refuse("DescribeSpace", "ResourceNotFound", why="when unknown", DomainId=domain, SpaceName="none")
    apps = sagemaker.call("ListApps", DomainIdEquals=domain)["Apps"]
    checks.that("both apps are listed", len(apps) == 2)
    for app in apps:
        members = ("DomainId", "UserProfileName", "SpaceName", "AppType", "AppName")
        named = {key: app[key] for key in members if key in app}
        sagemaker.call("DescribeApp", **named)
        sagemaker.call("DeleteApp", **named)
        deleted = sagemaker.call("DescribeApp", "after its deletion", **named)["Status"] == "Deleted"
        sagemaker.refuse("DeleteApp", "ValidationException" if deleted else "ResourceInUse", why="again", **named)
    listed = {app["Status"] for app in sagemaker.call("ListApps", "after deletions")["Apps"]}
    checks.that("deleted apps are listed for a while", listed == {"Deleted", "Deleting"}, listed)
    nobody = {"DomainId": domain, "AppType": "JupyterLab", "AppName": "default"}
    sagemaker.refuse("DescribeApp", "ValidationException", why="of nobody", says="must be passed", **nobody)
    unknown = {**nobody, "UserProfileName": "none"}
    for operation in ("DescribeApp", "DeleteApp"):
        sagemaker.refuse(operation, "ResourceNotFound", why="when unknown", **unknown)


def apps(sagemaker, checks):
    domain = sagemaker.control("POST", "domains", {"name": "apps"})["id"]
    sagemaker.control("POST", "spaces", {"domain": domain, "name": "own", "owner": "alice"})
    app = {"DomainId": domain, "SpaceName": "own", "AppType": "JupyterLab", "AppName": "default"}
    image = f"arn:aws:sagemaker:{sagemaker.region}:{sagemaker.account}:image/analytics"
    spec = {"InstanceType": "ml.g5.xlarge", "SageMakerImageArn": image, "SageMakerImageVersionAlias": "2.1"}
    arn = sagemaker.call("CreateApp", ResourceSpec=spec, Tags=[{"Key": "owner", "Value": "alice"}], **app)["AppArn"]
    checks.that("an app has its tags", sagemaker.call("ListTags", ResourceArn=arn)["Tags"] != [])
    checks.that("an app is pending at first", sagemaker.call("DescribeApp", **app)["Status"] == "Pending")
    sagemaker.refuse("CreateApp", "ResourceInUse", why="when it is there", says="already exists", **app)
    sagemaker.call("DeleteApp", "when pending", **app)
    sagemaker.call("CreateApp", "again with what was told of it", ResourceSpec=spec, **app)
    checks.that("an app keeps its resources", sagemaker.call("DescribeApp", **app)["ResourceSpec"] == spec)
    own = {"DomainId": domain, "UserProfileName": "alice", "AppType": "JupyterServer", "AppName": "default"}
    sagemaker.call("CreateApp", "for a user profile", **own)
    checks.that("a server needs no instance", sagemaker.call("DescribeApp", **own)["ResourceSpec"]["InstanceType"])
    kernel = {**own, "AppType": "KernelGateway"}
    for why, says, arguments in (
        ("without an instance", "InstanceType", kernel),
        ("of nobody", "must be passed", {key: value for key, value in own.items() if key != "UserProfileName"}),
        ("of two", "must be passed", {**own, "SpaceName": "own"}),
        ("with a bad name", "pattern", {**own, "AppName": "-"}),
        ("with a bad type", "enum", {**own, "AppType": "Emacs"}),
        ("in a space that is not there", "does not exist", {**app, "SpaceName": "none"}),
        ("in a domain that is not there", "does not exist", {**own, "DomainId": "d-none"}),
    ):
        sagemaker.refuse("CreateApp", "ValidationException", why=why, says=says, **arguments)


def endpoints(sagemaker):
    start(sagemaker, "endpoints", name="score", age="48h")
    start(sagemaker, "endpoints", name="young", creating="1h")
    sagemaker.call("ListEndpoints", StatusEquals="InService")
    for name in ("score", "young"):
        sagemaker.call("DescribeEndpoint", f"of {name}", EndpointName=name)
    missing = {"EndpointName": "none"}
    sagemaker.refuse("DescribeEndpoint", "ValidationException", why="when unknown", says="Could not find", **missing)


def models(sagemaker, checks):
    approved = start(
        sagemaker,
        "models",
        age="2h",
        approval="Approved",
        approval_age="1m",
        registered_by="alice",
        approved_by="arn:aws:sts::111111111111:assumed-role/Approver/bob",
        approved_as="bob",
    )
    start(sagemaker, "models", group=None, name="loose")
    sagemaker.call("ListModelPackageGroups")
    for kind, count in (("Versioned", 1), ("Unversioned", 1), ("Both", 2)):
        listed = sagemaker.call("ListModelPackages", f"that are {kind}", ModelPackageType=kind)
        checks.that(f"there are {count} that are {kind}", len(listed["ModelPackageSummaryList"]) == count)
    sagemaker.call("ListModelPackages", "of a group", ModelPackageGroupName="models", ModelApprovalStatus="Approved")
    seen = sagemaker.call("DescribeModelPackage", ModelPackageName=approved)
    checks.that("it tells who approved", seen["LastModifiedBy"]["IamIdentity"]["SourceIdentity"] == "bob")
    sagemaker.call("DescribeModelPackage", "without versions", ModelPackageName="loose")
    sagemaker.refuse("DescribeModelPackage", "ValidationException", why="when unknown", ModelPackageName="none")
    sagemaker.refuse("ListModelPackages", "ValidationException", why="when unknown", ModelPackageGroupName="none")


def paging(sagemaker, checks):
    """boto3's own paginators, which the AWS CLI uses too."""
    seed = {"count": 250, "recent": 5, "recent_age": "1h", "old_age": "2400h"}
    sagemaker.control("POST", "pipelines", seed)
    for operation, member, least, arguments in (
        ("list_pipelines", "PipelineSummaries", 252, {}),
        ("list_pipeline_executions", "PipelineExecutionSummaries", 5, {"PipelineName": "pipeline"}),
    ):
        sizes, seen = [], []
        for page in sagemaker.client.get_paginator(operation).paginate(**arguments, PaginationConfig={"PageSize": 100}):
            sizes.append(len(page[member]))
            seen += [str(sorted(entry.items(), key=lambda pair: pair[0])) for entry in page[member]]
        complete = len(seen) == len(set(seen)) == least
        checks.that(f"pages of {operation} are complete", complete and all(size <= 100 for size in sizes), sizes)
    past = {"kind": "training", "count": 250, "spacing": "10s", "newest_age": "1h"}
    sagemaker.control("POST", "history", past)
    start(sagemaker, "jobs", name="long-runner", age="24h")
    sizes = [
        len(page["TrainingJobSummaries"])
        for page in sagemaker.client.get_paginator("list_training_jobs").paginate(
            StatusEquals="InProgress", PaginationConfig={"PageSize": 100}
        )
    ]
    checks.that("pages of training jobs may be empty before the last", sizes[1] == 0 and sizes[-1] == 1, sizes)


def start(sagemaker, what, **spec):
    """Arranges something through the control routes and answers its ARN."""
    return sagemaker.control("POST", what, spec)["arn"]
