//! The HTTP server: AWS's side at `/`, the tests' side under `/_simulator/`.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use axum::serve::ListenerExt;
use serde_json::{Map, Value};
use tokio::sync::oneshot;
use tracing::{debug, error, info};

use crate::accounts::Place;
use crate::calls::ChangeCall;
use crate::events::{self, EventFaults};
use crate::protocol::{self, AwsError, ServiceName};
use crate::world::World;
use crate::{clock, control};

/// How a simulator is started.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens; port 0 takes a free one.
    pub address: SocketAddr,
    /// The endpoint that takes `PutEvents`; without one events are counted and go nowhere.
    pub events_to: Option<String>,
    /// How event deliveries go wrong.
    pub event_faults: EventFaults,
    /// How long every call takes at least.
    pub latency: Duration,
    /// Whether AWS's default request rates hold.
    pub rate_limits: bool,
}

impl Default for Settings {
    /// A free port of the loopback interface, no events, no latency, no rate limits.
    fn default() -> Settings {
        Settings {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            events_to: None,
            event_faults: EventFaults::default(),
            latency: Duration::ZERO,
            rate_limits: false,
        }
    }
}

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("could not listen on `{address}`")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no thread or no event loop.
    #[error("could not start the server's thread")]
    Thread(#[from] io::Error),
}

/// A running simulator; it ends when dropped.
///
/// It has a thread and an event loop of its own, so it serves tests that block (on a child process, say) as well as
/// asynchronous ones.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    world: World,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts a simulator; it answers from the moment this returns.
    pub fn start(settings: Settings) -> Result<Simulator, StartError> {
        let address = settings.address;
        let listener = TcpListener::bind(address).map_err(|source| StartError::Listen { address, source })?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let world = World::new(settings.event_faults, settings.events_to.clone());
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("workload-simulator".to_owned()).spawn({
            let world = world.clone();
            move || {
                if let Err(error) = runtime.block_on(serve(listener, world, settings, stopped)) {
                    error!(%error, "server failed");
                }
            }
        })?;
        info!(%address, "simulator listens");
        Ok(Simulator { address, world, stop: Some(stop), thread: Some(thread) })
    }

    /// The endpoint for AWS clients, such as `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A handle to everything in it.
    pub fn world(&self) -> World {
        self.world.clone()
    }

    /// Blocks until the server ends by itself, which it does only when it fails.
    pub fn wait(mut self) {
        self.join();
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            error!("server panicked");
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The server may have ended already; then there is nobody to tell.
            let _ = stop.send(());
        }
        self.join();
    }
}

async fn serve(
    listener: TcpListener,
    world: World,
    settings: Settings,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    // Without this an answer may wait for the acknowledgement of the one before.
    let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "delay was not turned off");
        }
    });
    let front = Front { world: world.clone(), latency: settings.latency, rate_limits: settings.rate_limits };
    let router =
        Router::new().route("/", post(answer)).with_state(front).nest("/_simulator", control::routes(world.clone()));
    tokio::select! {
        ended = axum::serve(listener, router) => ended,
        () = events::announce(world) => Ok(()),
        _ = stopped => Ok(()),
    }
}

/// What stands before the services.
#[derive(Debug, Clone)]
struct Front {
    world: World,
    latency: Duration,
    rate_limits: bool,
}

async fn answer(State(front): State<Front>, headers: HeaderMap, body: Bytes) -> Response {
    if !protocol::speaks_json(&headers) {
        return protocol::respond_not_json();
    }
    let outcome = match ServiceName::of_target(&headers) {
        Ok((service, operation)) => match Place::of(&headers) {
            Ok(place) => front.call(&place, service, &operation, &body).await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    protocol::respond(&outcome)
}

impl Front {
    /// One call: delayed, held against faults and rates, carried out, and written down.
    async fn call(&self, place: &Place, service: ServiceName, operation: &str, body: &[u8]) -> Result<Value, AwsError> {
        let arrived_at = clock::now();
        let fault = self.world.faults().meet(place, service, operation);
        let latency = self.latency + fault.latency;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let input = protocol::input_of(body);
        let outcome = match &fault.error {
            Some(error) if !error.takes_effect => Err(AwsError::from(error)),
            lost => {
                let outcome = self.carry_out(place, service, operation, input.as_ref());
                lost.as_ref().map_or(outcome, |error| Err(AwsError::from(error)))
            }
        };
        let word = outcome.as_ref().map_or_else(|error| error.code.as_str(), |_| "ok");
        self.world.calls().record(place, service, operation, word);
        if let (Some((members, stops)), Ok(input)) = (service.change(operation), &input) {
            for id in named(input, members) {
                self.world.calls().record_change(ChangeCall {
                    account: place.account.clone(),
                    region: place.region.clone(),
                    service,
                    operation: operation.to_owned(),
                    id,
                    stops,
                    arrived_at,
                    at: clock::now(),
                    outcome: word.to_owned(),
                });
            }
        }
        debug!(account = %place.account, operation, outcome = word, "call was answered");
        outcome
    }

    fn carry_out(
        &self,
        place: &Place,
        service: ServiceName,
        operation: &str,
        input: Result<&Map<String, Value>, &AwsError>,
    ) -> Result<Value, AwsError> {
        if self.rate_limits {
            self.world.take_quota(place, service, operation)?;
        }
        self.world.call(place, service, operation, input.map_err(AwsError::clone)?)
    }
}

/// What a call names by these members: one thing, or each of a list.
fn named(input: &Map<String, Value>, members: &[&str]) -> Vec<String> {
    let values: Vec<&Value> = members.iter().filter_map(|member| input.get(*member)).collect();
    match values.as_slice() {
        [Value::Array(ids)] => ids.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        values => vec![values.iter().filter_map(|value| value.as_str()).collect::<Vec<_>>().join("/")],
    }
}
