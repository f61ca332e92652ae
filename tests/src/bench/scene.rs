//! Sandboxes in which much runs, or what is usual, all of it within its limits: how they come to be, and the least that
//! a sweep of them has to ask.

use std::time::Duration;

use stage::{Sandbox, SandboxOptions};
use workload_simulator::{
    AppSpec, ClusterSpec, DomainSpec, EndpointSpec, ExecutionSpec, JobKind, JobRunSpec, JobSpec, ModelApproval,
    ModelPackageSpec, NotebookSpec, SessionSpec, SpaceSpec, StepSpec,
};

use crate::tally::Counts;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// How many things a page of SageMaker's lists holds.
const PAGE: u64 = 100;

/// How many clusters a page holds.
const CLUSTER_PAGE: u64 = 50;

/// Of how many Glue jobs that did not run lately one is asked each sweep, because nothing tells that a run was started.
const QUIET_TURNS: u64 = 6;

/// The kinds of jobs, with the word that their operations are made of.
const JOBS: [(JobKind, &str); 5] = [
    (JobKind::Training, "TrainingJob"),
    (JobKind::Processing, "ProcessingJob"),
    (JobKind::Transform, "TransformJob"),
    (JobKind::HyperParameterTuning, "HyperParameterTuningJob"),
    (JobKind::AutoMl, "AutoMLJob"),
];

/// What is in a sandbox for one service.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scene {
    Emr(Emr),
    SageMaker(SageMaker),
    Glue(Glue),
}

/// The least that a sweep has to ask, by operation.
#[derive(Debug)]
pub(crate) struct Least {
    /// Of a function that has just started.
    pub(crate) cold: Counts,
    /// Of one that swept a moment ago, and where nothing has begun or ended since.
    pub(crate) warm: Counts,
}

/// Clusters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Emr {
    /// Those that run a step.
    pub(crate) running: u64,
    /// Those that wait for one.
    pub(crate) waiting: u64,
}

/// Everything that is looked at in SageMaker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SageMaker {
    /// All pipelines.
    pub(crate) pipelines: u64,
    /// Those that ran within the 28 days that an execution can last, and may therefore have an active one.
    pub(crate) recent: u64,
    /// Those of them that do have active executions.
    pub(crate) running: u64,
    /// Active executions.
    pub(crate) executions: u64,
    /// Active jobs of each of the five kinds.
    pub(crate) jobs: u64,
    /// Training jobs that have ended: `ListTrainingJobs` pages through them too.
    pub(crate) past_training_jobs: u64,
    /// Notebook instances in service.
    pub(crate) notebooks: u64,
    /// Notebook instances that stand still.
    pub(crate) stopped_notebooks: u64,
    /// Applications.
    pub(crate) apps: u64,
    /// Spaces.
    pub(crate) spaces: u64,
    /// Domains.
    pub(crate) domains: u64,
    /// Endpoints.
    pub(crate) endpoints: u64,
    /// Approved model packages.
    pub(crate) packages: u64,
    /// Their groups.
    pub(crate) groups: u64,
}

/// Jobs and sessions of Glue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glue {
    /// Jobs that have a run each.
    pub(crate) running: u64,
    /// Jobs of which the last run is long past.
    pub(crate) quiet: u64,
    /// Sessions that are ready and idle.
    pub(crate) sessions: u64,
}

impl Scene {
    /// A sandbox in which far too much runs, were its limits not raised.
    pub(crate) const LARGE: [Self; 3] = [
        Self::SageMaker(SageMaker {
            pipelines: 2_000,
            recent: 280,
            running: 60,
            executions: 100,
            jobs: 40,
            past_training_jobs: 260,
            notebooks: 6,
            stopped_notebooks: 6,
            apps: 20,
            spaces: 20,
            domains: 2,
            endpoints: 3,
            packages: 30,
            groups: 10,
        }),
        Self::Emr(Emr { running: 30, waiting: 10 }),
        Self::Glue(Glue { running: 20, quiet: 180, sessions: 30 }),
    ];

    /// What the sandbox of an initiative holds on a working day.
    pub(crate) const USUAL: [Self; 3] = [
        Self::Emr(Emr { running: 2, waiting: 1 }),
        Self::SageMaker(SageMaker {
            pipelines: 40,
            recent: 12,
            running: 2,
            executions: 2,
            jobs: 1,
            past_training_jobs: 60,
            notebooks: 3,
            stopped_notebooks: 3,
            apps: 5,
            spaces: 8,
            domains: 1,
            endpoints: 2,
            packages: 6,
            groups: 3,
        }),
        Self::Glue(Glue { running: 2, quiet: 18, sessions: 2 }),
    ];

    /// The service, as it stands in names of functions and parameters.
    pub(crate) fn service(&self) -> &'static str {
        match self {
            Self::Emr(_) => "emr",
            Self::SageMaker(_) => "sagemaker",
            Self::Glue(_) => "glue",
        }
    }

    /// The watch that looks at it.
    pub(crate) fn watch(&self) -> &'static str {
        match self {
            Self::Emr(_) => "emr-watch",
            Self::SageMaker(_) => "sagemaker-watch",
            Self::Glue(_) => "glue-watch",
        }
    }

    /// What is in it, in words.
    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::Emr(Emr { running, waiting }) => format!("{} clusters, {running} with a step", running + waiting),
            Self::SageMaker(here) => format!(
                "{} pipelines ({} ran within 28 days, {} run {} executions), {} jobs",
                here.pipelines,
                here.recent,
                here.running,
                here.executions,
                here.jobs * JOBS.len() as u64
            ),
            Self::Glue(Glue { running, quiet, sessions }) => {
                format!("{} jobs, {running} of them running, {sessions} sessions", running + quiet)
            }
        }
    }

    /// How many observations a watch makes of it.
    pub(crate) fn active(&self) -> u64 {
        match self {
            Self::Emr(Emr { running, waiting }) => running + waiting + running,
            Self::SageMaker(here) => {
                let jobs = here.jobs * JOBS.len() as u64;
                let studio = here.apps + here.spaces + here.domains;
                let models = here.packages + here.groups;
                here.pipelines + here.executions + jobs + here.notebooks + studio + here.endpoints + models
            }
            Self::Glue(Glue { running, sessions, .. }) => running + sessions,
        }
    }

    /// Options of a sandbox in which nothing of it is a finding.
    pub(crate) fn options(&self) -> SandboxOptions {
        let raised: &[(&str, &str)] = match self {
            Self::Emr(_) => &[("emr-cluster-count", "500")],
            Self::SageMaker(_) => &[
                ("sagemaker-pipeline-count", "10000"),
                ("sagemaker-concurrent-executions", "1000"),
                ("sagemaker-concurrent-jobs", "2000"),
            ],
            Self::Glue(_) => &[("glue-session-count", "1000"), ("glue-concurrent-job-runs", "2000")],
        };
        raised.iter().fold(SandboxOptions::default(), |options, (guardrail, limit)| {
            options.with(&format!("/sandbox-guardrails/{}/{guardrail}/limit", self.service()), limit)
        })
    }

    /// Brings it about. All of it began in the past, so no event tells of it, and ends or becomes due long after.
    pub(crate) fn set(&self, sandbox: &Sandbox) {
        match self {
            Self::Emr(here) => here.set(sandbox),
            Self::SageMaker(here) => here.set(sandbox),
            Self::Glue(here) => here.set(sandbox),
        }
    }

    /// The least that a sweep has to ask of it.
    pub(crate) fn least(&self) -> Least {
        match self {
            Self::Emr(here) => here.least(),
            Self::SageMaker(here) => here.least(),
            Self::Glue(here) => here.least(),
        }
    }
}

fn counts<'a>(calls: impl IntoIterator<Item = (&'a str, u64)>) -> Counts {
    let made = calls.into_iter().filter(|(_, count)| *count > 0);
    made.map(|(operation, count)| (operation.to_owned(), count)).collect()
}

/// Pages of a list of so many things; an empty list has one, too.
fn pages(things: u64) -> u64 {
    things.div_ceil(PAGE).max(1)
}

impl Emr {
    fn set(self, sandbox: &Sandbox) {
        for n in 0..self.running + self.waiting {
            let has_step = n < self.running;
            let cluster = sandbox.emr.start(ClusterSpec {
                name: format!("cluster-{n}"),
                age: if has_step { 2 * HOUR } else { 10 * MINUTE },
                security_configuration: Some("encrypted".to_owned()),
                auto_termination: Some(2 * HOUR),
                ..ClusterSpec::default()
            });
            if has_step {
                sandbox.emr.add_step(StepSpec { cluster, age: HOUR, ..StepSpec::default() });
            }
        }
    }

    fn least(self) -> Least {
        let clusters = self.running + self.waiting;
        let lists = [("ListClusters", clusters.div_ceil(CLUSTER_PAGE).max(1)), ("ListSteps", clusters)];
        let once = ["DescribeCluster", "ListInstanceGroups", "GetAutoTerminationPolicy"].map(|call| (call, clusters));
        Least { cold: counts(lists.into_iter().chain(once)), warm: counts(lists) }
    }
}

impl SageMaker {
    fn set(self, sandbox: &Sandbox) {
        let sagemaker = &sandbox.sagemaker;
        let size = |count: u64| usize::try_from(count).unwrap_or_default();
        sagemaker.seed_pipelines(
            size(self.pipelines - self.running),
            size(self.recent - self.running),
            3 * DAY,
            60 * DAY,
        );
        for n in 0..self.executions {
            let pipeline = format!("active-{:05}", n % self.running);
            sagemaker.start_execution(ExecutionSpec { pipeline, age: HOUR, ..ExecutionSpec::default() });
        }
        for (kind, _) in JOBS {
            for n in 0..self.jobs {
                let name = Some(format!("job-{n}"));
                sagemaker.start_job(JobSpec { kind, name, age: HOUR, ..JobSpec::default() });
            }
        }
        sagemaker.seed_jobs(JobKind::Training, size(self.past_training_jobs), HOUR, 2 * HOUR);
        for n in 0..self.notebooks + self.stopped_notebooks {
            sagemaker.start_notebook(NotebookSpec {
                name: format!("notebook-{n}"),
                age: HOUR,
                stopped: n >= self.notebooks,
                internet: false,
                root: false,
                ..NotebookSpec::default()
            });
        }
        let domains = (0..self.domains).map(|n| DomainSpec {
            name: format!("studio-{n}"),
            age: DAY,
            vpc_only: true,
            ..DomainSpec::default()
        });
        let domains: Vec<String> = domains.map(|domain| sagemaker.create_domain(domain)).collect();
        for n in 0..self.spaces {
            let (name, domain) = (format!("space-{n}"), domains.first().cloned());
            sagemaker.create_space(SpaceSpec { name, domain, age: DAY, ..SpaceSpec::default() });
        }
        for n in 0..self.apps {
            let (user_profile, domain) = (Some(format!("user-{n}")), domains.first().cloned());
            sagemaker.start_app(AppSpec { user_profile, domain, age: HOUR, ..AppSpec::default() });
        }
        for n in 0..self.endpoints {
            sagemaker.start_endpoint(EndpointSpec {
                name: format!("endpoint-{n}"),
                age: DAY,
                ..EndpointSpec::default()
            });
        }
        for n in 0..self.packages {
            sagemaker.register_model(ModelPackageSpec {
                group: Some(format!("models-{}", n % self.groups)),
                age: 30 * DAY,
                approval: ModelApproval::Approved,
                approval_age: Some(20 * DAY),
                registered_by: Some("ana".to_owned()),
                approved_by: Some("ben".to_owned()),
                ..ModelPackageSpec::default()
            });
        }
    }

    fn least(self) -> Least {
        let lists_of_jobs = JOBS.map(|(kind, word)| {
            let past = if kind == JobKind::Training { self.past_training_jobs } else { 0 };
            (format!("List{word}s"), pages(self.jobs + past))
        });
        // What an AutoML job runs on, SageMaker chooses: the jobs that it makes tell.
        let told = JOBS.iter().filter(|(kind, _)| *kind != JobKind::AutoMl);
        let descriptions: Vec<_> = told.map(|(_, word)| (format!("Describe{word}"), self.jobs)).collect();
        let warm = lists_of_jobs.iter().map(|(call, count)| (call.as_str(), *count)).chain([
            ("ListPipelines", pages(self.pipelines)),
            ("ListPipelineExecutions", self.running),
            ("ListNotebookInstances", pages(self.notebooks + self.stopped_notebooks)),
            ("ListApps", pages(self.apps)),
            ("ListEndpoints", pages(self.endpoints)),
        ]);
        let warm = counts(warm);
        let once = descriptions.iter().map(|(call, count)| (call.as_str(), *count)).chain([
            ("ListPipelineExecutions", self.recent),
            ("DescribePipelineExecution", self.executions),
            ("DescribeNotebookInstance", self.notebooks),
            ("ListSpaces", pages(self.spaces)),
            ("ListDomains", pages(self.domains)),
            ("DescribeDomain", self.domains),
            ("ListModelPackages", pages(self.packages)),
            ("DescribeModelPackage", self.packages),
        ]);
        let mut cold = warm.clone();
        cold.extend(counts(once));
        Least { cold, warm }
    }
}

impl Glue {
    fn set(self, sandbox: &Sandbox) {
        let quiet = usize::try_from(self.quiet).unwrap_or_default();
        sandbox.glue.seed_jobs(quiet, 3, DAY, 20 * DAY);
        for n in 0..self.running {
            sandbox.glue.start_run(JobRunSpec { job: format!("etl-{n}"), age: HOUR, ..JobRunSpec::default() });
        }
        for n in 0..self.sessions {
            let (id, idle_for) = (Some(format!("session-{n}")), Some(5 * MINUTE));
            sandbox.glue.start_session(SessionSpec { id, age: HOUR, idle_for, ..SessionSpec::default() });
        }
    }

    fn least(self) -> Least {
        let lists = [("ListSessions", 1), ("ListStatements", self.sessions), ("ListJobs", 1)];
        let of = |runs: u64| counts(lists.into_iter().chain([("GetJobRuns", runs)]));
        Least { cold: of(self.running + self.quiet), warm: of(self.running + self.quiet.div_ceil(QUIET_TURNS)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_is_what_was_set() {
        let calls = |counts: &Counts| counts.values().sum::<u64>();
        let [sagemaker, emr, glue] = Scene::LARGE.map(|scene| scene.least());
        assert_eq!((calls(&emr.cold), calls(&emr.warm)), (1 + 4 * 40, 1 + 40));
        assert_eq!((calls(&glue.cold), calls(&glue.warm)), (2 + 30 + 200, 2 + 30 + 20 + 30));
        assert_eq!(sagemaker.cold.get("ListPipelines"), Some(&20));
        assert_eq!(sagemaker.cold.get("ListPipelineExecutions"), Some(&280));
        assert_eq!(sagemaker.warm.get("ListPipelineExecutions"), Some(&60));
        assert_eq!(sagemaker.warm.get("ListTrainingJobs"), Some(&3));
        assert_eq!(sagemaker.cold.get("DescribeAutoMLJob"), None);
        assert_eq!(sagemaker.warm.get("DescribeModelPackage"), None);
    }
}
