//! A small HTTP server in a thread of its own, ended with its handle.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::Fault;

#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    /// Dropping it ends the server.
    _ends: oneshot::Sender<()>,
}

impl Server {
    pub(crate) fn start(routes: Router) -> Result<Self, Fault> {
        let failed = |error: std::io::Error| Fault::new(format!("a server of the bench did not start: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (ends, ended) = oneshot::channel();
        std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = axum::serve(listener, routes) => {}
                    _ = ended => {}
                }
            });
        });
        Ok(Self { address, _ends: ends })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}
