//! The headers by which an application knows that a webhook is ours, and which one it is.
//!
//! Two schemes side by side: FreeClimb's own (`FreeClimb-Signature`), which covers the body, and
//! that of Standard Webhooks (`webhook-id`, `webhook-timestamp`, `webhook-signature`), which covers
//! the message's name too. Both are HMAC-SHA256 with the same signing secrets, and the key is the
//! secret as it is shown, `sigsec_` included, as bytes. The libraries for Standard Webhooks take
//! keys in Base64: they are given the Base64 of the whole secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tutti_freeclimb::signature;
use tutti_freeclimb::webhook::REQUEST_ID_HEADER;
use tutti_model::{RequestId, Timestamp};

/// Names the message, the same on every attempt, so that an application knows what it has seen.
const ID: &str = "webhook-id";
/// When this attempt was signed, in seconds since 1970.
const TIMESTAMP: &str = "webhook-timestamp";
/// One `v1,<Base64>` for each secret, separated by spaces.
const SIGNATURE: &str = "webhook-signature";

/// The headers of one attempt; a message that no secret signs carries no signature.
pub(super) fn headers(
    secrets: &[String],
    id: &str,
    request: RequestId,
    now: Timestamp,
    body: &[u8],
) -> Vec<(&'static str, String)> {
    let seconds = now.as_secs();
    let mut headers = vec![
        (REQUEST_ID_HEADER, request.to_string()),
        (ID, id.to_owned()),
        (TIMESTAMP, seconds.to_string()),
    ];
    if !secrets.is_empty() {
        headers.push((signature::HEADER, signature::header(secrets, now, body)));
        let signatures: Vec<_> = secrets
            .iter()
            .filter_map(|secret| standard(secret.as_bytes(), id, seconds, body))
            .collect();
        headers.push((SIGNATURE, signatures.join(" ")));
    }
    headers
}

/// One signature as Standard Webhooks writes it; there is one for a key of any length.
fn standard(key: &[u8], id: &str, seconds: i64, body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    let digest = mac.finalize().into_bytes();
    Some(format!("v1,{}", STANDARD.encode(digest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_614_265_330_999_999);
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const ID_OF_VECTOR: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";

    /// The example of the Standard Webhooks libraries: their key is Base64, ours is the bytes.
    #[test]
    fn the_libraries_of_standard_webhooks_verify_our_signature() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let published = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let ours = standard(&key, ID_OF_VECTOR, NOW.as_secs(), BODY);
        assert_eq!(ours.as_deref(), Some(published));
    }

    #[test]
    fn two_secrets_sign_both_ways() {
        let (one, other, both) = (
            signed(&["sigsec_1"]),
            signed(&["sigsec_2"]),
            signed(&["sigsec_1", "sigsec_2"]),
        );
        let standard = |headers| value(headers, SIGNATURE).unwrap().to_owned();
        assert_eq!(
            standard(&both),
            format!("{} {}", standard(&one), standard(&other))
        );
        let freeclimb = |headers| value(headers, signature::HEADER).unwrap().to_owned();
        assert_eq!(
            freeclimb(&both).split(",v1=").skip(1).collect::<Vec<_>>(),
            [
                freeclimb(&one).split(",v1=").nth(1).unwrap(),
                freeclimb(&other).split(",v1=").nth(1).unwrap()
            ]
        );
    }

    #[test]
    fn every_header_is_there_once_and_tells_the_same_second() {
        let headers = signed(&["sigsec_1", "sigsec_2"]);
        let mut names: Vec<_> = headers
            .iter()
            .map(|(name, _)| name.to_ascii_lowercase())
            .collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "freeclimb-signature",
                "request-id",
                "webhook-id",
                "webhook-signature",
                "webhook-timestamp"
            ]
        );
        assert_eq!(value(&headers, ID), Some(ID_OF_VECTOR));
        assert_eq!(value(&headers, TIMESTAMP), Some("1614265330"));
        let freeclimb = value(&headers, signature::HEADER).unwrap();
        assert!(freeclimb.starts_with("t=1614265330,v1="), "{freeclimb}");
    }

    #[test]
    fn without_a_secret_nothing_pretends_to_be_signed() {
        let headers = signed(&[]);
        assert_eq!(value(&headers, SIGNATURE), None);
        assert_eq!(value(&headers, signature::HEADER), None);
    }

    fn signed(secrets: &[&str]) -> Vec<(&'static str, String)> {
        let secrets: Vec<_> = secrets.iter().map(|&secret| secret.to_owned()).collect();
        let request = RequestId::from_bytes([7; 20]);
        headers(&secrets, ID_OF_VECTOR, request, NOW, BODY)
    }

    fn value<'a>(headers: &'a [(&'static str, String)], name: &str) -> Option<&'a str> {
        let found = headers.iter().find(|(known, _)| *known == name)?;
        Some(&found.1)
    }
}
