//! Which lines of a log are wanted, free of how the question is spelt.

use crate::Timestamp;

/// A condition on one line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogQuery {
    /// What a line says in one place. A line that says nothing there meets no condition on it.
    Text {
        field: LogField,
        test: TextTest,
        value: String,
    },
    /// When the line was written.
    Written {
        comparison: Comparison,
        moment: Timestamp,
    },
    /// All of these, which are two at least.
    And(Vec<LogQuery>),
    /// Any of these, which are two at least.
    Or(Vec<LogQuery>),
}

/// A place in a line of a log that holds text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogField {
    /// Values are in lower case, whatever case they were asked for in: `info`, `warning`, `error`.
    Level,
    /// The identifier of a call.
    Call,
    /// The identifier of an originating request.
    Request,
    /// The URL that a webhook went to.
    RequestUrl,
    Message,
}

/// What a text is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextTest {
    Equal,
    NotEqual,
    /// The value occurs anywhere in the text, in any case of its letters.
    Contains,
}

/// How one moment lies to another: `line comparison moment`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    Equal,
    NotEqual,
    Before,
    AtOrBefore,
    After,
    AtOrAfter,
}
