//! A stand-in for the AWS services the guardrails govern, because no emulator reproduces what matters here: workloads
//! that run for a while, cost, end, and obey or ignore a stop.
//!
//! It is one small HTTP server that speaks AWS JSON 1.1. Whose call it is comes from the headers `x-stage-account` and
//! `x-stage-region` (set by the stage's launcher on calls it has authorised), else from the credential scope of the
//! signature when the access key is a twelve-digit account id. All state is kept per account and Region. Workloads
//! run in real time, and may have been started in the past: a test of a 30-minute limit starts a query that has
//! already run for 29 minutes and 58 seconds.
//!
//! ```no_run
//! use std::time::Duration;
//! use workload_simulator::{FaultRule, QuerySpec, QueryState, Settings, Simulator};
//!
//! let simulator = Simulator::start(Settings::default())?;
//! let athena = simulator.world().account("111111111111", "eu-west-1").athena();
//! let id = athena.start(QuerySpec { age: Duration::from_secs(29 * 60 + 58), ..QuerySpec::default() });
//! simulator.world().faults().add(FaultRule::throttling("StopQueryExecution").times(1));
//! // … run what is under test against `simulator.url()` …
//! assert_eq!(athena.query(&id).map(|query| query.state), Some(QueryState::Cancelled));
//! assert_eq!(simulator.world().calls().stops().len(), 2);
//! # Ok::<(), workload_simulator::StartError>(())
//! ```
//!
//! # What Athena does here
//!
//! `ListWorkGroups`, `GetWorkGroup`, `CreateWorkGroup`, `UpdateWorkGroup`, `DeleteWorkGroup`, `StartQueryExecution`,
//! `GetQueryExecution`, `BatchGetQueryExecution`, `ListQueryExecutions`, `StopQueryExecution`; no SQL is executed.
//! By hand, a comment in the SQL says how the query behaves: `-- simulate: age 28m, queue 5s, run 2m, fail, cancel 3s`.
//!
//! # Routes for tests and people
//!
//! All answer JSON; durations are text such as `90s`, `28m` or `PT28M`, instants are RFC 3339.
//!
//! | route | what it does |
//! |---|---|
//! | `GET /_simulator/health` | `{"status": "ok", "accounts": 2, "active_workloads": 7}` |
//! | `GET /_simulator/calls` | `{"calls": [`[`CallCount`]`…], "stops": [`[`StopCall`]`…]}` |
//! | `DELETE /_simulator/calls` | forgets them |
//! | `GET /_simulator/faults` | `{"faults": [`[`FaultInForce`]`…]}` |
//! | `POST /_simulator/faults` | puts one [`FaultRule`] in force |
//! | `DELETE /_simulator/faults` | lifts all |
//! | `GET /_simulator/events` | `{"stats": `[`EventStats`]`, "faults": `[`EventFaults`]`}` |
//! | `PUT /_simulator/events` | makes deliveries go wrong as an [`EventFaults`] says |
//! | `POST /_simulator/reset` | back to the first moment: no accounts, faults, calls or counts |
//! | `GET /_simulator/accounts/{account}/{region}/athena/queries` | `{"queries": [`[`QueryView`]`…]}`, the queued and running ones, newest first |
//! | `POST /_simulator/accounts/{account}/{region}/athena/queries` | starts a query as a [`QuerySpec`] says: `{"id": "…"}` |
//! | `GET /_simulator/accounts/{account}/{region}/athena/queries/{id}` | one [`QueryView`], in whatever state |
//! | `POST /_simulator/accounts/{account}/{region}/athena/queries/{id}/finish` | ends it now, with its outcome |
//! | `POST /_simulator/accounts/{account}/{region}/athena/history` | `{"workgroup": "primary", "count": 10000, "spacing": "5s", "newest_age": "1h"}` makes up finished queries: `{"ids": […]}`, newest first |
//! | `GET /_simulator/accounts/{account}/{region}/athena/workgroups/{name}` | one [`WorkgroupView`] |
//! | `PUT /_simulator/accounts/{account}/{region}/athena/workgroups/{name}` | the same, created when it does not exist |

mod accounts;
mod athena;
mod calls;
mod clock;
mod control;
mod events;
mod faults;
mod input;
mod protocol;
mod quotas;
mod server;
mod world;

pub use athena::{
    AthenaHandle, Outcome, QuerySpec, QueryState, QueryView, StatementType, WorkgroupState, WorkgroupView,
};
pub use calls::{CallCount, Calls, StopCall};
pub use events::{EventFaults, EventStats, Events};
pub use faults::{FaultError, FaultInForce, FaultRule, Faults};
pub use protocol::ServiceName;
pub use server::{Settings, Simulator, StartError};
pub use world::{Account, World};
