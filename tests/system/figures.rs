//! What does a bridge count?

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::bridge::Settings;
use crate::rest::http_client;

/// Where a bridge is asked what it counts.
#[derive(Clone, Copy)]
pub(crate) struct Figures {
    address: SocketAddr,
}

impl Figures {
    /// An address that nobody listens at, and settings with it.
    pub(crate) fn with(settings: Settings) -> (Figures, Settings) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let settings = settings.with("TUTTI_METRICS__LISTEN", address.to_string());
        (Figures { address }, settings)
    }

    /// A figure of one media thread.
    pub(crate) async fn of_thread(self, name: &str, thread: usize) -> u64 {
        let url = format!("http://{}/metrics", self.address);
        let page = http_client().get(&url).send().await.unwrap();
        let page = page.text().await.unwrap();
        let figure = format!("{name}{{thread=\"{thread}\"}} ");
        page.lines()
            .find_map(|line| line.strip_prefix(&figure))
            .unwrap_or_else(|| panic!("no {figure}in\n{page}"))
            .parse()
            .unwrap()
    }
}
