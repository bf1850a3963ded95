//! The parameters of a request's query string.

use std::str::FromStr;
use std::time::Duration;

use tutti_model::{IdError, Timestamp};
use url::form_urlencoded;

use crate::attributes::{BadAttribute, Fault, bad, choose, identify};
use crate::date;
use crate::word::Choice;

/// Parameters by name. An empty value is as good as absence; unknown names are not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what follows the question mark.
    pub fn parse(text: &str) -> Query {
        Query(
            form_urlencoded::parse(text.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// The query string of these parameters alone, in the order they came.
    pub fn keep(&self, names: &[&str]) -> String {
        let kept = self
            .0
            .iter()
            .filter(|(name, _)| names.contains(&name.as_str()));
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept)
            .finish()
    }

    /// The first value of this name.
    pub fn text(&self, name: &'static str) -> Option<&str> {
        self.texts(name).next()
    }

    /// All values of this name.
    pub fn texts(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(given, value)| given == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// A phone number; its plus sign may have been left to mean a space.
    pub fn phone_number(&self, name: &'static str) -> Option<String> {
        self.text(name).map(|value| match value.strip_prefix(' ') {
            Some(digits) => format!("+{digits}"),
            None => value.to_owned(),
        })
    }

    /// True or false.
    pub fn bool(&self, name: &'static str) -> Result<Option<bool>, BadAttribute> {
        match self.text(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => {
                let words = "true, false".to_owned();
                Err(bad(name, Fault::NotOneOf { words }))
            }
        }
    }

    /// One word of a closed list.
    pub fn choice<T: Choice>(&self, name: &'static str) -> Result<Option<T>, BadAttribute> {
        self.text(name).map(|word| choose(name, word)).transpose()
    }

    /// An identifier.
    pub fn id<T: FromStr<Err = IdError>>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, BadAttribute> {
        self.text(name).map(|text| identify(name, text)).transpose()
    }

    /// A whole day.
    pub fn day(&self, name: &'static str) -> Result<Option<Span>, BadAttribute> {
        let format = "YYYY-MM-DD";
        self.text(name)
            .map(|text| date::day(text).ok_or_else(|| bad(name, Fault::NotADate { format })))
            .transpose()
            .map(|day| day.map(|day| Span::from_until(Some(day.start), Some(day.end))))
    }

    /// The end of a named second: the first moment that is after it.
    pub fn through(&self, name: &'static str) -> Result<Option<Timestamp>, BadAttribute> {
        let second = Duration::from_secs(1);
        Ok(self.moment(name)?.map(|moment| moment + second))
    }

    /// A moment, to the second.
    pub fn moment(&self, name: &'static str) -> Result<Option<Timestamp>, BadAttribute> {
        let format = "YYYY-MM-DD hh:mm:ss";
        self.text(name)
            .map(|text| date::moment(text).ok_or_else(|| bad(name, Fault::NotADate { format })))
            .transpose()
    }
}

/// A stretch of time, open where a bound is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first moment inside.
    pub from: Option<Timestamp>,
    /// The first moment after it.
    pub until: Option<Timestamp>,
}

impl Span {
    /// From this moment until just before that one.
    pub fn from_until(from: Option<Timestamp>, until: Option<Timestamp>) -> Span {
        Span { from, until }
    }

    /// What lies in both.
    pub fn and(self, other: Span) -> Span {
        Span {
            from: self.from.max(other.from),
            until: match (self.until, other.until) {
                (Some(one), Some(two)) => Some(one.min(two)),
                (one, two) => one.or(two),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_sign_that_became_a_space_is_put_back() {
        let query = Query::parse("to=+15550100&from=%2B15550101");
        assert_eq!(query.phone_number("to").as_deref(), Some("+15550100"));
        assert_eq!(query.phone_number("from").as_deref(), Some("+15550101"));
    }

    #[test]
    fn only_named_parameters_are_kept() {
        let query = Query::parse("alias=a%26b&cursor=00&x=1&alias=c");
        assert_eq!(query.keep(&["alias"]), "alias=a%26b&alias=c");
    }

    #[test]
    fn what_lies_in_two_spans_is_bounded_by_both() {
        let at = |micros| Some(Timestamp::from_micros(micros));
        let day = Span::from_until(at(10), at(20));
        assert_eq!(
            day.and(Span::from_until(at(5), None)),
            Span::from_until(at(10), at(20))
        );
        assert_eq!(
            day.and(Span::from_until(at(12), at(18))),
            Span::from_until(at(12), at(18))
        );
        assert_eq!(Span::default().and(day), day);
    }
}
