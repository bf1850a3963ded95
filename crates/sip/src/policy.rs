//! What is refused before anybody is asked, and with which code?
//!
//! In the order of RFC 3261 §8.2: version, method, form, Request-URI, extensions, content.

use sipx_sip::headers::{
    BRANCH_MAGIC_COOKIE, ContactValue, ContentType, RecordRoute, Require, Via,
};
use sipx_sip::{HeaderName, Headers, Method, Request, Scheme, validate_request};

use crate::info;

/// The methods that are served, as Allow lists them.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE";

/// Why a request is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The sender broke the grammar or left out what is mandatory.
    Malformed(&'static str),
    MethodNotAllowed,
    /// The sender takes no SDP in return.
    NotAcceptable,
    UnsupportedMediaType,
    /// The body of an INFO is nothing that is read (RFC 6086 §4.2.2).
    UnsupportedInfo,
    UnsupportedEncoding,
    UnsupportedScheme,
    /// The sender requires extensions, of which these are unknown here.
    UnsupportedExtensions(Vec<String>),
    NoSuchDialog,
    /// The INFO belongs to a package that is not offered (RFC 6086 §4.2.2).
    UnknownInfoPackage,
    /// The same request arrived before on another way (RFC 3261 §8.2.2.2).
    Merged,
    /// Nobody wants to talk to this caller yet or any more.
    RequestTerminated,
    /// The request is older than the last one of its dialog (RFC 3261 §12.2.2).
    OutOfOrder,
    /// An earlier change of the session is not answered yet (RFC 3261 §14.2).
    ChangePending,
    /// Both sides change the session at once (RFC 3261 §14.2).
    Glare,
    UnknownMethod,
    /// No new dialog now.
    Overloaded,
    UnsupportedVersion,
}

impl Refusal {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Refusal::Malformed(_) => 400,
            Refusal::MethodNotAllowed => 405,
            Refusal::NotAcceptable => 406,
            Refusal::UnsupportedMediaType
            | Refusal::UnsupportedInfo
            | Refusal::UnsupportedEncoding => 415,
            Refusal::UnsupportedScheme => 416,
            Refusal::UnsupportedExtensions(_) => 420,
            Refusal::UnknownInfoPackage => 469,
            Refusal::NoSuchDialog => 481,
            Refusal::Merged => 482,
            Refusal::RequestTerminated => 487,
            Refusal::Glare => 491,
            Refusal::OutOfOrder | Refusal::ChangePending => 500,
            Refusal::UnknownMethod => 501,
            Refusal::Overloaded => 503,
            Refusal::UnsupportedVersion => 505,
        }
    }

    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Refusal::Malformed(what) => what,
            Refusal::MethodNotAllowed => "Method Not Allowed",
            Refusal::NotAcceptable => "Not Acceptable",
            Refusal::UnsupportedMediaType | Refusal::UnsupportedInfo => "Unsupported Media Type",
            Refusal::UnsupportedEncoding => "Unsupported Content Encoding",
            Refusal::UnsupportedScheme => "Unsupported URI Scheme",
            Refusal::UnsupportedExtensions(_) => "Bad Extension",
            Refusal::UnknownInfoPackage => "Bad Info Package",
            Refusal::NoSuchDialog => "Call/Transaction Does Not Exist",
            Refusal::Merged => "Loop Detected",
            Refusal::RequestTerminated => "Request Terminated",
            Refusal::OutOfOrder => "CSeq Out Of Order",
            Refusal::ChangePending => "Session Change Pending",
            Refusal::Glare => "Request Pending",
            Refusal::UnknownMethod => "Not Implemented",
            Refusal::Overloaded => "Service Unavailable",
            Refusal::UnsupportedVersion => "Version Not Supported",
        }
    }

    /// What the response says besides.
    pub(crate) fn headers(&self) -> Vec<(HeaderName, String)> {
        match self {
            Refusal::MethodNotAllowed | Refusal::UnknownMethod => {
                vec![(HeaderName::Allow, ALLOW.to_owned())]
            }
            Refusal::UnsupportedMediaType => {
                vec![(HeaderName::Accept, "application/sdp".to_owned())]
            }
            Refusal::UnsupportedInfo => {
                vec![(HeaderName::Accept, info::ACCEPTED.to_owned())]
            }
            Refusal::UnknownInfoPackage => {
                // Empty: no package at all.
                let name = bytes::Bytes::from_static(b"Recv-Info");
                vec![(HeaderName::parse(&name), String::new())]
            }
            Refusal::UnsupportedEncoding => {
                vec![(HeaderName::AcceptEncoding, "identity".to_owned())]
            }
            Refusal::UnsupportedExtensions(tags) => {
                vec![(HeaderName::Unsupported, tags.join(", "))]
            }
            Refusal::Overloaded => vec![(HeaderName::RetryAfter, "5".to_owned())],
            Refusal::ChangePending => vec![(HeaderName::RetryAfter, "1".to_owned())],
            Refusal::Malformed(_)
            | Refusal::NotAcceptable
            | Refusal::UnsupportedScheme
            | Refusal::NoSuchDialog
            | Refusal::Merged
            | Refusal::RequestTerminated
            | Refusal::OutOfOrder
            | Refusal::Glare
            | Refusal::UnsupportedVersion => Vec::new(),
        }
    }
}

/// Looks at a request by itself, without knowing any dialog.
pub(crate) fn examine(request: &Request) -> Result<(), Refusal> {
    if !request.version.is_supported() {
        return Err(Refusal::UnsupportedVersion);
    }
    let served = served(&request.method)?;
    well_formed(request)?;
    if !served {
        return Err(Refusal::MethodNotAllowed);
    }
    match request.uri.scheme() {
        Scheme::Sip | Scheme::Tel => {}
        // A sips URI asks for TLS on every hop, which is not offered here.
        _ => return Err(Refusal::UnsupportedScheme),
    }
    if request.method != Method::Cancel {
        extensions(&request.headers)?;
    }
    if carries_session(&request.method) {
        content(request)?;
    }
    Ok(())
}

/// Whether the body of a request with this method is an SDP description.
pub(crate) fn carries_session(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Update | Method::Ack)
}

/// The description in a message, if there is one that must be understood.
pub(crate) fn description(headers: &Headers, body: &bytes::Bytes) -> Option<bytes::Bytes> {
    (!body.is_empty() && is_sdp(headers)).then(|| body.clone())
}

/// Whether the method is served; one that nobody knows is refused at once.
fn served(method: &Method) -> Result<bool, Refusal> {
    match method {
        Method::Invite
        | Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Options
        | Method::Info
        | Method::Update => Ok(true),
        Method::Register
        | Method::Prack
        | Method::Subscribe
        | Method::Notify
        | Method::Refer
        | Method::Message
        | Method::Publish => Ok(false),
        _ => Err(Refusal::UnknownMethod),
    }
}

fn well_formed(request: &Request) -> Result<(), Refusal> {
    // A missing Max-Forwards is a proxy's business (RFC 4475 §3.4.1 demands that it be borne).
    if validate_request(request)
        .iter()
        .any(|finding| !finding.is_repairable())
    {
        return Err(Refusal::Malformed("Bad Request"));
    }
    let via = request.headers.typed::<Via>();
    if let Some(Ok(via)) = via
        && via.branch() == Some(BRANCH_MAGIC_COOKIE)
    {
        // Nothing tells such transactions apart (RFC 4475 §3.2.1).
        return Err(Refusal::Malformed("Empty Branch In Via"));
    }
    if request
        .headers
        .typed_all::<ContactValue>()
        .any(|contact| contact.is_err())
    {
        return Err(Refusal::Malformed("Malformed Contact"));
    }
    // It is repeated in responses, and followed.
    let routes = &request.headers;
    let unusable = routes
        .typed_all::<RecordRoute>()
        .any(|route| route.is_err())
        || routes
            .get_all(&HeaderName::RecordRoute)
            .any(|route| route.value().contains(&0));
    if unusable {
        return Err(Refusal::Malformed("Malformed Record-Route"));
    }
    Ok(())
}

fn extensions(headers: &Headers) -> Result<(), Refusal> {
    let mut unknown = Vec::new();
    for tags in headers.typed_all::<Require>() {
        let tags = tags.map_err(|_| Refusal::Malformed("Malformed Require"))?;
        unknown.extend(
            tags.0
                .0
                .iter()
                .map(|tag| String::from_utf8_lossy(tag).into_owned()),
        );
    }
    if unknown.is_empty() {
        Ok(())
    } else {
        // No extension is supported, so every required one is unknown.
        Err(Refusal::UnsupportedExtensions(unknown))
    }
}

fn content(request: &Request) -> Result<(), Refusal> {
    let headers = &request.headers;
    if request.method == Method::Invite && !takes_sdp(headers) {
        return Err(Refusal::NotAcceptable);
    }
    if request.body().is_empty() || is_optional(headers) {
        return Ok(());
    }
    if is_encoded(headers) {
        return Err(Refusal::UnsupportedEncoding);
    }
    if is_sdp(headers) {
        Ok(())
    } else {
        Err(Refusal::UnsupportedMediaType)
    }
}

/// Whether the body is encoded in a way that nobody here undoes.
pub(crate) fn is_encoded(headers: &Headers) -> bool {
    headers
        .value(&HeaderName::ContentEncoding)
        .is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity"))
}

fn is_sdp(headers: &Headers) -> bool {
    matches!(
        headers.typed::<ContentType>(),
        Some(Ok(content_type)) if content_type.is("application", "sdp")
    )
}

/// The sender does not mind if the body is not understood (RFC 3261 §20.11).
pub(crate) fn is_optional(headers: &Headers) -> bool {
    headers
        .value(&HeaderName::ContentDisposition)
        .is_some_and(|value| {
            String::from_utf8_lossy(&value)
                .split(';')
                .skip(1)
                .filter_map(|parameter| parameter.split_once('='))
                .any(|(name, value)| {
                    name.trim().eq_ignore_ascii_case("handling")
                        && value.trim().eq_ignore_ascii_case("optional")
                })
        })
}

/// Without Accept, SDP is taken (RFC 3261 §20.1).
fn takes_sdp(headers: &Headers) -> bool {
    let mut said = false;
    for accept in headers.get_all(&HeaderName::Accept) {
        said = true;
        let value = accept.value();
        let takes = String::from_utf8_lossy(&value).split(',').any(|range| {
            let range = range.split(';').next().unwrap_or_default().trim();
            ["application/sdp", "application/*", "*/*"]
                .iter()
                .any(|known| range.eq_ignore_ascii_case(known))
        });
        if takes {
            return true;
        }
    }
    !said
}
