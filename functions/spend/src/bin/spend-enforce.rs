//! `spend-enforce`: locks a sandbox that has reached a level of its budget that locks. See `hub_spend::enforce`.

use guardrail::Service;
use hub_spend::enforce::Enforce;
use hub_spend::known::ConsoleReader;
use hub_spend::settings::EnforceSettings;
use lambda::book::BookTable;
use lambda::bus::{EventBus, EventBuses};
use lambda::ledger::LedgerTable;
use lambda::parameters::ParameterStoreClient;
use lambda::settings::process_environment;
use lambda::{Aws, Outbox, Parameters, SystemClock, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::run::Error> {
    telemetry::start();
    let mut environment = process_environment();
    let settings = EnforceSettings::read(&mut environment);
    let settings = environment.finish(settings)?;
    let aws = Aws::from_environment()?;
    lambda::run(Enforce {
        console: ConsoleReader::new(&aws, settings.console_table),
        book: BookTable::new(&aws, &settings.table),
        parameters: Parameters::new(ParameterStoreClient::new(&aws), Service::Spend),
        outbox: Outbox::new(LedgerTable::new(&aws, settings.table), EventBus::new(&aws, &settings.bus)),
        buses: EventBuses::new(&aws),
        clock: SystemClock,
        hub: settings.hub,
        partition: settings.partition,
        bus: settings.bus,
    })
    .await
}
