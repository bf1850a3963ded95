//! A line of the log, as JSON.

use serde::Serialize;
use serde_json::{Map, Value, json};
use tutti_control_plane::LogEntry;
use tutti_model::{AccountId, CallId, RequestId, Timestamp};
use utoipa::ToSchema;

use crate::word::Word;

/// A line of the log as the API shows it. It has no identifier and no URI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogResource {
    /// Microseconds since 1970.
    timestamp: i64,
    level: &'static str,
    #[schema(value_type = String)]
    request_id: RequestId,
    #[schema(value_type = String)]
    account_id: AccountId,
    #[schema(value_type = Option<String>)]
    call_id: Option<CallId>,
    message: String,
    /// What else is known; always an object, for the SDKs insist on one.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

impl LogResource {
    /// A line that was written at this moment.
    pub fn new(at: Timestamp, entry: &LogEntry) -> LogResource {
        LogResource {
            timestamp: at.as_micros(),
            level: entry.level.word(),
            request_id: entry.request,
            account_id: entry.account,
            call_id: entry.call,
            message: entry.message.clone(),
            metadata: entry
                .conference
                .map(|conference| ("conferenceId".to_owned(), json!(conference)))
                .into_iter()
                .collect(),
        }
    }

    /// The line with what was noted about the exchange it tells of: its URL, and a JSON object.
    /// Anything else in the object's place adds nothing.
    pub fn about(mut self, url: Option<&str>, metadata: Option<&str>) -> LogResource {
        let members = metadata.and_then(|text| serde_json::from_str::<Map<_, _>>(text).ok());
        self.metadata.extend(members.into_iter().flatten());
        if let Some(url) = url {
            self.metadata.insert("requestUrl".to_owned(), json!(url));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use tutti_control_plane::LogLevel;
    use tutti_model::ConferenceId;

    use super::super::common::samples::{AC, CREATED};
    use super::*;

    #[test]
    fn a_line_tells_when_and_about_what() {
        let entry = LogEntry {
            account: AccountId::from_bytes([1; 20]),
            call: Some(CallId::from_bytes([2; 20])),
            conference: None,
            level: LogLevel::Warning,
            request: RequestId::from_bytes([5; 20]),
            message: "the webhook took long".to_owned(),
        };
        let line = json!({
            "timestamp": 1_466_703_006_250_000_u64,
            "level": "warning",
            "requestId": format!("RQ{}", "05".repeat(20)),
            "accountId": AC,
            "callId": format!("CA{}", "02".repeat(20)),
            "message": "the webhook took long",
            "metadata": {},
        });
        let shown = serde_json::to_value(LogResource::new(CREATED, &entry)).unwrap();
        assert_eq!(shown, line);

        let entry = LogEntry {
            call: None,
            conference: Some(ConferenceId::from_bytes([3; 20])),
            ..entry
        };
        let shown = serde_json::to_value(LogResource::new(CREATED, &entry)).unwrap();
        assert!(shown["callId"].is_null());
        let conference = format!("CF{}", "03".repeat(20));
        assert_eq!(shown["metadata"], json!({"conferenceId": conference}));
    }

    #[test]
    fn what_was_noted_about_an_exchange_is_shown_beside() {
        let entry = LogEntry {
            account: AccountId::from_bytes([1; 20]),
            call: None,
            conference: None,
            level: LogLevel::Info,
            request: RequestId::from_bytes([5; 20]),
            message: "GET /Calls 200".to_owned(),
        };
        let metadata = |metadata| {
            let line = LogResource::new(CREATED, &entry).about(Some("/Calls"), metadata);
            serde_json::to_value(line).unwrap()["metadata"].clone()
        };
        assert_eq!(
            metadata(Some(r#"{"status":200}"#)),
            json!({"requestUrl": "/Calls", "status": 200})
        );
        for nothing in [None, Some("7"), Some("{")] {
            assert_eq!(metadata(nothing), json!({"requestUrl": "/Calls"}));
        }
    }
}
