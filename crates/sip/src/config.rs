//! What is an endpoint told when it starts?

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How an endpoint presents itself, and what it bears.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where UDP and TCP are received; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The address in Via and Contact; needed when `listen` is the unspecified address.
    pub advertised: Option<IpAddr>,
    /// The value of User-Agent and Server.
    pub user_agent: String,
    /// The estimate of a round trip that all retransmissions follow (RFC 3261 §17.1.1.1).
    pub t1: Duration,
    pub limits: Limits,
}

impl Config {
    /// The defaults, at this address.
    pub fn new(listen: SocketAddr) -> Config {
        Config {
            listen,
            advertised: None,
            user_agent: "Tutti".to_owned(),
            t1: Duration::from_millis(500),
            limits: Limits::default(),
        }
    }

    /// T1 within what makes sense: never so short that repetition is all that happens.
    pub(crate) fn round_trip(&self) -> Duration {
        self.t1
            .clamp(Duration::from_millis(1), Duration::from_secs(10))
    }
}

/// What an endpoint takes on before it answers 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// New incoming dialogs a second from one address.
    pub new_dialogs_per_second_per_source: u32,
    /// New incoming dialogs a second in all.
    pub new_dialogs_per_second: u32,
    /// Dialogs at a time, in both directions.
    pub dialogs: usize,
    /// Events that wait for the consumer; beyond it nothing new begins, and events of running
    /// dialogs still queue.
    pub waiting_events: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            new_dialogs_per_second_per_source: 20,
            new_dialogs_per_second: 300,
            dialogs: 10_000,
            waiting_events: 1_024,
        }
    }
}
