//! The published JSON Schema of the window document.

use schemars::{Schema, json_schema};

use crate::document::{DAYS, LONGEST_REASON, MOST_ENTRIES};

const START: &str = "^([01][0-9]|2[0-3]):[0-5][0-9]$";
const END: &str = "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$";
const DATE: &str = "^(20[0-9]{2}|2100)-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$";
const LOCAL: &str = "^(20[0-9]{2}|2100)-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]$";

/// JSON Schema of the window document.
///
/// It says what a schema can say. [`crate::Window::parse`] finds more: a zone that does not exist, a date that no month
/// has, an end before its start.
pub fn schema() -> Schema {
    json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Window",
        "description": "When a sandbox is open. The first of these that covers a moment decides: closures, extensions, \
            closed dates and the calendar, open rules; what nothing opens is closed. A start in an hour that the zone \
            skips moves to the first instant after it, and so does an end; in a repeated hour a start is the first \
            occurrence and an end the last.",
        "type": "object",
        "required": ["time_zone", "open"],
        "additionalProperties": false,
        "properties": {
            "time_zone": {
                "title": "Time zone",
                "description": "A name of the IANA time zone database, such as `Europe/Madrid`.",
                "type": "string",
                "minLength": 1
            },
            "open": {
                "title": "Open rules",
                "description": "When the sandbox is open each week. Empty: only in extensions.",
                "type": "array",
                "maxItems": MOST_ENTRIES,
                "items": {
                    "title": "Rule",
                    "type": "object",
                    "required": ["days", "from", "to"],
                    "additionalProperties": false,
                    "properties": {
                        "days": {
                            "title": "Days",
                            "description": "The days on which it opens.",
                            "type": "array",
                            "minItems": 1,
                            "uniqueItems": true,
                            "items": { "type": "string", "enum": DAYS.map(|(word, _)| word) }
                        },
                        "from": {
                            "title": "From",
                            "description": "The local time at which it opens, `HH:MM`.",
                            "type": "string",
                            "pattern": START
                        },
                        "to": {
                            "title": "To",
                            "description": "The local time at which it closes, `HH:MM`, up to `24:00`; earlier than \
                                `from` is the next day, and the same is a fault.",
                            "type": "string",
                            "pattern": END
                        }
                    }
                }
            },
            "closed_dates": {
                "title": "Closed dates",
                "description": "Dates on which no rule opens, from midnight to midnight.",
                "type": "array",
                "maxItems": MOST_ENTRIES,
                "items": {
                    "oneOf": [
                        { "title": "Date", "description": "One date.", "type": "string", "pattern": DATE },
                        {
                            "title": "Range of dates",
                            "type": "object",
                            "required": ["from", "to"],
                            "additionalProperties": false,
                            "properties": {
                                "from": {
                                    "title": "From",
                                    "description": "The first closed date.",
                                    "type": "string",
                                    "pattern": DATE
                                },
                                "to": {
                                    "title": "To",
                                    "description": "The last closed date, not before `from`.",
                                    "type": "string",
                                    "pattern": DATE
                                }
                            }
                        }
                    ]
                }
            },
            "extensions": special("Extensions", "Periods in which it is open whatever rules and closed dates say."),
            "closures": special("Closures", "Periods in which it is closed whatever the rest says."),
            "calendar": {
                "title": "Calendar",
                "description": "Name or ARN of an SSM Change Calendar. While it says `CLOSED`, no rule opens.",
                "type": "string",
                "minLength": 1
            }
        }
    })
}

fn special(title: &str, description: &str) -> Schema {
    json_schema!({
        "title": title,
        "description": description,
        "type": "array",
        "maxItems": MOST_ENTRIES,
        "items": {
            "type": "object",
            "required": ["from", "until", "reason"],
            "additionalProperties": false,
            "properties": {
                "from": {
                    "title": "From",
                    "description": "The local time of its start, `YYYY-MM-DDTHH:MM`.",
                    "type": "string",
                    "pattern": LOCAL
                },
                "until": {
                    "title": "Until",
                    "description": "The local time of its end, `YYYY-MM-DDTHH:MM`, after `from`.",
                    "type": "string",
                    "pattern": LOCAL
                },
                "reason": {
                    "title": "Reason",
                    "description": "Why, for whoever sees the state change. One line.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": LONGEST_REASON
                }
            }
        }
    })
}
