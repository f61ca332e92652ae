//! A sandbox at work: something on in every part, and beside it something that its users had off before.

use std::collections::BTreeMap;
use std::time::Duration;

use stage::running::wait_for;
use stage::{Account, Sandbox, SandboxOptions};
use workload_simulator::{
    AppSpec, ClusterSpec, ExecutionSpec, JobKind, JobRunSpec, JobSpec, NotebookSpec, QuerySpec, SessionSpec,
    WorkgroupState, WorkloadKind,
};

use super::{may_act, users_role};
use crate::minutes;

const JOBS: [JobKind; 5] =
    [JobKind::Training, JobKind::Processing, JobKind::Transform, JobKind::HyperParameterTuning, JobKind::AutoMl];

/// How long what turns takes here: long enough to be seen on its way.
const TURNING: Duration = Duration::from_millis(500);

/// A sandbox at work.
pub(super) struct Scene {
    pub(super) sandbox: Sandbox,
    /// The ARN of the role that its user works with.
    pub(super) role: String,
    /// A session of it, from before anything happened.
    pub(super) user: Account,
}

impl Scene {
    /// One of everything, on and off.
    pub(super) fn full() -> Self {
        let scene = Self::bare(&SandboxOptions::default());
        let Sandbox { account, athena, emr, sagemaker, glue, .. } = &scene.sandbox;

        let app = |space: &str, deleted: Option<Duration>| {
            let domain = Some("d-analytics".to_owned());
            let space = Some(space.to_owned());
            let age = minutes(90);
            let instance_type = "ml.m5.large".to_owned();
            sagemaker.start_app(AppSpec {
                domain,
                space,
                age,
                deleted,
                instance_type,
                pending: TURNING,
                deleting_takes: TURNING,
                ..AppSpec::default()
            });
        };
        app("churn", None);
        app("retired", Some(minutes(60)));
        scene.notebook("explore", false);
        scene.notebook("archive", true);
        for kind in JOBS {
            sagemaker.start_job(JobSpec { kind, age: minutes(10), ..JobSpec::default() });
        }
        sagemaker.start_execution(ExecutionSpec { age: minutes(10), ..ExecutionSpec::default() });

        emr.start(ClusterSpec { age: minutes(10), ..ClusterSpec::default() });
        athena.start(QuerySpec { workgroup: "adhoc".to_owned(), age: minutes(1), ..QuerySpec::default() });
        athena.set_workgroup_state("retired", WorkgroupState::Disabled);
        glue.start_session(SessionSpec { age: minutes(10), ..SessionSpec::default() });
        glue.start_run(JobRunSpec { age: minutes(10), ..JobRunSpec::default() });

        account.create_cluster("ledger").unwrap();
        account.create_database("orders").unwrap();
        account.create_database("archive").unwrap();
        account.stop_database("archive").unwrap();
        scene.await_database("archive", "stopped");
        scene
    }

    /// A user's role and nothing else.
    pub(super) fn bare(options: &SandboxOptions) -> Self {
        let sandbox = crate::sandbox(options);
        let role = users_role(&sandbox, "analyst");
        let user = sandbox.account.assume(&role).unwrap();
        assert!(may_act(&user));
        Self { sandbox, role, user }
    }

    /// A user's role and a notebook.
    pub(super) fn small() -> Self {
        let scene = Self::bare(&SandboxOptions::default());
        scene.notebook("explore", false);
        scene
    }

    /// A notebook instance; gives its ARN.
    pub(super) fn notebook(&self, name: &str, stopped: bool) -> String {
        self.sandbox.sagemaker.start_notebook(NotebookSpec {
            name: name.to_owned(),
            stopped,
            age: minutes(10),
            stopping_takes: TURNING,
            starting_takes: TURNING,
            ..NotebookSpec::default()
        })
    }

    /// A new session of the user's role.
    pub(super) fn signs_in(&self) -> Account {
        self.sandbox.account.assume(&self.role).unwrap()
    }

    /// The state of everything that can be off and on, by name.
    pub(super) fn states(&self) -> BTreeMap<String, String> {
        let Sandbox { account, athena, sagemaker, .. } = &self.sandbox;
        let mut states = sagemaker.states(&[WorkloadKind::NotebookInstance, WorkloadKind::App]);
        states.extend(athena.workgroups().into_iter().map(|seen| (seen.name, format!("{:?}", seen.state))));
        // A scene without databases has none to ask about.
        states.extend(account.cluster_status("ledger").map(|state| ("ledger".to_owned(), state)));
        for name in ["orders", "archive"] {
            states.extend(account.database_status(name).map(|state| (name.to_owned(), state)));
        }
        states
    }

    /// The state of the notebook `explore`.
    pub(super) fn notebook_state(&self) -> String {
        let notebooks = self.sandbox.sagemaker.states(&[WorkloadKind::NotebookInstance]);
        notebooks.into_iter().find(|(arn, _)| arn.ends_with("/explore")).expect("there is a notebook").1
    }

    /// Fails if anything is on, or runs.
    pub(super) fn is_dark(&self) {
        let Sandbox { athena, emr, sagemaker, glue, .. } = &self.sandbox;
        assert_eq!(sagemaker.active(), []);
        assert_eq!(emr.active(), []);
        assert_eq!(athena.active(), []);
        assert_eq!(glue.active_sessions(), []);
        assert_eq!(glue.active_runs(), []);
        let off = ["Deleted", "Stopped", "Disabled", "stopped"];
        let states = self.states();
        assert!(states.values().all(|state| off.contains(&state.as_str())), "{states:?}");
        assert!(!may_act(&self.user), "a session from before");
        assert!(!may_act(&self.signs_in()), "a new session");
    }

    /// Waits until a database has this status.
    pub(super) fn await_database(&self, name: &str, status: &str) {
        wait_for(&format!("database `{name}` to be {status}"), Duration::from_secs(20), || {
            (self.sandbox.account.database_status(name).ok()? == status).then_some(())
        })
        .unwrap();
    }
}
