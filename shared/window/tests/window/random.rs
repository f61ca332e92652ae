//! Properties of any document, around the turns of clocks too, and of any JSON that is none.

use jiff::civil::{Date, DateTime};
use jiff::tz::AmbiguousOffset;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use window::{Calendar, State, Transition, Window};

/// Zones whose clocks are turned in different ways between the autumn of 2026 and the spring of 2027, or not at all.
const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Madrid",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Havana",
    "Africa/Casablanca",
    "Asia/Kathmandu",
];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

const FIRST: &str = "2026-10-15T00:00:00Z";
const LENGTH: i64 = 180;

fn date() -> impl Strategy<Value = Date> {
    // Two of three within the days on which clocks are turned.
    let turns =
        prop_oneof![Just("2026-10-24"), Just("2026-10-31"), Just("2027-03-13"), Just("2027-03-27"), Just("2027-04-03")];
    let near = (turns, 0..3_i64).prop_map(|(date, days)| (date, days));
    let any = (Just("2026-10-15"), 0..LENGTH);
    prop_oneof![2 => near, 1 => any]
        .prop_map(|(date, days)| date.parse::<Date>().unwrap() + SignedDuration::from_hours(24 * days))
}

/// Minutes of a day; half of them in the hours at which clocks are turned.
fn minute() -> impl Strategy<Value = i64> {
    prop_oneof![0..24 * 60_i64, (0..16_i64).prop_map(|quarter| quarter * 15)]
}

fn local() -> impl Strategy<Value = DateTime> {
    (date(), minute()).prop_map(|(date, minute)| date.at(0, 0, 0, 0) + SignedDuration::from_mins(minute))
}

fn hour(minute: i64) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn rule() -> impl Strategy<Value = Value> {
    let days = prop::sample::subsequence(DAYS.to_vec(), 1..=7).prop_shuffle();
    (days, minute(), 1..=24 * 60_i64).prop_filter_map("`from` is `to`", |(days, from, length)| {
        let to = from + length;
        let to = if to > 24 * 60 { to - 24 * 60 } else { to };
        (to != from).then(|| json!({ "days": days, "from": hour(from), "to": hour(to) }))
    })
}

fn closed_date() -> impl Strategy<Value = Value> {
    let range = (date(), 0..4_i64)
        .prop_map(|(from, days)| json!({ "from": from, "to": from + SignedDuration::from_hours(24 * days) }));
    prop_oneof![date().prop_map(|date| json!(date)), range]
}

fn special() -> impl Strategy<Value = Value> {
    (local(), 1..40 * 60_i64, "[a-zé]{1,20}").prop_map(|(from, length, reason)| {
        let until = from + SignedDuration::from_mins(length);
        let written = |local: DateTime| local.strftime("%Y-%m-%dT%H:%M").to_string();
        json!({ "from": written(from), "until": written(until), "reason": reason })
    })
}

fn document() -> impl Strategy<Value = Value> {
    let list = |entries: BoxedStrategy<Value>, most| prop::collection::vec(entries, 0..most);
    (
        prop::sample::select(ZONES.to_vec()),
        list(rule().boxed(), 5),
        list(closed_date().boxed(), 4),
        list(special().boxed(), 4),
        list(special().boxed(), 4),
    )
        .prop_map(|(zone, open, closed_dates, extensions, closures)| {
            json!({ "time_zone": zone, "open": open, "closed_dates": closed_dates, "extensions": extensions,
                "closures": closures })
        })
}

fn window(document: &Value) -> Window {
    Window::from_json(document).unwrap_or_else(|faults| panic!("{faults}: {document}"))
}

/// The half year that documents are about.
fn span() -> (Timestamp, Timestamp) {
    let first: Timestamp = FIRST.parse().unwrap();
    (first, first + SignedDuration::from_hours(24 * LENGTH))
}

fn half_year(window: &Window) -> Vec<Transition> {
    let (first, last) = span();
    window.transitions(first, last).collect()
}

/// Some instants of the half year, not in step with hours and days.
fn instants() -> impl Iterator<Item = Timestamp> {
    let (first, last) = span();
    (0..).map(move |index| first + SignedDuration::from_mins(index * 97)).take_while(move |at| *at < last)
}

/// What is open by the plain words of a document, for a local time that is neither skipped nor repeated.
fn by_its_words(document: &Value, local: DateTime) -> State {
    let list = |key: &str| document[key].as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let special = |key| {
        let parse = |value: &Value| text(value).parse::<DateTime>().unwrap();
        list(key).iter().any(|entry| parse(&entry["from"]) <= local && local < parse(&entry["until"]))
    };
    let today = local.date();
    let closed = || {
        list("closed_dates").iter().any(|entry| {
            let (from, to) = if entry.is_string() { (entry, entry) } else { (&entry["from"], &entry["to"]) };
            let parse = |value: &Value| text(value).parse::<Date>().unwrap();
            (parse(from)..=parse(to)).contains(&today)
        })
    };
    let rule = || {
        let now = local.strftime("%H:%M").to_string();
        let opens_on = |entry: &Value, date: Date| {
            entry["days"].as_array().unwrap().contains(&json!(date.strftime("%a").to_string().to_lowercase()))
        };
        list("open").iter().any(|entry| {
            let (from, to) = (text(&entry["from"]), text(&entry["to"]));
            if from < to {
                opens_on(entry, today) && from <= now && now < to
            } else {
                opens_on(entry, today) && from <= now || opens_on(entry, today.yesterday().unwrap()) && now < to
            }
        })
    };
    let open = !special("closures") && (special("extensions") || !closed() && rule());
    if open { State::Open } else { State::Closed }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_state_is_what_the_document_says(document in document()) {
        let window = window(&document);
        for at in instants() {
            let local = at.to_zoned(window.time_zone().clone()).datetime();
            let ambiguous = window.time_zone().to_ambiguous_timestamp(local).offset();
            if matches!(ambiguous, AmbiguousOffset::Unambiguous { .. }) {
                prop_assert_eq!(window.state_at(at), by_its_words(&document, local), "{}", local);
            }
        }
    }

    #[test]
    fn transitions_alternate_and_the_state_is_constant_between_them(document in document()) {
        let window = window(&document);
        let mut changes = half_year(&window).into_iter().peekable();
        let mut state = window.state_at(span().0 - SignedDuration::from_nanos(1));
        let instant = SignedDuration::from_nanos(1);
        for at in instants() {
            while let Some(change) = changes.next_if(|change| change.at <= at) {
                prop_assert_ne!(change.state, state);
                prop_assert_eq!(window.state_at(change.at - instant), state);
                prop_assert_eq!(window.state_at(change.at), change.state);
                prop_assert!(change.source.is_some());
                state = change.state;
            }
            prop_assert_eq!(window.state_at(at), state);
            prop_assert_eq!(window.verdict_at(at, Calendar::None).state, state);
        }
    }

    #[test]
    fn the_next_transition_is_the_first_of_transitions(document in document(), minutes in 0..LENGTH * 24 * 60) {
        let window = window(&document);
        let after = span().0 + SignedDuration::from_mins(minutes);
        let all = window.transitions(after + SignedDuration::from_nanos(1), span().1);
        let mut last = after;
        for change in all.take(20) {
            prop_assert_eq!(window.next_transition(last), Some(change.clone()));
            // From any instant before it, the next one is the same.
            let between = last + change.at.duration_since(last) / 2;
            prop_assert_eq!(window.next_transition(between), Some(change.clone()));
            last = change.at;
        }
    }

    #[test]
    fn the_order_of_entries_does_not_matter(document in document(), turn in 1..4_usize) {
        let mut other = document.clone();
        for key in ["open", "closed_dates", "extensions", "closures"] {
            let list = other[key].as_array_mut().unwrap();
            list.reverse();
            let turn = turn.min(list.len());
            list.rotate_left(turn);
        }
        let told = |document| -> Vec<_> {
            half_year(&window(document)).into_iter().map(|change| (change.at, change.state, change.cause)).collect()
        };
        prop_assert_eq!(told(&document), told(&other));
    }

    #[test]
    fn an_extension_never_closes_and_a_closure_never_opens(document in document(), entry in special()) {
        let before = window(&document);
        let with = |key: &str| {
            let mut document = document.clone();
            document[key].as_array_mut().unwrap().push(entry.clone());
            window(&document)
        };
        let (extended, closed) = (with("extensions"), with("closures"));
        for at in instants() {
            prop_assert!(before.state_at(at) == State::Closed || extended.state_at(at) == State::Open, "{}", at);
            prop_assert!(before.state_at(at) == State::Open || closed.state_at(at) == State::Closed, "{}", at);
        }
    }

    #[test]
    fn a_document_comes_back_as_it_was_given(document in document()) {
        let first = window(&document);
        prop_assert_eq!(first.to_json(), document.clone());
        let again = Window::parse(&document.to_string()).unwrap();
        prop_assert_eq!(again.to_json(), document);
        prop_assert_eq!(half_year(&first), half_year(&again));
    }
}

/// JSON that a document may have been meant to be: its keys, and values of any kind.
fn anything() -> impl Strategy<Value = Value> {
    let keys = [
        "time_zone",
        "open",
        "closed_dates",
        "extensions",
        "closures",
        "calendar",
        "days",
        "from",
        "to",
        "until",
        "reason",
    ];
    let texts = [
        "Europe/Madrid",
        "mon",
        "08:00",
        "24:00",
        "2027-03-28",
        "2100-12-31",
        "2027-03-28T02:30",
        "2101-01-01T00:00",
        "é–\u{0}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(texts.to_vec()).prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "[0-9T:+-]{0,17}".prop_map(Value::from),
    ];
    let key = prop_oneof![9 => prop::sample::select(keys.to_vec()).prop_map(str::to_owned), 1 => ".{0,8}"];
    leaf.prop_recursive(4, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_and_no_text_panics(value in anything(), text in ".{0,60}") {
        for result in [Window::from_json(&value), Window::parse(&value.to_string()), Window::parse(&text)] {
            if let Err(faults) = result {
                prop_assert!(!faults.0.is_empty());
                prop_assert!(faults.0.iter().all(|fault| !fault.message.is_empty()));
            }
        }
    }

    #[test]
    fn a_document_with_something_else_in_it_panics_nowhere(
        document in document(),
        value in anything(),
        place in 0..40_usize,
    ) {
        let mut places = vec![];
        fn walk(path: String, value: &Value, places: &mut Vec<String>) {
            match value {
                Value::Array(list) => {
                    list.iter().enumerate().for_each(|(index, value)| walk(format!("{path}/{index}"), value, places));
                }
                Value::Object(members) => {
                    members.iter().for_each(|(key, value)| walk(format!("{path}/{key}"), value, places));
                }
                _ => {}
            }
            places.push(path);
        }
        walk(String::new(), &document, &mut places);
        let mut document = document;
        *document.pointer_mut(&places[place % places.len()]).unwrap() = value;
        let read = Window::from_json(&document);
        if let Ok(window) = read {
            prop_assert!(half_year(&window).windows(2).all(|pair| pair[0].at < pair[1].at));
        }
    }
}
