//! The guardrails of one service in full: what each measures, when that is a breach, what is done, how it is set, and a
//! finding of it.

use std::io;

use guardrail::catalogue::{Among, Amount, Bounds, Choice};
use guardrail::measure::MeasureKind;
use guardrail::{ActionKind, Guardrail, Measure, Policy, Quantity, ScopeKind, Service};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::samples;

/// Everything about the guardrails of a service, as Markdown.
///
/// # Errors
/// When a guardrail has no sample.
pub(super) fn guardrails(service: Service) -> Result<String, String> {
    let sections: Result<Vec<String>, String> = service.guardrails().map(section).collect();
    Ok(sections?.join("\n"))
}

fn section(guardrail: &'static Guardrail) -> Result<String, String> {
    let Guardrail { id, title, why, .. } = guardrail;
    let mut facts = vec![
        ("Measured", measured(guardrail)?),
        ("A breach is", breach(guardrail)?),
        ("Levels", levels(guardrail)),
        ("At a breach", action(guardrail)),
    ];
    facts.extend(scopes(guardrail).map(|scopes| ("Set", scopes)));
    let facts: String = facts.iter().map(|(what, text)| wrapped(&format!("- **{what}:** {text}"), "  ")).collect();
    let purpose = wrapped(&format!("{title}. {why}"), "");
    let finding = json(&samples::breach(guardrail)?)?;
    let path = guardrail.parameter_path();
    let rows = parameters(guardrail);
    Ok(format!(
        "### `{id}`\n\n{purpose}\n{facts}\n\
         | under `{path}/` | takes | default |\n|---|---|---|\n{rows}\n\
         <details><summary>A finding</summary>\n\n```json\n{finding}\n```\n\n</details>\n"
    ))
}

/// What is measured of what, and from when on.
fn measured(guardrail: &Guardrail) -> Result<String, String> {
    let of = a(&listed(guardrail.resources));
    let since = since(guardrail)?;
    let text = match guardrail.measure {
        Measure::ElapsedTime => format!("the time that {of} has lived, from {since}."),
        Measure::UpTime => format!("the time that {of} has been up, from {since}."),
        Measure::IdleTime => format!("the time since {of} last did something. While it works, nothing is measured."),
        Measure::QueueTime => format!("the time that {of} has waited for its turn, while it waits, from {since}."),
        Measure::ApprovalAge => "the time since the newest approval of a version in the group.".to_owned(),
        Measure::Count => {
            let (of, within) = (several(guardrail.resources), counted_in(guardrail));
            format!("how many {of} there are at once{within}. Exempt ones do not count.")
        }
        Measure::BytesScanned => format!("the bytes that {of} has scanned so far, while it is active."),
        Measure::DailyBytesScanned => format!(
            "the bytes scanned by all queries of {of} that were submitted since midnight UTC, those that have ended included."
        ),
        Measure::Instances => format!("how many EC2 instances of {of} run, in all groups or fleets together."),
        Measure::Vcpus => format!(
            "the vCPUs of all instances of {of} that run. With an instance type whose vCPUs are not known, nothing is measured."
        ),
        Measure::Gpus => format!("the GPUs of all instances that {of} asks for."),
        Measure::Dpus => format!(
            "the data processing units of {of}: its workers times the DPUs of their type, a fraction counted as one; with \
             automatic scaling the most there can be."
        ),
        Measure::Spend | Measure::EstimatedSpend => format!(
            "what {of} has spent in its budget's period, as the cost export says; at levels marked `:estimated` together with \
             what was spent since, by estimate."
        ),
        Measure::BudgetSet => {
            format!("whether somebody has set a budget for {of}, in the currency of its bill: `set` or `missing`.")
        }
        Measure::DataAge => format!("the time since {of} last brought data."),
        Measure::InstanceTypes => format!("the types of all instances of {of}."),
        Measure::Release => format!("the label of the release of {of}, such as `emr-7.9.0`."),
        Measure::AutoTermination => format!(
            "whether {of} ends by itself: `set` with an auto-termination policy or where it ends after its last step, \
             otherwise `missing`. Releases that know no such policy are not measured."
        ),
        Measure::SecurityConfiguration => format!("whether {of} has a security configuration: `set` or `missing`."),
        Measure::WorkgroupConfiguration => format!(
            "whether {of} enforces its configuration: `overridden` where its settings replace those of clients, otherwise `obeyed`."
        ),
        Measure::ScanCutoff => format!("whether {of} has a limit of bytes for each query: `set` or `missing`."),
        Measure::InternetAccess => format!("the direct internet access of {of}: `Disabled` or `Enabled`."),
        Measure::RootAccess => format!("whether users of {of} are root: `Disabled` or `Enabled`."),
        Measure::NetworkAccess => format!("the network of applications of {of}: `VpcOnly` or `PublicInternetOnly`."),
        Measure::Approver => {
            "who approved a model package: `somebody else` or `who registered it`. Only approved ones are measured."
                .to_owned()
        }
        Measure::Validity => {
            "whether an exemption still holds: `valid` or `expired`. Every watch looks at each sweep.".to_owned()
        }
    };
    Ok(text)
}

/// From when on a guardrail's first kind of resource is measured.
fn since(guardrail: &Guardrail) -> Result<&'static str, String> {
    let kinds: Result<Vec<_>, String> = guardrail.resources.iter().map(|kind| samples::of_kind(kind)).collect();
    let [first, others @ ..] = &*kinds? else { return Err(format!("`{}` measures nothing", guardrail.id)) };
    if let Some(other) = others.iter().find(|other| other.since != first.since) {
        let (one, other) = (first.kind, other.kind);
        return Err(format!("`{}`: the time of a {one} does not begin with that of a {other}", guardrail.id));
    }
    Ok(first.since)
}

fn counted_in(guardrail: &Guardrail) -> String {
    match guardrail.counted_in {
        Some(kind) => format!(" in one {}", spoken(kind)),
        None if guardrail.scopes.is_empty() => " in the sandbox".to_owned(),
        None => " in the sandbox. Those of a scope with a limit of its own are counted by themselves".to_owned(),
    }
}

/// When exactly it is a breach.
fn breach(guardrail: &Guardrail) -> Result<String, String> {
    Ok(match guardrail.measure.kind() {
        MeasureKind::Time => "the limit itself, to the moment, and everything after it.".to_owned(),
        MeasureKind::Size => "more than the limit. What is at the limit is allowed.".to_owned(),
        MeasureKind::Money => "the budget itself, exactly, and everything above it.".to_owned(),
        MeasureKind::Count => format!(
            "each one beyond the oldest that the limit allows. Age counts from {}; of two of one age the lesser id stays.",
            since(guardrail)?
        ),
        MeasureKind::Words => match guardrail.bounds {
            Bounds::SomeOf(_) => "anything that the limit does not name.".to_owned(),
            _ => "any that no pattern of the limit allows; the finding names each. `*` stands for any letters, `?` for one.".to_owned(),
        },
    })
}

fn levels(guardrail: &Guardrail) -> String {
    let percents: Vec<String> = guardrail.default_levels.iter().map(u16::to_string).collect();
    let percents = percents.join(", ");
    match guardrail.measure.kind() {
        MeasureKind::Words => format!("{percents} %. It is allowed or not, so no other level is ever reached."),
        MeasureKind::Count => {
            let whose = guardrail.counted_in.map_or("sandbox", spoken);
            format!("{percents} %. Below the limit the finding is of the {whose}, at 100 % of each one beyond it.")
        }
        MeasureKind::Time | MeasureKind::Size => format!("{percents} %."),
        MeasureKind::Money => {
            let locks: Vec<String> = guardrail.locks_at.iter().map(u16::to_string).collect();
            format!("{percents} %. At {} % the sandbox is locked, at the others it is told.", locks.join(", "))
        }
    }
}

/// What is done, by which calls, and when that counts as done.
fn action(guardrail: &Guardrail) -> String {
    let (action, calls) = (guardrail.action, calls(guardrail));
    let calls = calls.iter().map(|(_, call)| format!("`{call}`")).collect::<Vec<_>>().join(", ");
    match action {
        ActionKind::Report => "`report`: nothing but the finding.".to_owned(),
        ActionKind::Stop => format!("`stop` by {calls}. Done when Athena says that the query has ended."),
        ActionKind::Terminate => format!(
            "`terminate` by {calls}. Done when EMR says that the cluster is terminating or terminated. One with termination \
             protection is `refused`, unless `termination_protection` is `lift`."
        ),
        ActionKind::CancelStep if guardrail.measures("step") => format!(
            "`cancel_step` by {calls}, with an interrupt, and by force if it has not helped after 20 seconds. Done when EMR says \
             that the step is cancelled or has ended. What cannot be cancelled is dealt with as `escalate` says."
        ),
        ActionKind::CancelStep => {
            format!("`cancel_step` by {calls}. Done when EMR says that the step waits no more.")
        }
        ActionKind::StopExecution => {
            format!(
                "`stop_execution` by {calls}. Done when SageMaker says that the execution is stopping or has ended."
            )
        }
        ActionKind::StopJob => {
            let service = short(guardrail.service);
            let job = if let [one] = guardrail.resources { one } else { "job" };
            format!("`stop_job` by {calls}. Done when {service} says that the {job} is stopping or has ended.")
        }
        ActionKind::StopNotebook => {
            format!(
                "`stop_notebook` by {calls}. Done when SageMaker says that the instance is stopping or stopped. Its volume stays."
            )
        }
        ActionKind::DeleteApp => {
            format!(
                "`delete_app` by {calls}. Done when SageMaker says that the application is being deleted or gone. The files of its space stay."
            )
        }
        ActionKind::StopSession => {
            format!("`stop_session` by {calls}. Done when Glue says that the session is stopping or has ended.")
        }
        ActionKind::Lock => format!(
            "at the levels marked `:lock`, where somebody has set the budget, `lock` by {calls} of `Sandbox Lock Requested` to \
             every sandbox of the account. Done when the sandbox says that the lock holds. Only a release opens it again."
        ),
        ActionKind::PutPolicy => format!(
            "`put_policy` by {calls}, with the time of `idle_timeout`. Done when EMR shows the policy. The cluster goes on."
        ),
    }
}

/// The calls that change something, by which a guardrail acts: IAM action and the call's name, one for each kind of
/// resource.
pub fn calls(guardrail: &Guardrail) -> Vec<(String, &'static str)> {
    let call = |kind: &&str| {
        Some(match (guardrail.action, *kind) {
            (ActionKind::Stop, "query") => ("athena", "StopQueryExecution"),
            (ActionKind::Terminate, "cluster") => ("elasticmapreduce", "TerminateJobFlows"),
            (ActionKind::CancelStep, "step" | "pending step") => ("elasticmapreduce", "CancelSteps"),
            (ActionKind::PutPolicy, "cluster") => ("elasticmapreduce", "PutAutoTerminationPolicy"),
            (ActionKind::StopExecution, "pipeline execution") => ("sagemaker", "StopPipelineExecution"),
            (ActionKind::StopJob, "training job") => ("sagemaker", "StopTrainingJob"),
            (ActionKind::StopJob, "processing job") => ("sagemaker", "StopProcessingJob"),
            (ActionKind::StopJob, "transform job") => ("sagemaker", "StopTransformJob"),
            (ActionKind::StopJob, "tuning job") => ("sagemaker", "StopHyperParameterTuningJob"),
            (ActionKind::StopJob, "automl job") => ("sagemaker", "StopAutoMLJob"),
            (ActionKind::StopNotebook, "notebook instance") => ("sagemaker", "StopNotebookInstance"),
            (ActionKind::DeleteApp, "app") => ("sagemaker", "DeleteApp"),
            (ActionKind::StopSession, "session") => ("glue", "StopSession"),
            (ActionKind::StopJob, "job run") => ("glue", "BatchStopJobRun"),
            (ActionKind::Lock, "sandbox") => ("events", "PutEvents"),
            _ => return None,
        })
    };
    let calls = guardrail.resources.iter().filter_map(call);
    calls.map(|(prefix, call)| (format!("{prefix}:{call}"), call)).collect()
}

/// What a limit or mode may be set for beside the sandbox.
fn scopes(guardrail: &Guardrail) -> Option<String> {
    let scopes: Vec<String> = guardrail.scopes.iter().map(|kind| spoken_at_length(*kind)).collect();
    let last = scopes.last()?;
    // What is set in the hub is set for all of them.
    let whole = if guardrail.service == Service::Spend { "every sandbox alike" } else { "the sandbox" };
    Some(match (guardrail.counted_in, scopes.len()) {
        (Some(kind), _) => format!("for every {0} alike, or for one {0}.", spoken(kind)),
        (None, 1) => format!("for {whole}, or for {last}."),
        (None, _) => format!("for {whole}, or for {}; the one named last wins.", reversed(guardrail.scopes)),
    })
}

/// The scopes from the least to the most specific, which is the order of their kinds turned round.
fn reversed(scopes: &[ScopeKind]) -> String {
    let mut kinds = scopes.to_vec();
    kinds.sort_by(|a, b| b.cmp(a));
    let words: Vec<String> = kinds.into_iter().map(spoken_at_length).collect();
    words.join(", ")
}

fn spoken_at_length(kind: ScopeKind) -> String {
    match kind.tag() {
        Some(tag) => format!("{} (tag `{tag}`)", a(spoken(kind))),
        None => a(spoken(kind)),
    }
}

fn spoken(kind: ScopeKind) -> &'static str {
    match kind {
        ScopeKind::Sandbox => "sandbox",
        ScopeKind::BusinessUnit => "business unit",
        ScopeKind::Owner => "owner",
        ScopeKind::Job => "job",
        ScopeKind::Pipeline => "pipeline",
        ScopeKind::Cluster => "cluster",
        ScopeKind::Workgroup => "workgroup",
        ScopeKind::Template => "template",
        ScopeKind::UserType => "user type",
    }
}

/// The names of a guardrail's parameters below its path, with scopes as places to fill in.
pub fn parameter_names(guardrail: &Guardrail) -> Vec<Vec<String>> {
    let scoped = |setting: &str| {
        let of_kind = |(place, kind): (usize, &ScopeKind)| match place {
            0 => format!("{setting}/<{kind}>"),
            _ => format!("{setting}/{kind}/<{kind}>"),
        };
        let scopes = guardrail.scopes.iter().enumerate().map(of_kind);
        std::iter::once(setting.to_owned()).chain(scopes).collect()
    };
    let single = ["max_actions"].into_iter().chain(guardrail.choices.iter().map(|choice| choice.name));
    ["limit", "mode", "levels"].map(scoped).into_iter().chain(single.map(|name| vec![name.to_owned()])).collect()
}

fn parameters(guardrail: &'static Guardrail) -> String {
    let limit = guardrail.default_limit.quantity();
    // A whole list of patterns stands beside it as the default; one is enough to show how it is written.
    let like = match &limit {
        Quantity::Words(words) if matches!(guardrail.bounds, Bounds::Patterns) => {
            Quantity::words(words.iter().take(1).map(String::as_str))
        }
        limit => limit.clone(),
    };
    let modes = if guardrail.acts() { "`off`, `observe` or `enforce`" } else { "`off` or `observe`" };
    let max_actions =
        if guardrail.acts() { "1 to 1000, in one run" } else { "1 to 1000; without effect, nothing is acted on" };
    let levels = match guardrail.measure.kind() {
        MeasureKind::Money => {
            "ascending percentages of the budget, 100 among them; `:lock` behind those of 100 or more that lock, \
             `:estimated` behind those that the estimate counts for"
        }
        _ => "ascending percentages of the limit, 100 among them",
    };
    let default_levels = Policy::default_of(guardrail).levels.sandbox.to_string();
    let values = [
        (limits(guardrail, &like), limit.to_string()),
        (modes.to_owned(), guardrail.default_mode.to_string()),
        (levels.to_owned(), default_levels),
        (max_actions.to_owned(), guardrail.default_max_actions.to_string()),
    ];
    let chosen = |choice: &Choice| {
        let takes = match choice.among {
            Among::Words(_) => choice.expected(),
            Among::Times(..) => format!("{}, such as `30m`", choice.expected()),
        };
        (format!("{takes}: {}", choice.what), choice.default.to_owned())
    };
    let values = values.into_iter().chain(guardrail.choices.iter().map(chosen));
    let rows = parameter_names(guardrail).into_iter().zip(values).map(|(names, (takes, default))| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        format!("| {} | {takes} | `{default}` |\n", names.join(", "))
    });
    rows.collect()
}

/// Which limits are obeyed. What is allowed by default stays allowed, so of two words there is no choice.
fn limits(guardrail: &Guardrail, like: &Quantity) -> String {
    match (guardrail.bounds, guardrail.default_limit) {
        (Bounds::SomeOf(known), Amount::Words(default)) if known.len() == default.len() + 1 => {
            format!("`{like}` and nothing else; where that is not to hold, `mode` is `off`")
        }
        (bounds, _) => bounds.expected(like),
    }
}

/// `query` becomes `a query`, `app` becomes `an app`.
fn a(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// `training job, processing job or transform job`.
fn listed(nouns: &[&str]) -> String {
    match nouns {
        [] => String::new(),
        [noun] => (*noun).to_owned(),
        [nouns @ .., last] => format!("{} or {last}", nouns.join(", ")),
    }
}

/// The same of more than one: `training jobs and processing jobs`.
fn several(nouns: &[&str]) -> String {
    let plural = |noun: &&str| match noun.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{noun}s"),
    };
    let nouns: Vec<String> = nouns.iter().map(plural).collect();
    match &*nouns {
        [nouns @ .., last] if !nouns.is_empty() => format!("{} and {last}", nouns.join(", ")),
        nouns => nouns.join(""),
    }
}

/// What people call a service.
pub(super) const fn short(service: Service) -> &'static str {
    match service {
        Service::Athena => "Athena",
        Service::Emr => "EMR",
        Service::SageMaker => "SageMaker",
        Service::Glue => "Glue",
        Service::Spend => "spend",
        Service::Exemptions => "Exemptions",
    }
}

/// Text in lines of at most 140 letters, each but the first indented.
fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.trim().is_empty() && line.chars().count() + word.chars().count() + 1 > LINE {
            lines += &format!("{line}\n");
            line = indent.to_owned();
        } else if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    lines + &line + "\n"
}

/// As wide as the rest of the documents.
const LINE: usize = 140;

/// JSON with each field on a line of its own, and what is in it on that line.
fn json(value: &impl Serialize) -> Result<String, String> {
    let mut json = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut json, FieldByLine::default());
    value.serialize(&mut serializer).map_err(|error| error.to_string())?;
    String::from_utf8(json).map_err(|error| error.to_string())
}

/// How deep it is in objects.
#[derive(Default)]
struct FieldByLine(usize);

impl Formatter for FieldByLine {
    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0 += 1;
        writer.write_all(if self.0 == 1 { b"{" } else { b"{ " })
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0 -= 1;
        writer.write_all(if self.0 == 0 { b"\n}" } else { b" }" })
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(match (self.0, first) {
            (1, true) => b"\n  ",
            (1, false) => b",\n  ",
            (_, true) => b"",
            (_, false) => b", ",
        })
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }
}

#[cfg(test)]
mod tests {
    use guardrail::catalogue;
    use guardrail::config::{Fault, Parameter};
    use serde_json::json as value;

    use super::*;

    #[test]
    fn a_field_stands_on_a_line_of_its_own() {
        let value = value!({"b": {"c": [1, 2], "d": null}});
        assert_eq!(json(&value).unwrap(), "{\n  \"b\": { \"c\": [1, 2], \"d\": null }\n}");
    }

    #[test]
    fn nouns_are_put_into_sentences() {
        assert_eq!((a("app"), a("query")), ("an app".to_owned(), "a query".to_owned()));
        assert_eq!(listed(&["a", "b", "c"]), "a, b or c");
        assert_eq!(wrapped(&format!("- {} b c", "a".repeat(136)), "  "), format!("- {} b\n  c\n", "a".repeat(136)));
        assert_eq!((several(&["query"]), several(&["app", "job"])), ("queries".to_owned(), "apps and jobs".to_owned()));
    }

    #[test]
    fn every_parameter_named_is_read_and_what_acts_names_a_call_for_each_kind() {
        for guardrail in catalogue::all() {
            for name in parameter_names(guardrail).concat() {
                let name = format!("{}/{}", guardrail.parameter_path(), name.replace(['<', '>'], ""));
                // No setting takes this value, so a name that is read faults its value, not its name.
                let fault = Parameter::parse(&name, "?").unwrap_err();
                assert!(matches!(fault, Fault::Value { .. }), "`{name}`: {fault}");
            }
            if let Bounds::SomeOf(known) = guardrail.bounds {
                let limit =
                    |word: &&&str| Parameter::parse(&format!("{}/limit", guardrail.parameter_path()), word).is_ok();
                let obeyed: Vec<&str> = known.iter().filter(limit).copied().collect();
                let default = guardrail.default_limit.quantity();
                assert_eq!(Quantity::words(obeyed), default, "`{}`: nothing but its default is obeyed", guardrail.id);
            }
            let expected = if guardrail.acts() { guardrail.resources.len() } else { 0 };
            assert_eq!(calls(guardrail).len(), expected, "`{}`: a call for each kind of resource", guardrail.id);
        }
    }
}
