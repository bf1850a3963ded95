//! The lines of an account's log.

use tutti_control_plane::LogEntry;
use tutti_model::Timestamp;

/// A line to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub at: Timestamp,
    /// Where the request went or came from that the line is about.
    pub url: Option<String>,
    /// A JSON object with whatever else is known; it is kept as it is.
    pub metadata: Option<String>,
    pub entry: LogEntry,
}

/// A line that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Its place among all lines; in decimal digits it is the `id` of a page's position.
    pub id: u64,
    pub line: LogLine,
}
