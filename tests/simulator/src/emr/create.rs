//! `RunJobFlow` and `AddJobFlowSteps`: what they ask for, read and checked.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::cluster::{Echo, Step};
use super::life::StepPlan;
use super::spec::{ActionOnFailure, ClusterSpec, InstanceRole, InstanceSpec, StepSpec};
use super::{Emr, directive, invalid, no_job_flow, not_modifiable, release};
use crate::cloudtrail::lower_camel_keys;
use crate::input::Input;
use crate::protocol::AwsError;

/// The most steps a cluster holds at once, and a request adds.
const STEPS: usize = 256;
/// The shortest and longest idle time of an auto-termination policy, in seconds.
const IDLE: RangeInclusive<i64> = 60..=604_800;

impl Emr {
    pub(super) fn run_job_flow(&mut self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let name = input.required_text("Name", 0..=256)?;
        let instances = input.object("Instances")?.ok_or_else(|| input.missing("Instances"))?;
        let (fleets, specs) = read_instances(instances)?;
        let release = input.text("ReleaseLabel", 0..=256)?.unwrap_or("emr-7.5.0");
        if release::parse(release).is_none() {
            return Err(invalid(&format!("The supplied release label is invalid: {release}.")));
        }
        let concurrency = input.integer("StepConcurrencyLevel", 1..=256)?.unwrap_or(1);
        let spec = ClusterSpec {
            name: name.to_owned(),
            release: release.to_owned(),
            applications: named(input, "Applications")?,
            instances: specs,
            fleets,
            tags: read_tags(input)?,
            security_configuration: input.text("SecurityConfiguration", 0..=10_280)?.map(str::to_owned),
            auto_termination: read_policy(input, release)?,
            termination_protected: instances.flag("TerminationProtected")?.unwrap_or_default(),
            step_concurrency: usize::try_from(concurrency).unwrap_or(1),
            keep_alive: instances.flag("KeepJobFlowAliveWhenNoSteps")?.unwrap_or_default(),
            ..ClusterSpec::default()
        };
        let echo = Echo {
            log_uri: input.text("LogUri", 0..=10_280)?.map(str::to_owned),
            service_role: input.text("ServiceRole", 0..=10_280)?.map(str::to_owned),
            job_flow_role: input.text("JobFlowRole", 0..=10_280)?.map(str::to_owned),
            subnet: instances.text("Ec2SubnetId", 0..=256)?.map(str::to_owned),
            key_name: instances.text("Ec2KeyName", 0..=256)?.map(str::to_owned),
        };
        let steps = read_steps(input, now)?.unwrap_or_default();
        let request = lower_camel_keys(&input.echo());
        let (id, arn) = self.launch(spec, steps, echo, request, now);
        Ok(json!({ "JobFlowId": *id, "ClusterArn": arn }))
    }

    pub(super) fn add_job_flow_steps(&mut self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let id = input.required_text("JobFlowId", 0..=256)?;
        let steps = read_steps(input, now)?.ok_or_else(|| input.missing("Steps"))?;
        let cluster = self.cluster(id, now).ok_or_else(no_job_flow)?;
        if !cluster.takes_work(now) {
            return Err(not_modifiable());
        }
        if cluster.active_steps(now) + steps.len() > STEPS {
            return Err(invalid(
                "Maximum number of active steps(State = 'Running', 'Pending' or 'Cancel_Pending') for cluster \
                 exceeded.",
            ));
        }
        let ids: Vec<String> = steps.iter().map(|(step, _)| step.id.to_string()).collect();
        let request = lower_camel_keys(&input.echo());
        self.add_steps(id, steps, request, None, now);
        Ok(json!({ "StepIds": ids }))
    }
}

/// The idle time of the policy a request carries; a release that knows none refuses it.
pub(super) fn read_policy(input: Input<'_>, release: &str) -> Result<Option<Duration>, AwsError> {
    let Some(policy) = input.object("AutoTerminationPolicy")? else { return Ok(None) };
    if !release::knows_auto_termination(release) {
        return Err(invalid(&format!("Auto-termination is not supported on the release label {release}.")));
    }
    let name = "IdleTimeout";
    let seconds = policy.integer(name, IDLE)?.ok_or_else(|| policy.missing(name))?;
    Ok(Some(Duration::from_secs(u64::try_from(seconds).unwrap_or_default())))
}

fn read_instances(instances: Input<'_>) -> Result<(bool, Vec<InstanceSpec>), AwsError> {
    let roles = InstanceRole::ALL.map(InstanceRole::as_str);
    let role_of = |input: Input<'_>, name: &str| -> Result<InstanceRole, AwsError> {
        let role = input.choice(name, &roles)?.ok_or_else(|| input.missing(name))?;
        InstanceRole::ALL.into_iter().find(|each| each.as_str() == role).ok_or_else(|| input.missing(name))
    };
    let groups = instances.objects("InstanceGroups", 0..=usize::MAX)?;
    let fleets = instances.objects("InstanceFleets", 0..=usize::MAX)?;
    let mut specs = Vec::new();
    match (groups, &fleets) {
        (Some(_), Some(_)) => {
            return Err(invalid(
                "Instance fleets and instance groups are mutually exclusive. Please specify one or the other.",
            ));
        }
        (Some(groups), None) => {
            for group in groups {
                let name = "InstanceCount";
                specs.push(InstanceSpec {
                    role: role_of(group, "InstanceRole")?,
                    instance_type: group.required_text("InstanceType", 1..=256)?.to_owned(),
                    count: count(group.integer(name, 0..=i64::from(u32::MAX))?.ok_or_else(|| group.missing(name))?),
                    spot: group.choice("Market", &["ON_DEMAND", "SPOT"])? == Some("SPOT"),
                });
            }
        }
        (None, Some(fleets)) => {
            for fleet in fleets {
                let role = role_of(*fleet, "InstanceFleetType")?;
                let types = fleet.objects("InstanceTypeConfigs", 0..=usize::MAX)?.unwrap_or_default();
                for (member, spot) in [("TargetOnDemandCapacity", false), ("TargetSpotCapacity", true)] {
                    let target = count(fleet.integer(member, 0..=i64::from(u32::MAX))?.unwrap_or_default());
                    // The first type has the whole capacity; the others are there to fall back on.
                    let types = types.iter().take(if target > 0 { usize::MAX } else { 0 });
                    for (index, each) in types.enumerate() {
                        let instance_type = each.required_text("InstanceType", 1..=256)?.to_owned();
                        let count = if index == 0 { target } else { 0 };
                        specs.push(InstanceSpec { role, instance_type, count, spot });
                    }
                }
            }
        }
        (None, None) => {
            let total = count(instances.integer("InstanceCount", 1..=i64::from(u32::MAX))?.unwrap_or(1));
            let master = instances.required_text("MasterInstanceType", 1..=256)?;
            specs.push(InstanceSpec::new(InstanceRole::Master, master, 1));
            if let (Some(slave), 2..) = (instances.text("SlaveInstanceType", 1..=256)?, total) {
                specs.push(InstanceSpec::new(InstanceRole::Core, slave, total - 1));
            }
        }
    }
    if !specs.iter().any(|spec| spec.role == InstanceRole::Master) {
        return Err(invalid("Exactly one master instance group must be specified."));
    }
    Ok((fleets.is_some(), specs))
}

fn count(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn named(input: Input<'_>, list: &str) -> Result<Vec<String>, AwsError> {
    let entries = input.objects(list, 0..=usize::MAX)?.unwrap_or_default();
    entries.into_iter().map(|entry| Ok(entry.required_text("Name", 0..=256)?.to_owned())).collect()
}

fn read_tags(input: Input<'_>) -> Result<BTreeMap<String, String>, AwsError> {
    let tags = input.objects("Tags", 0..=usize::MAX)?.unwrap_or_default();
    let tag = |tag: Input<'_>| {
        let key = tag.required_text("Key", 1..=128)?.to_owned();
        Ok((key, tag.text("Value", 0..=256)?.unwrap_or_default().to_owned()))
    };
    tags.into_iter().map(tag).collect()
}

fn read_steps(input: Input<'_>, now: Timestamp) -> Result<Option<Vec<(Step, StepPlan)>>, AwsError> {
    let Some(steps) = input.objects("Steps", 0..=STEPS)? else { return Ok(None) };
    steps.into_iter().map(|step| read_step(step, now)).collect::<Result<_, _>>().map(Some)
}

fn read_step(input: Input<'_>, now: Timestamp) -> Result<(Step, StepPlan), AwsError> {
    let jar = input.object("HadoopJarStep")?.ok_or_else(|| input.missing("HadoopJarStep"))?;
    let args = jar.texts("Args", 0..=usize::MAX)?.unwrap_or_default();
    let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
    let actions = ["TERMINATE_JOB_FLOW", "TERMINATE_CLUSTER", "CANCEL_AND_WAIT", "CONTINUE"];
    let spec = StepSpec {
        name: input.required_text("Name", 0..=256)?.to_owned(),
        action_on_failure: match input.choice("ActionOnFailure", &actions)? {
            Some("CONTINUE") => ActionOnFailure::Continue,
            Some("CANCEL_AND_WAIT") => ActionOnFailure::CancelAndWait,
            // The default, and the older name of the same.
            _ => ActionOnFailure::TerminateCluster,
        },
        ..directive::read(&args)
    };
    let step = Step {
        jar: jar.required_text("Jar", 0..=10_280)?.to_owned(),
        main_class: jar.text("MainClass", 0..=10_280)?.map(str::to_owned),
        properties: read_properties(jar)?,
        args,
        ..Step::new(&spec)
    };
    Ok((step, StepPlan::new(&spec, now)))
}

/// A list of keys and values in the request, a map in the answer.
fn read_properties(jar: Input<'_>) -> Result<Map<String, Value>, AwsError> {
    let pairs = jar.objects("Properties", 0..=usize::MAX)?.unwrap_or_default();
    let pair = |pair: Input<'_>| {
        let key = pair.required_text("Key", 0..=10_280)?.to_owned();
        Ok((key, pair.text("Value", 0..=10_280)?.unwrap_or_default().into()))
    };
    pairs.into_iter().map(pair).collect()
}

/// What a request for this cluster would have said, for CloudTrail.
pub(super) fn request_for(spec: &ClusterSpec) -> Value {
    let groups = spec.instances.iter().map(|each| {
        if spec.fleets {
            json!({
                "instanceFleetType": each.role.as_str(),
                "targetOnDemandCapacity": if each.spot { 0 } else { each.count },
                "targetSpotCapacity": if each.spot { each.count } else { 0 },
                "instanceTypeConfigs": [{ "instanceType": each.instance_type }],
            })
        } else {
            json!({
                "instanceRole": each.role.as_str(),
                "instanceType": each.instance_type,
                "instanceCount": each.count,
                "market": if each.spot { "SPOT" } else { "ON_DEMAND" },
            })
        }
    });
    let groups: Vec<Value> = groups.collect();
    let tags: Vec<Value> = spec.tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    json!({
        "name": spec.name,
        "releaseLabel": spec.release,
        "instances": {
            (if spec.fleets { "instanceFleets" } else { "instanceGroups" }): groups,
            "keepJobFlowAliveWhenNoSteps": spec.keep_alive,
            "terminationProtected": spec.termination_protected,
        },
        "tags": tags,
        "securityConfiguration": spec.security_configuration,
        "stepConcurrencyLevel": spec.step_concurrency,
    })
}
