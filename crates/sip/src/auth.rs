//! How do we answer a trunk that asks who is calling (RFC 3261 §22, RFC 7616, RFC 8760)?
//!
//! Whoever is answered learns a hash of the password, so nobody is answered but the trunk: the
//! challenge names the trunk's realm and came in response to a request to the trunk's own address.

use std::fmt;
use std::net::SocketAddr;

use sipx_sip::auth::{self, Challenge};
use sipx_sip::{Header, HeaderName, Request, Response};

use crate::message;

/// What is never printed: `Debug` shows that there is something, and not what.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(value.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a trunk knows us by.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub username: String,
    pub password: Secret,
    /// The only realm that is answered; compared exactly.
    pub realm: String,
}

impl Credentials {
    /// Whether they can be written into a message.
    pub(crate) fn can_be_written(&self) -> bool {
        ![&self.username, &self.realm]
            .iter()
            .any(|text| text.contains(char::is_control))
    }
}

/// Credentials, and what was done with them for one request.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    credentials: Credentials,
    /// Where the credentials may go.
    trunk: SocketAddr,
    /// The nonce that was used last, and how often.
    used: Option<(String, u32)>,
    answered: Answered,
}

/// How often the challenges to a request were answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    Never,
    Once,
    /// The second time because the first nonce was stale.
    Twice,
}

impl Account {
    pub(crate) fn new(credentials: Credentials, trunk: SocketAddr) -> Account {
        Account {
            credentials,
            trunk,
            used: None,
            answered: Answered::Never,
        }
    }

    /// The same account for another request of the call.
    pub(crate) fn for_another_request(&self) -> Account {
        Account {
            answered: Answered::Never,
            ..self.clone()
        }
    }

    /// Whether the trunk was told anything for this request.
    pub(crate) fn has_answered(&self) -> bool {
        match self.answered {
            Answered::Never => false,
            Answered::Once | Answered::Twice => true,
        }
    }

    /// The request that answers this challenge to `sent`: the next of its dialog, without Via.
    ///
    /// `None` when the response is no challenge, is not for the trunk's realm, came from
    /// elsewhere, or refuses what was answered before. A second answer is given only where the
    /// first nonce was stale (RFC 7616 §3.3), so a wrong password ends and does not go round.
    pub(crate) fn answer(
        &mut self,
        sent: &Request,
        sent_to: SocketAddr,
        response: &Response,
        cnonce: &str,
    ) -> Option<Request> {
        if sent_to != self.trunk {
            return None;
        }
        let challenge = self.challenge(response)?;
        let known = self
            .used
            .as_ref()
            .filter(|(nonce, _)| *nonce == challenge.nonce);
        let answered = match self.answered {
            Answered::Never => Answered::Once,
            Answered::Once if challenge.stale && known.is_none() => Answered::Twice,
            Answered::Once | Answered::Twice => return None,
        };
        let count = known.map_or(0, |(_, count)| *count).checked_add(1)?;
        let request = self.authorized(sent, &challenge, count, cnonce)?;
        self.used = Some((challenge.nonce, count));
        self.answered = answered;
        Some(request)
    }

    /// The strongest challenge of our realm: whoever may reorder them cannot weaken the choice
    /// (RFC 8760 §3).
    fn challenge(&self, response: &Response) -> Option<Challenge> {
        let (name, from_proxy) = match response.status.code() {
            401 => (HeaderName::WwwAuthenticate, false),
            407 => (HeaderName::ProxyAuthenticate, true),
            _ => return None,
        };
        let ours = response
            .headers
            .get_all(&name)
            .filter_map(|header| Challenge::parse(&header.value(), from_proxy))
            .filter(|challenge| challenge.realm == self.credentials.realm)
            .collect();
        auth::strongest(ours)
    }

    fn authorized(
        &self,
        sent: &Request,
        challenge: &Challenge,
        count: u32,
        cnonce: &str,
    ) -> Option<Request> {
        let credentials = auth::Credentials::new(
            self.credentials.username.as_str(),
            self.credentials.password.expose(),
        );
        let method = std::str::from_utf8(sent.method.as_bytes()).ok()?;
        let uri = sent.uri.to_bytes();
        let uri = std::str::from_utf8(&uri).ok()?;
        let answer = auth::respond(challenge, &credentials, method, uri, count, cnonce);
        let sequence = message::sequence(&sent.headers).checked_add(1)?;
        let name = challenge.response_header();
        let mut request = sent.clone();
        request.headers.remove_all(&name);
        request.headers.remove_all(&HeaderName::CSeq);
        for (name, value) in [
            (HeaderName::CSeq, format!("{sequence} {method}")),
            (name, answer),
        ] {
            request.headers.push(Header::build(name, value).ok()?);
        }
        Some(request)
    }
}

/// The headers that answer challenges.
pub(crate) const ANSWERS: [HeaderName; 2] =
    [HeaderName::Authorization, HeaderName::ProxyAuthorization];

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sipx_sip::{Limits, Message, Method, RequestBuilder, Uri, parse_datagram};

    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let credentials = credentials();
        let printed = format!(
            "{credentials:?} {:?}",
            Account::new(credentials.clone(), trunk())
        );
        assert!(!printed.contains("hunter2"), "{printed}");
        assert!(printed.contains("Secret(…)"), "{printed}");
    }

    #[test]
    fn the_strongest_challenge_of_our_realm_is_answered_whatever_the_order() {
        for challenges in [[MD5, SHA256], [SHA256, MD5]] {
            let mut account = Account::new(credentials(), trunk());
            let request = answer(&mut account, 401, &challenges).unwrap();
            let answer = value(&request, &HeaderName::Authorization).unwrap();
            assert!(answer.contains("algorithm=SHA-256,"), "{answer}");
            assert!(answer.contains("qop=auth, nc=00000001"), "{answer}");
        }
    }

    #[test]
    fn a_challenge_of_another_realm_address_or_status_is_not_answered() {
        let foreign = "Digest realm=\"trunk2\", nonce=\"n\", qop=\"auth\"";
        let close = "Digest realm=\"Trunk\", nonce=\"n\", qop=\"auth\"";
        for (status, challenge) in [(401, foreign), (401, close), (403, MD5), (401, "Basic x")] {
            let mut account = Account::new(credentials(), trunk());
            assert!(answer(&mut account, status, &[challenge]).is_none());
            assert!(!account.has_answered());
        }
        let mut account = Account::new(credentials(), trunk());
        let elsewhere = "192.0.2.1:5061".parse().unwrap();
        let response = challenged(401, &[MD5]);
        assert!(
            account
                .answer(&invite(), elsewhere, &response, "c")
                .is_none()
        );
    }

    #[test]
    fn only_a_stale_nonce_is_answered_a_second_time_and_nothing_a_third() {
        let stale = |nonce: &str| {
            format!("Digest realm=\"trunk\", nonce=\"{nonce}\", qop=\"auth\", stale=true")
        };
        let mut account = Account::new(credentials(), trunk());
        assert!(answer(&mut account, 401, &[&stale("a")]).is_some());
        // The nonce that was just used cannot be the fresh one.
        assert!(answer(&mut account, 401, &[&stale("a")]).is_none());
        let fresh = "Digest realm=\"trunk\", nonce=\"b\", qop=\"auth\"";
        assert!(answer(&mut account, 401, &[fresh]).is_none());
        assert!(answer(&mut account, 401, &[&stale("b")]).is_some());
        assert!(answer(&mut account, 401, &[&stale("c")]).is_none());
    }

    #[test]
    fn a_nonce_that_serves_another_request_is_counted_on() {
        let mut account = Account::new(credentials(), trunk());
        answer(&mut account, 407, &[MD5]).unwrap();
        let mut next = account.for_another_request();
        let request = answer(&mut next, 407, &[MD5]).unwrap();
        let answer = value(&request, &HeaderName::ProxyAuthorization).unwrap();
        assert!(answer.contains("nc=00000002"), "{answer}");
    }

    #[test]
    fn the_answer_is_the_next_request_and_its_only_answer() {
        let mut account = Account::new(credentials(), trunk());
        let first = answer(&mut account, 401, &[MD5]).unwrap();
        assert_eq!(value(&first, &HeaderName::CSeq).unwrap(), "2 INVITE");
        let stale = "Digest realm=\"trunk\", nonce=\"o\", qop=\"auth\", stale=true";
        let response = challenged(401, &[stale]);
        let second = account.answer(&first, trunk(), &response, "c").unwrap();
        assert_eq!(value(&second, &HeaderName::CSeq).unwrap(), "3 INVITE");
        assert_eq!(second.headers.count(&HeaderName::Authorization), 1);
        assert_eq!(second.headers.count(&HeaderName::CSeq), 1);
    }

    const MD5: &str = "Digest realm=\"trunk\", nonce=\"m\", qop=\"auth,auth-int\"";
    const SHA256: &str =
        "Digest realm=\"trunk\", nonce=\"s\", algorithm=SHA-256, qop=\"auth\", opaque=\"o\"";

    fn credentials() -> Credentials {
        Credentials {
            username: "tutti".to_owned(),
            password: Secret::new("hunter2"),
            realm: "trunk".to_owned(),
        }
    }

    fn trunk() -> SocketAddr {
        "192.0.2.1:5060".parse().unwrap()
    }

    fn answer(account: &mut Account, status: u16, challenges: &[&str]) -> Option<Request> {
        account.answer(
            &invite(),
            trunk(),
            &challenged(status, challenges),
            "cnonce",
        )
    }

    fn invite() -> Request {
        let uri = Uri::parse(Bytes::from("sip:200@trunk.example")).unwrap();
        RequestBuilder::new(Method::Invite, uri)
            .cseq(1, &Method::Invite)
            .unwrap()
            .build()
    }

    fn challenged(status: u16, challenges: &[&str]) -> Response {
        let name = match status {
            407 => "Proxy-Authenticate",
            _ => "WWW-Authenticate",
        };
        let challenges: String = challenges
            .iter()
            .map(|challenge| format!("{name}: {challenge}\r\n"))
            .collect();
        let text = format!(
            "SIP/2.0 {status} No\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
             From: <sip:a@192.0.2.9>;tag=a\r\nTo: <sip:b@192.0.2.1>;tag=b\r\nCall-ID: c\r\n\
             CSeq: 1 INVITE\r\n{challenges}Content-Length: 0\r\n\r\n"
        );
        match parse_datagram(Bytes::from(text), &Limits::datagram()).unwrap() {
            Message::Response(response) => response,
            Message::Request(_) => panic!("a response was expected"),
        }
    }

    fn value(request: &Request, name: &HeaderName) -> Option<String> {
        let value = request.headers.value(name)?;
        Some(String::from_utf8(value.into_owned()).unwrap())
    }
}
