//! `availability-update`: takes a new window from the hub, step by step. See `availability::update`.

use availability::book::BookTable;
use availability::schedules::Scheduler;
use availability::settings::ScheduleSettings;
use availability::update::Update;
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
    let (sandbox, schedules) = (SandboxSettings::read(&mut environment), ScheduleSettings::read(&mut environment));
    let (SandboxSettings { sandbox, bus, ledger }, schedules) = environment.finish(sandbox.zip(schedules))?;
    let aws = Aws::from_environment()?;
    lambda::run(Update {
        book: BookTable::new(&aws, &ledger),
        schedules: Scheduler::new(&aws, schedules.place),
        parameters: Parameters::new(ParameterStoreClient::new(&aws), AVAILABILITY),
        outbox: Outbox::new(LedgerTable::new(&aws, ledger), EventBus::new(&aws, bus)),
        clock: SystemClock,
        sandbox,
    })
    .await
}
