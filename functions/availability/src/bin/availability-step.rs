//! `availability-step`: one step of the workflows that close and open the sandbox. See `availability::step`.

use availability::board::Services;
use availability::book::BookTable;
use availability::settings::HubSettings;
use availability::step::Step;
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
    let (SandboxSettings { sandbox, bus, ledger }, hub) = environment.finish(sandbox.zip(hub))?;
    let aws = Aws::from_environment()?;
    lambda::run(Step {
        switchboard: Services::new(&aws, &sandbox.account, hub.account),
        book: BookTable::new(&aws, &ledger),
        parameters: Parameters::new(ParameterStoreClient::new(&aws), AVAILABILITY),
        outbox: Outbox::new(LedgerTable::new(&aws, ledger), EventBus::new(&aws, bus)),
        clock: SystemClock,
        sandbox,
    })
    .await
}
