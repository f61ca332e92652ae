"""What MiniStack is taught about EventBridge and its Scheduler; `patches.py` says how lessons are held."""

import contextvars
import datetime
import json
import time
import uuid
from zoneinfo import ZoneInfo

import roles
from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.arn import parse_arn
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.core.router import extract_access_key_id
from ministack.services import eventbridge, scheduler
from patches import seen

# What a role of a rule or a schedule must be allowed, by the service of the target.
NEEDED = {"states": "states:StartExecution", "lambda": "lambda:InvokeFunction"}


def apply():
    """Teaches every lesson; raises `MiniStackChanged` if one no longer fits."""
    arm_a_schedule_that_was_changed()
    pass_only_roles_that_may_be_passed()
    invoke_only_as_the_role_may()
    name_the_group_of_a_schedule()
    put_events_to_buses_of_other_accounts()
    tell_bus_policies_what_the_events_are()


def arm_a_schedule_that_was_changed():
    """A schedule fires by what it says now; MiniStack remembers forever that one of its name has fired.

    A moment that has passed when the schedule is made or changed never comes. AWS accepts such a schedule (LocalStack's
    test `tests_create_schedule_with_valid_schedule_expression`, validated against AWS, makes one) and does not fire it.
    """
    create = seen(scheduler, "_create_schedule", "5b205607c15c")
    update = seen(scheduler, "_update_schedule", "93f7fec4f7d8")
    delete = seen(scheduler, "_delete_schedule", "c4752c981ec3")

    def place(name, group):
        return get_account_id(), get_region(), f"{group or 'default'}/{name}"

    def moment(body):
        """When a one-time schedule is due, None for any other; `ValueError` or `LookupError` where nobody knows."""
        expression = body.get("ScheduleExpression", "")
        zone = ZoneInfo(body.get("ScheduleExpressionTimezone") or "UTC")
        if not expression.startswith("at("):
            return None
        # `strptime`, because AWS takes no other form, least of all one with an offset.
        wall = datetime.datetime.strptime(expression, "at(%Y-%m-%dT%H:%M:%S)")
        return wall.replace(tzinfo=zone).timestamp()

    def arming(original):
        def schedule(name, body):
            try:
                due = moment(body)
            except (ValueError, LookupError):
                told = f"{body.get('ScheduleExpression')} in {body.get('ScheduleExpressionTimezone')}"
                return scheduler._error(400, "ValidationException", f"Invalid Schedule Expression {told}.")
            answer = original(name, body)
            if answer[0] != 200:
                return answer
            here = place(name, body.get("GroupName"))
            scheduler._schedule_last_fired.pop(here, None)
            # A rate counts from now on, and what is over has been.
            if (due is not None and due <= time.time()) or body["ScheduleExpression"].startswith("rate("):
                scheduler._schedule_last_fired[here] = time.time()
            return answer

        return schedule

    def delete_schedule(name, query):
        answer = delete(name, query)
        scheduler._schedule_last_fired.pop(place(name, query.get("groupName")), None)
        return answer

    scheduler._create_schedule = arming(create)
    scheduler._update_schedule = arming(update)
    scheduler._delete_schedule = delete_schedule


def pass_only_roles_that_may_be_passed():
    """Whoever makes or changes a schedule needs `iam:PassRole` for its role, which must let the Scheduler assume it.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/setting-up.html#setting-up-execution-role
    """
    handle = seen(scheduler, "handle_request", "5379852d6e1c")

    async def handle_request(method, path, headers, body, query_params):
        makes = app.AUTH and method in ("POST", "PUT") and path.startswith("/schedules/")
        given = json.loads(body or b"{}") if makes else {}
        role = given.get("Target", {}).get("RoleArn", "")
        if role:
            denied = iam_evaluator.enforce(
                extract_access_key_id(headers, query_params) or "",
                "iam:PassRole",
                "iam",
                get_region(),
                resource_arn=role,
                service_context={"iam:PassedToService": "scheduler.amazonaws.com"},
            )
            if denied:
                caller = getattr(denied, "principal_arn", "")
                return iam_actions.access_denied_response("scheduler", "iam:PassRole", caller, "", headers=headers)
            if not roles.trusts(role, group_arn(given.get("GroupName", "default")), "scheduler.amazonaws.com"):
                message = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
                return scheduler._error(400, "ValidationException", message)
        return await handle(method, path, headers, body, query_params)

    scheduler.handle_request = handle_request


def invoke_only_as_the_role_may():
    """A schedule, and a rule whose target is a state machine, act under the role that their target names."""
    invoke = seen(eventbridge, "_invoke_target", "550e304af080")
    seen(eventbridge, "_dispatch_to_stepfunctions", "d36195e1c480")

    def invoke_target(target, event, rule, view=None):
        arn = target.get("Arn", "")
        service = arn.split(":")[2] if arn.count(":") > 5 else ""
        of_scheduler = "FlexibleTimeWindow" in rule
        if service in NEEDED and (of_scheduler or service == "states"):
            principal = "scheduler.amazonaws.com" if of_scheduler else "events.amazonaws.com"
            source = group_arn(rule["GroupName"]) if of_scheduler else rule["Arn"]
            reason = roles.refusal(target.get("RoleArn", ""), source, principal, NEEDED[service], arn)
            if reason:
                eventbridge.logger.warning("target %s of `%s` was not invoked: %s", arn, rule["Name"], reason)
                return
        invoke(target, event, rule, view)

    eventbridge._invoke_target = invoke_target


def group_arn(name):
    """What the trust policy of a schedule's role may ask for: not the schedule, its group."""
    return f"arn:aws:scheduler:{get_region()}:{get_account_id()}:schedule-group/{name}"


def name_the_group_of_a_schedule():
    """The group is part of a schedule's ARN, and stands in the body or the query; MiniStack takes it for `default`."""
    named_before = iam_actions.extract_resource_arn

    def resource_arn(service, method, path, headers, body, query_params, region, account_id):
        kind, _, name = path.strip("/").partition("/")
        if service != "scheduler" or kind != "schedules" or not name:
            return named_before(service, method, path, headers, body, query_params, region, account_id)
        given = query_params.get("groupName", "default")
        given = given[0] if isinstance(given, list) else given
        group = json.loads(body).get("GroupName", "default") if body else given
        return f"arn:aws:scheduler:{region}:{account_id}:schedule/{group}/{name}"

    iam_actions.extract_resource_arn = resource_arn


def put_events_to_buses_of_other_accounts():
    """`PutEvents` may name a bus of another account by its ARN; MiniStack refuses to.

    With AUTH on, the policy of that bus must let the caller in, be it the root of its account.
    """
    # Already wrapped by patches.py, which holds its digest.
    put = eventbridge._put_events
    seen(iam_evaluator, "caller_arn", "8dc478d34f46")

    def put_events(data, allow_aws_source=False):
        entries = data.get("Entries", [])
        if len(entries) > 10 or not any(is_elsewhere(entry) for entry in entries):
            return put(data, allow_aws_source)
        # Each in a call of its own, so that the answers keep the order of the entries.
        results = [put_elsewhere(entry) if is_elsewhere(entry) else put_here(entry) for entry in entries]
        failed = sum("ErrorCode" in result for result in results)
        return scheduler._json_resp(200, {"FailedEntryCount": failed, "Entries": results})

    def is_elsewhere(entry):
        bus = entry.get("EventBusName", "")
        return bus.startswith("arn:") and parse_arn(bus).account_id != get_account_id()

    def put_here(entry):
        return json.loads(put({"Entries": [entry]})[2])["Entries"][0]

    def put_elsewhere(entry):
        bus = parse_arn(entry["EventBusName"])
        name = bus.resource.partition("/")[2]
        if eventbridge._event_buses.get_scoped(bus.account_id, bus.region, name) is None:
            return {"ErrorCode": "ResourceNotFoundException", "ErrorMessage": f"Event bus {name} does not exist."}
        caller = iam_evaluator.caller_arn()
        asked = iam_evaluator.EvalContext(
            principal_arn=caller,
            principal_type="AssumedRole" if ":assumed-role/" in caller else "Root",
            principal_account=get_account_id(),
            action="events:PutEvents",
            resource_arn=entry["EventBusName"],
            region=get_region(),
            service_context=event_keys([entry]),
        )
        policy = eventbridge._event_bus_policies.get_scoped(bus.account_id, bus.region, name)
        if app.AUTH and not iam_evaluator.resource_policy_allows(policy, asked, same_account=False):
            message = f"User: {caller} is not authorized to perform: events:PutEvents on resource: {bus}"
            return {"ErrorCode": "AccessDeniedException", "ErrorMessage": message}
        event = {
            "EventId": str(uuid.uuid4()),
            "Source": entry.get("Source", ""),
            "DetailType": entry.get("DetailType", ""),
            "Detail": entry.get("Detail", "{}"),
            "EventBusName": name,
            "Time": int(time.time()),
            "Resources": entry.get("Resources", []),
            "Account": get_account_id(),
            "Region": get_region(),
            # As an event that a rule brought from there: it is not passed on to a third account.
            "_FromAnotherAccount": True,
        }
        with request_scope(bus.account_id, bus.region):
            eventbridge._dispatch_event(event)
            eventbridge._archive_event(event)
        return {"EventId": event["EventId"]}

    eventbridge._put_events = put_events


def tell_bus_policies_what_the_events_are():
    """The keys `events:source` and `events:detail-type` are what bus policies ask about; MiniStack has neither.

    A call with events for several buses is authorised against each of them.
    """
    tell = seen(iam_actions, "request_tag_context", "d46adb816e02")
    enforce = seen(iam_evaluator, "enforce", "cf64b1ee5b09")
    asked = contextvars.ContextVar("asked", default=None)

    def context(service, action, body, params):
        told = tell(service, action, body, params)
        if action == "events:PutEvents":
            asked.set(event_keys(json.loads(body).get("Entries", [])))
            told |= asked.get()
        return told

    def enforce_each(access_key, action, service, region, resource_arn="*", service_context=None):
        if action == "events:PutEvents" and service_context is None:
            service_context = asked.get()
        return enforce(access_key, action, service, region, resource_arn, service_context)

    iam_actions.request_tag_context = context
    iam_evaluator.enforce = enforce_each


def event_keys(entries):
    """What IAM knows of the events of a call."""
    kinds = sorted({entry.get("DetailType", "") for entry in entries})
    return {
        "events:eventbusinvocation": "false",
        "events:source": sorted({entry.get("Source", "") for entry in entries}),
        "events:detail-type": kinds[0] if len(kinds) == 1 else kinds,
    }
