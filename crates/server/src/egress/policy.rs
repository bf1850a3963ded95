//! Where the bridge may go.

use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

use super::address::{embedded_v4, is_public};
use super::error::Refusal;

const MAX_URL_BYTES: usize = 8 << 10;

/// No name of a host is longer (RFC 1035 §2.3.4).
const MAX_HOST_BYTES: usize = 255;

/// The ports of public hosts that are open without being asked for.
const PORTS: [u16; 4] = [80, 443, 8080, 8443];

/// The ports at which public SIP servers are called without being asked for; others answer to other
/// protocols, and a caller could speak to those.
const SIP_PORTS: [u16; 3] = [5060, 5061, 5080];

/// Where the bridge may go: public addresses at the usual ports, and what the operator opened.
#[derive(Debug, Clone)]
pub struct Policy {
    networks: Vec<Network>,
    hosts: Vec<NamedHost>,
    loopback: bool,
    /// At which public hosts are asked.
    ports: Vec<u16>,
    /// This machine's addresses: a public one leads behind its own firewall.
    own: Vec<IpAddr>,
}

/// An entry of `egress.allow` that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` is neither a network such as 10.1.0.0/16 nor a host such as music.lan:8000")]
pub struct PolicyError {
    entry: String,
}

/// A URL that may be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) url: Url,
    /// The operator named its host: its addresses need no judging.
    pub(super) named: bool,
}

impl Target {
    /// The scheme, the host and the port.
    pub(super) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

/// A SIP URI's host that may be resolved and, unless one of its addresses is forbidden, called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SipTarget {
    pub(super) host: Host,
    /// The operator named it: its addresses need no judging.
    pub(super) named: bool,
}

/// Addresses with the same first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix_bits: u32,
}

/// A host that the operator opened by name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NamedHost {
    host: Host,
    /// `None` opens every port.
    port: Option<u16>,
}

impl Policy {
    /// Opens these networks and hosts, and with `loopback` this machine's loopback addresses.
    pub fn new(allow: &[String], loopback: bool) -> Result<Policy, PolicyError> {
        let mut policy = Policy {
            networks: Vec::new(),
            hosts: Vec::new(),
            loopback,
            ports: PORTS.to_vec(),
            own: own_addresses(),
        };
        for entry in allow {
            let entry = entry.trim();
            let refused = || PolicyError {
                entry: entry.to_owned(),
            };
            if let Some(network) = Network::parse(entry) {
                policy.networks.push(network);
            } else {
                policy
                    .hosts
                    .push(NamedHost::parse(entry).ok_or_else(refused)?);
            }
        }
        Ok(policy)
    }

    /// The same, with these ports as the usual ones, and on a machine with these addresses as well.
    #[cfg(test)]
    pub(super) fn elsewhere(mut self, ports: &[u16], own: &[IpAddr]) -> Policy {
        self.ports.extend(ports);
        self.own.extend(own);
        self
    }

    /// Judges a URL as far as that can be done without resolving its host.
    pub(super) fn judge(&self, url: &str) -> Result<Target, Refusal> {
        if url.len() > MAX_URL_BYTES {
            return Err(Refusal::TooLong);
        }
        self.judge_parsed(Url::parse(url).map_err(|_| Refusal::NotAUrl)?)
    }

    /// Judges where an answer leads on to.
    pub(super) fn judge_redirect(&self, from: &Target, location: &str) -> Result<Target, Refusal> {
        if location.len() > MAX_URL_BYTES {
            return Err(Refusal::TooLong);
        }
        let url = from.url.join(location).map_err(|_| Refusal::NotAUrl)?;
        if from.url.scheme() == "https" && url.scheme() == "http" {
            return Err(Refusal::Downgrade);
        }
        self.judge_parsed(url)
    }

    /// Judges the host and port of a SIP URI as far as that can be done without resolving the host.
    pub(super) fn judge_sip(&self, host: &str, port: u16) -> Result<SipTarget, Refusal> {
        if host.len() > MAX_HOST_BYTES {
            return Err(Refusal::TooLong);
        }
        // As URLs have it, so that a number in any spelling is the address that it means.
        let host = match host.parse() {
            Ok(IpAddr::V6(address)) => Host::Ipv6(address),
            Ok(IpAddr::V4(_)) | Err(_) => Host::parse(host).map_err(|_| Refusal::NotAHost)?,
        };
        let host = without_final_dot(host);
        if matches!(&host, Host::Domain(name) if !is_plain_name(name)) {
            return Err(Refusal::NotAHost);
        }
        let named = self.admit(&host, port, &SIP_PORTS)?;
        Ok(SipTarget { host, named })
    }

    /// Whether the bridge may connect to an address that a name stands for.
    pub(super) fn permits(&self, address: IpAddr) -> bool {
        let is_own = self.own.contains(&address) || self.own.contains(&canonical(address));
        self.is_opened(address) || (is_public(address) && !is_own)
    }

    fn judge_parsed(&self, url: Url) -> Result<Target, Refusal> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(Refusal::NotAUrl);
        };
        let host = without_final_dot(host.to_owned());
        let named = self.admit(&host, port, &self.ports)?;
        Ok(Target { url, named })
    }

    /// Judges a host and a port; tells whether the operator named them.
    fn admit(&self, host: &Host, port: u16, public_ports: &[u16]) -> Result<bool, Refusal> {
        if self.hosts.iter().any(|named| named.opens(host, port)) {
            return Ok(true);
        }
        let address = match host {
            Host::Ipv4(address) => Some(IpAddr::V4(*address)),
            Host::Ipv6(address) => Some(IpAddr::V6(*address)),
            Host::Domain(_) => None,
        };
        let any_port = match address {
            Some(address) if self.is_opened(address) => true,
            Some(address) if self.permits(address) => false,
            Some(address) => return Err(Refusal::Address(address)),
            None if names_this_machine(host) && self.loopback => true,
            None if names_this_machine(host) => return Err(Refusal::ThisMachine),
            None => false,
        };
        if !any_port && !public_ports.contains(&port) {
            return Err(Refusal::Port(port));
        }
        Ok(false)
    }

    /// Whether the operator opened an address, or the IPv4 address inside it.
    fn is_opened(&self, address: IpAddr) -> bool {
        let address = canonical(address);
        (self.loopback && address.is_loopback())
            || self
                .networks
                .iter()
                .any(|network| network.contains(address))
    }
}

impl Network {
    /// Reads `10.1.0.0/16`, or one address.
    fn parse(text: &str) -> Option<Network> {
        let (address, prefix_bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = width_bits(address);
        let prefix_bits = prefix_bits.unwrap_or(width);
        (prefix_bits <= width).then_some(Network {
            address,
            prefix_bits,
        })
    }

    fn contains(&self, address: IpAddr) -> bool {
        let width = width_bits(self.address);
        if width != width_bits(address) {
            return false;
        }
        let differing = bits_of(self.address) ^ bits_of(address);
        // Shifting by all 128 bits is no shift at all, and an empty prefix contains everything.
        differing.checked_shr(width - self.prefix_bits).unwrap_or(0) == 0
    }
}

impl NamedHost {
    /// Reads `music.lan`, `music.lan:8000`, `10.1.2.3:8000` or `[fd00::1]:8000`.
    fn parse(text: &str) -> Option<NamedHost> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            let host = match address.ip() {
                IpAddr::V4(ip) => Host::Ipv4(ip),
                IpAddr::V6(ip) => Host::Ipv6(ip),
            };
            return Some(NamedHost {
                host,
                port: Some(address.port()),
            });
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (text, None),
        };
        let host = without_final_dot(Host::parse(host).ok()?);
        match &host {
            Host::Domain(name) if is_plain_name(name) => Some(NamedHost { host, port }),
            Host::Domain(_) => None,
            // A number that the URL standard reads as an address is a slip of the pen here.
            Host::Ipv4(_) | Host::Ipv6(_) => None,
        }
    }

    fn opens(&self, host: &Host, port: u16) -> bool {
        self.host == *host && self.port.is_none_or(|open| open == port)
    }
}

/// An address by its plainest name: an IPv4 address inside an IPv6 one is that IPv4 address.
fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => embedded_v4(v6).map_or(address, IpAddr::V4),
    }
}

fn width_bits(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn without_final_dot(host: Host) -> Host {
    match host {
        Host::Domain(name) => match name.strip_suffix('.') {
            Some(shorter) => Host::Domain(shorter.to_owned()),
            None => Host::Domain(name),
        },
        Host::Ipv4(_) | Host::Ipv6(_) => host,
    }
}

/// Whether a name stands for this machine by definition (RFC 6761 §6.3).
fn names_this_machine(host: &Host) -> bool {
    match host {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(_) | Host::Ipv6(_) => false,
    }
}

fn is_plain_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.chars().all(is_plain)
}

/// The addresses of this machine's interfaces; what cannot be read is not known.
fn own_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else {
        return Vec::new();
    };
    let addresses = interfaces.filter_map(|interface| interface.address);
    let ips = addresses.filter_map(|address| {
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        let v6 = || address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip()));
        v4.or_else(v6)
    });
    ips.collect()
}
