//! Which SIP URIs are dialled? Far fewer than RFC 3261 §19.1 can write.
//!
//! A URI is dialled only where it says one thing to every reader: no escapes, no passwords, no
//! headers, no parameters but the transport, no host that is a number in disguise. REST and PerCL
//! refuse most of this where it is written (`tutti_freeclimb::address`); what is dialled is judged
//! here once more, wherever it came from.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use tutti_sip::Transport;

const MAX_BYTES: usize = 255;
const MAX_USER_BYTES: usize = 64;
const MAX_NAME_BYTES: usize = 253;

/// What a user part may hold besides letters and digits.
const USER_MARKS: &str = "-_.!~*'()&=+$,";

/// Where a SIP message goes: an address, or a name that stands for some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SipHost {
    Ip(IpAddr),
    /// In lower case.
    Name(String),
}

/// A host, with a port where one is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    pub host: SipHost,
    pub port: Option<u16>,
}

/// A SIP URI that can be dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipUri {
    pub user: Option<String>,
    pub place: HostPort,
    /// UDP where it says nothing.
    pub transport: Transport,
}

/// Why a SIP URI is not dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDiallable {
    #[error("it is not a SIP URI")]
    Scheme,
    #[error("it is longer than {MAX_BYTES} bytes, or holds more than printable ASCII")]
    Form,
    #[error(
        "its user part is empty, longer than {MAX_USER_BYTES} bytes, or has other characters than \
         letters, digits and {USER_MARKS}"
    )]
    User,
    #[error("its host is neither a name nor an IP address, or its port is none")]
    Host,
    #[error("it has another parameter than transport=udp or transport=tcp, or headers")]
    Parameter,
}

impl HostPort {
    /// Its port, or SIP's own.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(5_060)
    }
}

impl FromStr for SipUri {
    type Err = NotDiallable;

    fn from_str(text: &str) -> Result<SipUri, NotDiallable> {
        if text.len() > MAX_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NotDiallable::Form);
        }
        let (scheme, rest) = text.split_once(':').ok_or(NotDiallable::Scheme)?;
        if !scheme.eq_ignore_ascii_case("sip") {
            return Err(NotDiallable::Scheme);
        }
        let (user, rest) = match rest.split_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, rest),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || USER_MARKS.contains(c);
        let is_user =
            |user: &str| (1..=MAX_USER_BYTES).contains(&user.len()) && user.chars().all(is_plain);
        if user.is_some_and(|user| !is_user(user)) {
            return Err(NotDiallable::User);
        }
        let (place, parameter) = match rest.split_once(';') {
            Some((place, parameter)) => (place, Some(parameter.to_ascii_lowercase())),
            None => (rest, None),
        };
        let transport = match parameter.as_deref() {
            None | Some("transport=udp") => Transport::Udp,
            Some("transport=tcp") => Transport::Tcp,
            Some(_) => return Err(NotDiallable::Parameter),
        };
        Ok(SipUri {
            user: user.map(str::to_owned),
            place: place.parse()?,
            transport,
        })
    }
}

impl FromStr for HostPort {
    type Err = NotDiallable;

    /// Reads `sip.example.com`, `192.0.2.1:5070` or `[2001:db8::1]:5070`.
    fn from_str(text: &str) -> Result<HostPort, NotDiallable> {
        let (host, port) = match text.strip_prefix('[') {
            Some(text) => {
                let (host, rest) = text.split_once(']').ok_or(NotDiallable::Host)?;
                let host: Ipv6Addr = host.parse().map_err(|_| NotDiallable::Host)?;
                let port = match rest {
                    "" => None,
                    rest => Some(rest.strip_prefix(':').ok_or(NotDiallable::Host)?),
                };
                (SipHost::Ip(IpAddr::V6(host)), port)
            }
            None => {
                let (host, port) = match text.split_once(':') {
                    Some((host, port)) => (host, Some(port)),
                    None => (text, None),
                };
                (ipv4_or_name(host)?, port)
            }
        };
        let port = port.map(port_number).transpose()?;
        Ok(HostPort { host, port })
    }
}

impl fmt::Display for SipHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SipHost::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            SipHost::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            SipHost::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => self.host.fmt(f),
        }
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.user {
            Some(user) => write!(f, "sip:{user}@{}", self.place)?,
            None => write!(f, "sip:{}", self.place)?,
        }
        match self.transport {
            Transport::Udp => Ok(()),
            Transport::Tcp => f.write_str(";transport=tcp"),
        }
    }
}

fn ipv4_or_name(text: &str) -> Result<SipHost, NotDiallable> {
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Ok(SipHost::Ip(IpAddr::V4(ip)));
    }
    let is_label = |label: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        !label.is_empty() && label.len() <= 63 && label.chars().all(plain)
    };
    // Resolvers read `127.1`, `0x7f.1` and `2130706433` as addresses: no name ends like that.
    let ends_as_a_name = text
        .rsplit('.')
        .next()
        .is_some_and(|label| label.starts_with(|c: char| c.is_ascii_alphabetic()));
    if text.len() <= MAX_NAME_BYTES && ends_as_a_name && text.split('.').all(is_label) {
        Ok(SipHost::Name(text.to_ascii_lowercase()))
    } else {
        Err(NotDiallable::Host)
    }
}

fn port_number(text: &str) -> Result<u16, NotDiallable> {
    let plain = text.bytes().all(|digit| digit.is_ascii_digit());
    match text.parse() {
        Ok(port) if plain && port != 0 => Ok(port),
        Ok(_) | Err(_) => Err(NotDiallable::Host),
    }
}
