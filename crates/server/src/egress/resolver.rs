//! Names become addresses here, and only addresses that may be connected to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::error::ForbiddenAddress;
use super::policy::Policy;

/// Resolves a name once, refuses it when any of its addresses is forbidden, and lets the connection
/// be made to those very addresses: asking again could bring others.
#[derive(Debug, Clone)]
pub(super) struct JudgingResolver {
    policy: Arc<Policy>,
}

impl JudgingResolver {
    pub(super) fn new(policy: Arc<Policy>) -> JudgingResolver {
        JudgingResolver { policy }
    }
}

impl Resolve for JudgingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.policy);
        Box::pin(async move {
            let host = name.as_str();
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            if addresses.is_empty() {
                let none = format!("{host} has no address");
                return Err(io::Error::new(io::ErrorKind::NotFound, none).into());
            }
            judge_all(&policy, host, &addresses)?;
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

/// One forbidden address among public ones condemns the name: the order is its owner's choice.
pub(super) fn judge_all(
    policy: &Policy,
    host: &str,
    addresses: &[SocketAddr],
) -> Result<(), ForbiddenAddress> {
    let forbidden = addresses
        .iter()
        .find(|address| !policy.permits(address.ip()));
    match forbidden {
        Some(address) => Err(ForbiddenAddress {
            host: host.to_owned(),
            address: address.ip(),
        }),
        None => Ok(()),
    }
}
