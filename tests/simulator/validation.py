"""What every service's checks are made of: a client whose raw answers are held against the published model."""

import json
import re
import urllib.request

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

# Sent by the live services in modelled errors, though no model lists them; a message too where no member is listed.
UNLISTED_ERROR_MEMBERS = {"__type", "ErrorCode"}
# Errors of what stands before every service; no service's model lists them.
FRONT_ERRORS = {
    "ThrottlingException",
    "AccessDeniedException",
    "UnrecognizedClientException",
    "UnknownOperationException",
    "SerializationException",
    "ValidationException",
}


def problems(shape, value, where):
    """Every way in which `value` is not of `shape`."""
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, dict):
            return [f"{where}: expected an object, found {value!r}"]
        found = [f"{where}: unknown member {name}" for name in value if name not in shape.members]
        found += [f"{where}: missing {name}" for name in shape.required_members if name not in value]
        for name, member in value.items():
            if name in shape.members:
                found += problems(shape.members[name], member, f"{where}.{name}")
        return found
    if kind == "list":
        if not isinstance(value, list):
            return [f"{where}: expected a list, found {value!r}"]
        found = limits(shape, len(value), where)
        for index, member in enumerate(value):
            found += problems(shape.member, member, f"{where}[{index}]")
        return found
    if kind == "map":
        if not isinstance(value, dict):
            return [f"{where}: expected a map, found {value!r}"]
        return [each for key, member in value.items() for each in problems(shape.value, member, f"{where}.{key}")]
    if kind == "string":
        if not isinstance(value, str):
            return [f"{where}: expected text, found {value!r}"]
        found = limits(shape, len(value), where)
        if shape.enum and value not in shape.enum:
            found.append(f"{where}: {value!r} is not one of {shape.enum}")
        pattern = shape.metadata.get("pattern")
        # A few patterns count in UTF-16 halves or name Unicode classes, which Python's expressions cannot; they allow
        # all printable text.
        foreign = pattern and ("\\uD800" in pattern or "\\p{" in pattern)
        if pattern and not foreign and not re.search(pattern, value):
            found.append(f"{where}: {value!r} does not match {pattern}")
        return found
    if kind in ("float", "double"):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return limits(shape, value, where) if number else [f"{where}: expected a number, found {value!r}"]
    if kind in ("integer", "long"):
        if isinstance(value, bool) or not isinstance(value, int):
            return [f"{where}: expected a whole number, found {value!r}"]
        return limits(shape, value, where)
    if kind == "boolean":
        return [] if isinstance(value, bool) else [f"{where}: expected true or false, found {value!r}"]
    if kind == "timestamp":
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return [f"{where}: expected epoch seconds, found {value!r}"]
        return [] if round(value, 3) == value else [f"{where}: {value!r} is finer than milliseconds"]
    return [f"{where}: this check does not know the type {kind}"]


def limits(shape, size, where):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    found = []
    if least is not None and size < least:
        found.append(f"{where}: {size} is less than {least}")
    if most is not None and size > most:
        found.append(f"{where}: {size} is more than {most}")
    return found


class Checks:
    """Runs checks, prints one line each, and remembers whether any failed."""

    def __init__(self):
        self.failed = 0
        self.count = 0

    def say(self, name, found):
        self.count += 1
        self.failed += bool(found)
        print(f"{'FAIL' if found else 'ok  '} {name}" + "".join(f"\n       {each}" for each in found), flush=True)

    def that(self, name, truth, detail=""):
        self.say(name, [] if truth else [f"not so {detail}".strip()])


class Service:
    """A boto3 client of one service whose raw answers are checked as they arrive."""

    def __init__(self, checks, url, account, region, name):
        self.checks = checks
        self.url = url
        self.account = account
        self.region = region
        self.name = name
        self.driven = set()
        self.raw = None
        self.client = boto3.client(
            name,
            endpoint_url=url,
            region_name=region,
            aws_access_key_id=account,
            aws_secret_access_key="any",
            # Wrong input must reach the simulator, and each answer is to be seen once.
            config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
        )
        event = f"before-parse.{self.client.meta.service_model.service_id.hyphenize()}.*"
        self.client.meta.events.register(event, self.catch)

    def catch(self, operation_model, response_dict, **_):
        self.raw = (operation_model, response_dict)

    def method(self, operation):
        return getattr(self.client, xform_name(operation))

    def call(self, operation, why="", **arguments):
        """An answer that must be a success of the operation's shape."""
        name = f"{operation} {why}".strip()
        try:
            answer = self.method(operation)(**arguments)
        except ClientError as error:
            self.checks.say(name, [str(error)])
            raise
        self.checks.say(name, self.check_success(operation))
        return answer

    def check_success(self, operation):
        self.driven.add(operation)
        model, response = self.raw
        found = headers(response)
        if response["status_code"] != 200:
            found.append(f"status {response['status_code']}")
        if model.output_shape is None:
            # The live services send nothing at all; clients take an empty object just as well.
            if response["body"] not in (b"", b"{}"):
                found.append(f"a body where none is due: {response['body']}")
            return found
        return found + problems(model.output_shape, json.loads(response["body"]), operation)

    def refuse(self, operation, code, status=400, why="", says="", **arguments):
        """An answer that must be this error, in the shape the model gives it."""
        name = f"{operation} is refused {why}".strip()
        try:
            answer = self.method(operation)(**arguments)
        except ClientError as error:
            answer = error.response
        model, response = self.raw
        body = json.loads(response["body"])
        found = headers(response)
        if response["status_code"] != status:
            found.append(f"status {response['status_code']}, expected {status}")
        if answer.get("Error", {}).get("Code") != code:
            found.append(f"botocore read {answer.get('Error')}, expected {code}")
        elif says not in answer["Error"].get("Message", ""):
            found.append(f"message {answer['Error'].get('Message')!r} does not say {says!r}")
        if response["headers"].get("x-amzn-errortype") != code:
            found.append("no x-amzn-ErrorType of that name")
        shapes = {shape.name: shape for shape in model.error_shapes}
        if code in shapes:
            listed = shapes[code].members
            unlisted = UNLISTED_ERROR_MEMBERS if listed else UNLISTED_ERROR_MEMBERS | {"Message", "message"}
            members = {key: value for key, value in body.items() if key in listed or key not in unlisted}
            found += problems(shapes[code], members, code)
        elif code not in FRONT_ERRORS:
            found.append(f"{code} is no error of {operation}")
        self.checks.say(name, found)
        return answer

    def control(self, method, path, body=None):
        """A request to this service's own routes under `/_simulator/`."""
        return control(self.url, method, f"accounts/{self.account}/{self.region}/{self.name}/{path}", body)


def headers(response):
    found = []
    if not response["headers"].get("x-amzn-requestid"):
        found.append("no x-amzn-RequestId")
    if response["headers"].get("content-type") != "application/x-amz-json-1.1":
        found.append(f"content type {response['headers'].get('content-type')}")
    return found


def control(url, method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{url}/_simulator/{path}", data, {"content-type": "application/json"}, method=method
    )
    with urllib.request.urlopen(request) as response:
        text = response.read()
    return json.loads(text) if text else None
