//! `sagemaker-watch`: looks at SageMaker and reports what is at or over a level of its limit. See `sagemaker::look`.

use guardrail::Service;
use lambda::bus::EventBus;
use lambda::ledger::LedgerTable;
use lambda::owners::CloudTrail;
use lambda::parameters::ParameterStoreClient;
use lambda::settings::{SandboxSettings, WatchSettings, process_environment};
use lambda::watch::Watch;
use lambda::{Aws, Outbox, Owners, Parameters, SystemClock, telemetry};
use sagemaker::client::SageMakerClient;
use sagemaker::look::SageMaker;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::run::Error> {
    telemetry::start();
    let mut environment = process_environment();
    let (sandbox, watch) = (SandboxSettings::read(&mut environment), WatchSettings::read(&mut environment));
    let (SandboxSettings { sandbox, bus, ledger }, settings) = environment.finish(sandbox.zip(watch))?;
    let aws = Aws::from_environment()?;
    lambda::run(Watch {
        function: sagemaker::watch::FUNCTION,
        sight: SageMaker::new(SageMakerClient::new(&aws, &sandbox.account)),
        parameters: Parameters::new(ParameterStoreClient::new(&aws), Service::SageMaker),
        outbox: Outbox::new(LedgerTable::new(&aws, ledger), EventBus::new(&aws, bus)),
        owners: Owners::new(CloudTrail::new(&aws), Service::SageMaker),
        clock: SystemClock,
        calls: aws.calls(),
        sandbox,
        settings,
    })
    .await
}
