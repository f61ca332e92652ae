"""Asks whether a role may do what a service of AWS is about to do in its name.

MiniStack authorises requests that arrive over HTTP. What a state machine, a rule or a schedule does itself never does,
nor what a service does for the caller of a request, such as Athena with the files of a table: each of those asks here
first.
"""

import contextvars
import json

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.core.router import extract_access_key_id
from ministack.services import iam

# The access key that the request was signed with that is being dealt with, and what was begun for it.
caller = contextvars.ContextVar("caller", default=None)


def remember_callers(module):
    """Lets `refusal_of_caller` know who asks a service of MiniStack."""
    handle = module.handle_request

    async def handle_request(method, path, headers, body, query_params, *more, **named):
        caller.set(extract_access_key_id(headers, query_params))
        return await handle(method, path, headers, body, query_params, *more, **named)

    module.handle_request = handle_request


def refusal_of_caller(service, action, resource_arn, **keys):
    """Why whoever asked the service may not do this; None if it may, without AUTH, or if nobody asked.

    `keys` are what conditions may ask about, such as `prefix` for `s3:prefix`.
    """
    if not app.AUTH or not caller.get():
        return None
    told = {f"{action.partition(':')[0]}:{key}": value for key, value in keys.items()}
    told |= {} if action.startswith(f"{service}:") else {"aws:CalledVia": [f"{service}.amazonaws.com"]}
    denied = iam_evaluator.enforce(caller.get(), action, service, get_region(), resource_arn, told)
    if denied is None:
        return None
    who = getattr(denied, "principal_arn", "")
    return f"User: {who} is not authorized to perform: {action} on resource: {resource_arn}"


def refusal(role_arn, source_arn, service, action, resource_arn):
    """Why the role may not do this for the service, such as `states.amazonaws.com`; None if it may, or without AUTH.

    `source_arn` is what the service acts for: the state machine, the rule, or the group of schedules.
    """
    if not app.AUTH:
        return None
    name = role_arn.rpartition("/")[2]
    account = get_account_id()
    asked = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:sts::{account}:assumed-role/{name}/{service.partition('.')[0]}",
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource_arn,
        region=get_region(),
    )
    if not trusts(role_arn, source_arn, service):
        return f"{service} cannot assume the role `{role_arn}` for {source_arn}"
    policies = iam_evaluator._gather_role_policies(name, account)
    limits = iam_evaluator._permissions_boundary(iam._roles, name, account)
    if iam_evaluator.evaluate(asked, policies, *limits).decision == "Allow":
        return None
    return f"User: {asked.principal_arn} is not authorized to perform: {action} on resource: {resource_arn}"


def trusts(role_arn, source_arn, service):
    """Whether there is such a role, and its trust policy lets the service assume it for the source."""
    role = iam._roles.get_scoped(get_account_id(), None, role_arn.rpartition("/")[2])
    if role is None or role["Arn"] != role_arn:
        return False
    document = role.get("AssumeRolePolicyDocument") or {}
    document = json.loads(document) if isinstance(document, str) else document
    asked = iam_evaluator.EvalContext(
        principal_arn=service,
        principal_type="Service",
        principal_account=get_account_id(),
        action="sts:AssumeRole",
        resource_arn=role_arn,
        region=get_region(),
        service_context={"aws:sourceaccount": get_account_id(), "aws:sourcearn": source_arn},
    )
    statements = document.get("Statement", [])
    for statement in [statements] if isinstance(statements, dict) else statements:
        named = iam_evaluator._service_principal_matches(statement.get("Principal"), service)
        met = named and iam_evaluator._conditions_met(statement.get("Condition", {}), asked)
        if met and statement.get("Effect") == "Allow":
            return True
    return False
