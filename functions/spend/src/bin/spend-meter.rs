//! `spend-meter`: reads the cost export and holds every sandbox's spend against its budget. See `hub_spend::meter`.

use guardrail::Service;
use hub_spend::deliveries::Reader;
use hub_spend::exports::ExportBucket;
use hub_spend::known::ConsoleReader;
use hub_spend::meter::Meter;
use hub_spend::queries::AthenaQueries;
use hub_spend::settings::MeterSettings;
use lambda::book::BookTable;
use lambda::bus::EventBus;
use lambda::ledger::LedgerTable;
use lambda::parameters::ParameterStoreClient;
use lambda::settings::process_environment;
use lambda::{Aws, Outbox, Parameters, SystemClock, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::run::Error> {
    telemetry::start();
    let mut environment = process_environment();
    let settings = MeterSettings::read(&mut environment);
    let settings = environment.finish(settings)?;
    let aws = Aws::from_environment()?;
    let export = format!("{}/{}", settings.bucket, settings.prefix).trim_end_matches('/').to_owned();
    lambda::run(Meter {
        reader: Reader {
            exports: ExportBucket::new(&aws, settings.bucket, settings.prefix),
            queries: AthenaQueries::new(&aws, settings.athena, SystemClock),
            kind: settings.kind,
            counted: settings.counted,
            athena_above: settings.athena_above,
        },
        console: ConsoleReader::new(&aws, settings.console_table),
        book: BookTable::new(&aws, &settings.table),
        parameters: Parameters::new(ParameterStoreClient::new(&aws), Service::Spend),
        outbox: Outbox::new(LedgerTable::new(&aws, settings.table), EventBus::new(&aws, settings.bus)),
        clock: SystemClock,
        calls: aws.calls(),
        hub: settings.hub,
        export,
    })
    .await
}
