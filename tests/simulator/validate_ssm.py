"""Systems Manager: the state of change calendars."""

OPERATIONS = {"GetCalendarState"}
NIGHT = {"from": "2026-11-24T20:00:00Z", "until": "2026-11-25T08:00:00Z"}


def check(ssm, checks, _url):
    for name, kind in (("always", "DEFAULT_OPEN"), ("days", "DEFAULT_OPEN"), ("nights", "DEFAULT_CLOSED")):
        events = [] if name == "always" else [NIGHT]
        ssm.control("POST", "calendars", {"name": name, "kind": kind, "events": events})
    at_midnight = {"AtTime": "2026-11-25T01:00:00+0100"}
    for why, names, state, after in (
        ("that is always open", ["always"], "OPEN", None),
        ("that is closed at night", ["days"], "CLOSED", "2026-11-25T08:00:00Z"),
        ("that is open at night", ["nights"], "OPEN", "2026-11-25T08:00:00Z"),
        ("of two calendars", ["always", "days"], "CLOSED", "2026-11-25T08:00:00Z"),
        ("by its ARN", [f"arn:aws:ssm:{ssm.region}:{ssm.account}:document/nights"], "OPEN", "2026-11-25T08:00:00Z"),
    ):
        answer = ssm.call("GetCalendarState", why, CalendarNames=names, **at_midnight)
        told = (answer["State"], answer["AtTime"], answer.get("NextTransitionTime"))
        checks.that(f"the state {why}", told == (state, "2026-11-25T00:00:00Z", after), told)
    ssm.call("GetCalendarState", "now", CalendarNames=["always"])
    refusals(ssm)


def refusals(ssm):
    ssm.control("POST", "calendars", {"name": "foreign", "kind": "UNSUPPORTED"})
    ssm.control("POST", "calendars", {"name": "runbook", "kind": "OTHER_DOCUMENT"})
    elsewhere = f"arn:aws:ssm:{ssm.region}:999999999999:document/always"
    for code, why, says, arguments in (
        ("InvalidDocument", "when unknown", "does not exist", {"CalendarNames": ["none"]}),
        ("InvalidDocument", "of another account", "does not exist", {"CalendarNames": [elsewhere]}),
        ("InvalidDocument", "when one is unknown", "does not exist", {"CalendarNames": ["always", "none"]}),
        ("InvalidDocumentType", "of another document", "ChangeCalendar", {"CalendarNames": ["runbook"]}),
        ("UnsupportedCalendarException", "that cannot be read", "supported", {"CalendarNames": ["foreign"]}),
        ("ValidationException", "without a calendar", "must not be null", {}),
        ("ValidationException", "at no time", "ISO 8601", {"CalendarNames": ["always"], "AtTime": "tomorrow"}),
    ):
        ssm.refuse("GetCalendarState", code, why=why, says=says, **arguments)
