//! What is a telephone number, and which numbers begin alike?

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

/// The digits of a number that somebody could answer: country code and all (E.164 §6.2.1).
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// A telephone number as E.164 with its plus sign and nothing else: `+13125550100`.
///
/// What leads into a network's own numbering (`00`, `011`) or dresses a number up (spaces, dashes,
/// extensions) is no number here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct E164(String);

/// The beginning of numbers: a plus sign and at least one digit, as `+1312`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(String);

/// What was to be a number, or the beginning of one, and is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotANumber {
    #[error("a telephone number is a plus sign, a country code and 7 to 15 digits in all")]
    Number,
    #[error("{0:?} is not a plus sign, a country code and up to 15 digits in all, as in \"+1312\"")]
    Prefix(String),
}

impl E164 {
    /// With its plus sign.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without its plus sign.
    pub fn digits(&self) -> &str {
        self.0.trim_start_matches('+')
    }
}

impl Prefix {
    /// How many digits it has.
    pub fn len(&self) -> usize {
        self.0.len() - 1
    }

    /// Whether a number begins with it.
    pub fn begins(&self, number: &E164) -> bool {
        number.as_str().starts_with(&self.0)
    }
}

impl FromStr for E164 {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<E164, NotANumber> {
        match international_digits(text) {
            Some(digits) if DIGITS.contains(&digits.len()) => Ok(E164(text.to_owned())),
            Some(_) | None => Err(NotANumber::Number),
        }
    }
}

impl FromStr for Prefix {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Prefix, NotANumber> {
        match international_digits(text) {
            Some(digits) if digits.len() <= *DIGITS.end() => Ok(Prefix(text.to_owned())),
            Some(_) | None => Err(NotANumber::Prefix(text.to_owned())),
        }
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for E164 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<E164, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Prefix, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// What follows the plus sign: ASCII digits, of which the first is not 0 (no country code begins
/// with it).
fn international_digits(text: &str) -> Option<&str> {
    let digits = text.strip_prefix('+')?;
    let plain = digits.bytes().all(|digit| digit.is_ascii_digit());
    (plain && !digits.is_empty() && !digits.starts_with('0')).then_some(digits)
}
