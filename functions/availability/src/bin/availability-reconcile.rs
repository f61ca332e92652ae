//! `availability-reconcile`: compares what should be open with what is, and starts the workflow that is missing. See
//! `availability::reconcile`.

use availability::board::Services;
use availability::book::BookTable;
use availability::calendar::ChangeCalendars;
use availability::reconcile::Reconcile;
use availability::schedules::Scheduler;
use availability::settings::{HubSettings, ScheduleSettings, WorkflowSettings};
use availability::workflows::StateMachines;
use guardrail::closing::AVAILABILITY;
use lambda::bus::EventBus;
use lambda::ledger::LedgerTable;
use lambda::parameters::ParameterStoreClient;
use lambda::settings::{SandboxSettings, process_environment};
use lambda::{Aws, Outbox, Parameters, SystemClock, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::run::Error> {
    telemetry::start();
    let mut environment = process_environment();
    let (sandbox, hub) = (SandboxSettings::read(&mut environment), HubSettings::read(&mut environment));
    let (workflows, schedules) = (WorkflowSettings::read(&mut environment), ScheduleSettings::read(&mut environment));
    let settings = sandbox.zip(hub).zip(workflows.zip(schedules));
    let ((SandboxSettings { sandbox, bus, ledger }, hub), (workflows, schedules)) = environment.finish(settings)?;
    let aws = Aws::from_environment()?;
    lambda::run(Reconcile {
        board: Services::new(&aws, &sandbox.account, hub.account),
        book: BookTable::new(&aws, &ledger),
        workflows: StateMachines::new(&aws, workflows.stop, workflows.start),
        schedules: Scheduler::new(&aws, schedules.place),
        calendars: ChangeCalendars::new(&aws),
        parameters: Parameters::new(ParameterStoreClient::new(&aws), AVAILABILITY),
        outbox: Outbox::new(LedgerTable::new(&aws, ledger), EventBus::new(&aws, bus)),
        clock: SystemClock,
        sandbox,
    })
    .await
}
