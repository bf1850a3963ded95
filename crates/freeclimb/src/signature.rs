//! How an application knows that a webhook is ours: the `FreeClimb-Signature` header.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use tutti_model::Timestamp;

/// The header's name.
pub const HEADER: &str = "FreeClimb-Signature";

/// The header's value for these bytes at this time: one `v1` for each secret in use.
pub fn header<S: AsRef<str>>(secrets: &[S], now: Timestamp, body: &[u8]) -> String {
    let seconds = now.as_secs();
    let mut value = format!("t={seconds}");
    for secret in secrets {
        let mut mac = keyed(secret.as_ref().as_bytes());
        mac.update(seconds.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        value.push_str(",v1=");
        value.push_str(&hex::encode(mac.finalize().into_bytes()));
    }
    value
}

/// A key as RFC 2104 prepares it: one block, hashed when longer, filled up with zeros.
fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    if secret.len() > block.len() {
        let digest = Sha256::digest(secret);
        block[..digest.len()].copy_from_slice(&digest);
    } else {
        block[..secret.len()].copy_from_slice(secret);
    }
    Hmac::new(&block.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "sigsec_ead6d3b6904196c60835d039e91b3341c77a7793";
    const NOW: Timestamp = Timestamp::from_micros(1_679_944_186_999_999);
    const BODY: &str = concat!(
        r#"{"accountId":"AC1334ffb694cd8d969f51cddf5f7c9b478546d50c","#,
        r#""callId":"CAccb0b00506553cda09b51c5477f672a49e0b2213","callStatus":"ringing","#,
        r#""conferenceId":null,"direction":"inbound","from":"+13121000109","#,
        r#""parentCallId":null,"queueId":null,"requestType":"inboundCall","to":"+13121000096"}"#,
    );

    #[test]
    fn the_sdks_verify_our_signature() {
        assert_eq!(
            header(&[SECRET], NOW, BODY.as_bytes()),
            "t=1679944186,v1=c3957749baf61df4b1506802579cc69a74c77a1ae21447b930e5a704f9ec4120"
        );
    }

    #[test]
    fn every_secret_in_use_signs() {
        let both = header(&[SECRET, "sigsec_other"], NOW, b"{}");
        let parts: Vec<_> = both.split(',').collect();
        assert_eq!(parts.len(), 3);
        assert_eq!(parts[1], &header(&[SECRET], NOW, b"{}")[13..]);
        assert_eq!(parts[2], &header(&["sigsec_other"], NOW, b"{}")[13..]);
        assert_ne!(parts[1], parts[2]);
    }

    /// RFC 4231, test case 6: a key longer than one block.
    #[test]
    fn a_long_key_is_hashed_first() {
        let mut mac = keyed(&[0xaa; 131]);
        mac.update(b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(
            hex::encode(mac.finalize().into_bytes()),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
