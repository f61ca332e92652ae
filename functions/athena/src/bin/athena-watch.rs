//! `athena-watch`: looks at Athena's queries and reports those at or over a level of their limit. See `athena::watch`.

use athena::queries::Athena;
use athena::watch::{Memory, Watch};
use guardrail::Service;
use lambda::bus::EventBus;
use lambda::ledger::LedgerTable;
use lambda::parameters::ParameterStoreClient;
use lambda::settings::{SandboxSettings, WatchSettings, process_environment};
use lambda::{Aws, Outbox, Parameters, SystemClock, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::run::Error> {
    telemetry::start();
    let mut environment = process_environment();
    let (sandbox, watch) = (SandboxSettings::read(&mut environment), WatchSettings::read(&mut environment));
    let (SandboxSettings { sandbox, bus, ledger }, settings) = environment.finish(sandbox.zip(watch))?;
    let aws = Aws::from_environment()?;
    lambda::run(Watch {
        queries: Athena::new(&aws),
        parameters: Parameters::new(ParameterStoreClient::new(&aws), Service::Athena),
        outbox: Outbox::new(LedgerTable::new(&aws, ledger), EventBus::new(&aws, bus)),
        clock: SystemClock,
        calls: aws.calls(),
        sandbox,
        settings,
        memory: Memory::default(),
    })
    .await
}
