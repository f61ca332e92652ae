"""Which resource a call to a simulated service is authorised against, as AWS documents it for each action."""

# The members of a request that name a resource, each with the end of the ARN that it stands for.
NAMES = {
    "sagemaker": {
        "PipelineName": "pipeline/{}",
        "TrainingJobName": "training-job/{}",
        "ProcessingJobName": "processing-job/{}",
        "TransformJobName": "transform-job/{}",
        "HyperParameterTuningJobName": "hyper-parameter-tuning-job/{}",
        "AutoMLJobName": "automl-job/{}",
        "NotebookInstanceName": "notebook-instance/{}",
        "AppName": "app/{}",
        "EndpointName": "endpoint/{}",
        "SpaceName": "space/{}",
        "DomainId": "domain/{}",
    },
    "glue": {"SessionId": "session/{}", "JobName": "job/{}"},
    "elasticmapreduce": {"ClusterId": "cluster/{}", "JobFlowId": "cluster/{}", "JobFlowIds": "cluster/{}"},
}


def arn(service, operation, request, region, account_id):
    """The ARN that a request names by itself or by a name; `*` where it names none, as lists do not."""
    by_arn = [value for value in request.values() if isinstance(value, str) and value.startswith("arn:")]
    if by_arn:
        return by_arn[0]
    if service == "sagemaker" and operation.startswith("List") and operation != "ListPipelineExecutions":
        return "*"
    names = NAMES[service]
    if service == "glue" and operation in {"GetSession", "StopSession", "DeleteSession"}:
        names = {"Id": "session/{}"}
    # Of several the first stands for all: policies name a kind of resource, never a single one.
    first = {member: value[0] if isinstance(value, list) and value else value for member, value in request.items()}
    found = next((form.format(first[member]) for member, form in names.items() if member in first), None)
    return f"arn:aws:{service}:{region}:{account_id}:{found}" if found else "*"
