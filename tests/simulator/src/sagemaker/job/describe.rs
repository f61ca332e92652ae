//! A job in the words of its kind's `Describe` operation, which are those of its events too.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{FAILURE, Job, JobKind};
use crate::sagemaker::add;
use crate::sagemaker::names::{Names, lower_camel};
use crate::sagemaker::workload::{Workload, is_terminal};

/// The longest the jobs may run: the most AWS lets one ask for, so that nothing but a stop cuts them off here.
const TRAINING_LIMIT: u32 = 28 * 24 * 60 * 60;
const PROCESSING_LIMIT: u32 = 5 * 24 * 60 * 60;
/// Gigabytes of storage of each instance.
const VOLUME: u32 = 30;

impl Job {
    /// The member that holds what it runs on, and that; none for an Autopilot job.
    pub(super) fn resources(&self) -> Option<(&'static str, Value)> {
        let plain = json!({ "InstanceType": self.instance_type, "InstanceCount": self.instance_count });
        let with_volume = |mut resources: Value| {
            add(&mut resources, "VolumeSizeInGB", Some(VOLUME));
            resources
        };
        match self.kind {
            JobKind::Training if !self.instance_groups.is_empty() => {
                let groups: Vec<Value> = self
                    .instance_groups
                    .iter()
                    .map(|group| {
                        json!({
                            "InstanceGroupName": group.name,
                            "InstanceType": group.instance_type,
                            "InstanceCount": group.instance_count,
                        })
                    })
                    .collect();
                Some(("ResourceConfig", with_volume(json!({ "InstanceGroups": groups }))))
            }
            JobKind::Training | JobKind::HyperParameterTuning => Some(("ResourceConfig", with_volume(plain))),
            JobKind::Processing => Some(("ProcessingResources", json!({ "ClusterConfig": with_volume(plain) }))),
            JobKind::Transform => Some(("TransformResources", plain)),
            JobKind::AutoMl => None,
        }
    }

    /// The job in `state`, which it is in since `since`; `stamp` writes instants.
    pub(super) fn describe(
        &self,
        workload: &Workload,
        state: &str,
        since: Timestamp,
        names: &Names,
        stamp: impl Fn(Timestamp) -> Value,
    ) -> Value {
        let words = self.kind.words();
        let member = |end: &str| format!("{}{end}", words.stem);
        let mut output = json!({
            member("Name"): *workload.name,
            member("Arn"): *workload.arn,
            member("Status"): state,
            "CreationTime": stamp(workload.created_at),
        });
        let ended = is_terminal(state).then(|| stamp(since));
        add(&mut output, &format!("{}EndTime", words.times), ended);
        add(&mut output, "FailureReason", (state == "Failed").then_some(FAILURE));
        if self.kind != JobKind::Transform {
            add(&mut output, "LastModifiedTime", Some(stamp(since)));
        }
        if matches!(self.kind, JobKind::Training | JobKind::Processing | JobKind::Transform) {
            add(&mut output, &format!("{}StartTime", words.times), Some(stamp(workload.created_at)));
        }
        let own = match self.kind {
            JobKind::Training => self.training(workload, state, since, names, stamp),
            JobKind::Processing => self.processing(names),
            JobKind::Transform => self.transform(names),
            JobKind::HyperParameterTuning => self.tuning(state, names),
            JobKind::AutoMl => auto_ml(state, names),
        };
        if let (Value::Object(output), Value::Object(own)) = (&mut output, own) {
            output.extend(own);
        }
        output
    }

    fn training(
        &self,
        workload: &Workload,
        state: &str,
        since: Timestamp,
        names: &Names,
        stamp: impl Fn(Timestamp) -> Value,
    ) -> Value {
        let secondary = secondary(state, "Training");
        let mut running = json!({ "Status": "Training", "StartTime": stamp(workload.created_at) });
        let mut transitions = Vec::new();
        if secondary != "Training" {
            add(&mut running, "EndTime", Some(stamp(since)));
            transitions.push(json!({ "Status": secondary, "StartTime": stamp(since) }));
        }
        transitions.insert(0, running);
        json!({
            "SecondaryStatus": secondary,
            "SecondaryStatusTransitions": transitions,
            "AlgorithmSpecification": { "TrainingImage": names.image(), "TrainingInputMode": "File" },
            "RoleArn": names.role(),
            "OutputDataConfig": { "S3OutputPath": names.bucket("models") },
            "ModelArtifacts": { "S3ModelArtifacts": names.bucket(&format!("models/{}/model.tar.gz", workload.name)) },
            "ResourceConfig": self.resources().map(|(_, resources)| resources),
            "StoppingCondition": { "MaxRuntimeInSeconds": TRAINING_LIMIT },
            "EnableNetworkIsolation": false,
            "EnableManagedSpotTraining": false,
        })
    }

    fn processing(&self, names: &Names) -> Value {
        json!({
            "ProcessingResources": self.resources().map(|(_, resources)| resources),
            "AppSpecification": { "ImageUri": names.image() },
            "RoleArn": names.role(),
            "StoppingCondition": { "MaxRuntimeInSeconds": PROCESSING_LIMIT },
        })
    }

    fn transform(&self, names: &Names) -> Value {
        let source = json!({ "S3DataType": "S3Prefix", "S3Uri": names.bucket("input") });
        json!({
            "ModelName": "model",
            "TransformInput": { "DataSource": { "S3DataSource": source } },
            "TransformOutput": { "S3OutputPath": names.bucket("output") },
            "TransformResources": self.resources().map(|(_, resources)| resources),
        })
    }

    fn tuning(&self, state: &str, names: &Names) -> Value {
        let mut own = json!({
            "HyperParameterTuningJobConfig": { "Strategy": "Bayesian", "ResourceLimits": resource_limits() },
            "TrainingJobDefinition": {
                "AlgorithmSpecification": { "TrainingImage": names.image(), "TrainingInputMode": "File" },
                "RoleArn": names.role(),
                "OutputDataConfig": { "S3OutputPath": names.bucket("models") },
                "ResourceConfig": self.resources().map(|(_, resources)| resources),
                "StoppingCondition": { "MaxRuntimeInSeconds": TRAINING_LIMIT },
            },
        });
        add_counters(&mut own, state);
        own
    }
}

fn auto_ml(state: &str, names: &Names) -> Value {
    let source = json!({ "S3DataType": "S3Prefix", "S3Uri": names.bucket("input") });
    json!({
        "AutoMLJobInputDataConfig": [{ "ChannelType": "training", "DataSource": { "S3DataSource": source } }],
        "OutputDataConfig": { "S3OutputPath": names.bucket("output") },
        "RoleArn": names.role(),
        "AutoMLProblemTypeConfigName": "Tabular",
        "AutoMLProblemTypeConfig": { "TabularJobConfig": { "TargetAttributeName": "target" } },
        "AutoMLJobSecondaryStatus": secondary(state, "ModelTuning"),
    })
}

/// The secondary status that goes with a state: it repeats the states in which nothing runs any more.
pub(super) fn secondary<'a>(state: &'a str, running: &'a str) -> &'a str {
    if state == "Stopping" || is_terminal(state) { state } else { running }
}

pub(super) fn resource_limits() -> Value {
    json!({ "MaxNumberOfTrainingJobs": 10, "MaxParallelTrainingJobs": 1 })
}

/// What the training jobs of a tuning job are doing: one runs as long as it does.
pub(super) fn add_counters(object: &mut Value, state: &str) {
    let running = u32::from(!is_terminal(state));
    let stopped = u32::from(state == "Stopped");
    let failed = u32::from(state == "Failed");
    let jobs = json!({
        "Completed": u32::from(state == "Completed"),
        "InProgress": running,
        "RetryableError": 0,
        "NonRetryableError": failed,
        "Stopped": stopped,
    });
    let objectives = json!({
        "Succeeded": u32::from(state == "Completed"),
        "Pending": running,
        "Failed": failed + stopped,
    });
    add(object, "TrainingJobStatusCounters", Some(jobs));
    add(object, "ObjectiveStatusCounters", Some(objectives));
}

/// A structure as CloudTrail writes it.
pub(super) fn lower_camel_keys(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members.iter().map(|(name, value)| (lower_camel(name), lower_camel_keys(value))).collect::<Map<_, _>>(),
        ),
        Value::Array(items) => items.iter().map(lower_camel_keys).collect(),
        other => other.clone(),
    }
}
