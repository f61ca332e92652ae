//! One cluster with its steps: what it is, what became of it, and how the API tells it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::life::{self, Life, Plan, Reason, Setting, StepPlan};
use super::spec::{ClusterSpec, ClusterState, ClusterView, InstanceRole, InstanceSpec, StepSpec, StepState, StepView};
use super::{events, new_id};
use crate::accounts::Place;
use crate::clock;
use crate::events::ServiceEvent;

/// What an hour of one instance counts in `NormalizedInstanceHours`: the factor of an xlarge instance.
const NORMALIZED_HOURS: u64 = 8;

#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) id: Arc<str>,
    /// Tells apart clusters that were asked for in the same millisecond.
    pub(super) number: u64,
    pub(super) spec: ClusterSpec,
    /// What only comes back in the answers.
    pub(super) echo: Echo,
    pub(super) plan: Plan,
    pub(super) steps: Vec<Step>,
    pub(super) terminate_calls: u32,
    /// The ids of its instance groups, or of its instance fleets.
    instance_ids: Vec<String>,
    life: Life,
    /// Events of changes before the last interference, which may have changed what is to come.
    outbox: Vec<ServiceEvent>,
    /// Up to when changes have been announced, and which of just that instant.
    announced: (Timestamp, Vec<Change>),
}

/// The parts of a request that change nothing.
#[derive(Debug, Default)]
pub(super) struct Echo {
    pub(super) log_uri: Option<String>,
    pub(super) service_role: Option<String>,
    pub(super) job_flow_role: Option<String>,
    pub(super) subnet: Option<String>,
    pub(super) key_name: Option<String>,
}

#[derive(Debug)]
pub(super) struct Step {
    pub(super) id: Arc<str>,
    pub(super) name: String,
    pub(super) jar: String,
    pub(super) main_class: Option<String>,
    pub(super) args: Vec<String>,
    pub(super) properties: Map<String, Value>,
    pub(super) raw_state: Option<String>,
    pub(super) cancel_calls: u32,
}

impl Step {
    pub(super) fn new(spec: &StepSpec) -> Step {
        Step {
            id: new_id("s").into(),
            name: spec.name.clone(),
            jar: "command-runner.jar".to_owned(),
            main_class: None,
            args: spec.args.clone(),
            properties: Map::new(),
            raw_state: spec.raw_state.clone(),
            cancel_calls: 0,
        }
    }
}

impl StepPlan {
    pub(super) fn new(spec: &StepSpec, created_at: Timestamp) -> StepPlan {
        StepPlan {
            created_at,
            runs_for: spec.runs_for,
            outcome: spec.outcome,
            action_on_failure: spec.action_on_failure,
            ignores_interrupt: spec.ignores_interrupt,
            cancel_takes: spec.cancel_takes,
            cancels: Vec::new(),
            finished_at: None,
        }
    }
}

/// One change of state, of the cluster or of one of its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Cluster(ClusterState, Reason),
    Step(usize, StepState),
}

impl Cluster {
    /// A cluster that starts as `spec` says, seen from `now`, with its first steps.
    pub(super) fn new(
        number: u64,
        spec: ClusterSpec,
        steps: Vec<(Step, StepPlan)>,
        echo: Echo,
        now: Timestamp,
    ) -> Cluster {
        let created_at = clock::before(now, spec.age);
        let end = spec.runs_for.map(|runs_for| {
            (clock::after(created_at, runs_for), if spec.fails { Reason::InstanceFailed } else { Reason::User })
        });
        let (steps, step_plans) = steps.into_iter().unzip();
        let plan = Plan {
            created_at,
            bootstrapping_at: clock::after(created_at, spec.starting_takes / 2),
            ready_at: clock::after(created_at, spec.starting_takes),
            terminating_takes: spec.terminating_takes,
            keep_alive: spec.keep_alive,
            concurrency: spec.step_concurrency.max(1),
            auto_termination: Setting::new(spec.auto_termination),
            protected: Setting::new(spec.termination_protected),
            ends: end.into_iter().collect(),
            steps: step_plans,
        };
        let prefix = if spec.fleets { "if" } else { "ig" };
        let life = life::live(&plan);
        Cluster {
            id: new_id("j").into(),
            number,
            echo,
            plan,
            steps,
            terminate_calls: 0,
            instance_ids: spec.instances.iter().map(|_| new_id(prefix)).collect(),
            spec,
            life,
            outbox: Vec::new(),
            // What happened before anybody was looking is not announced.
            announced: (now, Vec::new()),
        }
    }

    /// Where it stands among the clusters of its account.
    pub(super) fn key(&self) -> (Timestamp, u64) {
        (self.plan.created_at, self.number)
    }

    /// Changes what is asked of it and works out what becomes of it now; changes that come to lie in the past are not
    /// announced.
    pub(super) fn interfere(&mut self, now: Timestamp, change: impl FnOnce(&mut Cluster)) {
        let due = self.due(now);
        self.outbox.extend(due);
        change(self);
        self.life = life::live(&self.plan);
    }

    pub(super) fn add_step(&mut self, step: Step, plan: StepPlan) {
        self.steps.push(step);
        self.plan.steps.push(plan);
    }

    pub(super) fn state(&self, now: Timestamp) -> ClusterState {
        self.life.state(now).0
    }

    /// Whether it takes steps and changes.
    pub(super) fn takes_work(&self, now: Timestamp) -> bool {
        !self.state(now).is_terminal() && self.state(now) != ClusterState::Terminating
    }

    pub(super) fn ended_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.life.reached(now, ClusterState::is_terminal)
    }

    fn ready_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.life.reached(now, |state| matches!(state, ClusterState::Running | ClusterState::Waiting))
    }

    pub(super) fn step_state(&self, index: usize, now: Timestamp) -> StepState {
        let past = self.life.step(index).iter().take_while(|(at, _)| *at <= now);
        past.last().map_or(StepState::Pending, |(_, state)| *state)
    }

    fn step_reached(&self, index: usize, now: Timestamp, matches: impl Fn(StepState) -> bool) -> Option<Timestamp> {
        let states = self.life.step(index).iter();
        states.filter(|(at, state)| *at <= now && matches(*state)).map(|(at, _)| *at).next()
    }

    /// When the step was added, began to run and ended, as far as it has.
    pub(super) fn step_times(&self, index: usize, now: Timestamp) -> [Option<Timestamp>; 3] {
        [
            self.plan.steps.get(index).map(|step| step.created_at),
            self.step_reached(index, now, |state| state == StepState::Running),
            self.step_reached(index, now, StepState::is_terminal),
        ]
    }

    pub(super) fn active_steps(&self, now: Timestamp) -> usize {
        (0..self.steps.len()).filter(|index| !self.step_state(*index, now).is_terminal()).count()
    }

    /// The changes that have events, in the order of their happening.
    fn changes(&self) -> Vec<(Timestamp, Change)> {
        let own = self.life.states.iter().map(|(at, state, reason)| (*at, Change::Cluster(*state, *reason)));
        let steps = self
            .life
            .steps
            .iter()
            .enumerate()
            .flat_map(|(index, states)| states.iter().map(move |(at, state)| (*at, Change::Step(index, *state))));
        let mut changes: Vec<_> = own.chain(steps).filter(|(_, change)| events::has_one(*change)).collect();
        changes.sort_by_key(|(at, _)| *at);
        changes
    }

    fn is_announced(&self, at: Timestamp, change: Change) -> bool {
        at < self.announced.0 || (at == self.announced.0 && self.announced.1.contains(&change))
    }

    /// When the next change comes that has not been announced.
    pub(super) fn next_change(&self) -> Option<Timestamp> {
        let waiting = self.outbox.first().map(|event| event.at);
        let next =
            || self.changes().into_iter().find(|(at, change)| !self.is_announced(*at, *change)).map(|(at, _)| at);
        waiting.or_else(next)
    }

    /// The events of all changes up to `now` that have not been announced, oldest first.
    pub(super) fn announce(&mut self, now: Timestamp) -> Vec<ServiceEvent> {
        let mut events = std::mem::take(&mut self.outbox);
        events.extend(self.due(now));
        events
    }

    fn due(&mut self, now: Timestamp) -> Vec<ServiceEvent> {
        let changes: Vec<_> = self.changes().into_iter().take_while(|(at, _)| *at <= now).collect();
        let events = changes
            .iter()
            .filter(|(at, change)| !self.is_announced(*at, *change))
            .filter_map(|(at, change)| events::of(self, *at, *change))
            .collect();
        // The clock may be set back; what was announced stays announced.
        let now = now.max(self.announced.0);
        self.announced = (now, changes.into_iter().filter(|(at, _)| *at == now).map(|(_, change)| change).collect());
        events
    }

    pub(super) fn arn(&self, place: &Place) -> String {
        format!("arn:aws:elasticmapreduce:{}:{}:cluster/{}", place.region, place.account, self.id)
    }

    pub(super) fn view(&self, now: Timestamp) -> ClusterView {
        let (state, reason) = self.life.state(now);
        ClusterView {
            id: self.id.to_string(),
            name: self.spec.name.clone(),
            state,
            reason: reason.code().map(str::to_owned),
            created_at: self.plan.created_at,
            ready_at: self.ready_at(now),
            ended_at: self.ended_at(now),
            termination_protected: self.plan.protected.at(now),
            auto_termination: self.plan.auto_termination.at(now),
            terminate_calls: self.terminate_calls,
            steps: self.steps.iter().map(|step| step.id.to_string()).collect(),
        }
    }

    pub(super) fn step_view(&self, index: usize, now: Timestamp) -> Option<StepView> {
        let step = self.steps.get(index)?;
        let [created_at, started_at, ended_at] = self.step_times(index, now);
        Some(StepView {
            id: step.id.to_string(),
            cluster: self.id.to_string(),
            name: step.name.clone(),
            state: self.step_state(index, now),
            created_at: created_at?,
            started_at,
            ended_at,
            cancel_calls: step.cancel_calls,
        })
    }

    fn status(&self, now: Timestamp) -> Value {
        let (state, reason) = self.life.state(now);
        let told = self.spec.raw_state.as_deref().filter(|_| !state.is_terminal()).unwrap_or(state.as_str());
        json!({
            "State": told,
            "StateChangeReason": present([
                ("Code", reason.code().map(Value::from)),
                ("Message", reason.message().map(Value::from)),
            ]),
            "Timeline": timeline([
                ("CreationDateTime", Some(self.plan.created_at)),
                ("ReadyDateTime", self.ready_at(now)),
                ("EndDateTime", self.ended_at(now)),
            ]),
        })
    }

    fn normalized_hours(&self, now: Timestamp) -> u64 {
        let Some(ready_at) = self.ready_at(now) else { return 0 };
        let lasted = clock::between(ready_at, self.ended_at(now).unwrap_or(now));
        let instances: u64 = self.spec.instances.iter().map(|instances| u64::from(instances.count)).sum();
        lasted.as_secs().div_ceil(3_600).max(1) * instances * NORMALIZED_HOURS
    }

    /// The shape `ClusterSummary`.
    pub(super) fn summarise(&self, place: &Place, now: Timestamp) -> Value {
        json!({
            "Id": *self.id,
            "Name": self.spec.name,
            "Status": self.status(now),
            "NormalizedInstanceHours": self.normalized_hours(now),
            "ClusterArn": self.arn(place),
        })
    }

    /// The shape `Cluster`.
    pub(super) fn describe(&self, place: &Place, now: Timestamp) -> Value {
        let tags: Vec<Value> =
            self.spec.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        let applications: Vec<Value> = self.spec.applications.iter().map(|name| json!({ "Name": name })).collect();
        let zone = format!("{}a", place.region);
        let subnet = self.echo.subnet.as_deref().unwrap_or("subnet-0123456789abcdef0");
        let mut cluster = json!({
            "Id": *self.id,
            "Name": self.spec.name,
            "Status": self.status(now),
            "Ec2InstanceAttributes": {
                "Ec2SubnetId": subnet,
                "RequestedEc2SubnetIds": [subnet],
                "Ec2AvailabilityZone": zone,
                "RequestedEc2AvailabilityZones": [],
                "IamInstanceProfile": self.echo.job_flow_role.as_deref().unwrap_or("EMR_EC2_DefaultRole"),
                "EmrManagedMasterSecurityGroup": "sg-0123456789abcdef0",
                "EmrManagedSlaveSecurityGroup": "sg-0fedcba9876543210",
                "AdditionalMasterSecurityGroups": [],
                "AdditionalSlaveSecurityGroups": [],
            },
            "InstanceCollectionType": if self.spec.fleets { "INSTANCE_FLEET" } else { "INSTANCE_GROUP" },
            "ReleaseLabel": self.spec.release,
            "AutoTerminate": !self.spec.keep_alive,
            "TerminationProtected": self.plan.protected.at(now),
            "VisibleToAllUsers": true,
            "Applications": applications,
            "Tags": tags,
            "ServiceRole": self.echo.service_role.as_deref().unwrap_or("EMR_DefaultRole"),
            "NormalizedInstanceHours": self.normalized_hours(now),
            "Configurations": [],
            "ScaleDownBehavior": "TERMINATE_AT_TASK_COMPLETION",
            "EbsRootVolumeSize": 15,
            "ClusterArn": self.arn(place),
            "StepConcurrencyLevel": self.plan.concurrency,
            "PlacementGroups": [],
        });
        let optional = [
            ("SecurityConfiguration", self.spec.security_configuration.clone()),
            ("LogUri", self.echo.log_uri.clone()),
            // The master has an address once it has begun to be set up.
            ("MasterPublicDnsName", (now >= self.plan.bootstrapping_at).then(|| self.address(place))),
        ];
        if let Value::Object(cluster) = &mut cluster {
            cluster.extend(present(optional.map(|(name, text)| (name, text.map(Value::from)))));
            if let (Some(key), Some(Value::Object(attributes))) =
                (&self.echo.key_name, cluster.get_mut("Ec2InstanceAttributes"))
            {
                attributes.insert("Ec2KeyName".to_owned(), key.as_str().into());
            }
        }
        cluster
    }

    fn address(&self, place: &Place) -> String {
        let (third, fourth) = (self.number / 250 % 250, self.number % 250);
        format!("ip-10-0-{third}-{fourth}.{}.compute.internal", place.region)
    }

    /// The status of its instances, which live and end with it.
    fn instances_status(&self, now: Timestamp) -> Value {
        let (state, reason) = self.life.state(now);
        let told = match state {
            ClusterState::Starting => "PROVISIONING",
            ClusterState::Bootstrapping => "BOOTSTRAPPING",
            ClusterState::Running | ClusterState::Waiting => "RUNNING",
            ClusterState::Terminating => "TERMINATING",
            ClusterState::Terminated | ClusterState::TerminatedWithErrors => "TERMINATED",
        };
        let ended = (state == ClusterState::Terminating || state.is_terminal()).then_some("CLUSTER_TERMINATED");
        json!({
            "State": told,
            "StateChangeReason": present([
                ("Code", ended.map(Value::from)),
                ("Message", ended.and(reason.message()).map(Value::from)),
            ]),
            "Timeline": timeline([
                ("CreationDateTime", Some(self.plan.created_at)),
                ("ReadyDateTime", self.ready_at(now)),
                ("EndDateTime", self.ended_at(now)),
            ]),
        })
    }

    fn has_instances(&self, now: Timestamp) -> bool {
        matches!(self.state(now), ClusterState::Running | ClusterState::Waiting | ClusterState::Terminating)
    }

    /// Its `InstanceGroup`s, one for each entry.
    pub(super) fn groups(&self, now: Timestamp) -> Vec<Value> {
        let group = |(instances, id): (&InstanceSpec, &String)| {
            json!({
                "Id": id,
                "Name": capitalised(instances.role),
                "Market": if instances.spot { "SPOT" } else { "ON_DEMAND" },
                "InstanceGroupType": instances.role.as_str(),
                "InstanceType": instances.instance_type,
                "RequestedInstanceCount": instances.count,
                "RunningInstanceCount": if self.has_instances(now) { instances.count } else { 0 },
                "Status": self.instances_status(now),
                "Configurations": [],
                "EbsBlockDevices": [],
                "EbsOptimized": true,
                "ShrinkPolicy": {},
            })
        };
        self.spec.instances.iter().zip(&self.instance_ids).map(group).collect()
    }

    /// Its `InstanceFleet`s, one for each role.
    pub(super) fn fleets(&self, now: Timestamp) -> Vec<Value> {
        let mut roles: BTreeMap<InstanceRole, (&String, Vec<&InstanceSpec>)> = BTreeMap::new();
        for (instances, id) in self.spec.instances.iter().zip(&self.instance_ids) {
            roles.entry(instances.role).or_insert_with(|| (id, Vec::new())).1.push(instances);
        }
        let fleet = |(role, (id, instances)): (InstanceRole, (&String, Vec<&InstanceSpec>))| {
            let capacity =
                |spot: bool| -> u32 { instances.iter().filter(|each| each.spot == spot).map(|each| each.count).sum() };
            let provisioned = |spot: bool| if self.has_instances(now) { capacity(spot) } else { 0 };
            let types: Vec<Value> = instances
                .iter()
                .map(|each| {
                    json!({
                        "InstanceType": each.instance_type,
                        "WeightedCapacity": 1,
                        "Configurations": [],
                        "EbsBlockDevices": [],
                        "EbsOptimized": true,
                    })
                })
                .collect();
            json!({
                "Id": id,
                "Name": capitalised(role),
                "Status": self.instances_status(now),
                "InstanceFleetType": role.as_str(),
                "TargetOnDemandCapacity": capacity(false),
                "TargetSpotCapacity": capacity(true),
                "ProvisionedOnDemandCapacity": provisioned(false),
                "ProvisionedSpotCapacity": provisioned(true),
                "InstanceTypeSpecifications": types,
            })
        };
        roles.into_iter().map(fleet).collect()
    }

    /// Its `Instance`s, one by one with the state of each, those of a fleet by the id of their role's fleet.
    pub(super) fn instances(&self, now: Timestamp) -> Vec<(&'static str, Value)> {
        // An instance knows no `TERMINATING`: it runs until it does not.
        let state = match self.state(now) {
            ClusterState::Starting => "PROVISIONING",
            ClusterState::Bootstrapping => "BOOTSTRAPPING",
            ClusterState::Running | ClusterState::Waiting | ClusterState::Terminating => "RUNNING",
            ClusterState::Terminated | ClusterState::TerminatedWithErrors => "TERMINATED",
        };
        let status = json!({
            "State": state,
            "StateChangeReason": {},
            "Timeline": timeline([
                ("CreationDateTime", Some(self.plan.created_at)),
                ("ReadyDateTime", self.ready_at(now)),
                ("EndDateTime", self.ended_at(now)),
            ]),
        });
        let mut fleets: BTreeMap<InstanceRole, &String> = BTreeMap::new();
        let mut found = Vec::new();
        for (group, (instances, id)) in self.spec.instances.iter().zip(&self.instance_ids).enumerate() {
            let fleet = *fleets.entry(instances.role).or_insert(id);
            let (fleet, group_id) = if self.spec.fleets { (Some(fleet), None) } else { (None, Some(id)) };
            for number in 0..instances.count {
                let mut instance = present([
                    ("InstanceFleetId", fleet.map(|id| id.as_str().into())),
                    ("InstanceGroupId", group_id.map(|id| id.as_str().into())),
                ]);
                instance.extend([
                    ("Id".to_owned(), format!("ci-{}{group:02}{number:04}", self.id.trim_start_matches("j-")).into()),
                    ("Status".to_owned(), status.clone()),
                    ("Market".to_owned(), if instances.spot { "SPOT" } else { "ON_DEMAND" }.into()),
                    ("InstanceType".to_owned(), instances.instance_type.as_str().into()),
                    ("EbsVolumes".to_owned(), json!([])),
                ]);
                found.push((state, instance.into()));
            }
        }
        found
    }

    /// The shape `StepSummary`, which a `Step` shares.
    pub(super) fn describe_step(&self, index: usize, now: Timestamp) -> Option<Value> {
        let (step, plan) = (self.steps.get(index)?, self.plan.steps.get(index)?);
        let state = self.step_state(index, now);
        let told = step.raw_state.as_deref().filter(|_| !state.is_terminal()).unwrap_or(state.as_str());
        let [created_at, started_at, ended_at] = self.step_times(index, now);
        let mut config = json!({ "Jar": step.jar, "Properties": step.properties, "Args": step.args });
        if let (Some(class), Value::Object(config)) = (&step.main_class, &mut config) {
            config.insert("MainClass".to_owned(), class.as_str().into());
        }
        let mut status = json!({
            "State": told,
            "StateChangeReason": {},
            "Timeline": timeline([
                ("CreationDateTime", created_at),
                ("StartDateTime", started_at),
                ("EndDateTime", ended_at),
            ]),
        });
        if let (StepState::Failed, Value::Object(status)) = (state, &mut status) {
            status.insert("FailureDetails".to_owned(), json!({ "Reason": "Unknown Error." }));
        }
        Some(json!({
            "Id": *step.id,
            "Name": step.name,
            "Config": config,
            "ActionOnFailure": plan.action_on_failure.as_str(),
            "Status": status,
        }))
    }

    /// The idle time of its auto-termination policy.
    pub(super) fn auto_termination(&self, now: Timestamp) -> Option<Duration> {
        self.plan.auto_termination.at(now)
    }
}

/// The members that are there.
fn present<const N: usize>(members: [(&str, Option<Value>); N]) -> Map<String, Value> {
    let there = members.into_iter().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value)));
    there.collect()
}

fn timeline(instants: [(&str, Option<Timestamp>); 3]) -> Map<String, Value> {
    present(instants.map(|(name, at)| (name, at.map(clock::epoch_seconds))))
}

/// `Master`, `Core`, `Task`: what the console calls them.
fn capitalised(role: InstanceRole) -> &'static str {
    match role {
        InstanceRole::Master => "Master",
        InstanceRole::Core => "Core",
        InstanceRole::Task => "Task",
    }
}
