//! The simulator as a program, for the local stage and for people who try the guardrails by hand.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Parser;
use jiff::SignedDuration;
use tracing_subscriber::EnvFilter;
use workload_simulator::{EventFaults, Settings, Simulator, StartError};

/// Simulates the AWS services the guardrails govern: workloads that queue, run, cost, end and can be
/// stopped (Athena, EMR, Glue, SageMaker), CloudTrail, which knows who started them, and the change calendars of Systems
/// Manager.
///
/// Point any AWS client at it, with a twelve-digit access key as the account and any secret:
///
///   export AWS_ACCESS_KEY_ID=111111111111 AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=eu-west-1
///   aws athena --endpoint-url http://127.0.0.1:4580 start-query-execution \
///       --query-string 'SELECT 1 -- simulate: age 28m, run 10m'
///
/// The comment is a directive, every part of it optional:
///
///   age 28m     it was submitted that long ago
///   queue 5s    it waits that long before it runs
///   run 2m      it runs that long; without it until it is stopped or the service ends it
///   fail        it fails at its end
///   cancel 3s   it goes on that long after it was told to stop
///
/// An EMR step says the same in an argument of its own, 'simulate: run 2m, fail, cancel 3s', and with
/// 'ignore-interrupt' it ends only when its process is terminated.
///
/// Tests look in and interfere under /_simulator/.
#[derive(Debug, Parser)]
#[command(version, verbatim_doc_comment)]
struct Arguments {
    /// The port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 4580)]
    port: u16,
    /// The address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Where the services' events are put (`AWSEvents.PutEvents`), plain HTTP; without it there are none.
    #[arg(long, value_name = "URL")]
    events_to: Option<String>,
    /// Deliver every event this many times.
    #[arg(long, default_value_t = 1, value_name = "N")]
    event_copies: u32,
    /// Lose every Nth event; 1 loses all.
    #[arg(long, default_value_t = 0, value_name = "N")]
    event_loss: u32,
    /// Deliver events that happen within this time of one another newest first.
    #[arg(long, default_value = "0s", value_name = "DURATION", value_parser = duration)]
    event_disorder: Duration,
    /// How long every call takes at least, such as 40ms.
    #[arg(long, default_value = "0s", value_name = "DURATION", value_parser = duration)]
    latency: Duration,
    /// Hold AWS's default request rates, per account and operation.
    #[arg(long)]
    rate_limits: bool,
}

fn duration(text: &str) -> Result<Duration, jiff::Error> {
    Duration::try_from(text.parse::<SignedDuration>()?)
}

fn main() -> Result<(), StartError> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).init();
    let arguments = Arguments::parse();
    let settings = Settings {
        address: SocketAddr::from((arguments.host, arguments.port)),
        events_to: arguments.events_to,
        event_faults: EventFaults {
            copies: arguments.event_copies,
            lose_every: arguments.event_loss,
            reorder_within: arguments.event_disorder,
        },
        latency: arguments.latency,
        rate_limits: arguments.rate_limits,
    };
    Simulator::start(settings)?.wait();
    Ok(())
}
