//! `glue-watch`: looks at Glue and reports what is at or over a level of its limit. See `glue::look`.

use glue::client::GlueClient;
use glue::look::Glue;
use guardrail::Service;
use lambda::bus::EventBus;
use lambda::ledger::LedgerTable;
use lambda::owners::CloudTrail;
use lambda::parameters::ParameterStoreClient;
use lambda::settings::{SandboxSettings, WatchSettings, process_environment};
use lambda::watch::Watch;
use lambda::{Aws, Outbox, Owners, Parameters, SystemClock, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::run::Error> {
    telemetry::start();
    let mut environment = process_environment();
    let (sandbox, watch) = (SandboxSettings::read(&mut environment), WatchSettings::read(&mut environment));
    let (SandboxSettings { sandbox, bus, ledger }, settings) = environment.finish(sandbox.zip(watch))?;
    let aws = Aws::from_environment()?;
    lambda::run(Watch {
        function: glue::watch::FUNCTION,
        sight: Glue::new(GlueClient::new(&aws, &sandbox.account), SystemClock),
        parameters: Parameters::new(ParameterStoreClient::new(&aws), Service::Glue),
        outbox: Outbox::new(LedgerTable::new(&aws, ledger), EventBus::new(&aws, bus)),
        owners: Owners::new(CloudTrail::new(&aws), Service::Glue),
        clock: SystemClock,
        calls: aws.calls(),
        sandbox,
        settings,
    })
    .await
}
