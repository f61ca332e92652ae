"""What MiniStack is taught about S3; `patches.py` says how lessons are held."""

import contextvars
import json
import threading

import roles
from ministack.services import eventbridge, s3
from patches import seen


def apply(copies, disorder_seconds):
    """Teaches every lesson; raises `MiniStackChanged` if one no longer fits.

    Each event of S3 arrives `copies` times, and those that happen within `disorder_seconds` the newest first: AWS
    delivers them at least once and in no order.
    """
    roles.remember_callers(s3)
    announce_objects_as_s3_does(copies, disorder_seconds)
    hide_what_is_missing_from_whoever_may_not_list()


def announce_objects_as_s3_does(copies, disorder_seconds):
    """An event tells the object's version where its bucket keeps versions, and its time is in whole seconds.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    fire = seen(s3, "_fire_s3_event", "2ab38cfade76")
    dispatch = seen(eventbridge, "_dispatch_event", "d1bfe064f602")
    # The version of the object whose event is on its way from S3 to the bus, None for an event of anything else.
    announced = contextvars.ContextVar("announced", default=None)
    waiting = []
    gathering = threading.Lock()

    def fire_s3_event(bucket, key, name, *more, version_id=None, **named):
        announced.set(version_id or "")
        fire(bucket, key, name, *more, version_id=version_id, **named)

    def dispatch_event(event, view=None):
        version = announced.get()
        if version is None:
            return dispatch(event, view)
        # What a rule passes on to another bus is no longer S3's doing.
        announced.set(None)
        context, event = contextvars.copy_context(), worded(event, version)
        with gathering:
            waiting.append((context, event))
            first = len(waiting) == 1
        if disorder_seconds and first:
            threading.Timer(disorder_seconds, deliver).start()
        elif not disorder_seconds:
            deliver()
        return None

    def worded(event, version):
        detail = json.loads(event["Detail"])
        if version:
            detail["object"]["version-id"] = version
        return event | {"Detail": json.dumps(detail), "Time": event["Time"].partition(".")[0].rstrip("Z") + "Z"}

    def deliver():
        with gathering:
            batch = waiting[::-1]
            waiting.clear()
        for context, event in batch:
            for _ in range(copies):
                context.run(dispatch, dict(event))

    s3._fire_s3_event = fire_s3_event
    eventbridge._dispatch_event = dispatch_event


def hide_what_is_missing_from_whoever_may_not_list():
    """Who may not list a bucket is not told that an object is missing: access is denied, as to one that is there.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html#API_GetObject_RequestSyntax, "Permissions"
    """

    def hiding(read):
        def reading(bucket, key, headers=None, query_params=None):
            answer = read(bucket, key, headers, query_params)
            missing = answer[0] == 404 and bucket in s3._buckets
            if missing and roles.refusal_of_caller("s3", "s3:ListBucket", f"arn:aws:s3:::{bucket}"):
                return s3._error("AccessDenied", "Access Denied", 403)
            return answer

        return reading

    s3._get_object = hiding(seen(s3, "_get_object", "64ad7071ef0e"))
    s3._head_object = hiding(seen(s3, "_head_object", "369c3a8482ea"))
