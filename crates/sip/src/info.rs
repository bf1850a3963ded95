//! What do we make of INFO: keys that a phone presses in the signalling (RFC 6086 §4.2.2)?

use sipx_sip::headers::ContentType;
use sipx_sip::transaction::TransactionKey;
use sipx_sip::{HeaderName, Headers, Request, ResponseBuilder};
use tutti_model::Digit;

use crate::call::Call;
use crate::event::SipEvent;
use crate::policy::{self, Refusal};
use crate::user_agent::{Effect, UserAgent, respond};

/// The bodies that are read, as Accept lists them. No RFC defines them; phones send them anyway.
pub(crate) const ACCEPTED: &str = "application/dtmf-relay, application/dtmf";

/// Events that may wait for the consumer before a key is refused.
const MAX_WAITING: usize = 64;

/// What an INFO says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Info {
    Digit(Digit),
    /// It is understood, or need not be, and means nothing here.
    Nothing,
}

impl UserAgent {
    /// Serves an INFO inside a dialog: a key is told, and everything else completed or refused.
    pub(crate) fn informed(
        &mut self,
        call: &Call,
        key: &TransactionKey,
        request: &Request,
        effects: &mut Vec<Effect>,
    ) {
        match read(request) {
            Ok(Info::Digit(_)) if self.outbox.len() >= MAX_WAITING => {
                self.refuse(key, request, &Refusal::Overloaded, effects);
            }
            Ok(info) => {
                let response = self
                    .ok(request, Some(&call.local_tag))
                    .map(ResponseBuilder::build);
                respond(key, response, effects);
                if let Info::Digit(digit) = info {
                    self.tell(SipEvent::Digit {
                        dialog: call.id,
                        digit,
                    });
                }
            }
            Err(refusal) => self.refuse(key, request, &refusal, effects),
        }
    }
}

fn read(request: &Request) -> Result<Info, Refusal> {
    let headers = &request.headers;
    if has_package(headers) {
        return Err(Refusal::UnknownInfoPackage);
    }
    let body = request.body();
    if body.is_empty() {
        return Ok(Info::Nothing);
    }
    if policy::is_encoded(headers) {
        return Err(Refusal::UnsupportedEncoding);
    }
    let is_keys = match headers.typed::<ContentType>() {
        Some(Ok(content)) => {
            content.is("application", "dtmf-relay") || content.is("application", "dtmf")
        }
        Some(Err(_)) | None => false,
    };
    if is_keys {
        signal(&String::from_utf8_lossy(body)).ok_or(Refusal::Malformed("Malformed DTMF"))
    } else if policy::is_optional(headers) {
        Ok(Info::Nothing)
    } else {
        Err(Refusal::UnsupportedInfo)
    }
}

/// Whether it belongs to an Info Package; none is known here.
fn has_package(headers: &Headers) -> bool {
    let name = HeaderName::parse(&bytes::Bytes::from_static(b"Info-Package"));
    headers.value(&name).is_some()
}

/// The key in a body: the value of `Signal`, or all of it where nothing has a name.
fn signal(body: &str) -> Option<Info> {
    let mut lines = body.lines().map(str::trim).filter(|line| !line.is_empty());
    let value = if body.contains('=') {
        lines
            .filter_map(|line| line.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("Signal"))
            .map(|(_, value)| value.trim())?
    } else {
        lines.next()?
    };
    let mut characters = value.chars();
    let digit = match (characters.next(), characters.next()) {
        (Some(key), None) => Digit::from_char(key.to_ascii_uppercase()),
        // Some send the code of the event instead, in which * is 10 and # is 11.
        (Some(_), Some(_)) => value.parse().ok().and_then(Digit::from_event),
        (None, _) => return None,
    };
    // A hook flash is a signal that is no key.
    Some(digit.map_or(Info::Nothing, Info::Digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_however_it_is_written() {
        for (body, key) in [
            ("Signal=5\r\nDuration=160\r\n", '5'),
            ("Signal= *\nDuration= 250", '*'),
            ("Duration=100\r\nsignal = #", '#'),
            ("Signal=a", 'A'),
            ("Signal=10", '*'),
            ("Signal=11\r\n", '#'),
            ("7", '7'),
            ("\r\n9\r\n", '9'),
            ("15", 'D'),
        ] {
            let expected = Digit::from_char(key).map(Info::Digit);
            assert_eq!(signal(body), expected, "{body:?}");
        }
    }

    #[test]
    fn a_signal_that_is_no_key_means_nothing() {
        for body in ["Signal=16", "Signal=hf", "!", "Signal=99999999999999"] {
            assert_eq!(signal(body), Some(Info::Nothing), "{body:?}");
        }
    }

    #[test]
    fn a_body_without_a_signal_is_malformed() {
        for body in ["Duration=160", "Signal=", "\r\n", "=", "Signal\u{0}=5"] {
            assert_eq!(signal(body), None, "{body:?}");
        }
    }
}
