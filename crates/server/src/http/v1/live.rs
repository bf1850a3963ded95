//! `/live`: what happens to an account's calls, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde_json::{Value, json};
use tutti_control_plane::{LiveEvent, LiveNews};
use tutti_freeclimb::date;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::Problem;
use crate::control::{Cut, Watcher};
use crate::http::Shared;
use crate::http::answer::Failure;
use crate::http::auth::Caller;

pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new().routes(routes!(stream))
}

/// Streams events until the client goes, falls behind, or the bridge stops; the last event is
/// `cut` then, and says why.
#[utoipa::path(
    get,
    path = "/live",
    operation_id = "live",
    responses((status = 200, description = "Server-sent events, without end", body = String, content_type = "text/event-stream")),
)]
async fn stream(
    State(shared): State<Arc<Shared>>,
    caller: Result<Caller, Failure>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let watcher = shared.api.control.live().watch(caller?.id())?;
    let events = unfold(Some(watcher), |watcher| async {
        let mut watcher: Watcher = watcher?;
        let (text, next) = match watcher.next().await {
            Ok(event) => (of_event(&event), Some(watcher)),
            Err(cut) => (of_cut(cut), None),
        };
        Some((Ok(text), next))
    });
    // Comments keep what lies between from taking a quiet stream for a dead one.
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

fn of_event(event: &LiveEvent) -> Event {
    let (name, data) = spell(event);
    Event::default().event(name).data(data.to_string())
}

fn of_cut(cut: Cut) -> Event {
    let reason = match cut {
        Cut::TooSlow => "the client did not keep up, and events are missing; connect again",
        Cut::Stopping => "the bridge is stopping",
    };
    let data = json!({ "reason": reason });
    Event::default().event("cut").data(data.to_string())
}

/// An event's name and its data.
fn spell(event: &LiveEvent) -> (&'static str, Value) {
    let mut data = json!({
        "conferenceId": event.conference.map(|conference| conference.to_string()),
        "callId": event.call.to_string(),
        "at": date::iso(event.at),
    });
    let name = match event.news {
        LiveNews::Joined => "participantJoined",
        LiveNews::Left => "participantLeft",
        LiveNews::Speaking(speaking) => {
            data["speaking"] = speaking.into();
            "speaking"
        }
        LiveNews::Digit(digit) => {
            data["digit"] = digit.as_char().to_string().into();
            "digit"
        }
    };
    (name, data)
}

#[cfg(test)]
mod tests {
    use tutti_model::{AccountId, CallId, ConferenceId, Digit, Timestamp};

    use super::*;

    fn event(news: LiveNews) -> LiveEvent {
        LiveEvent {
            account: AccountId::from_bytes([1; 20]),
            conference: Some(ConferenceId::from_bytes([2; 20])),
            call: CallId::from_bytes([3; 20]),
            at: Timestamp::from_micros(1_700_000_000_123_000),
            news,
        }
    }

    #[test]
    fn an_event_says_who_where_when_and_what() {
        let (name, data) = spell(&event(LiveNews::Speaking(true)));
        assert_eq!(name, "speaking");
        let expected = json!({
            "conferenceId": format!("CF{}", "02".repeat(20)),
            "callId": format!("CA{}", "03".repeat(20)),
            "at": "2023-11-14T22:13:20.123Z",
            "speaking": true,
        });
        assert_eq!(data, expected);
        let (name, data) = spell(&event(LiveNews::Digit(Digit::from_char('#').unwrap())));
        assert_eq!((name, &data["digit"]), ("digit", &json!("#")));
        assert_eq!(spell(&event(LiveNews::Joined)).0, "participantJoined");
        assert_eq!(spell(&event(LiveNews::Left)).0, "participantLeft");
    }

    #[test]
    fn a_call_outside_any_conference_has_none() {
        let nowhere = LiveEvent {
            conference: None,
            ..event(LiveNews::Joined)
        };
        assert_eq!(spell(&nowhere).1["conferenceId"], Value::Null);
    }
}
