//! `glue-enforce`: stops Glue sessions and job runs that are over their limit, after looking again. See `glue::act`.

use glue::client::GlueClient;
use glue::look::Glue;
use guardrail::Service;
use lambda::bus::EventBus;
use lambda::enforce::Enforce;
use lambda::ledger::LedgerTable;
use lambda::parameters::ParameterStoreClient;
use lambda::settings::{SandboxSettings, process_environment};
use lambda::{Aws, Outbox, Parameters, SystemClock, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::run::Error> {
    telemetry::start();
    let mut environment = process_environment();
    let settings = SandboxSettings::read(&mut environment);
    let SandboxSettings { sandbox, bus, ledger } = environment.finish(settings)?;
    let aws = Aws::from_environment()?;
    lambda::run(Enforce {
        act: Glue::new(GlueClient::new(&aws, &sandbox.account), SystemClock),
        parameters: Parameters::new(ParameterStoreClient::new(&aws), Service::Glue),
        outbox: Outbox::new(LedgerTable::new(&aws, ledger), EventBus::new(&aws, bus)),
        clock: SystemClock,
        sandbox,
    })
    .await
}
