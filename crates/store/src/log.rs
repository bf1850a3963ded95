//! The lines of an account's log.

use tutti_control_plane::LogEntry;
use tutti_model::{RequestId, Timestamp};

/// A line to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub at: Timestamp,
    pub request: Option<RequestId>,
    pub entry: LogEntry,
}

/// A line that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Its place among all lines; in decimal digits it is the `id` of a page's position.
    pub id: u64,
    pub line: LogLine,
}
