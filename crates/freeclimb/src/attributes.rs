//! The attributes of a JSON object, read by name and kind, and what can be wrong with one.

use std::str::FromStr;

use serde_json::{Map, Value};
use tutti_model::IdError;
use url::Url;

use crate::word::Choice;

/// The longest alias, in characters.
pub const MAX_ALIAS_CHARS: usize = 64;

/// The longest URL that is kept, in bytes.
pub const MAX_URL_BYTES: usize = 2048;

/// One attribute, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{attribute}: {fault}")]
pub struct BadAttribute {
    /// As the API spells it.
    pub attribute: &'static str,
    pub fault: Fault,
}

/// What is wrong with the value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("is required")]
    Missing,
    #[error("must be {expected}, not {found}")]
    Mistyped {
        expected: &'static str,
        found: &'static str,
    },
    #[error("must be one of {words}")]
    NotOneOf { words: String },
    #[error("must be a whole number from 0 to {max}")]
    OutOfRange { max: u32 },
    #[error("must not be longer than {limit} {unit}")]
    TooLong { limit: usize, unit: &'static str },
    #[error("must not be given more than {limit} times")]
    TooMany { limit: usize },
    #[error("{0}")]
    NotAnId(IdError),
    #[error("must be an absolute http or https URL")]
    NotAUrl,
    #[error("must be keys of the telephone only: 0 to 9, * and #")]
    NotKeys,
    #[error("must be a phone number as E.164 writes it: + and up to 15 digits")]
    NotE164,
    #[error("must be written {format}")]
    NotADate { format: &'static str },
    #[error("must be a cursor that this list has given out")]
    NotACursor,
}

/// The members of a JSON object. An explicit null is as good as absence; unknown members are not
/// looked at.
#[derive(Debug, Clone, Default)]
pub struct Attributes(Map<String, Value>);

impl Attributes {
    /// Reads the members of this object.
    pub fn new(members: Map<String, Value>) -> Attributes {
        Attributes(members)
    }

    /// Whether the attribute is there, be it null.
    pub fn is_present(&self, attribute: &'static str) -> bool {
        self.0.contains_key(attribute)
    }

    /// A text of at most this many bytes.
    pub fn text(
        &self,
        attribute: &'static str,
        limit: usize,
    ) -> Result<Option<String>, BadAttribute> {
        let Some(value) = self.value(attribute) else {
            return Ok(None);
        };
        let text = value.as_str().ok_or_else(|| {
            let expected = "a string";
            mistyped(attribute, expected, value)
        })?;
        if text.len() > limit {
            let unit = "bytes";
            return Err(bad(attribute, Fault::TooLong { limit, unit }));
        }
        Ok(Some(text.to_owned()))
    }

    /// An alias; clients of old send booleans and numbers, which are kept as they are written.
    pub fn alias(&self, attribute: &'static str) -> Result<Option<String>, BadAttribute> {
        let alias = match self.value(attribute) {
            None => return Ok(None),
            Some(Value::String(text)) => text.clone(),
            Some(plain @ (Value::Bool(_) | Value::Number(_))) => plain.to_string(),
            Some(value) => return Err(mistyped(attribute, "a string", value)),
        };
        if alias.chars().count() > MAX_ALIAS_CHARS {
            let (limit, unit) = (MAX_ALIAS_CHARS, "characters");
            return Err(bad(attribute, Fault::TooLong { limit, unit }));
        }
        Ok(Some(alias))
    }

    /// An absolute URL, unchanged; an empty one is as good as none.
    pub fn url(&self, attribute: &'static str) -> Result<Option<String>, BadAttribute> {
        match self.text(attribute, MAX_URL_BYTES)? {
            None => Ok(None),
            Some(text) if text.is_empty() => Ok(None),
            Some(text) if is_http_url(&text) => Ok(Some(text)),
            Some(_) => Err(bad(attribute, Fault::NotAUrl)),
        }
    }

    /// True or false, and nothing that merely looks like it.
    pub fn bool(&self, attribute: &'static str) -> Result<Option<bool>, BadAttribute> {
        match self.value(attribute) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(value) => Err(mistyped(attribute, "true or false", value)),
        }
    }

    /// A whole number; clients of old send it as a string.
    pub fn number(&self, attribute: &'static str) -> Result<Option<u32>, BadAttribute> {
        let out_of_range = || bad(attribute, Fault::OutOfRange { max: u32::MAX });
        match self.value(attribute) {
            None => Ok(None),
            Some(Value::Number(number)) => match number.as_u64() {
                Some(whole) => u32::try_from(whole).map(Some).map_err(|_| out_of_range()),
                None => Err(out_of_range()),
            },
            Some(Value::String(digits)) => {
                digits.trim().parse().map(Some).map_err(|_| out_of_range())
            }
            Some(value) => Err(mistyped(attribute, "a whole number", value)),
        }
    }

    /// One word of a closed list.
    pub fn choice<T: Choice>(&self, attribute: &'static str) -> Result<Option<T>, BadAttribute> {
        match self.value(attribute) {
            None => Ok(None),
            Some(Value::String(word)) => choose(attribute, word).map(Some),
            Some(value) => Err(mistyped(attribute, "a string", value)),
        }
    }

    /// An identifier.
    pub fn id<T: FromStr<Err = IdError>>(
        &self,
        attribute: &'static str,
    ) -> Result<Option<T>, BadAttribute> {
        match self.value(attribute) {
            None => Ok(None),
            Some(Value::String(text)) => identify(attribute, text).map(Some),
            Some(value) => Err(mistyped(attribute, "a string", value)),
        }
    }

    fn value(&self, attribute: &'static str) -> Option<&Value> {
        self.0.get(attribute).filter(|value| !value.is_null())
    }
}

/// Insists on a value.
pub fn required<T>(attribute: &'static str, value: Option<T>) -> Result<T, BadAttribute> {
    value.ok_or_else(|| bad(attribute, Fault::Missing))
}

/// Blames one attribute.
pub fn bad(attribute: &'static str, fault: Fault) -> BadAttribute {
    BadAttribute { attribute, fault }
}

/// What a client means by a word.
pub fn choose<T: Choice>(attribute: &'static str, word: &str) -> Result<T, BadAttribute> {
    T::from_word(word).ok_or_else(|| {
        let words: Vec<_> = T::ALL.iter().map(|choice| choice.word()).collect();
        let words = words.join(", ");
        bad(attribute, Fault::NotOneOf { words })
    })
}

/// What a client means by an identifier.
pub fn identify<T: FromStr<Err = IdError>>(
    attribute: &'static str,
    text: &str,
) -> Result<T, BadAttribute> {
    text.parse()
        .map_err(|error| bad(attribute, Fault::NotAnId(error)))
}

/// Whether a text is an absolute http or https URL.
pub fn is_http_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// What a JSON value is, in a sentence.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn mistyped(attribute: &'static str, expected: &'static str, value: &Value) -> BadAttribute {
    let found = kind(value);
    bad(attribute, Fault::Mistyped { expected, found })
}
