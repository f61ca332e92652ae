//! Properties of counts: which of too many stay, and that nobody stops one that may stay, however stale, reordered and
//! repeated the findings are that ask for it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use std::collections::{BTreeMap, BTreeSet};

use guardrail::config::Parameter;
use guardrail::judge::assess;
use guardrail::{
    Belt, Configuration, Finding, Mode, Observation, Policy, Sandbox, ScopeKind, Severity, catalogue, judge,
};
use jiff::Timestamp;
use proptest::prelude::*;

const PATH: &str = "/sandbox-guardrails/emr/emr-cluster-count";
const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const EXEMPTION: &str =
    r#"{"resource":"j-KEEP*","owner":"jo@bank","reason":"year end","expires":"2100-01-01T00:00:00Z"}"#;

fn sandbox() -> Sandbox {
    Sandbox { account: "111111111111".into(), region: "eu-west-1".into(), alias: "marketing".into() }
}

/// A cap for the sandbox, and one of its own for each of these templates. Clusters `j-KEEP…` are exempt.
fn policy(cap: u64, own: &BTreeMap<&str, u64>) -> Policy {
    let mut configuration = Configuration::default();
    let mut set = |name: &str, value: &str| configuration.obey(Parameter::parse(name, value).unwrap());
    set(&format!("{PATH}/limit"), &cap.to_string());
    for (template, cap) in own {
        set(&format!("{PATH}/limit/{template}"), &cap.to_string());
    }
    set(&format!("{PATH}/mode"), "enforce");
    set(&format!("{PATH}/max_actions"), "1000");
    set("/sandbox-guardrails/exemptions/kept", EXEMPTION);
    configuration.policy(catalogue::find("emr-cluster-count").unwrap())
}

fn cluster(id: &str, start: i64, template: &str) -> Observation {
    Observation::new("cluster", id, "RUNNING", Timestamp::from_second(start).unwrap())
        .tagged([("cluster-template", template), ("owner", "ana")])
}

fn template(cluster: &Observation) -> &str {
    &cluster.scopes[&ScopeKind::Template]
}

fn is_exempt(cluster: &Observation) -> bool {
    cluster.resource.id.starts_with("j-KEEP")
}

fn find(policy: &Policy, clusters: &[Observation]) -> Vec<Finding> {
    judge(policy, clusters, &sandbox(), NOW, &mut Belt::new(policy.max_actions))
}

/// The ids of those that are to be terminated.
fn victims(policy: &Policy, clusters: &[Observation]) -> BTreeSet<String> {
    let wanted = find(policy, clusters).into_iter().filter(Finding::wants_action);
    wanted.map(|finding| finding.resource.id).collect()
}

/// The same, told in other words: whoever has at least as many before it, in its group, as its group may have.
fn beyond(cap: u64, own: &BTreeMap<&str, u64>, clusters: &[Observation], one: &Observation) -> bool {
    let group = |cluster: &Observation| own.contains_key(template(cluster)).then(|| template(cluster).to_owned());
    let is_before = |other: &&Observation| {
        !is_exempt(other)
            && group(other) == group(one)
            && (other.started_at, &other.resource.id) < (one.started_at, &one.resource.id)
    };
    let before = clusters.iter().filter(is_before).count();
    !is_exempt(one) && before as u64 >= *own.get(template(one)).unwrap_or(&cap)
}

/// Few starts, so that many are equal; ids that say nothing about starts; some exempt.
fn arbitrary_clusters() -> impl Strategy<Value = Vec<Observation>> {
    let one = (0..8_i64, prop::sample::select(vec!["small", "large", "gpu"]), prop::bool::weighted(0.2));
    prop::collection::btree_map(0..1000_u16, one, 0..25).prop_map(|clusters| {
        let of = |(n, (start, template, exempt)): (u16, (i64, &str, bool))| {
            cluster(&format!("j-{}{n:03}", if exempt { "KEEP" } else { "" }), start, template)
        };
        clusters.into_iter().map(of).collect()
    })
}

fn arbitrary_caps() -> impl Strategy<Value = (u64, BTreeMap<&'static str, u64>)> {
    (1..8_u64, prop::collection::btree_map(prop::sample::select(vec!["large", "gpu"]), 1..4_u64, 0..3))
}

proptest! {
    #[test]
    fn exactly_the_oldest_of_each_group_stay((cap, own) in arbitrary_caps(), clusters in arbitrary_clusters()) {
        let victims = victims(&policy(cap, &own), &clusters);
        for cluster in &clusters {
            prop_assert_eq!(victims.contains(&cluster.resource.id), beyond(cap, &own, &clusters, cluster));
        }
    }

    #[test]
    fn the_order_in_which_they_are_seen_does_not_matter(
        (cap, own) in arbitrary_caps(),
        (clusters, shuffled) in arbitrary_clusters().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        modes in prop::collection::btree_map(prop::sample::select(vec!["small", "large", "gpu"]), 0..3_u8, 0..3),
        max_actions in 1..5_u32,
    ) {
        let mut policy = policy(cap, &own);
        policy.max_actions = max_actions;
        for (template, mode) in modes {
            let mode = [Mode::Off, Mode::Observe, Mode::Enforce][usize::from(mode)];
            policy.mode.scopes.insert((ScopeKind::Template, template.to_owned()), mode);
        }
        prop_assert_eq!(find(&policy, &clusters), find(&policy, &shuffled));
    }

    #[test]
    fn a_raised_cap_never_adds_a_victim(
        (cap, own) in arbitrary_caps(),
        (more, more_of_its_own) in (0..4_u64, 0..4_u64),
        clusters in arbitrary_clusters(),
    ) {
        let raised = own.iter().map(|(template, cap)| (*template, cap + more_of_its_own)).collect();
        let (low, high) = (policy(cap, &own), policy(cap + more, &raised));
        prop_assert!(victims(&high, &clusters).is_subset(&victims(&low, &clusters)));
    }

    /// A partial view (a page that is missing, a cluster not yet listed) never hits a wrong one.
    #[test]
    fn the_victims_among_some_are_victims_among_all(
        (cap, own) in arbitrary_caps(),
        (all, some) in arbitrary_clusters().prop_flat_map(|all| {
            let some = prop::sample::subsequence(all.clone(), 0..=all.len());
            (Just(all), some)
        }),
    ) {
        let policy = policy(cap, &own);
        prop_assert!(victims(&policy, &some).is_subset(&victims(&policy, &all)));
    }

    #[test]
    fn exempt_ones_neither_count_nor_breach((cap, own) in arbitrary_caps(), clusters in arbitrary_clusters()) {
        let policy = policy(cap, &own);
        let (exempt, others): (Vec<_>, Vec<_>) = clusters.iter().cloned().partition(is_exempt);
        prop_assert_eq!(find(&policy, &clusters), find(&policy, &others));
        prop_assert_eq!(find(&policy, &exempt), []);
    }

    #[test]
    fn a_group_that_nears_its_cap_is_told_as_one(count in 0..12_u64, cap in 1..12_u64) {
        let clusters: Vec<_> = (0..count).map(|n| cluster(&format!("j-{n:02}"), n as i64, "gpu")).collect();
        for (own, kind, id) in
            [(BTreeMap::new(), "sandbox", "111111111111"), (BTreeMap::from([("gpu", cap)]), "template", "gpu")]
        {
            let found = find(&policy(cap, &own), &clusters);
            let near: Vec<_> = found.iter().filter(|finding| finding.level.severity == Severity::Warning).collect();
            prop_assert_eq!(near.len(), usize::from(count * 100 >= cap * 80));
            for finding in near {
                prop_assert_eq!((finding.resource.kind.as_str(), finding.resource.id.as_str()), (kind, id));
                prop_assert!(finding.waits_for_episode() && !finding.wants_action());
            }
            prop_assert_eq!(found.iter().filter(|finding| finding.wants_action()).count() as u64, count.saturating_sub(cap));
        }
    }
}

/// What may happen next. Numbers choose among what there is at that moment.
#[derive(Clone, Debug)]
enum Step {
    /// Time goes on by so many seconds, maybe none, and a cluster starts.
    Start { after: i64, template: &'static str, id: u16 },
    /// A cluster ends by itself.
    End(usize),
    /// A watch judges what it listed some steps ago, and its findings are on their way.
    Sweep { steps_ago: usize },
    /// One of the findings that were ever sent, any of them and maybe again, reaches an enforce, which looks afresh.
    Deliver { enforce: usize, finding: usize },
    /// An enforce terminates what it has just judged again.
    Act { enforce: usize },
}

fn arbitrary_steps() -> impl Strategy<Value = Vec<Step>> {
    let choice = any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16));
    let start = (0..3_i64, prop::sample::select(vec!["small", "gpu"]), 0..1000_u16)
        .prop_map(|(after, template, id)| Step::Start { after, template, id });
    let step = prop_oneof![
        3 => start,
        1 => choice.clone().prop_map(Step::End),
        3 => (0..12_usize).prop_map(|steps_ago| Step::Sweep { steps_ago }),
        4 => (0..2_usize, choice).prop_map(|(enforce, finding)| Step::Deliver { enforce, finding }),
        4 => (0..2_usize).prop_map(|enforce| Step::Act { enforce }),
    ];
    prop::collection::vec(step, 0..120)
}

/// A sandbox, a watch that looks at stale lists, and two enforces.
struct World {
    policy: Policy,
    caps: (u64, BTreeMap<&'static str, u64>),
    clock: i64,
    started: Vec<Observation>,
    alive: Vec<Observation>,
    /// What was alive after each step.
    lists: Vec<Vec<Observation>>,
    /// Every finding that was ever sent; the bus may deliver each again at any time.
    sent: Vec<String>,
    /// What each enforce is about to terminate.
    about_to: [Option<String>; 2],
}

impl World {
    fn new((cap, own): (u64, BTreeMap<&'static str, u64>)) -> Self {
        let policy = policy(cap, &own);
        let (started, alive, lists, sent) = (Vec::new(), Vec::new(), vec![Vec::new()], Vec::new());
        Self { policy, caps: (cap, own), clock: 0, started, alive, lists, sent, about_to: [None, None] }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Start { after, template, id } => {
                self.clock += after;
                let cluster = cluster(&format!("j-{id:03}{:03}", self.started.len()), self.clock, template);
                self.started.push(cluster.clone());
                self.alive.push(cluster);
            }
            // What ends by itself in the instant between a look and its act is nobody's to see, so it ends elsewhere.
            Step::End(one) if !self.alive.is_empty() && self.about_to == [None, None] => {
                self.alive.swap_remove(one % self.alive.len());
            }
            Step::End(_) => {}
            Step::Sweep { steps_ago } => {
                let list = &self.lists[self.lists.len().saturating_sub(1 + steps_ago)];
                self.sent.extend(victims(&self.policy, list));
            }
            Step::Deliver { enforce, finding } if !self.sent.is_empty() => {
                let id = &self.sent[finding % self.sent.len()];
                let seen = assess(&self.policy, &self.alive, NOW);
                let confirmed = seen
                    .iter()
                    .any(|seen| seen.observation.resource.id == *id && seen.breach && seen.mode == Mode::Enforce);
                self.about_to[enforce] = confirmed.then(|| id.clone());
            }
            Step::Deliver { .. } => {}
            Step::Act { enforce } => {
                let Some(id) = self.about_to[enforce].take() else { return };
                // The other enforce may have been quicker.
                let Some(place) = self.alive.iter().position(|cluster| cluster.resource.id == id) else { return };
                let (cap, own) = &self.caps;
                assert!(beyond(*cap, own, &self.alive, &self.alive[place]), "`{id}` is within the cap and is acted on");
                self.alive.remove(place);
            }
        }
        self.lists.push(self.alive.clone());
    }

    /// Lets both enforces see everything that the watch finds, until it finds nothing.
    fn settle(&mut self) {
        for enforce in [0, 1] {
            self.take(&Step::Act { enforce });
        }
        for round in 0.. {
            assert!(round <= self.started.len(), "it comes to an end");
            if victims(&self.policy, &self.alive).is_empty() {
                return;
            }
            self.take(&Step::Sweep { steps_ago: 0 });
            for finding in 0..self.sent.len() {
                self.take(&Step::Deliver { enforce: finding % 2, finding });
                self.take(&Step::Act { enforce: finding % 2 });
            }
        }
    }

    /// The ids of those within their caps among these.
    fn within<'a>(&self, clusters: &'a [Observation]) -> BTreeSet<&'a str> {
        let (cap, own) = &self.caps;
        let stay = clusters.iter().filter(|one| !beyond(*cap, own, clusters, one));
        stay.map(|cluster| cluster.resource.id.as_str()).collect()
    }
}

fn ids(clusters: &[Observation]) -> BTreeSet<&str> {
    clusters.iter().map(|cluster| cluster.resource.id.as_str()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Where nothing ends by itself, the oldest of all that were ever started survive, and no other.
    #[test]
    fn in_every_interleaving_exactly_the_oldest_survive(caps in arbitrary_caps(), steps in arbitrary_steps()) {
        let mut world = World::new(caps);
        for step in steps.iter().filter(|step| !matches!(step, Step::End(_))) {
            world.take(step);
        }
        world.settle();
        prop_assert_eq!(ids(&world.alive), world.within(&world.started));
    }

    /// Where clusters also end by themselves, no act ever hits one within the cap (the world asserts it at each act),
    /// so none leaves fewer than the cap allows, and in the end there are no more than that.
    #[test]
    fn what_ends_by_itself_never_costs_one_that_may_stay(caps in arbitrary_caps(), steps in arbitrary_steps()) {
        let mut world = World::new(caps);
        for step in &steps {
            let before = world.alive.clone();
            world.take(step);
            if matches!(step, Step::Act { .. }) {
                prop_assert!(world.within(&before).is_subset(&ids(&world.alive)));
            }
        }
        world.settle();
        prop_assert_eq!(ids(&world.alive), world.within(&world.alive));
    }
}
