//! Accepts HTTP connections, no more than the bridge can bear.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};

/// How long a request's head may take to arrive.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait when the machine has no more descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many connections may be open at the same time.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    pub per_source: u32,
    pub in_all: u32,
}

/// Serves a router on a listener until the process ends; connections beyond the limits are closed.
pub fn serve(listener: TcpListener, router: Router, limits: ConnectionLimits) {
    let open = OpenConnections {
        limits,
        sources: Arc::default(),
    };
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    if let Some(place) = open.admit(peer) {
                        tokio::spawn(serve_connection(stream, peer, router.clone(), place));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    });
}

async fn serve_connection(stream: TcpStream, peer: SocketAddr, router: Router, _place: Place) {
    let service = TowerToHyperService::new(router);
    let with_peer = service_fn(move |mut request: hyper::Request<_>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        service.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .serve_connection(TokioIo::new(stream), with_peer);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection broke");
    }
}

/// Counts connections by where they come from.
struct OpenConnections {
    limits: ConnectionLimits,
    sources: Arc<Mutex<BTreeMap<IpAddr, u32>>>,
}

/// A connection's place among those that may be open; it is free again when this is dropped.
struct Place {
    source: IpAddr,
    sources: Arc<Mutex<BTreeMap<IpAddr, u32>>>,
}

impl OpenConnections {
    fn admit(&self, peer: SocketAddr) -> Option<Place> {
        let source = peer.ip();
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let in_all: u32 = sources.values().sum();
        let of_source = sources.get(&source).copied().unwrap_or(0);
        if in_all >= self.limits.in_all || of_source >= self.limits.per_source {
            return None;
        }
        sources.insert(source, of_source + 1);
        Some(Place {
            source,
            sources: Arc::clone(&self.sources),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = sources.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                sources.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(host: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, host], 4_000))
    }

    #[test]
    fn a_source_gets_its_share_and_no_more_and_gives_it_back() {
        let limits = ConnectionLimits {
            per_source: 2,
            in_all: 3,
        };
        let open = OpenConnections {
            limits,
            sources: Arc::default(),
        };
        let first = open.admit(peer(1)).unwrap();
        let _second = open.admit(peer(1)).unwrap();
        assert!(open.admit(peer(1)).is_none());
        let _third = open.admit(peer(2)).unwrap();
        assert!(open.admit(peer(3)).is_none(), "the bridge is full");
        let known = open.sources.lock().unwrap().len();
        assert_eq!(known, 2, "who is refused leaves nothing behind");
        drop(first);
        assert!(open.admit(peer(3)).is_some());
    }
}
