//! Names become addresses here, and only addresses that may be connected to.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::error::ForbiddenAddress;
use super::policy::Policy;

/// Who is asked what a name stands for.
#[derive(Clone)]
pub(super) enum Names {
    /// The machine's own resolver.
    System,
    #[cfg(test)]
    Scripted(Arc<Script>),
}

/// What a test's names stand for.
#[cfg(test)]
type Script = dyn Fn(&str) -> Vec<std::net::IpAddr> + Send + Sync;

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Names::System => f.write_str("System"),
            #[cfg(test)]
            Names::Scripted(_) => f.write_str("Scripted"),
        }
    }
}

impl Names {
    /// The addresses of a name, at least one, with this port.
    pub(super) async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let addresses: Vec<SocketAddr> = match self {
            Names::System => tokio::net::lookup_host((host, port)).await?.collect(),
            #[cfg(test)]
            Names::Scripted(answer) => {
                let with_port = |address| SocketAddr::new(address, port);
                answer(host).into_iter().map(with_port).collect()
            }
        };
        if addresses.is_empty() {
            let none = format!("{host} has no address");
            return Err(io::Error::new(io::ErrorKind::NotFound, none));
        }
        Ok(addresses)
    }
}

/// Resolves a name once, refuses it when any of its addresses is forbidden, and lets the connection
/// be made to those very addresses: asking again could bring others.
#[derive(Debug, Clone)]
pub(super) struct JudgingResolver {
    policy: Arc<Policy>,
    names: Names,
}

impl JudgingResolver {
    pub(super) fn new(policy: Arc<Policy>, names: Names) -> JudgingResolver {
        JudgingResolver { policy, names }
    }
}

impl Resolve for JudgingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let JudgingResolver { policy, names } = self.clone();
        Box::pin(async move {
            let host = name.as_str();
            let addresses = names.addresses(host, 0).await?;
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
