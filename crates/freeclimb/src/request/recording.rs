//! What clients ask of recordings.

use tutti_model::{CallId, ConferenceId};

use crate::attributes::BadAttribute;
use crate::page::Filter;
use crate::query::{Query, Span};

/// Which recordings are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordingFilter {
    pub call: Option<CallId>,
    pub conference: Option<ConferenceId>,
    pub created: Span,
}

impl Filter for RecordingFilter {
    const LIST: &'static str = "recordings";
    const NAMES: &'static [&'static str] = &[
        "callId",
        "conferenceId",
        "dateCreated",
        "startTime",
        "endTime",
    ];

    fn parse(query: &Query) -> Result<RecordingFilter, BadAttribute> {
        let day = query.day("dateCreated")?.unwrap_or_default();
        let between = Span::from_until(query.moment("startTime")?, query.through("endTime")?);
        Ok(RecordingFilter {
            call: query.id("callId")?,
            conference: query.id("conferenceId")?,
            created: day.and(between),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::date;

    #[test]
    fn recordings_are_filtered_by_day_and_time_together() {
        let query = Query::parse("dateCreated=2024-05-01&startTime=2024-05-01+08:00:00");
        let filter = RecordingFilter::parse(&query).unwrap();
        assert_eq!(filter.created.from, date::moment("2024-05-01 08:00:00"));
        assert_eq!(filter.created.until, date::moment("2024-05-02 00:00:00"));
    }

    #[test]
    fn a_recording_is_not_looked_for_by_a_malformed_id() {
        let query = Query::parse("conferenceId=7");
        assert_eq!(
            RecordingFilter::parse(&query).unwrap_err().to_string(),
            "conferenceId: an identifier here is CF followed by 40 hexadecimal digits"
        );
    }
}
