//! What does a call need that is to be placed?

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use sipx_sip::{Header, HeaderName, Scheme, Uri, UriTransport};
use sipx_transport::TransportKind;

use crate::auth::Credentials;
use crate::error::DialError;

/// A call that is to be placed.
#[derive(Clone)]
pub struct Dial {
    /// The SIP URI that is called.
    pub target: String,
    /// The caller: a SIP URI, with or without a display name.
    pub from: String,
    /// The SDP offer.
    pub offer: String,
    /// The trunk, when the call goes through one: the INVITE is sent there and the host of
    /// `target` is not looked up.
    pub via: Option<SocketAddr>,
    /// How `via` is reached. Without `via`, what `target` says in `;transport=` goes first.
    pub transport: Transport,
    /// What a challenge is answered with, if it names their realm and comes from where the
    /// INVITE was sent.
    pub credentials: Option<Credentials>,
    /// ACK and BYE go to the address that the INVITE went to, and no Contact or Record-Route of the
    /// callee leads anywhere else: for callees whom nobody vouches for.
    pub stay_with_peer: bool,
    /// Further headers of the INVITE, as `P-Asserted-Identity`; none that it has anyway.
    pub headers: Vec<(String, String)>,
}

/// How a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Transport {
    #[default]
    Udp,
    Tcp,
}

impl Dial {
    /// A call straight to its target, without credentials or further headers.
    pub fn new(target: impl Into<String>, from: impl Into<String>, offer: String) -> Dial {
        Dial {
            target: target.into(),
            from: from.into(),
            offer,
            via: None,
            transport: Transport::default(),
            credentials: None,
            stay_with_peer: false,
            headers: Vec::new(),
        }
    }

    /// Checks what can be told of the target before a call is placed.
    ///
    /// # Errors
    /// When it is not a SIP URI, or asks for a transport that is not offered here.
    pub fn check_target(&self) -> Result<(), DialError> {
        self.uri().map(|_| ())
    }

    /// The Request-URI, and how it is reached.
    pub(crate) fn uri(&self) -> Result<(Uri, TransportKind), DialError> {
        let uri = Uri::parse(Bytes::copy_from_slice(self.target.as_bytes()))
            .ok()
            .filter(|uri| matches!(uri.scheme(), Scheme::Sip) && !uri.has_headers())
            .ok_or_else(|| DialError::InvalidTarget(self.target.clone()))?;
        let said = match uri.selected_transport() {
            Ok(UriTransport::Udp) => TransportKind::Udp,
            Ok(UriTransport::Tcp) => TransportKind::Tcp,
            Ok(_) | Err(_) => return Err(DialError::UnsupportedTransport(self.target.clone())),
        };
        let transport = match self.transport {
            _ if self.via.is_none() && uri.transport().is_some() => said,
            Transport::Udp => TransportKind::Udp,
            Transport::Tcp => TransportKind::Tcp,
        };
        Ok((uri, transport))
    }

    /// The further headers, as they are written.
    pub(crate) fn checked_headers(&self) -> Result<Vec<Header>, DialError> {
        self.headers
            .iter()
            .map(|(name, value)| {
                let parsed = HeaderName::parse(&Bytes::copy_from_slice(name.as_bytes()));
                // The value may be nobody's business, so the error does not repeat it.
                let invalid = || DialError::InvalidHeader(name.clone());
                if is_ours(&parsed) {
                    return Err(invalid());
                }
                Header::build(parsed, value.clone()).map_err(|_| invalid())
            })
            .collect()
    }

    pub(crate) fn checked_credentials(&self) -> Result<Option<Credentials>, DialError> {
        match &self.credentials {
            Some(credentials) if !credentials.can_be_written() => {
                Err(DialError::InvalidCredentials)
            }
            credentials => Ok(credentials.clone()),
        }
    }
}

/// Shows no header's value and no body: they say who calls whom from where.
impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial")
            .field("target", &self.target)
            .field("from", &self.from)
            .field("via", &self.via)
            .field("transport", &self.transport)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

/// Headers that the INVITE has anyway, that say where messages go, that answer challenges, or
/// that promise what is not served here.
fn is_ours(name: &HeaderName) -> bool {
    matches!(
        name,
        HeaderName::Via
            | HeaderName::MaxForwards
            | HeaderName::From
            | HeaderName::To
            | HeaderName::CallId
            | HeaderName::CSeq
            | HeaderName::Contact
            | HeaderName::Route
            | HeaderName::RecordRoute
            | HeaderName::Allow
            | HeaderName::UserAgent
            | HeaderName::ContentType
            | HeaderName::ContentLength
            | HeaderName::ContentEncoding
            | HeaderName::ContentDisposition
            | HeaderName::Authorization
            | HeaderName::ProxyAuthorization
            | HeaderName::Require
            | HeaderName::ProxyRequire
            | HeaderName::Supported
            | HeaderName::SessionExpires
            | HeaderName::MinSe
            | HeaderName::RSeq
            | HeaderName::RAck
            | HeaderName::Replaces
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_with_a_line_break_or_one_of_our_own_is_refused() {
        for (name, value) in [
            ("X-A", "a\r\nVia: b"),
            ("X-A", "a\nb"),
            ("X-A", "a\0"),
            ("X-A\r\nVia", "b"),
            ("X A", "b"),
            ("", "b"),
            ("v", "SIP/2.0/UDP 192.0.2.1"),
            ("authorization", "Digest"),
            ("Content-length", "9"),
            ("Require", "100rel"),
        ] {
            let mut dial = dial("sip:a@192.0.2.1");
            dial.headers = vec![(name.to_owned(), value.to_owned())];
            assert!(
                matches!(dial.checked_headers(), Err(DialError::InvalidHeader(_))),
                "for {name:?}: {value:?}"
            );
        }
        let mut dial = dial("sip:a@192.0.2.1");
        dial.headers = vec![("P-Asserted-Identity".to_owned(), "<sip:b@c>".to_owned())];
        assert_eq!(dial.checked_headers().unwrap().len(), 1);
    }

    #[test]
    fn the_trunk_is_reached_as_configured_and_a_target_as_it_says() {
        let via = "192.0.2.9:5060".parse().ok();
        for (target, transport, via, expected) in [
            ("sip:a@b", Transport::Udp, None, TransportKind::Udp),
            ("sip:a@b", Transport::Tcp, None, TransportKind::Tcp),
            (
                "sip:a@b;transport=tcp",
                Transport::Udp,
                None,
                TransportKind::Tcp,
            ),
            (
                "sip:a@b;transport=tcp",
                Transport::Udp,
                via,
                TransportKind::Udp,
            ),
            ("sip:a@b", Transport::Tcp, via, TransportKind::Tcp),
        ] {
            let mut dial = dial(target);
            dial.transport = transport;
            dial.via = via;
            assert_eq!(dial.uri().unwrap().1, expected, "for {target} via {via:?}");
        }
    }

    fn dial(target: &str) -> Dial {
        Dial::new(target, "sip:bot@192.0.2.2", "v=0".to_owned())
    }
}
