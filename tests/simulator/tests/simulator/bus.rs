//! A bus for tests: keeps the events it is given, and refuses as many as it is told to.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use workload_simulator::{EventFaults, Settings, Simulator};

use crate::support::eventually;

/// A bus that keeps what it is given, and refuses as many requests as it is told to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bus(pub(crate) Arc<Mutex<Received>>);

#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) events: Vec<(String, Value)>,
    pub(crate) refuse_requests: u32,
    pub(crate) refuse_entries: u32,
}

impl Bus {
    /// Starts the bus and answers its endpoint.
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/", post(Bus::put)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    async fn put(State(bus): State<Bus>, headers: HeaderMap, body: String) -> (StatusCode, Json<Value>) {
        assert_eq!(headers["x-amz-target"], "AWSEvents.PutEvents");
        assert_eq!(headers["content-type"], "application/x-amz-json-1.1");
        let authorization = headers["authorization"].to_str().unwrap().to_owned();
        let mut received = bus.0.lock().unwrap();
        if received.refuse_requests > 0 {
            received.refuse_requests -= 1;
            return (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({})));
        }
        let request: Value = serde_json::from_str(&body).unwrap();
        let entries = request["Entries"].as_array().unwrap();
        assert!((1..=10).contains(&entries.len()));
        let mut results = Vec::new();
        for entry in entries {
            if received.refuse_entries > 0 {
                received.refuse_entries -= 1;
                results.push(json!({ "ErrorCode": "InternalFailure" }));
            } else {
                received.events.push((authorization.clone(), entry.clone()));
                results.push(json!({ "EventId": "1" }));
            }
        }
        (StatusCode::OK, Json(json!({ "FailedEntryCount": 0, "Entries": results })))
    }

    /// The entries as they arrived.
    pub(crate) fn entries(&self) -> Vec<Value> {
        self.0.lock().unwrap().events.iter().map(|(_, entry)| entry.clone()).collect()
    }

    /// The events' details in the order of their arrival.
    pub(crate) fn details(&self) -> Vec<Value> {
        self.entries().iter().map(|entry| serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap()).collect()
    }

    /// The details once there are that many.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Value> {
        eventually("events", || Some(self.details()).filter(|details| details.len() >= count)).await
    }
}

/// A bus, and a simulator that puts its events there.
pub(crate) async fn with_bus(event_faults: EventFaults) -> (Bus, Simulator) {
    let bus = Bus::default();
    let url = bus.start().await;
    let settings = Settings { events_to: Some(url), event_faults, ..Settings::default() };
    (bus, Simulator::start(settings).unwrap())
}
