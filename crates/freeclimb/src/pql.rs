//! PQL, the language in which clients ask for lines of a log (FreeClimb API, "Logs").
//!
//! ```text
//! query      = all *( "OR" all )
//! all        = one *( "AND" one )
//! one        = "(" query ")" / field operator literal / literal operator field [ operator literal ]
//! field      = "level" / "callId" / "requestId" / "requestUrl" / "message" / "timestamp"
//! operator   = "=" / "!=" / "<" / "<=" / ">" / ">=" / "CONTAINS"
//! literal    = a text in double quotes / microseconds since 1970 / a date and time (RFC 3339)
//! ```
//!
//! Words and fields may be in any case of their letters.

use tutti_model::{Comparison, LogField, LogQuery, TextTest, Timestamp};
use winnow::Parser;
use winnow::ascii::Caseless;
use winnow::combinator::{alt, delimited, eof, not, opt, repeat, separated, terminated};
use winnow::error::{ContextError, ErrMode, ModalResult, StrContext, StrContextValue};
use winnow::token::{any, none_of, take_while};

use crate::date;

/// The longest query, in bytes.
pub const MAX_QUERY_BYTES: usize = 1024;

/// How deep brackets may lie in brackets.
const MAX_DEPTH: usize = 16;

/// Where a query stops being PQL, and what would have made sense there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {character}: expected {expected}")]
pub struct BadPql {
    /// Counted from 1; one more than there are when the query ends too early.
    pub character: usize,
    pub expected: &'static str,
}

/// Understands a query.
pub fn parse(text: &str) -> Result<LogQuery, BadPql> {
    if let Some(at) = too_deep(text) {
        let expected = "brackets that lie in at most 16 others";
        return Err(BadPql::new(text, at, expected));
    }
    let end = (spaces, eof.context(expected("AND, OR or the end")));
    terminated(query, end).parse(text).map_err(|error| {
        let expected = error.inner().context().find_map(|context| match context {
            StrContext::Expected(StrContextValue::Description(what)) => Some(*what),
            _ => None,
        });
        BadPql::new(text, error.offset(), expected.unwrap_or("PQL"))
    })
}

impl BadPql {
    fn new(text: &str, offset: usize, expected: &'static str) -> BadPql {
        let before = text.get(..offset).unwrap_or(text);
        let character = before.chars().count() + 1;
        BadPql {
            character,
            expected,
        }
    }
}

/// Where the first bracket opens that lies in too many others: each costs a stack frame or two.
fn too_deep(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Some(at);
        }
    }
    None
}

fn query(input: &mut &str) -> ModalResult<LogQuery> {
    let any: Vec<_> = separated(1.., all, word("OR")).parse_next(input)?;
    Ok(joined(any, LogQuery::Or))
}

fn all(input: &mut &str) -> ModalResult<LogQuery> {
    let all: Vec<_> = separated(1.., one, word("AND")).parse_next(input)?;
    Ok(joined(all, LogQuery::And))
}

/// Several queries as one; a single one needs no wrapping.
fn joined(mut queries: Vec<LogQuery>, wrap: fn(Vec<LogQuery>) -> LogQuery) -> LogQuery {
    match (queries.pop(), queries.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            queries.extend(last);
            wrap(queries)
        }
    }
}

fn one(input: &mut &str) -> ModalResult<LogQuery> {
    spaces.parse_next(input)?;
    if opt('(').parse_next(input)?.is_some() {
        let inner = query(input)?;
        spaces.parse_next(input)?;
        let close = opt(')').parse_next(input)?;
        return close.map(|_| inner).ok_or_else(|| wrong("AND, OR or )"));
    }
    let Some(low) = literal(input)? else {
        let field = field(input)?;
        let operator = operator(input, field)?;
        return condition(input, field, operator);
    };
    // `low < timestamp < high`
    let flipped = operator(input, Field::Unknown)?.flipped();
    spaces.parse_next(input)?;
    let here = *input;
    let field = field(input)?;
    let Some(flipped) = flipped.filter(|flipped| field.takes(*flipped)) else {
        *input = here;
        return Err(wrong("timestamp, for this operator"));
    };
    let first = field.holds(flipped, &low, input)?;
    let before = *input;
    if opt(any_operator).parse_next(input)?.is_none() {
        return Ok(first);
    }
    *input = before;
    let operator = operator(input, field)?;
    let second = condition(input, field, operator)?;
    Ok(LogQuery::And(vec![first, second]))
}

/// The literal that a field is held against.
fn condition(input: &mut &str, field: Field, operator: Operator) -> ModalResult<LogQuery> {
    match literal(input)? {
        Some(value) => field.holds(operator, &value, input),
        None => Err(wrong(field.values())),
    }
}

/// What a condition can be about.
#[derive(Debug, Clone, Copy)]
enum Field {
    /// Not read yet.
    Unknown,
    Text(LogField),
    Timestamp,
}

impl Field {
    fn takes(self, operator: Operator) -> bool {
        match self {
            Field::Unknown => true,
            Field::Text(_) => operator.as_text_test().is_some(),
            Field::Timestamp => operator.as_comparison().is_some(),
        }
    }

    fn operators(self) -> &'static str {
        match self {
            Field::Unknown => "=, !=, <, <=, > or >=",
            Field::Text(_) => "=, != or CONTAINS",
            Field::Timestamp => "=, !=, <, <=, > or >=",
        }
    }

    fn values(self) -> &'static str {
        match self {
            Field::Unknown | Field::Text(_) => "a text in double quotes",
            Field::Timestamp => "microseconds since 1970, or a date and time as RFC 3339 writes it",
        }
    }

    /// The condition that this field's value lies so to a literal, which has just been read.
    fn holds<'i>(
        self,
        operator: Operator,
        value: &Literal<'i>,
        input: &mut &'i str,
    ) -> ModalResult<LogQuery> {
        let query =
            match (self, operator.as_text_test(), operator.as_comparison()) {
                (Field::Text(field), Some(test), _) => value
                    .text(field)
                    .map(|value| LogQuery::Text { field, test, value }),
                (Field::Timestamp, _, Some(comparison)) => value
                    .moment()
                    .map(|moment| LogQuery::Written { comparison, moment }),
                (Field::Unknown | Field::Text(_) | Field::Timestamp, _, _) => None,
            };
        query.ok_or_else(|| {
            *input = value.rest;
            wrong(self.values())
        })
    }
}

fn field(input: &mut &str) -> ModalResult<Field> {
    spaces.parse_next(input)?;
    let here = *input;
    let name: &str = take_while(0.., char::is_alphabetic).parse_next(input)?;
    let fields = [
        ("level", Field::Text(LogField::Level)),
        ("callId", Field::Text(LogField::Call)),
        ("requestId", Field::Text(LogField::Request)),
        ("requestUrl", Field::Text(LogField::RequestUrl)),
        ("message", Field::Text(LogField::Message)),
        ("timestamp", Field::Timestamp),
    ];
    let field = fields
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    field.map(|(_, field)| field).ok_or_else(|| {
        *input = here;
        wrong("level, callId, requestId, requestUrl, message or timestamp")
    })
}

/// How a field's value must lie to a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    AtMost,
    More,
    AtLeast,
    Contains,
}

impl Operator {
    fn as_text_test(self) -> Option<TextTest> {
        match self {
            Operator::Equal => Some(TextTest::Equal),
            Operator::NotEqual => Some(TextTest::NotEqual),
            Operator::Contains => Some(TextTest::Contains),
            Operator::Less | Operator::AtMost | Operator::More | Operator::AtLeast => None,
        }
    }

    fn as_comparison(self) -> Option<Comparison> {
        match self {
            Operator::Equal => Some(Comparison::Equal),
            Operator::NotEqual => Some(Comparison::NotEqual),
            Operator::Less => Some(Comparison::Before),
            Operator::AtMost => Some(Comparison::AtOrBefore),
            Operator::More => Some(Comparison::After),
            Operator::AtLeast => Some(Comparison::AtOrAfter),
            Operator::Contains => None,
        }
    }

    /// The operator that says the same with its sides exchanged.
    fn flipped(self) -> Option<Operator> {
        match self {
            Operator::Equal => Some(Operator::Equal),
            Operator::NotEqual => Some(Operator::NotEqual),
            Operator::Less => Some(Operator::More),
            Operator::AtMost => Some(Operator::AtLeast),
            Operator::More => Some(Operator::Less),
            Operator::AtLeast => Some(Operator::AtMost),
            Operator::Contains => None,
        }
    }
}

/// An operator that this field takes.
fn operator(input: &mut &str, field: Field) -> ModalResult<Operator> {
    spaces.parse_next(input)?;
    let here = *input;
    match opt(any_operator).parse_next(input)? {
        Some(operator) if field.takes(operator) => Ok(operator),
        Some(_) | None => {
            *input = here;
            Err(wrong(field.operators()))
        }
    }
}

fn any_operator(input: &mut &str) -> ModalResult<Operator> {
    spaces.parse_next(input)?;
    alt((
        "<=".value(Operator::AtMost),
        ">=".value(Operator::AtLeast),
        "!=".value(Operator::NotEqual),
        "<".value(Operator::Less),
        ">".value(Operator::More),
        "=".value(Operator::Equal),
        word("CONTAINS").value(Operator::Contains),
    ))
    .parse_next(input)
}

/// Something that a field is held against, as it is written.
struct Literal<'i> {
    written: Written,
    /// The input from the literal on.
    rest: &'i str,
}

enum Written {
    Quoted(String),
    Bare(String),
}

impl Literal<'_> {
    fn text(&self, field: LogField) -> Option<String> {
        match &self.written {
            Written::Quoted(text) if field == LogField::Level => Some(text.to_lowercase()),
            Written::Quoted(text) => Some(text.clone()),
            Written::Bare(_) => None,
        }
    }

    fn moment(&self) -> Option<Timestamp> {
        let (Written::Quoted(text) | Written::Bare(text)) = &self.written;
        match text.parse() {
            Ok(micros) => Some(Timestamp::from_micros(micros)),
            Err(_) => date::instant(text),
        }
    }
}

/// A literal, if one begins here.
fn literal<'i>(input: &mut &'i str) -> ModalResult<Option<Literal<'i>>> {
    spaces.parse_next(input)?;
    let rest = *input;
    let written = if rest.starts_with('"') {
        let text = opt(delimited('"', quoted, '"')).parse_next(input)?;
        let Some(text) = text else {
            // Its quotation mark never comes: the input ends too early.
            *input = rest.get(rest.len()..).unwrap_or_default();
            return Err(wrong("a closing quotation mark"));
        };
        Written::Quoted(text)
    } else if rest.starts_with(|first: char| first.is_ascii_digit()) {
        let bare: &str = take_while(1.., ('0'..='9', 'A'..='Z', 'a'..='z', '-', '+', ':', '.'))
            .parse_next(input)?;
        Written::Bare(bare.to_owned())
    } else {
        return Ok(None);
    };
    Ok(Some(Literal { written, rest }))
}

/// What stands between quotation marks; a backslash takes the next character as it is.
fn quoted(input: &mut &str) -> ModalResult<String> {
    repeat(
        0..,
        alt((
            ('\\', any).map(|(_, escaped)| escaped),
            none_of(['"', '\\']),
        )),
    )
    .parse_next(input)
}

/// A word of the language, after any spaces.
fn word<'i>(word: &'static str) -> impl Parser<&'i str, (), ErrMode<ContextError>> {
    let goes_on = take_while(1, char::is_alphanumeric);
    (spaces, Caseless(word), not(goes_on)).void()
}

fn spaces(input: &mut &str) -> ModalResult<()> {
    take_while(0.., char::is_whitespace)
        .void()
        .parse_next(input)
}

fn expected(what: &'static str) -> StrContext {
    StrContext::Expected(StrContextValue::Description(what))
}

/// Nothing else can be meant here: what was expected is what the client is told.
fn wrong(what: &'static str) -> ErrMode<ContextError> {
    let mut error = ContextError::new();
    error.push(expected(what));
    ErrMode::Cut(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_are_known_to_send_is_understood() {
        let level = |value: &str| text(LogField::Level, TextTest::Equal, value);
        let table = [
            (r#"level = "ERROR""#, level("error")),
            (r#"LEVEL="warning""#, level("warning")),
            (
                "timestamp>1592854973376000",
                written(Comparison::After, 1_592_854_973_376_000),
            ),
            (
                r#"level = "info" AND timestamp>17"#,
                LogQuery::And(vec![level("info"), written(Comparison::After, 17)]),
            ),
            (
                "2020-06-22T19:42:53.376Z < timestamp < 2020-06-22T19:42:54Z",
                LogQuery::And(vec![
                    written(Comparison::After, 1_592_854_973_376_000),
                    written(Comparison::Before, 1_592_854_974_000_000),
                ]),
            ),
            (
                "5<=timestamp<=\"2020-06-22\"",
                LogQuery::And(vec![
                    written(Comparison::AtOrAfter, 5),
                    written(Comparison::AtOrBefore, 1_592_784_000_000_000),
                ]),
            ),
            ("5 >= timestamp", written(Comparison::AtOrBefore, 5)),
            ("\"info\" = level", level("info")),
            (
                r#"requestUrl contains "/voice" and callId = "CA01""#,
                LogQuery::And(vec![
                    text(LogField::RequestUrl, TextTest::Contains, "/voice"),
                    text(LogField::Call, TextTest::Equal, "CA01"),
                ]),
            ),
            (
                r#"message != "a \"b\" (c\\d" "#,
                text(LogField::Message, TextTest::NotEqual, r#"a "b" (c\d"#),
            ),
            (
                r#"requestId = "ORACLE""#,
                text(LogField::Request, TextTest::Equal, "ORACLE"),
            ),
        ];
        for (query, meaning) in table {
            assert_eq!(parse(query), Ok(meaning), "{query}");
        }
    }

    #[test]
    fn and_binds_tighter_than_or_unless_brackets_say_otherwise() {
        let at = |micros| written(Comparison::Equal, micros);
        let plain = "timestamp = 1 OR timestamp = 2 AND timestamp = 3";
        assert_eq!(
            parse(plain),
            Ok(LogQuery::Or(vec![at(1), LogQuery::And(vec![at(2), at(3)])]))
        );
        let bracketed = "(timestamp=1 OR(timestamp=2))AND timestamp=3";
        assert_eq!(
            parse(bracketed),
            Ok(LogQuery::And(vec![LogQuery::Or(vec![at(1), at(2)]), at(3)]))
        );
    }

    #[test]
    fn an_error_tells_where_and_what_was_expected() {
        const FIELDS: &str = "level, callId, requestId, requestUrl, message or timestamp";
        const TIME: &str = "microseconds since 1970, or a date and time as RFC 3339 writes it";
        const TEXT: &str = "a text in double quotes";
        let table = [
            ("", 1, FIELDS),
            ("  ", 3, FIELDS),
            ("colour = \"red\"", 1, FIELDS),
            ("level", 6, "=, != or CONTAINS"),
            ("level < \"info\"", 7, "=, != or CONTAINS"),
            ("level =", 8, TEXT),
            ("level = info", 9, TEXT),
            ("level = 'info'", 9, TEXT),
            ("level = 5", 9, TEXT),
            ("message = \"é\" AND level = 5", 27, TEXT),
            ("level = \"info", 14, "a closing quotation mark"),
            ("level = \"info\\\"", 16, "a closing quotation mark"),
            ("level = \"info\" AND", 19, FIELDS),
            (
                "level = \"info\" ANDlevel = \"x\"",
                16,
                "AND, OR or the end",
            ),
            ("level = \"info\" level", 16, "AND, OR or the end"),
            ("level = \"info\")", 15, "AND, OR or the end"),
            ("(level = \"info\"", 16, "AND, OR or )"),
            ("()", 2, FIELDS),
            ("timestamp CONTAINS 5", 11, "=, !=, <, <=, > or >="),
            ("timestamp > yesterday", 13, TIME),
            ("timestamp > \"yesterday\"", 13, TIME),
            ("timestamp > 99999999999999999999", 13, TIME),
            ("5 < timestamp <", 16, TIME),
            ("5 < timestamp < x", 17, TIME),
            ("\"a\" < level", 7, "timestamp, for this operator"),
            ("\"a\" CONTAINS level", 14, "timestamp, for this operator"),
            ("7 = level", 1, TEXT),
            ("7", 2, "=, !=, <, <=, > or >="),
        ];
        for (query, character, expected) in table {
            let error = BadPql {
                character,
                expected,
            };
            assert_eq!(parse(query), Err(error), "{query}");
        }
    }

    #[test]
    fn brackets_do_not_exhaust_the_stack() {
        let nested = |depth| format!("{}timestamp=1{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(parse(&nested(16)), Ok(written(Comparison::Equal, 1)));
        let error = parse(&nested(100_000)).unwrap_err();
        assert_eq!(error.character, 17);
        let quoted = format!("message = \"{}\"", "(".repeat(100));
        assert!(parse(&quoted).is_ok());
    }

    fn text(field: LogField, test: TextTest, value: &str) -> LogQuery {
        let value = value.to_owned();
        LogQuery::Text { field, test, value }
    }

    fn written(comparison: Comparison, micros: i64) -> LogQuery {
        let moment = Timestamp::from_micros(micros);
        LogQuery::Written { comparison, moment }
    }
}
