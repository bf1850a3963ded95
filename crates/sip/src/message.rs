//! How are our requests and responses written?

use std::net::IpAddr;

use bytes::Bytes;
use sipx_sip::headers::{Address, CSeq, From, To};
use sipx_sip::{
    Header, HeaderName, Headers, Method, Request, RequestBuilder, Response, ResponseBuilder,
    Scheme, StatusCode, Uri,
};
use sipx_transport::TransportKind;

use crate::policy::Refusal;

/// How we name ourselves.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// Host and port that peers reach us at.
    pub(crate) host: String,
    pub(crate) user_agent: String,
}

impl Identity {
    /// Our Contact for a dialog over this transport.
    pub(crate) fn contact(&self, transport: TransportKind) -> String {
        match transport {
            TransportKind::Udp => format!("<sip:{}>", self.host),
            other => format!(
                "<sip:{};transport={}>",
                self.host,
                other.as_str().to_ascii_lowercase()
            ),
        }
    }
}

/// An IP address as a URI's host.
pub(crate) fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// Begins a response, with our tag in To where the request had none.
///
/// `None` when the request lacks what every response repeats: then nobody can be answered.
pub(crate) fn response(
    identity: &Identity,
    request: &Request,
    status: u16,
    reason: &str,
    local_tag: Option<&str>,
) -> Option<ResponseBuilder> {
    let mut builder =
        ResponseBuilder::to_request(request, StatusCode::new(status)?, reason.to_owned()).ok()?;
    let tagged = matches!(request.headers.typed::<To>(), Some(Ok(to)) if to.0.tag().is_some());
    if let (Some(tag), false) = (local_tag, tagged) {
        let mut to = party(&request.headers, &HeaderName::To)?;
        to.extend_from_slice(format!(";tag={tag}").as_bytes());
        builder = builder.set_header(&HeaderName::To, to).ok()?;
    }
    builder
        .header(HeaderName::Server, identity.user_agent.clone())
        .ok()
}

/// The response that a refusal is.
pub(crate) fn refusal(
    identity: &Identity,
    request: &Request,
    refusal: &Refusal,
    local_tag: &str,
) -> Option<Response> {
    let mut builder = response(
        identity,
        request,
        refusal.status(),
        refusal.reason(),
        Some(local_tag),
    )?;
    for (name, value) in refusal.headers() {
        builder = builder.header(name, value).ok()?;
    }
    Some(builder.build())
}

/// Adds an SDP body.
pub(crate) fn with_sdp(builder: ResponseBuilder, sdp: String) -> Option<ResponseBuilder> {
    Some(
        builder
            .header(HeaderName::ContentType, "application/sdp")
            .ok()?
            .body(sdp),
    )
}

/// Repeats the Record-Route of a request in the response that makes a dialog of it.
pub(crate) fn with_record_route(
    mut builder: ResponseBuilder,
    request: &Request,
) -> Option<ResponseBuilder> {
    for route in request.headers.get_all(&HeaderName::RecordRoute) {
        builder = builder
            .header(HeaderName::RecordRoute, route.value().into_owned())
            .ok()?;
    }
    Some(builder)
}

/// What begins a call that we place.
#[derive(Debug)]
pub(crate) struct Invitation<'a> {
    pub(crate) target: &'a Uri,
    /// From, with our tag.
    pub(crate) from: &'a str,
    pub(crate) call_id: &'a str,
    pub(crate) transport: TransportKind,
    /// What it says besides.
    pub(crate) headers: Vec<Header>,
    pub(crate) offer: String,
}

/// The INVITE of a call that we place; the transport adds Via.
pub(crate) fn invite(identity: &Identity, invitation: Invitation<'_>) -> Option<Request> {
    let mut to = vec![b'<'];
    invitation.target.write_to(&mut to);
    to.push(b'>');
    let mut request = RequestBuilder::new(Method::Invite, invitation.target.clone())
        .max_forwards(70)
        .header(HeaderName::From, invitation.from.to_owned())
        .ok()?
        .header(HeaderName::To, to)
        .ok()?
        .header(HeaderName::CallId, invitation.call_id.to_owned())
        .ok()?
        .cseq(1, &Method::Invite)
        .ok()?
        .header(HeaderName::Contact, identity.contact(invitation.transport))
        .ok()?
        .header(HeaderName::Allow, crate::policy::ALLOW)
        .ok()?
        .header(HeaderName::UserAgent, identity.user_agent.clone())
        .ok()?
        .header(HeaderName::ContentType, "application/sdp")
        .ok()?
        .body(invitation.offer)
        .build();
    for header in invitation.headers {
        request.headers.push(header);
    }
    Some(request)
}

/// A tag, Call-ID or cnonce that nobody can guess, from random bits.
pub(crate) fn token(bits: [u8; 12]) -> String {
    bits.iter().fold(String::new(), |mut token, byte| {
        token.push_str(&format!("{byte:02x}"));
        token
    })
}

/// The CSeq number of a message; 0 when it has none that can be read.
pub(crate) fn sequence(headers: &Headers) -> u32 {
    match headers.typed::<CSeq>() {
        Some(Ok(cseq)) => cseq.sequence,
        Some(Err(_)) | None => 0,
    }
}

pub(crate) fn from(headers: &Headers) -> Option<Address> {
    headers.typed::<From>()?.ok().map(|from| from.0)
}

pub(crate) fn to(headers: &Headers) -> Option<Address> {
    headers.typed::<To>()?.ok().map(|to| to.0)
}

/// The value of From or To as we can write it.
///
/// A display name may hold characters that we do not write (RFC 4475 §3.1.1.2 has NUL); it names
/// nobody (RFC 3261 §8.1.1.3), so it is left out then.
pub(crate) fn party(headers: &Headers, name: &HeaderName) -> Option<Vec<u8>> {
    let value = headers.value(name)?.into_owned();
    if !value.contains(&0) {
        return Some(value);
    }
    let address = Address::parse(&value, "From or To").ok()?;
    let mut plain = vec![b'<'];
    address.uri.write_to(&mut plain);
    plain.push(b'>');
    if let Some(tag) = address.tag() {
        plain.extend_from_slice(b";tag=");
        plain.extend_from_slice(tag);
    }
    Some(plain)
}

pub(crate) fn call_id(headers: &Headers) -> Bytes {
    headers
        .value(&HeaderName::CallId)
        .map(|value| Bytes::from(value.into_owned()))
        .unwrap_or_default()
}

/// The user that a URI names, unescaped once; empty when it names none.
pub(crate) fn user(uri: &Uri) -> String {
    let user = match uri.scheme() {
        Scheme::Tel => uri.tel_parts().map(|parts| parts.subscriber().to_vec()),
        _ => uri.decoded_user(),
    };
    String::from_utf8_lossy(&user.unwrap_or_default()).into_owned()
}
