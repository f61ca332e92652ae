//! `emr-watch`: looks at EMR and reports what is at or over a level of its limit. See `emr::look`.

use emr::clusters::ElasticMapReduce;
use emr::look::Emr;
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
        function: emr::watch::FUNCTION,
        sight: Emr::new(ElasticMapReduce::new(&aws)),
        parameters: Parameters::new(ParameterStoreClient::new(&aws), Service::Emr),
        outbox: Outbox::new(LedgerTable::new(&aws, ledger), EventBus::new(&aws, bus)),
        owners: Owners::new(CloudTrail::new(&aws), Service::Emr),
        clock: SystemClock,
        calls: aws.calls(),
        sandbox,
        settings,
    })
    .await
}
