//! The attributes of a JSON object, read by name and kind, and what can be wrong with one.

use std::ops::RangeInclusive;
use std::str::FromStr;

use serde_json::{Map, Value};
use tutti_model::IdError;
use url::Url;

use crate::address::AddressFault;
use crate::pql::BadPql;
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
    #[error("must be a whole number from {min} to {max}")]
    OutOfRange { min: u32, max: u32 },
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
    #[error("must be one key of the telephone: 0 to 9, * or #")]
    NotAKey,
    #[error("must be keys of the telephone (0 to 9, * and #), with pauses as {{n}} between them")]
    NotKeystrokes,
    #[error("{0}")]
    NotAnAddress(AddressFault),
    #[error("must not be given with {other}")]
    NotWith { other: &'static str },
    #[error("{reason}")]
    BadPrompt { reason: String },
    #[error("{0}")]
    Pql(BadPql),
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
pub struct Attributes {
    members: Map<String, Value>,
    /// What was asked for, so that a test can hold it against what is documented.
    #[cfg(test)]
    asked: std::cell::RefCell<std::collections::BTreeSet<&'static str>>,
}

/// A text, or a number where there should be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextOrNumber {
    Text(String),
    /// Its digits.
    Number(String),
}

impl Attributes {
    /// Reads the members of this object.
    pub fn new(members: Map<String, Value>) -> Attributes {
        Attributes {
            members,
            #[cfg(test)]
            asked: Default::default(),
        }
    }

    /// Whether the attribute is there, be it null.
    pub fn is_present(&self, attribute: &'static str) -> bool {
        self.members.contains_key(attribute)
    }

    /// Whether the attribute is there, and not null.
    pub fn is_set(&self, attribute: &'static str) -> bool {
        self.value(attribute).is_some()
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
        self.number_in(attribute, 0..=u32::MAX)
    }

    /// A whole number in this range; clients of old send it as a string.
    pub fn number_in(
        &self,
        attribute: &'static str,
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, BadAttribute> {
        let number = match self.value(attribute) {
            None => return Ok(None),
            Some(Value::Number(number)) => number
                .as_u64()
                .or_else(|| number.as_f64().and_then(whole))
                .and_then(|number| u32::try_from(number).ok()),
            Some(Value::String(digits)) => digits.trim().parse().ok(),
            Some(value) => return Err(mistyped(attribute, "a whole number", value)),
        };
        match number {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            Some(_) | None => {
                let (min, max) = range.into_inner();
                Err(bad(attribute, Fault::OutOfRange { min, max }))
            }
        }
    }

    /// A text in which clients of old write a number, without the quotes; no text is as good as none.
    pub fn text_or_number(
        &self,
        attribute: &'static str,
        limit: usize,
    ) -> Result<Option<TextOrNumber>, BadAttribute> {
        if let Some(value @ Value::Number(number)) = self.value(attribute) {
            let number = number
                .as_u64()
                .or_else(|| number.as_f64().and_then(whole))
                .ok_or_else(|| mistyped(attribute, "a string or a whole number", value))?;
            return Ok(Some(TextOrNumber::Number(number.to_string())));
        }
        let text = self.text(attribute, limit)?;
        Ok(text.filter(|text| !text.is_empty()).map(TextOrNumber::Text))
    }

    /// An object inside this one.
    pub fn object(&self, attribute: &'static str) -> Result<Option<Attributes>, BadAttribute> {
        match self.value(attribute) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Attributes::new(members.clone()))),
            Some(value) => Err(mistyped(attribute, "an object", value)),
        }
    }

    /// An array; none is as good as an empty one.
    pub fn array(&self, attribute: &'static str) -> Result<&[Value], BadAttribute> {
        match self.value(attribute) {
            None => Ok(&[]),
            Some(Value::Array(elements)) => Ok(elements),
            Some(value) => Err(mistyped(attribute, "an array", value)),
        }
    }

    /// The first member that is none of these.
    pub fn unknown(&self, known: &[&str]) -> Option<&str> {
        let names = self.members.keys().map(String::as_str);
        names.into_iter().find(|name| !known.contains(name))
    }

    /// One word of a closed list.
    pub fn choice<T: Choice>(&self, attribute: &'static str) -> Result<Option<T>, BadAttribute> {
        match self.value(attribute) {
            None => Ok(None),
            Some(Value::String(word)) => choose(attribute, word).map(Some),
            Some(value) => Err(mistyped(attribute, "a string", value)),
        }
    }

    /// One word of a closed list; an empty text is as good as none.
    pub fn choice_or_nothing<T: Choice>(
        &self,
        attribute: &'static str,
    ) -> Result<Option<T>, BadAttribute> {
        match self.value(attribute) {
            Some(Value::String(word)) if word.is_empty() => Ok(None),
            Some(_) | None => self.choice(attribute),
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

    /// The identifier of what a command is about, where scripts of old may name it. Some of them have
    /// true or false there, or no text.
    pub fn named<T: FromStr<Err = IdError>>(
        &self,
        attribute: &'static str,
    ) -> Result<Option<T>, BadAttribute> {
        match self.value(attribute) {
            Some(Value::Bool(_)) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(_) | None => self.id(attribute),
        }
    }

    fn value(&self, attribute: &'static str) -> Option<&Value> {
        #[cfg(test)]
        self.asked.borrow_mut().insert(attribute);
        self.members.get(attribute).filter(|value| !value.is_null())
    }

    /// The names of all attributes that were asked for so far.
    #[cfg(test)]
    pub fn asked(&self) -> Vec<&'static str> {
        self.asked.borrow().iter().copied().collect()
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

/// The whole number that JSON may write with a point all the same, as in `5.0`.
pub fn whole(number: f64) -> Option<u64> {
    const BEYOND: f64 = 18_446_744_073_709_551_616.0;
    let is_whole = number.fract() == 0.0 && (0.0..BEYOND).contains(&number);
    is_whole.then_some(number as u64)
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
