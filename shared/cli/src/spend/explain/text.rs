//! What led to the lock, for people.

use clap::builder::styling::{AnsiColor, Style};
use comfy_table::Cell;
use guardrail::availability::Change;
use guardrail::budget::Period;
use guardrail::catalogue::ActionKind;
use guardrail::spending::Share;
use guardrail::{Amount, Mode, Money};
use jiff::Timestamp;

use super::{Basis, Done, Explanation, Held, Moment, Reached, Release, Said, Spent};
use crate::answer::{Look, label, lines, pad, printable, word};
use crate::spend::table::{Group, Sum, Sums};

/// Services and users shown; the rest is summed up.
const TOP: usize = 5;

/// Days shown, the last ones.
const DAYS: usize = 7;

/// Everything, section by section.
pub(super) fn tell(explanation: &Explanation<'_>, look: Look) -> String {
    let Explanation { budget, spent, now, .. } = explanation;
    let heading = |text: &str| look.paint(Style::new().bold(), text);
    let mut text = format!("{}\n", headline(explanation, look));
    if budget.is_some() || spent.is_some() {
        text += &format!("\n{}\n{}", heading("budget"), block(&standing(explanation), look));
    }
    let happened = happened(explanation);
    if !happened.is_empty() {
        text += &format!("\n{}\n{}", heading("what happened (UTC)"), block(&happened, look));
    }
    if let Some(spent) = spent {
        text += &format!("\n{}\n{}", heading(&format!("what it was spent on in {}", month(spent))), table(spent, look));
    }
    if let Some(now) = now {
        text += &format!("\n{}\n{}", heading(&format!("now, in {}", month(now))), block(&told(now), look));
    }
    if let Some(command) = &explanation.to_release {
        text += &format!("\n{}\n{}", heading("how it opens again"), way_out(explanation, command));
    }
    text
}

/// Where it stands, in one sentence.
fn headline(explanation: &Explanation<'_>, look: Look) -> String {
    let Explanation { sandbox, locked, state, lock, release, .. } = explanation;
    let name = match sandbox.alias == sandbox.account {
        true => format!("{}/{}", sandbox.account, sandbox.region),
        false => format!("`{}` ({}/{})", printable(&sandbox.alias), sandbox.account, sandbox.region),
    };
    let since = |said: &Said<'_>| instant(said.at);
    let red = |text: &str| look.paint(AnsiColor::Red.on_default().bold(), text);
    let green = |text: &str| look.paint(AnsiColor::Green.on_default().bold(), text);
    match (locked, lock, release) {
        (true, Some(lock), _) => format!("{name} is {} by its budget since {} UTC", red("locked"), since(lock)),
        (true, None, _) => format!("{name} is {} by its budget", red("locked")),
        (false, Some(lock), Some(release)) => format!(
            "{name} is {}: its budget's lock of {} UTC was {} at {} UTC",
            state.as_str(),
            since(lock),
            green("released"),
            since(release)
        ),
        (false, ..) => format!("{name} is {}: its budget has {} it", state.as_str(), green("never locked")),
    }
}

/// The budget, and what was spent of it.
fn standing(Explanation { budget, spent, lock, .. }: &Explanation<'_>) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push((name.to_owned(), value));
    match budget {
        None => row("amount", "nobody has set one".to_owned()),
        Some(Held { budget, changed_to, from, until, business_unit, set_for, parameter }) => {
            let set_for = match (*set_for, business_unit) {
                (Some("sandbox"), _) => ", set for the sandbox".to_owned(),
                (Some("business-unit"), Some(unit)) => format!(", set for the business unit `{unit}`"),
                (Some("all"), _) => ", set for all sandboxes".to_owned(),
                (None, _) if lock.is_none() => ", the default: nobody has set one".to_owned(),
                _ => String::new(),
            };
            match changed_to {
                None => row("amount", format!("{budget}{set_for}")),
                // Who had set the one before is not known any more.
                Some(changed_to) => {
                    row("amount", format!("{budget}, changed since"));
                    row("now", format!("{changed_to}{set_for}"));
                }
            }
            if let Some(parameter) = parameter {
                row("parameter", parameter.clone());
            }
            if let Some(unit) = business_unit {
                row("business unit", (*unit).to_owned());
            }
            row("period", Period { from: *from, until: *until }.to_string());
        }
    }
    rows.extend(spent.as_ref().map(told).unwrap_or_default());
    rows
}

/// What was spent, as far as it is known, and beyond.
fn told(spent: &Spent<'_>) -> Vec<(String, String)> {
    let Spent { currency, reported, covered_until, estimate, projection, standing, .. } = spent;
    let money = |amount: &Amount| Money::new(amount.clone(), *currency).brief();
    let up_to = instant(*covered_until);
    let reported = match standing {
        Some(standing) => format!("{}, {} % of {}", money(&standing.reported), standing.percent, standing.budget),
        None => format!("{} in {}", money(reported), month(spent)),
    };
    let mut rows = vec![("spent".to_owned(), format!("{reported}, as the cost export says up to {up_to} UTC"))];
    if let Some(estimate) = estimate {
        let error = match &estimate.error {
            Some(error) => format!("give or take {}", money(error)),
            None => "with an error that is not known yet".to_owned(),
        };
        let until = instant(estimate.until);
        let value = format!("{} more by estimate, {error}, up to {until} UTC", money(&estimate.amount));
        rows.push(("since then".to_owned(), value));
    }
    if let Some(projection) = projection {
        let value = format!("{} at the end of the period if it goes on so", money(&projection.amount));
        rows.push(("projected".to_owned(), value));
    }
    rows
}

/// Everything that happened, one line for each, in its order.
fn happened(explanation: &Explanation<'_>) -> Vec<(String, String)> {
    let Explanation { budget, levels, actions, lock, closing, release, opening, .. } = explanation;
    let budget = budget.as_ref().map(|held| held.budget.to_string()).unwrap_or_default();
    let mut moments: Vec<(Timestamp, String)> = Vec::new();
    moments.extend(levels.iter().map(|level| (level.at, reached(level, &budget))));
    let said = |verb: &str, said: &Said<'_>| {
        let by = said.requested_by.map(|who| format!(" by {who}")).unwrap_or_default();
        let why = said.reason.map(|why| format!(": {why}")).unwrap_or_default();
        (said.at, format!("{verb}{by}{why}"))
    };
    moments.extend(lock.iter().map(|lock| said("locked", lock)));
    let why = lock.as_ref().and_then(|lock| lock.reason).unwrap_or_default();
    moments.extend(actions.iter().map(|Done { at, action, outcome, reason, .. }| {
        // The reason of the lock stands above it already.
        let reason = reason.strip_suffix(why).map_or(*reason, |told| told.trim_end_matches(": "));
        (*at, format!("{} {}: {reason}", word(action), word(outcome)))
    }));
    moments.extend(closing.iter().map(moment));
    moments.extend(release.iter().map(|release| said("released", release)));
    moments.extend(opening.iter().map(moment));
    // What happened in one instant stays in the order of cause and effect.
    moments.sort_by_key(|(at, _)| *at);
    moments.into_iter().map(|(at, what)| (instant(at), what)).collect()
}

/// A step on the way between open and closed; what it came of stands above it already.
fn moment(Moment { at, change, message }: &Moment<'_>) -> (Timestamp, String) {
    let told = match change {
        Change::Closing => "the sandbox is closing",
        Change::Closed => "the sandbox is closed",
        Change::Opening => "the sandbox is opening",
        Change::Opened => "the sandbox is open",
        _ => message,
    };
    (*at, told.to_owned())
}

/// That a level was reached, and what that means. The budget is named where it is another one than `known`.
fn reached(level: &Reached<'_>, known: &str) -> String {
    let Reached { percent, basis, brief, budget, action, mode, exemption, .. } = level;
    let basis = match basis {
        Basis::Reported => "reported",
        Basis::Estimated => "by estimate",
    };
    let action = match (action, mode, exemption) {
        (ActionKind::Report, ..) => String::new(),
        (_, _, Some(exemption)) => format!("; exempt from the lock by `{exemption}`"),
        (_, Mode::Enforce, None) => "; to be locked".to_owned(),
        (_, Mode::Off | Mode::Observe, None) => format!("; not to be locked, the mode is `{mode}`"),
    };
    let of = if budget == known { String::new() } else { format!(", of {budget}") };
    format!("{percent} % reached: {brief} {basis}{of}{action}")
}

/// The most expensive services and users, and the last days.
fn table(spent: &Spent<'_>, look: Look) -> String {
    let group =
        |what, shares: &[Share]| (!shares.is_empty()).then(|| Group { what, sums: top(shares, spent.reported) });
    let days = spent.days.iter().skip(spent.days.len().saturating_sub(DAYS));
    let days: Vec<Sum> = days.map(|(day, amount)| Sum { key: day.to_string(), amount: amount.clone() }).collect();
    let days = (!days.is_empty()).then_some(Group { what: "day", sums: days });
    let groups = [group("service", spent.services), group("user", spent.owners), days];
    Sums {
        groups: groups.into_iter().flatten().collect(),
        currency: Some(spent.currency),
        total: spent.reported,
        with_total: true,
        decimals: 2,
        indent: 2,
    }
    .text(look)
}

/// The most expensive, and what is left of the total.
fn top(shares: &[Share], total: &Amount) -> Vec<Sum> {
    let shown = shares.iter().take(TOP).map(|share| Sum { key: share.name.clone(), amount: share.amount.clone() });
    let mut sums: Vec<Sum> = shown.collect();
    let rest = total.clone() - sums.iter().map(|sum| sum.amount.clone()).sum();
    if !rest.is_zero() {
        sums.push(Sum { key: "others".to_owned(), amount: rest });
    }
    sums
}

/// What would release the lock.
fn way_out(explanation: &Explanation<'_>, command: &Release<'_>) -> String {
    // Only maps with keys that are not text cannot be JSON.
    let payload = serde_json::to_string(command).unwrap_or_default();
    let others = match explanation.other_locks.as_slice() {
        [] => String::new(),
        locks => {
            let locks: Vec<_> = locks.iter().map(|lock| format!("`{}`", printable(lock))).collect();
            format!("  It stays closed while it is held by {} too.\n", locks.join(", "))
        }
    };
    format!(
        "  Nobody has released it. A new period or another budget opens nothing; a release does, and then the window.\n\
         {others}  In the hub's account:\n\n\
         aws lambda invoke --function-name sandbox-guardrails-console-command \\\n  \
         --cli-binary-format raw-in-base64-out answer.json --payload \\\n  '{payload}'\n"
    )
}

/// Names and what there is to say of them, indented.
fn block(rows: &[(String, String)], look: Look) -> String {
    let mut table = look.table();
    for (name, value) in rows {
        table.add_row([label(name), Cell::new(printable(value))]);
    }
    pad(&mut table, (2, 0));
    lines(&table)
}

/// `November 2026`.
fn month(spent: &Spent<'_>) -> String {
    spent.month.strftime("%B %Y").to_string()
}

/// To the minute, in UTC.
fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}
