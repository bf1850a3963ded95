//! Whom a call is placed to, and in whose name: phone numbers and SIP URIs.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::attributes::{Attributes, BadAttribute, Fault, TextOrNumber, bad};

/// The longest address, in bytes.
const MAX_ADDRESS_BYTES: usize = 256;

/// Whom a call can be placed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// As E.164 with its plus sign.
    Number(String),
    Sip(SipUri),
}

/// A SIP URI that names a callee and nothing else: no password, no headers, and no parameter that
/// would make it mean something different from what it looks like (RFC 3261 §19.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipUri {
    /// As it was written, with its scheme in lower case.
    pub text: String,
    pub user: Option<String>,
    /// A domain name, an IPv4 address, or an IPv6 address in its brackets.
    pub host: String,
    pub port: Option<u16>,
}

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    #[error("must be a phone number as E.164 writes it, + and 7 to 15 digits, or a SIP URI")]
    Neither,
    #[error("must not be a sips URI: this bridge promises no encryption up to the callee")]
    Sips,
    #[error("must be a SIP URI without headers, which follow a question mark")]
    Headers,
    #[error("must be a SIP URI without a password")]
    Password,
    #[error("must be a SIP URI without parameters other than transport=udp or transport=tcp")]
    Parameter,
    #[error("must be a SIP URI whose user is letters, digits and -_.!~*'()&=+$,")]
    User,
    #[error("must be a SIP URI with a domain name or an IP address, and a port from 1 to 65535")]
    Host,
}

impl Address {
    /// Reads a destination.
    pub fn parse(text: &str) -> Result<Address, AddressFault> {
        match text.split_once(':') {
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("sips") => Err(AddressFault::Sips),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("sip") => {
                SipUri::parse(rest).map(Address::Sip)
            }
            Some(_) => Err(AddressFault::Neither),
            None if is_dialable(text) => Ok(Address::Number(text.to_owned())),
            None => Err(AddressFault::Neither),
        }
    }

    /// The address as it is written.
    pub fn into_text(self) -> String {
        match self {
            Address::Number(number) => number,
            Address::Sip(uri) => uri.text,
        }
    }
}

impl SipUri {
    /// Reads what follows `sip:`.
    fn parse(rest: &str) -> Result<SipUri, AddressFault> {
        if rest.contains('?') {
            return Err(AddressFault::Headers);
        }
        // A parameter before the @ would be the user's, and no phone context belongs to a user here.
        let (user, place) = match rest.split_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        match user {
            Some(user) if user.contains(':') => return Err(AddressFault::Password),
            Some(user) if user.is_empty() || !user.bytes().all(is_user_byte) => {
                return Err(AddressFault::User);
            }
            Some(_) | None => {}
        }
        let (place, parameters) = match place.split_once(';') {
            Some((place, parameters)) => (place, Some(parameters)),
            None => (place, None),
        };
        if let Some(parameters) = parameters {
            let known = ["transport=udp", "transport=tcp"];
            if !known
                .iter()
                .any(|known| parameters.eq_ignore_ascii_case(known))
            {
                return Err(AddressFault::Parameter);
            }
        }
        let (host, port) = split_port(place).ok_or(AddressFault::Host)?;
        if !is_host(host) {
            return Err(AddressFault::Host);
        }
        Ok(SipUri {
            text: format!("sip:{rest}"),
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
        })
    }
}

/// Reads whom a call is placed to. Clients of old write a phone number as a number, which has lost
/// its plus sign.
pub fn callee(attributes: &Attributes, name: &'static str) -> Result<Option<String>, BadAttribute> {
    let Some(text) = written(attributes, name)? else {
        return Ok(None);
    };
    match Address::parse(&text) {
        Ok(address) => Ok(Some(address.into_text())),
        Err(fault) => Err(bad(name, Fault::NotAnAddress(fault))),
    }
}

/// Reads in whose name a call is placed.
pub fn caller(attributes: &Attributes, name: &'static str) -> Result<Option<String>, BadAttribute> {
    match written(attributes, name)? {
        Some(text) if !is_caller(&text) => {
            let fault = Address::parse(&text).err().unwrap_or(AddressFault::Neither);
            Err(bad(name, Fault::NotAnAddress(fault)))
        }
        caller => Ok(caller),
    }
}

fn written(attributes: &Attributes, name: &'static str) -> Result<Option<String>, BadAttribute> {
    let text = attributes.text_or_number(name, MAX_ADDRESS_BYTES)?;
    Ok(text.map(|text| match text {
        TextOrNumber::Text(text) => text,
        TextOrNumber::Number(digits) => format!("+{digits}"),
    }))
}

/// Whether a text can be told to a callee as the caller: an address, or what phones call themselves
/// (`alice`, `1001`, `anonymous`). Whose it is, is for others to check.
pub fn is_caller(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+*#._-".contains(&byte);
    let name = (1..=64).contains(&text.len()) && text.bytes().all(plain);
    name || Address::parse(text).is_ok()
}

/// Whether a text is a phone number that can be dialled: a plus sign and 7 to 15 digits, the first
/// of them not 0.
fn is_dialable(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

/// RFC 3261 §25.1, `user` without escapes and without what separates other parts elsewhere.
fn is_user_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,".contains(&byte)
}

/// A host and its port, where it has one.
fn split_port(place: &str) -> Option<(&str, Option<u16>)> {
    let at = match place.rfind(']') {
        Some(end) => place.get(end..)?.find(':').map(|colon| end + colon),
        None => place.find(':'),
    };
    let Some(at) = at else {
        return Some((place, None));
    };
    let digits = place.get(at + 1..)?;
    let plain = (1..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits.parse().ok().filter(|port| plain && *port > 0)?;
    Some((place.get(..at)?, Some(port)))
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']');
        return inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok());
    }
    let numeric = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    if host.bytes().all(numeric) {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_dialled_as_e164_writes_it() {
        for number in ["+15550100", "+4930123456", "+123456789012345"] {
            assert_eq!(
                Address::parse(number),
                Ok(Address::Number(number.to_owned()))
            );
        }
        for text in [
            "",
            "+",
            "15550100",
            "+155501",
            "+1234567890123456",
            "+01555010",
            "+1 5550100",
            "+1555-0100",
            "+15550100\n",
            "+１５５５０１００",
            "+١٢٣٤٥٦٧٨",
            "tel:+15550100",
            "alice@host.example",
            "http://host.example/",
        ] {
            assert_eq!(Address::parse(text), Err(AddressFault::Neither), "{text:?}");
        }
    }

    #[test]
    fn a_sip_uri_is_taken_apart() {
        let table = [
            (
                "sip:alice@host.example",
                Some("alice"),
                "host.example",
                None,
            ),
            ("SIP:Alice@HOST", Some("Alice"), "HOST", None),
            ("sip:host.example", None, "host.example", None),
            (
                "sip:+15550100@10.0.0.1:5080;transport=TCP",
                Some("+15550100"),
                "10.0.0.1",
                Some(5080),
            ),
            (
                "sip:a@[2001:db8::1]:5060",
                Some("a"),
                "[2001:db8::1]",
                Some(5060),
            ),
            ("sip:a@[::1]", Some("a"), "[::1]", None),
        ];
        for (text, user, host, port) in table {
            let Ok(Address::Sip(uri)) = Address::parse(text) else {
                panic!("{text} is refused");
            };
            assert_eq!(uri.text.get(3..), text.get(3..));
            assert!(uri.text.starts_with("sip:"));
            assert_eq!(
                (uri.user.as_deref(), uri.host.as_str(), uri.port),
                (user, host, port)
            );
        }
    }

    #[test]
    fn a_uri_that_says_more_than_whom_to_call_is_refused() {
        use AddressFault::{Headers, Host, Neither, Parameter, Password, Sips, User};
        let table = [
            ("sips:a@host.example", Sips),
            ("SIPS:a@host.example", Sips),
            ("sip:a@host.example?Replaces=1", Headers),
            ("sip:a?b@host.example", Headers),
            ("sip:a:secret@host.example", Password),
            ("sip:+19005550100@host.example;user=phone", Parameter),
            ("sip:a@host.example;transport=tls", Parameter),
            ("sip:a@host.example;transport=udp;user=phone", Parameter),
            ("sip:a@host.example;maddr=10.0.0.1", Parameter),
            ("sip:a@host.example;", Parameter),
            ("sip:+1900;phone-context=+1@host.example", User),
            ("sip:a%0d%0aTo:x@host.example", Password),
            ("sip:a%0d%0a@host.example", User),
            ("sip:@host.example", User),
            ("sip:ä@host.example", User),
            ("sip:a b@host.example", User),
            ("sip:\"a\" <a@host.example>", User),
            ("sip:a@b@host.example", Host),
            ("sip:", Host),
            ("sip:a@", Host),
            ("sip:a@host.example:", Host),
            ("sip:a@host.example:0", Host),
            ("sip:a@host.example:65536", Host),
            ("sip:a@host.example:+5060", Host),
            ("sip:a@host..example", Host),
            ("sip:a@-host", Host),
            ("sip:a@host.example\r\nVia: x", Host),
            ("sip:a@1.2.3", Host),
            ("sip:a@0x7f.1\u{0}", Host),
            ("sip:a@[::1", Host),
            ("sip:a@[::1]x", Host),
            ("sip:a@[10.0.0.1]", Host),
            ("sip:a@höst.example", Host),
            (" sip:a@host.example", Neither),
        ];
        for (text, fault) in table {
            assert_eq!(Address::parse(text), Err(fault), "{text:?}");
        }
    }

    #[test]
    fn a_caller_may_be_what_its_phone_calls_itself() {
        for text in [
            "+15550100",
            "1000000051",
            "alice",
            "anonymous",
            "sip:a@host.example",
        ] {
            assert!(is_caller(text), "{text}");
        }
        for text in [
            "",
            "a b",
            "a\r\nb",
            "\"a\"",
            "<sip:a@b>",
            "ä",
            "sips:a@host.example",
        ] {
            assert!(!is_caller(text), "{text}");
        }
    }
}
