//! Identifiers as FreeClimb writes them: two capital letters and 40 hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an identifier here is {prefix} followed by 40 hexadecimal digits")]
pub struct IdError {
    /// The two letters that were expected.
    pub prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 20]);

        impl $name {
            /// The two letters in front.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an identifier of 160 bits that the caller drew.
            pub const fn from_bytes(bits: [u8; 20]) -> Self {
                Self(bits)
            }

            /// The 160 bits.
            pub const fn as_bytes(&self) -> &[u8; 20] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_id(f, $prefix, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_id(f, $prefix, &self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_id($prefix, text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// An account: the owner of everything else, and the user name of the REST API.
    AccountId = "AC";
    /// An application: the URLs that answer for a number.
    ApplicationId = "AP";
    /// A call; its leg in the media plane has the same name.
    CallId = "CA";
    /// A conference. The identifier is also the credential of a direct join.
    ConferenceId = "CF";
    /// An incoming phone number.
    NumberId = "PN";
    /// A queue of calls that wait.
    QueueId = "QU";
    /// A recording.
    RecordingId = "RE";
    /// One originating request, repeated in every webhook that it causes.
    RequestId = "RQ";
}

fn write_id(f: &mut fmt::Formatter<'_>, prefix: &str, bits: &[u8; 20]) -> fmt::Result {
    f.write_str(prefix)?;
    bits.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn parse_id(prefix: &'static str, text: &str) -> Result<[u8; 20], IdError> {
    let malformed = IdError { prefix };
    let digits = text
        .strip_prefix(prefix)
        .ok_or(malformed.clone())?
        .as_bytes();
    let mut bits = [0; 20];
    if digits.len() != 2 * bits.len() {
        return Err(malformed);
    }
    for (byte, pair) in bits.iter_mut().zip(digits.chunks_exact(2)) {
        let nibble = |digit: u8| char::from(digit).to_digit(16);
        match (nibble(pair[0]), nibble(pair[1])) {
            (Some(high), Some(low)) => *byte = (high * 16 + low) as u8,
            _ => return Err(malformed),
        }
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_printing_and_parsing() {
        let id = ConferenceId::from_bytes([0xa5; 20]);
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let call = CallId::from_bytes([1; 20]).to_string();
        assert_eq!(call.parse::<ConferenceId>(), Err(IdError { prefix: "CF" }));
        assert!("CF12".parse::<ConferenceId>().is_err());
        assert!(
            format!("CF{}é", "a".repeat(38))
                .parse::<ConferenceId>()
                .is_err()
        );
    }
}
