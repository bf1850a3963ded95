//! Every request of an account that changes something or fails, as a line of its log.
//!
//! A line tells of the path, never of the query, the body or the headers: keys, secrets and digits
//! are in those. Requests of nobody known are nobody's; whoever sends too many fills no log with
//! them; and what is only read, a log above all, does not lengthen it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::json;
use tutti_control_plane::{LogEntry, LogLevel};
use tutti_model::{AccountId, RequestId, Timestamp};
use tutti_store::LogLine;

use super::Shared;

/// The longest path that a line repeats, in characters.
const MAX_PATH_CHARS: usize = 500;

/// Whose request it is, as soon as that is proven.
#[derive(Clone, Default)]
struct Asker(Arc<OnceLock<AccountId>>);

/// Lets the account's log have the request that these are the parts of.
pub(super) fn belongs_to(parts: &Parts, account: AccountId) {
    if let Some(Asker(asker)) = parts.extensions.get() {
        let _ = asker.set(account);
    }
}

/// Notes a request once it is answered.
pub(super) async fn note(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    let asker = Asker::default();
    request.extensions_mut().insert(asker.clone());
    let id = request.extensions().get::<RequestId>().copied();
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(MAX_PATH_CHARS).collect();
    let began = shared.api.clock.now();
    let response = next.run(request).await;
    if let (Some(&account), Some(id)) = (asker.0.get(), id)
        && is_worth_a_line(&method, &path, response.status())
    {
        let at = shared.api.clock.now();
        let told = Told {
            method: method.as_str(),
            path: &path,
            status: response.status(),
            took: at.since(began),
        };
        shared.api.journal.note(told.line(account, id, at));
    }
    response
}

/// Whether the request has changed something or failed. A query of the log changes nothing, though
/// it may be posted.
fn is_worth_a_line(method: &Method, path: &str, status: StatusCode) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD) || path.ends_with("/Logs");
    !reads || status.as_u16() >= 400
}

/// What a line tells of a request.
struct Told<'a> {
    method: &'a str,
    path: &'a str,
    status: StatusCode,
    took: Duration,
}

impl Told<'_> {
    fn line(&self, account: AccountId, request: RequestId, at: Timestamp) -> LogLine {
        let status = self.status.as_u16();
        let level = match status {
            ..400 => LogLevel::Info,
            400..500 => LogLevel::Warning,
            500.. => LogLevel::Error,
        };
        // FreeClimb's paths are known without the place where the API is.
        let path = self.path.strip_prefix("/apiserver").unwrap_or(self.path);
        let metadata = json!({
            "method": self.method,
            "status": status,
            "durationMs": self.took.as_millis() as u64,
        });
        LogLine {
            at,
            url: Some(path.to_owned()),
            metadata: Some(metadata.to_string()),
            entry: LogEntry {
                account,
                call: named_in(path),
                conference: named_in(path),
                level,
                request,
                message: format!("{} {path} {status}", self.method),
            },
        }
    }
}

/// The thing of this kind that a path names.
fn named_in<T: std::str::FromStr>(path: &str) -> Option<T> {
    path.split('/').find_map(|segment| segment.parse().ok())
}

#[cfg(test)]
mod tests {
    use tutti_model::{CallId, ConferenceId};

    use super::*;

    const ACCOUNT: AccountId = AccountId::from_bytes([1; 20]);
    const CALL: CallId = CallId::from_bytes([2; 20]);
    const CONFERENCE: ConferenceId = ConferenceId::from_bytes([3; 20]);

    #[test]
    fn a_line_tells_what_was_asked_and_what_came_of_it() {
        let path = format!("/apiserver/Accounts/{ACCOUNT}/Calls/{CALL}");
        let line = told("POST", &path, StatusCode::ACCEPTED);
        assert_eq!(
            line.entry.message,
            format!("POST /Accounts/{ACCOUNT}/Calls/{CALL} 202")
        );
        assert_eq!(line.url, Some(format!("/Accounts/{ACCOUNT}/Calls/{CALL}")));
        assert_eq!((line.entry.call, line.entry.conference), (Some(CALL), None));
        assert_eq!(line.entry.level, LogLevel::Info);
        assert_eq!(
            line.metadata.as_deref(),
            Some(r#"{"durationMs":7,"method":"POST","status":202}"#)
        );
    }

    #[test]
    fn a_line_is_filed_under_what_its_path_names() {
        let path = format!("/api/v1/conferences/{CONFERENCE}/participants/{CALL}");
        let entry = told("PATCH", &path, StatusCode::OK).entry;
        assert_eq!(entry.conference, Some(CONFERENCE));
        assert_eq!(entry.call, Some(CALL));
        let entry = told("GET", "/apiserver/Accounts/x/Calls", StatusCode::OK).entry;
        assert_eq!((entry.conference, entry.call), (None, None));
    }

    #[test]
    fn refusals_are_warnings_and_our_failures_errors() {
        let level = |status| told("GET", "/", status).entry.level;
        assert_eq!(level(StatusCode::PARTIAL_CONTENT), LogLevel::Info);
        assert_eq!(level(StatusCode::NOT_FOUND), LogLevel::Warning);
        assert_eq!(level(StatusCode::SERVICE_UNAVAILABLE), LogLevel::Error);
    }

    #[test]
    fn what_is_read_leaves_no_line_unless_it_fails() {
        let (calls, logs) = (
            "/apiserver/Accounts/AC0/Calls",
            "/apiserver/Accounts/AC0/Logs",
        );
        let table = [
            (Method::GET, calls, 200, false),
            (Method::HEAD, calls, 200, false),
            (Method::GET, calls, 206, false),
            (Method::GET, calls, 304, false),
            (Method::GET, calls, 400, true),
            (Method::HEAD, calls, 404, true),
            (Method::GET, calls, 503, true),
            (Method::POST, calls, 202, true),
            (Method::POST, calls, 409, true),
            (Method::PATCH, calls, 200, true),
            (Method::DELETE, calls, 204, true),
            (Method::GET, logs, 200, false),
            (Method::POST, logs, 200, false),
            (Method::POST, logs, 400, true),
        ];
        for (method, path, status, expected) in table {
            let status = StatusCode::from_u16(status).unwrap();
            let noted = is_worth_a_line(&method, path, status);
            assert_eq!(noted, expected, "{method} {path} {status}");
        }
    }

    fn told(method: &str, path: &str, status: StatusCode) -> LogLine {
        let told = Told {
            method,
            path,
            status,
            took: Duration::from_micros(7_900),
        };
        let request = RequestId::from_bytes([9; 20]);
        told.line(ACCOUNT, request, Timestamp::from_micros(0))
    }
}
