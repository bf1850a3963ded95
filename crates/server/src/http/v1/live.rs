//! `/live`: what happens to an account's calls, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde_json::{Value, json};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tutti_control_plane::{LiveEvent, LiveNews};
use tutti_freeclimb::date;
use tutti_freeclimb::error::ApiError;
use tutti_model::AccountId;
use tutti_store::Store;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::Problem;
use crate::accounts::hash_of_key;
use crate::control::{Cut, Watcher};
use crate::http::Shared;
use crate::http::answer::Failure;
use crate::http::auth::{Caller, look_again};

/// How often is looked whether whoever watches still may: as long a key works here after its end.
const LOOK_EVERY: Duration = Duration::from_secs(60);

pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new().routes(routes!(stream))
}

/// Streams events until the client goes, falls behind, loses its key or its account, or the bridge
/// stops; the last event is `cut` then, and says why.
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
    let caller = caller?;
    let watch = Watch {
        watcher: shared.api.control.live().watch(caller.id())?,
        store: shared.api.store.clone(),
        account: caller.id(),
        key_hash: hash_of_key(&caller.api_key),
        looks: looks(),
    };
    let events = unfold(Some(watch), |watch| async {
        let mut watch: Watch = watch?;
        let (text, next) = match watch.next().await {
            Ok(event) => (of_event(&event), Some(watch)),
            Err(end) => (of_end(&end), None),
        };
        Some((Ok(text), next))
    });
    // Comments keep what lies between from taking a quiet stream for a dead one.
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Somebody who watches, and what lets him.
struct Watch {
    watcher: Watcher,
    store: Store,
    account: AccountId,
    /// Of the key that was presented.
    key_hash: [u8; 32],
    /// When to look whether both still hold.
    looks: Interval,
}

/// Why a stream ends.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Cut(Cut),
    /// What the same request would be refused for now.
    Refused(ApiError),
}

impl Watch {
    async fn next(&mut self) -> Result<LiveEvent, End> {
        loop {
            tokio::select! {
                event = self.watcher.next() => return event.map_err(End::Cut),
                _ = self.looks.tick() => {
                    let looked = look_again(&self.store, self.account, &self.key_hash).await;
                    looked.map_err(|failure| End::Refused(failure.into_error()))?;
                }
            }
        }
    }
}

fn looks() -> Interval {
    let mut looks = interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

fn of_event(event: &LiveEvent) -> Event {
    let (name, data) = spell(event);
    Event::default().event(name).data(data.to_string())
}

fn of_end(end: &End) -> Event {
    let data = json!({ "reason": reason(end) });
    Event::default().event("cut").data(data.to_string())
}

fn reason(end: &End) -> String {
    match end {
        End::Cut(Cut::TooSlow) => {
            "the client did not keep up, and events are missing; connect again".to_owned()
        }
        End::Cut(Cut::Stopping) => "the bridge is stopping".to_owned(),
        End::Refused(error) => error.to_string(),
    }
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
    use tutti_control_plane::{AccountRecord, AccountStatus};
    use tutti_model::{CallId, ConferenceId, Digit, Timestamp};

    use super::*;
    use crate::control::Live;

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

    #[tokio::test]
    async fn a_stream_ends_when_its_account_or_its_key_does_and_says_so() {
        const KEY: &str = "key of ours";
        let (store, live) = (
            Store::open("sqlite::memory:").await.unwrap(),
            Live::default(),
        );
        let active = AccountRecord {
            id: AccountId::from_bytes([1; 20]),
            api_key_hash: hash_of_key(KEY),
            signing_secrets: Vec::new(),
            status: AccountStatus::Active,
            alias: None,
            label: None,
            revision: 1,
            created: Timestamp::from_micros(0),
            updated: Timestamp::from_micros(0),
        };
        let suspended = AccountRecord {
            status: AccountStatus::Suspended,
            ..active.clone()
        };
        let rotated = AccountRecord {
            api_key_hash: hash_of_key("another key"),
            revision: 2,
            ..active.clone()
        };
        for (account, expected) in [
            (suspended, "the account is not active"),
            (rotated, "the account id and API key do not belong together"),
        ] {
            store.put_account(&account).await.unwrap();
            let mut watch = Watch {
                watcher: live.watch(active.id).unwrap(),
                store: store.clone(),
                account: active.id,
                key_hash: hash_of_key(KEY),
                // The first look is at once.
                looks: tokio::time::interval(LOOK_EVERY),
            };
            let end = watch.next().await.unwrap_err();
            assert_eq!(reason(&end), expected);
        }
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
