//! The one judgement: observations held against a policy.
//!
//! Whatever is measured, the way is the same: each resource that a guardrail measures is assessed (what it measures,
//! which limit holds, whether that is a breach), and assessments become findings. An enforce assesses again what a
//! watch has found, with the same code.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use wildmatch::WildMatch;

use crate::config::LimitOf;
use crate::event::{Finding, Header, Resource, Sandbox};
use crate::level::Rung;
use crate::measure::{EpisodeOf, MeasureKind};
use crate::observation::Reading;
use crate::{ActionKind, Level, Measure, Mode, Observation, Policy, Quantity, Severity};

/// The level of the limit itself.
pub const LIMIT: Level = Level { percent: 100, severity: Severity::Breach };

/// The safety belt: one run asks for at most `max_actions` actions, whatever it sees.
///
/// It lasts as long as the run, so that the looks of a vigil share it. A resource that was let through once stays so.
#[derive(Debug)]
pub struct Belt {
    max_actions: usize,
    let_through: BTreeSet<String>,
}

impl Belt {
    /// A belt for one run.
    pub fn new(max_actions: u32) -> Self {
        Self { max_actions: usize::try_from(max_actions).unwrap_or(usize::MAX), let_through: BTreeSet::new() }
    }

    fn holds_back(&mut self, resource: &Resource) -> bool {
        if self.let_through.contains(&resource.id) {
            return false;
        }
        if self.let_through.len() < self.max_actions {
            self.let_through.insert(resource.id.clone());
            return false;
        }
        true
    }
}

/// One resource held against its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment<'a> {
    /// The resource.
    pub observation: &'a Observation,
    /// What it measures; for a count, how many there are.
    pub measured: Quantity,
    /// The limit in force for it.
    pub limit: Quantity,
    /// Whether it is a breach.
    pub breach: bool,
    /// The mode in force for it.
    pub mode: Mode,
    /// The exemption that covers it.
    pub exemption: Option<&'a str>,
    /// What is measured when the estimate counts, where there is one.
    estimated: Option<Quantity>,
    /// The moment that the condition began, where the measurement itself tells.
    since: Option<Timestamp>,
}

impl Assessment<'_> {
    /// The id of the finding that its breach is.
    pub fn breach_id(&self, policy: &Policy) -> String {
        Finding::id_of(policy.guardrail, &self.observation.resource, LIMIT, self.since)
    }

    /// What was measured and what is allowed, for a sentence: `it has run 31m of the 30m allowed`.
    pub fn sentence(&self, policy: &Policy) -> String {
        self.sentence_of(policy, &self.measured)
    }

    /// The same, of this measurement.
    fn sentence_of(&self, policy: &Policy, measured: &Quantity) -> String {
        let Self { limit, .. } = self;
        let measure = policy.guardrail.measure;
        let (verb, noun) = (measure.verb(), measure.noun());
        match measure.kind() {
            MeasureKind::Time if noun.is_empty() => format!("{verb} {} of the {limit} allowed", measured.brief()),
            MeasureKind::Time => format!("{verb} {}{noun}, {limit} allowed", measured.brief()),
            MeasureKind::Size => format!("{verb} {measured}{noun} of the {limit} allowed"),
            MeasureKind::Money => format!("{verb} {} of the {limit} allowed", measured.brief()),
            MeasureKind::Count if self.breach => {
                format!("{verb} {measured} where {limit} are allowed, and newer than the {limit} that stay")
            }
            MeasureKind::Count => format!("{verb} {measured} where {limit} are allowed, and among those that stay"),
            MeasureKind::Words if self.breach => format!("has the {noun} `{measured}`, allowed is `{limit}`"),
            MeasureKind::Words => format!("has an allowed {noun}"),
        }
    }
}

/// Things that are counted together under one limit.
struct Group<'a> {
    /// What it is called in a finding: the sandbox, or one scope of it.
    resource: Resource,
    limit: Quantity,
    /// Those that count, the oldest first.
    members: Vec<&'a Observation>,
}

/// Holds every resource that the guardrail measures against its limit. Those whose mode is off, and those that have
/// no such reading now, are left out. The order of the observations does not matter.
pub fn assess<'a>(policy: &'a Policy, observations: &'a [Observation], now: Timestamp) -> Vec<Assessment<'a>> {
    let measure = policy.guardrail.measure;
    if measure.kind() == MeasureKind::Count {
        return groups(policy, observations, now, None)
            .into_iter()
            .flat_map(|group| rank(policy, &group, now))
            .collect();
    }
    let assess = |observation: &'a Observation| {
        let limit = policy.limit.of(&observation.scopes).clone();
        let moment = observation.moment(measure);
        let (measured, breach) = match (measure.kind(), observation.readings.get(&measure), &limit) {
            (MeasureKind::Time, ..) => {
                // A start in the future is a clock that differs.
                let measured = Quantity::Duration(now.duration_since(moment?).max(SignedDuration::ZERO));
                let breach = measured >= limit;
                (measured, breach)
            }
            (MeasureKind::Size, Some(Reading::Amount(measured)), _) => (measured.clone(), *measured > limit),
            (MeasureKind::Money, Some(Reading::Amount(Quantity::Money(spent))), Quantity::Budget(budget)) => {
                // Nothing is said of amounts that cannot be compared.
                let measured = (spent.currency == budget.money.currency).then(|| Quantity::Money(spent.clone()))?;
                let breach = LIMIT.reached(&measured, &limit);
                (measured, breach)
            }
            (MeasureKind::Words, Some(Reading::Words(words)), Quantity::Words(allowed)) => {
                let allowed: Vec<WildMatch> = allowed.iter().map(|pattern| WildMatch::new(pattern)).collect();
                let other = words.iter().filter(|word| !allowed.iter().any(|allowed| allowed.matches(word)));
                let other: BTreeSet<String> = other.cloned().collect();
                let breach = !other.is_empty();
                (Quantity::Words(other), breach)
            }
            _ => return None,
        };
        let since = match measure.episode() {
            EpisodeOf::Start => moment.or(Some(observation.started_at)),
            EpisodeOf::Never | EpisodeOf::FirstSeen => None,
        };
        Some(assessment(policy, observation, measured, limit, breach, since, now))
    };
    measured(policy, observations).filter_map(assess).collect()
}

fn assessment<'a>(
    policy: &'a Policy,
    observation: &'a Observation,
    measured: Quantity,
    limit: Quantity,
    breach: bool,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Assessment<'a> {
    let (mode, exemption) = (*policy.mode.of(&observation.scopes), policy.exempt(observation, now));
    let estimated = match observation.readings.get(&Measure::EstimatedSpend) {
        Some(Reading::Amount(estimated)) => Some(estimated.clone()),
        _ => None,
    };
    Assessment { observation, measured, limit, breach, mode, exemption, estimated, since }
}

/// What the guardrail measures and is not switched off for.
fn measured<'a>(policy: &'a Policy, observations: &'a [Observation]) -> impl Iterator<Item = &'a Observation> {
    observations.iter().filter(|observation| {
        policy.guardrail.measures(&observation.resource.kind) && *policy.mode.of(&observation.scopes) != Mode::Off
    })
}

/// Counts together what shares a limit: all of one workgroup, or all of the sandbox but those with a limit of their
/// own. Exempt ones do not count.
fn groups<'a>(
    policy: &'a Policy,
    observations: &'a [Observation],
    now: Timestamp,
    sandbox: Option<&Sandbox>,
) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<(LimitOf, String), Group<'a>> = BTreeMap::new();
    for observation in measured(policy, observations).filter(|seen| policy.exempt(seen, now).is_none()) {
        let (of, limit) = policy.limit.with_scope(&observation.scopes);
        let counted_in = policy.guardrail.counted_in.map(|kind| (kind, observation.scopes.get(&kind)));
        let (kind, id) = match (counted_in, of) {
            (Some((kind, scope)), _) => (kind.as_str(), scope.cloned().unwrap_or_default()),
            (None, Some((kind, scope))) => (kind.as_str(), scope.to_owned()),
            (None, None) => ("sandbox", sandbox.map(|sandbox| sandbox.account.clone()).unwrap_or_default()),
        };
        let key = (of.map(|(kind, scope)| (kind, scope.to_owned())), id.clone());
        let group = groups.entry(key).or_insert_with(|| Group {
            resource: Resource { kind: kind.to_owned(), id },
            limit: limit.clone(),
            members: Vec::new(),
        });
        group.members.push(observation);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    for group in &mut groups {
        group.members.sort_by(|a, b| (a.started_at, &a.resource.id).cmp(&(b.started_at, &b.resource.id)));
    }
    groups
}

/// The members of a group, each held against its place in it: the oldest up to the limit stay.
fn rank<'a>(policy: &'a Policy, group: &Group<'a>, now: Timestamp) -> Vec<Assessment<'a>> {
    let count = count_of(group);
    let places = group.members.iter().zip(0_u64..).map(|(observation, place)| {
        let beyond = Quantity::Count(place) >= group.limit;
        let since = Some(observation.started_at);
        assessment(policy, observation, count.clone(), group.limit.clone(), beyond, since, now)
    });
    places.collect()
}

fn count_of(group: &Group<'_>) -> Quantity {
    Quantity::Count(u64::try_from(group.members.len()).unwrap_or(u64::MAX))
}

/// Holds observations against a policy: a finding for every level that is reached, the worst resources first.
///
/// The order of the observations does not matter. A guardrail whose mode is off for a scope finds nothing there.
/// Breaches past the belt are findings too, marked as held back. For a count, the levels below the limit are findings
/// of what is counted together, and each resource beyond the limit is a breach.
pub fn judge(
    policy: &Policy,
    observations: &[Observation],
    sandbox: &Sandbox,
    now: Timestamp,
    belt: &mut Belt,
) -> Vec<Finding> {
    let counts = policy.guardrail.measure.kind() == MeasureKind::Count;
    let mut findings = if counts {
        groups(policy, observations, now, Some(sandbox))
            .iter()
            .flat_map(|group| nearing(policy, group, sandbox, now))
            .collect()
    } else {
        Vec::new()
    };
    for assessment in assess(policy, observations, now) {
        let levels = policy.levels.of(&assessment.observation.scopes);
        for level in levels.iter().rev() {
            let rung = levels.rung(level);
            if let Some(measured) = reached(policy, &assessment, level, rung) {
                findings.push(finding(policy, &assessment, level, rung, measured, sandbox, now));
            }
        }
    }
    findings.sort_by_cached_key(|finding| {
        // Among those counted together the newest is the worst.
        let newest = counts.then_some(Reverse(finding.started_at));
        (Reverse(over(finding)), newest, finding.resource.id.clone(), Reverse(finding.level.percent))
    });
    for finding in &mut findings {
        finding.held_back = finding.wants_action() && belt.holds_back(&finding.resource);
        if let Some(consequence) = consequence(finding) {
            finding.message.push_str(consequence.as_str());
        }
    }
    findings
}

/// The measurement by which an assessment reaches a level. The limit itself is reached by a breach and by nothing else.
fn reached<'a>(policy: &Policy, assessment: &'a Assessment<'_>, level: Level, rung: Rung) -> Option<&'a Quantity> {
    let Assessment { measured, limit, breach, estimated, .. } = assessment;
    let (measured, reached) = match (policy.guardrail.measure.kind(), level.percent) {
        (MeasureKind::Money, _) => {
            let measured = if rung.estimated { estimated.as_ref()? } else { measured };
            (measured, level.reached(measured, limit))
        }
        (_, 100) => (measured, *breach),
        (MeasureKind::Time | MeasureKind::Size, _) => (measured, level.reached(measured, limit)),
        // Below its limit a count is a finding of the group, and words are allowed or not.
        (MeasureKind::Count | MeasureKind::Words, _) => return None,
    };
    reached.then_some(measured)
}

fn finding(
    policy: &Policy,
    assessment: &Assessment<'_>,
    level: Level,
    rung: Rung,
    measured: &Quantity,
    sandbox: &Sandbox,
    now: Timestamp,
) -> Finding {
    let Assessment { observation, limit, mode, exemption, since, .. } = assessment;
    let guardrail = policy.guardrail;
    let money = guardrail.measure.kind() == MeasureKind::Money;
    let limit_is_set = policy.limit_is_set_for(&observation.scopes);
    // Of a budget only some levels lock, and none where nobody has set one.
    let action = if money && !(rung.locks && limit_is_set) { ActionKind::Report } else { guardrail.action };
    let Resource { kind, id } = &observation.resource;
    let scope = guardrail.scopes.iter().find_map(|kind| observation.scopes.get(kind)).cloned();
    // A workgroup is a scope itself, and not in itself.
    let of = scope.as_ref().filter(|scope| *scope != id).map(|scope| format!(" in `{scope}`")).unwrap_or_default();
    let percent = match guardrail.measure.kind() {
        MeasureKind::Money if !limit_is_set => format!(", which is the default ({} % reached)", level.percent),
        MeasureKind::Money if rung.estimated => format!(" by estimate ({} % reached)", level.percent),
        MeasureKind::Time | MeasureKind::Size | MeasureKind::Money => format!(" ({} % reached)", level.percent),
        MeasureKind::Count | MeasureKind::Words => String::new(),
    };
    Finding {
        header: Header::new(Finding::id_of(guardrail, &observation.resource, level, *since), sandbox, now),
        guardrail: guardrail.id.to_owned(),
        service: guardrail.service,
        resource: observation.resource.clone(),
        scope,
        owner: observation.owner.clone(),
        principal: None,
        state: observation.state.clone(),
        started_at: observation.started_at,
        measure: if rung.estimated { Measure::EstimatedSpend } else { guardrail.measure },
        level,
        episode: *since,
        limit: limit.clone(),
        measured: measured.clone(),
        mode: *mode,
        action,
        exemption: exemption.map(str::to_owned),
        held_back: false,
        message: format!("{kind} `{id}`{of} {}{percent}", assessment.sentence_of(policy, measured)),
    }
}

/// The findings of a group whose count nears its limit. It is told as a condition of the group, whose beginning the
/// ledger remembers, because its members come and go while it lasts.
fn nearing(policy: &Policy, group: &Group<'_>, sandbox: &Sandbox, now: Timestamp) -> Vec<Finding> {
    let (guardrail, measured) = (policy.guardrail, count_of(group));
    let Some(newest) = group.members.last() else { return Vec::new() };
    let levels = policy.levels.of(&newest.scopes).iter().rev().filter(|level| level.percent < 100);
    let levels = levels.filter(|level| level.reached(&measured, &group.limit));
    let finding = |level: Level| Finding {
        header: Header::new(Finding::id_of(guardrail, &group.resource, level, None), sandbox, now),
        guardrail: guardrail.id.to_owned(),
        service: guardrail.service,
        resource: group.resource.clone(),
        scope: None,
        owner: None,
        principal: None,
        state: "counted".to_owned(),
        started_at: newest.started_at,
        measure: guardrail.measure,
        level,
        episode: None,
        limit: group.limit.clone(),
        measured: measured.clone(),
        // Of all members it is the newest that goes past the limit first.
        mode: *policy.mode.of(&newest.scopes),
        action: ActionKind::Report,
        exemption: None,
        held_back: false,
        message: format!(
            "{} `{}` has {measured} {}, {} are allowed at once",
            group.resource.kind,
            group.resource.id,
            plural(&newest.resource.kind),
            group.limit
        ),
    };
    levels.map(finding).collect()
}

/// `query` becomes `queries`, `cluster` `clusters`.
fn plural(kind: &str) -> String {
    kind.strip_suffix('y').map_or_else(|| format!("{kind}s"), |stem| format!("{stem}ies"))
}

/// How far past its limit a finding is, in its smallest unit: what "worst first" means.
fn over(finding: &Finding) -> i128 {
    match &finding.measured {
        Quantity::Words(words) => i128::try_from(words.len()).unwrap_or(i128::MAX),
        measured => measured.base_units() - finding.limit.base_units(),
    }
}

/// What follows from a breach.
fn consequence(finding: &Finding) -> Option<String> {
    if finding.level.severity != Severity::Breach {
        return None;
    }
    Some(match (&finding.exemption, finding.action, finding.mode) {
        (Some(exemption), ..) => format!("; exempt by `{exemption}`, not acted on"),
        (None, ActionKind::Report, _) => "; reported only".to_owned(),
        (None, _, Mode::Off | Mode::Observe) => "; observed only".to_owned(),
        (None, _, Mode::Enforce) if finding.held_back => {
            "; held back to the next run, this one has asked for all the actions it may".to_owned()
        }
        (None, _, Mode::Enforce) => "; to be acted on".to_owned(),
    })
}

/// The instant at which this observation becomes a breach that is acted on, or `None` when it never will by itself:
/// no time is measured, the mode does not enforce, an exemption covers it.
///
/// Notices are not worth waiting for, so the levels below the limit do not count.
pub fn acts_at(policy: &Policy, observation: &Observation, now: Timestamp) -> Option<Timestamp> {
    let guardrail = policy.guardrail;
    let acted_on = guardrail.acts() && *policy.mode.of(&observation.scopes) == Mode::Enforce;
    if !acted_on || !guardrail.measures(&observation.resource.kind) || policy.exempt(observation, now).is_some() {
        return None;
    }
    match (guardrail.measure.kind(), policy.limit.of(&observation.scopes)) {
        (MeasureKind::Time, Quantity::Duration(limit)) => {
            observation.moment(guardrail.measure)?.checked_add(*limit).ok()
        }
        _ => None,
    }
}
