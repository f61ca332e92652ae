"""What MiniStack is taught about Step Functions, one function a lesson; `patches.py` says how lessons are held.

MiniStack walks a definition, and forgives much that AWS does not: a path that leads nowhere reads as null, an execution
that was stopped goes on inside a Map, and whatever a state machine asks for is done, its role allowing it or not.
"""

import contextvars
import json
import random
import threading
import time

import faults
import roles
from ministack.core.responses import get_account_id, get_region, json_response, now_iso
from ministack.services import stepfunctions
from patches import seen

# Seconds between two looks whether an execution that waits was stopped, or waits are scaled otherwise by now.
NAP = 0.05
# Errors that end an execution whatever its states catch and retry:
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
TERMINAL = ("States.Runtime", "States.DataLimitExceeded")

# The execution that this thread, or the thread that started it, walks.
walked = contextvars.ContextVar("walked", default=None)


def apply(at_once=0):
    """Teaches every lesson; raises `MiniStackChanged` if one no longer fits.

    No more executions than `at_once` are walked at once; 0 is no bound.
    """
    know_which_execution_is_walked()
    if at_once:
        walk_so_many_at_once(at_once)
    act_only_as_the_role_may()
    end_with_the_execution()
    fail_where_a_path_leads_nowhere()
    retry_as_the_retrier_says()
    tell_what_happens_inside_maps()
    start_once_under_one_name()


def know_which_execution_is_walked():
    """Branches and Map items copy the context of the thread that starts them, so the execution travels in it."""
    run = seen(stepfunctions, "_run_execution", "996dff84e0e0")

    def run_execution(arn):
        outer = walked.set(stepfunctions._executions.get(arn))
        try:
            run(arn)
        finally:
            walked.reset(outer)

    stepfunctions._run_execution = run_execution


def walk_so_many_at_once(at_once):
    """An execution begins when there is room for it.

    AWS has room for those of every account. Here hundreds at once share one machine: each would take as long as all of
    them together, so that functions time out and are tried again, which makes it worse.
    """
    run = stepfunctions._run_execution
    room = threading.BoundedSemaphore(at_once)

    def run_execution(arn):
        with room:
            run(arn)

    stepfunctions._run_execution = run_execution


def act_only_as_the_role_may():
    """With AUTH on, each task is authorised against the role of its state machine.

    A task may be throttled like any call: Step Functions does not retry a throttled invocation by itself.
    """
    invoke = seen(stepfunctions, "_invoke_resource", "a85d2be9a858")
    invoke_and_wait = seen(stepfunctions, "_invoke_with_callback", "bbb38423156a")

    def invoke_resource(resource, given):
        authorise(resource, given)
        return invoke(resource, given)

    def invoke_with_callback(resource, given, token, state):
        authorise(resource.replace(".waitForTaskToken", ""), given)
        return invoke_and_wait(resource, given, token, state)

    def authorise(resource, given):
        execution = walked.get()
        if execution is None:
            return
        machine = stepfunctions._state_machines.get(execution["stateMachineArn"]) or {}
        for action, target in calls(resource, given):
            source, role = execution["stateMachineArn"], machine.get("roleArn", "")
            reason = roles.refusal(role, source, "states.amazonaws.com", action, target)
            if reason:
                kind = "Lambda.AWSLambdaException" if action == "lambda:InvokeFunction" else "States.TaskFailed"
                raise stepfunctions._ExecutionError(kind, reason)
            service, _, operation = action.partition(":")
            if faults.strikes(service, operation.removesuffix("Function"), from_session=True):
                kind = "Lambda.TooManyRequestsException" if service == "lambda" else "States.TaskFailed"
                raise stepfunctions._ExecutionError(kind, "Rate exceeded")

    def calls(resource, given):
        """The IAM actions of a task, each with the resource that AWS authorises it against."""
        place = f"{get_region()}:{get_account_id()}"
        if ":function:" in resource or "states:::lambda:invoke" in resource:
            function = resource if ":function:" in resource else given.get("FunctionName", "")
            named = function if function.startswith("arn:") else f"arn:aws:lambda:{place}:function:{function}"
            return [("lambda:InvokeFunction", named)]
        if resource.startswith("arn:aws:states:::events:putEvents"):
            buses = {entry.get("EventBusName") or "default" for entry in given.get("Entries", [])}
            arns = [bus if bus.startswith("arn:") else f"arn:aws:events:{place}:event-bus/{bus}" for bus in buses]
            return [("events:PutEvents", arn) for arn in arns]
        if resource.startswith("arn:aws:states:::states:startExecution"):
            return [("states:StartExecution", given.get("StateMachineArn", ""))]
        # Loud, so that no role passes here that has never been asked.
        raise stepfunctions._ExecutionError(
            "States.Runtime", f"the stage cannot authorise `{resource}`: teach patches_workflows.py its IAM action"
        )

    stepfunctions._invoke_resource = invoke_resource
    stepfunctions._invoke_with_callback = invoke_with_callback


def end_with_the_execution():
    """An execution that was stopped does nothing more: no wait, no retry, no task, no other end, no event."""
    seen(stepfunctions, "_scaled_sleep", "5ed19df2efa9")
    seen(stepfunctions, "_execute_task", "53c818d247db")
    add = seen(stepfunctions, "_add_event", "b1db143ccd21")
    fail = seen(stepfunctions, "_fail_execution", "e6da895fa0b7")

    def scaled_sleep(seconds):
        # The scale is read again and again, so that a test may shorten a wait that has begun.
        while seconds > 0 and (scale := stepfunctions._SFN_WAIT_SCALE) > 0 and not has_ended(walked.get()):
            nap = min(seconds * scale, NAP)
            time.sleep(nap)
            # What is left may be too little to be told from nothing once it is scaled.
            seconds = seconds - nap / scale if nap == NAP else 0

    def add_event(execution, kind, details=None):
        if has_ended(execution) and not kind.startswith("Execution"):
            if kind == "TaskScheduled":
                raise ended(execution)
            return None
        return add(execution, kind, details)

    def fail_execution(execution, error, cause):
        if not has_ended(execution):
            fail(execution, error, cause)

    stepfunctions._scaled_sleep = scaled_sleep
    stepfunctions._add_event = add_event
    stepfunctions._fail_execution = fail_execution


def has_ended(execution):
    """Whether an execution was stopped or came to its end; what is no execution, as in a test of a state, never has."""
    return execution is not None and execution["status"] != "RUNNING"


def ended(execution):
    """The error that no state catches, raised inside an execution that was stopped."""
    return stepfunctions._ExecutionError("States.Runtime", f"the execution is {execution['status']}")


def fail_where_a_path_leads_nowhere():
    """A path that is not in the input ends the execution, where MiniStack goes on with null.

    `IsPresent` asks for just that. Comparisons with a path on their right are rewritten to the value there, because
    MiniStack knows few of them and takes the others for untrue.
    """
    resolve = seen(stepfunctions, "_resolve_path", "4ca0c5fe9f70")
    evaluate = seen(stepfunctions, "_evaluate_rule", "728e6547c8ca")

    def resolve_path(path, data):
        found = resolve(path, data)
        if found is None and isinstance(path, str) and path.startswith("$") and not leads_somewhere(path, data):
            raise stepfunctions._ExecutionError(
                "States.Runtime", f"The JSONPath '{path}' could not be found in the input '{json.dumps(data)}'"
            )
        return found

    def leads_somewhere(path, data):
        tokens = [] if path == "$" else stepfunctions._parse_jsonpath_tokens(path)
        if tokens is None:
            return False
        for _, step in tokens:
            try:
                data = data[step]
            except (KeyError, IndexError, TypeError):
                return False
        return True

    def evaluate_rule(rule, data, ctx=None):
        if "IsPresent" in rule:
            try:
                stepfunctions._resolve_path_or_ctx(rule["Variable"], data, ctx)
            except stepfunctions._ExecutionError:
                return not rule["IsPresent"]
            return rule["IsPresent"]
        literal = {
            name.removesuffix("Path"): (
                stepfunctions._resolve_path_or_ctx(value, data, ctx) if name.endswith("Path") else value
            )
            for name, value in rule.items()
        }
        return evaluate(literal, data, ctx)

    stepfunctions._resolve_path = resolve_path
    stepfunctions._evaluate_rule = evaluate_rule


def retry_as_the_retrier_says():
    """`MaxDelaySeconds` and `JitterStrategy` hold, and what is terminal is neither retried nor caught."""
    matches = seen(stepfunctions, "_error_matches", "519b9dc729c5")
    find = seen(stepfunctions, "_find_matching_retrier", "cb494ae8503c")

    def error_matches(names, error):
        return error in names or (error not in TERMINAL and matches(names, error))

    def find_matching_retrier(retriers, error, counts):
        retrier, index = find(retriers, error, counts)
        if retrier is None:
            return None, -1
        delay = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** counts.get(index, 0)
        delay = min(delay, retrier.get("MaxDelaySeconds", delay))
        if retrier.get("JitterStrategy") == "FULL":
            delay = random.uniform(0, delay)
        # MiniStack computes the delay from these two; it never waits longer than a minute.
        return retrier | {"IntervalSeconds": delay, "BackoffRate": 1.0}, index

    stepfunctions._error_matches = error_matches
    stepfunctions._find_matching_retrier = find_matching_retrier


def tell_what_happens_inside_maps():
    """The history names the states inside Map and Parallel as well, and each branch has a context of its own."""
    seen(stepfunctions, "_run_sub_machine", "f8d844168b14")
    seen(stepfunctions, "_run_map_items", "5df19a8074ce")
    seen(stepfunctions, "_run_parallel_branches", "b8c7f6915297")

    def run_sub_machine(states, start_at, given, execution, ctx):
        # The variables of the execution stay shared; the state that a branch is in is its own.
        ctx = dict(ctx)
        name, data = start_at, given
        while name:
            if has_ended(execution):
                raise ended(execution)
            state = states[name]
            kind = state["Type"]
            ctx["State"] = {"Name": name, "EnteredTime": now_iso(), "RetryCount": 0}
            tell(execution, f"{kind}StateEntered", "stateEntered", {"name": name, "input": json.dumps(data)})
            if kind == "Fail":
                raise stepfunctions._ExecutionError(*stepfunctions._fail_state_error(state, data, ctx))
            left, (data, name) = name, step(kind, state, data, execution, ctx)
            tell(execution, f"{kind}StateExited", "stateExited", {"name": left, "output": json.dumps(data)})
        return data

    def step(kind, state, data, execution, ctx):
        if kind == "Succeed":
            data = stepfunctions._apply_input_path(state, data, ctx)
            return stepfunctions._apply_output_path(state, data, ctx), None
        run = getattr(stepfunctions, f"_execute_{kind.lower()}")
        if kind in ("Task", "Parallel", "Map"):
            return run(state, data, execution, ctx)
        return run(state, data, ctx)

    def tell(execution, kind, member, details):
        stepfunctions._add_event(execution, kind, {f"{member}EventDetails": details})

    stepfunctions._run_sub_machine = run_sub_machine


def start_once_under_one_name():
    """Starting a running execution again with the same name and input answers with that one, as AWS documents:
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    start = seen(stepfunctions, "_start_execution", "9923282fc76c")

    def start_execution(data):
        machine = stepfunctions._resolve_state_machine_arn(data.get("stateMachineArn", ""))
        if machine is None or not data.get("name"):
            return start(data)
        arn = f"{machine.replace(':stateMachine:', ':execution:')}:{data['name']}"
        other = stepfunctions._executions.get(arn)
        if other and not has_ended(other) and other["input"] == data.get("input", "{}"):
            return json_response({"executionArn": arn, "startDate": other["startDate"]})
        return start(data)

    stepfunctions._start_execution = start_execution
