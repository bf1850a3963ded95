//! Carries one message at a time to its application, signed, and notes what came of it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};
use tutti_control_plane::{Exchange, LogEntry, LogLevel, Script, ScriptFailure, Stream, Webhook};
use tutti_model::{AccountId, CallId, ConferenceId, RequestId, Timestamp};
use tutti_store::{EventId, FailedAttempt, Lane, LogLine, PendingEvent, Store, StoreError};

use super::signing;
use crate::clock::Clock;
use crate::egress::{Egress, EgressError, Response};
use crate::journal::{Journal, shown_url};

/// How long an application may take to answer with a script.
const SCRIPT_BUDGET: Duration = Duration::from_secs(15);

/// How long an application may take to take a notification.
///
/// Handlers that never finish their response are common: after this long the notification counts
/// as taken, since it was sent whole, and the next one goes out.
const NOTIFICATION_BUDGET: Duration = Duration::from_secs(10);

/// How long after a failed attempt the next one is made; after the last, the event is given up.
const RETRIES: [Duration; 7] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
    Duration::from_secs(3_600),
    Duration::from_secs(21_600),
];

/// How long to wait before a failing store is asked again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Pending events that are read at once.
const BATCH: u32 = 32;

/// Carries messages to applications.
pub(super) struct Courier {
    /// The base of recording URLs in webhooks.
    pub(super) public_url: Option<String>,
    pub(super) store: Store,
    pub(super) egress: Arc<Egress>,
    pub(super) clock: Clock,
    pub(super) journal: Journal,
    /// Told after every attempt.
    pub(super) attempted: Notify,
}

/// A message on its way.
struct Message<'a> {
    account: AccountId,
    /// What it is about, as the log files it.
    call: Option<CallId>,
    conference: Option<ConferenceId>,
    request: RequestId,
    /// The same on every attempt.
    id: &'a str,
    url: &'a str,
    body: &'a [u8],
    /// Which attempt this is, counted from 1.
    attempt: u32,
}

/// What came of one attempt to send a message.
struct Exchanged {
    status: Result<u16, EgressError>,
    began: Timestamp,
    took: Duration,
}

/// What an attempt at a notification leads to.
enum Next {
    /// It is told.
    Told,
    /// It is told as far as anybody can know: it was sent whole, and nothing came back.
    Unanswered,
    /// It is sent again.
    Again { failure: String },
    /// It would not fare better.
    GiveUp { failure: String },
}

/// Notifications.
impl Courier {
    /// Delivers a lane's events one after another until none is pending.
    pub(super) async fn deliver_lane(&self, lane: &Lane) {
        loop {
            let events = match self.store.pending_events(lane, BATCH).await {
                Ok(events) if events.is_empty() => return,
                Ok(events) => events,
                Err(error) => {
                    tracing::error!(%error, "pending notifications cannot be read; trying again");
                    tokio::time::sleep(STORE_PAUSE).await;
                    continue;
                }
            };
            for event in events {
                self.deliver(event).await;
            }
        }
    }

    /// Delivers one event, with as many attempts as it takes or as there are.
    async fn deliver(&self, mut event: PendingEvent) {
        let id = event.id.to_string();
        let (call, conference) = match event.id.stream {
            Stream::Call(call) => (Some(call), None),
            Stream::Conference(conference) => (None, Some(conference)),
        };
        if event.attempts == 0 {
            self.await_turn(event.id).await;
        }
        loop {
            if let Some(at) = event.retry_at {
                tokio::time::sleep_until(self.clock.instant_of(at).into()).await;
            }
            let attempts = event.attempts + 1;
            let message = Message {
                account: event.account,
                call,
                conference,
                request: event.request,
                id: &id,
                url: &event.url,
                body: &event.body,
                attempt: attempts,
            };
            let exchanged = match self.secrets(message.account).await {
                Ok(secrets) => self.tell(&message, &secrets).await,
                Err(error) => {
                    tracing::error!(%error, "an account cannot be read; trying again");
                    event.retry_at = Some(self.clock.now() + STORE_PAUSE);
                    continue;
                }
            };
            let wait = RETRIES.get(attempts as usize - 1).copied();
            match (next(&exchanged.status), wait) {
                (Next::Told, _) => {
                    self.note(&message, &exchanged, LogLevel::Info);
                    return self.note_delivery(event.id).await;
                }
                (Next::Unanswered, _) => {
                    self.note(&message, &exchanged, LogLevel::Warning);
                    return self.note_delivery(event.id).await;
                }
                (Next::Again { failure }, Some(wait)) => {
                    self.note(&message, &exchanged, LogLevel::Warning);
                    tracing::warn!(event = %event.id, failure, ?wait, "a notification was not taken");
                    let retry_at = Some(self.clock.now() + wait);
                    self.note_failure(event.id, attempts, retry_at, failure)
                        .await;
                    event.attempts = attempts;
                    event.retry_at = retry_at;
                }
                (Next::Again { failure }, None) | (Next::GiveUp { failure }, _) => {
                    self.note(&message, &exchanged, LogLevel::Error);
                    tracing::warn!(event = %event.id, failure, "a notification was given up");
                    return self.note_failure(event.id, attempts, None, failure).await;
                }
            }
        }
    }

    /// Waits until what happened earlier in the same stream has been tried, whatever its URL: an
    /// application hears things in order, as long as it listens.
    async fn await_turn(&self, event: EventId) {
        loop {
            let mut attempted = pin!(self.attempted.notified());
            // From here on no attempt is missed.
            attempted.as_mut().enable();
            match self.store.has_untried_before(event).await {
                Ok(false) => return,
                // Others may have been tried in an earlier process; so it looks again by itself.
                Ok(true) => drop(tokio::time::timeout(STORE_PAUSE, attempted).await),
                Err(error) => {
                    tracing::error!(%error, "pending notifications cannot be read; trying again");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
            }
        }
    }

    /// What comes after the event in its lane waits until it is noted, and does not overtake a repetition.
    async fn note_delivery(&self, event: EventId) {
        while let Err(error) = self.store.event_delivered(event).await {
            tracing::error!(%error, %event, "a delivery cannot be noted");
            tokio::time::sleep(STORE_PAUSE).await;
        }
        self.attempted.notify_waiters();
    }

    async fn note_failure(
        &self,
        event: EventId,
        attempts: u32,
        retry_at: Option<Timestamp>,
        error: String,
    ) {
        let attempt = FailedAttempt { retry_at, error };
        while let Err(error) = self.store.event_failed(event, attempts, &attempt).await {
            tracing::error!(%error, %event, "a failed delivery cannot be noted");
            tokio::time::sleep(STORE_PAUSE).await;
        }
        self.attempted.notify_waiters();
    }

    /// Whether an event could go out now; nobody waits for a store that cannot tell.
    pub(super) async fn has_due_events(&self) -> bool {
        self.store.has_due_events().await.unwrap_or(false)
    }
}

/// Questions.
impl Courier {
    /// Asks for a script: at the URL, then at the fallback where that brought none.
    pub(super) async fn ask(&self, exchange: Exchange) -> Result<Script, ScriptFailure> {
        let body = self.body(&exchange.webhook, exchange.request);
        let id = format!("msg_{}", hex::encode(rand::random::<[u8; 16]>()));
        let mut message = Message {
            account: exchange.account,
            call: Some(exchange.call),
            conference: None,
            request: exchange.request,
            id: &id,
            url: &exchange.url,
            body: &body,
            attempt: 1,
        };
        let Some(fallback) = &exchange.fallback_url else {
            return self.ask_once(&message, LogLevel::Error).await;
        };
        match self.ask_once(&message, LogLevel::Warning).await {
            Err(ScriptFailure::Unreachable(_)) => {
                message.url = fallback;
                message.attempt = 2;
                self.ask_once(&message, LogLevel::Error).await
            }
            asked => asked,
        }
    }

    async fn ask_once(
        &self,
        message: &Message<'_>,
        level_of_failure: LogLevel,
    ) -> Result<Script, ScriptFailure> {
        let url = shown_url(message.url);
        let unreachable = |reason: String| ScriptFailure::Unreachable(format!("{url}: {reason}"));
        let deadline = Instant::now() + SCRIPT_BUDGET;
        let secrets = until_answered(deadline, || self.secrets(message.account))
            .await
            .map_err(unreachable)?;
        let (exchanged, body) = self.question(message, &secrets, deadline).await;
        let level = match &exchanged.status {
            Ok(..300) => LogLevel::Info,
            Ok(_) | Err(_) => level_of_failure,
        };
        self.note(message, &exchanged, level);
        let status = exchanged
            .status
            .map_err(|error| unreachable(error.to_string()))?;
        if status >= 300 {
            return Err(unreachable(format!("status {status}")));
        }
        tutti_freeclimb::percl::parse(&body)
            .map_err(|malformed| ScriptFailure::Invalid(format!("{url}: {malformed}")))
    }

    pub(super) fn body(&self, webhook: &Webhook, request: RequestId) -> Vec<u8> {
        tutti_freeclimb::webhook::render(webhook, request, self.public_url.as_deref())
    }
}

/// Both.
impl Courier {
    /// The secrets that an account signs with at this moment.
    async fn secrets(&self, account: AccountId) -> Result<Vec<String>, StoreError> {
        let account = self.store.account(account).await?;
        Ok(account.map_or_else(Vec::new, |account| account.signing_secrets))
    }

    /// Sends a notification once; only the status of the answer counts.
    async fn tell(&self, message: &Message<'_>, secrets: &[String]) -> Exchanged {
        let began = self.clock.now();
        let headers = signing::headers(secrets, message.id, message.request, began, message.body);
        let body = message.body.to_vec();
        let told =
            self.egress
                .post_json_for_status(message.url, &headers, body, NOTIFICATION_BUDGET);
        let status = told.await;
        Exchanged {
            status,
            began,
            took: self.clock.now().since(began),
        }
    }

    /// Sends a question once, and reads the answer's body until this moment.
    async fn question(
        &self,
        message: &Message<'_>,
        secrets: &[String],
        deadline: Instant,
    ) -> (Exchanged, Vec<u8>) {
        let began = self.clock.now();
        let headers = signing::headers(secrets, message.id, message.request, began, message.body);
        let body = message.body.to_vec();
        let budget = deadline.saturating_duration_since(Instant::now());
        let asked = self.egress.post_json(message.url, &headers, body, budget);
        let (status, body) = match asked.await {
            Ok(Response { status, body }) => (Ok(status), body),
            Err(error) => (Err(error), Vec::new()),
        };
        let exchanged = Exchanged {
            status,
            began,
            took: self.clock.now().since(began),
        };
        (exchanged, body)
    }

    /// Tells the account's log of an attempt: not of the body, which may be private.
    fn note(&self, message: &Message<'_>, exchanged: &Exchanged, level: LogLevel) {
        let url = shown_url(message.url);
        let (text, status, failure) = match &exchanged.status {
            Ok(status) => {
                let text = format!("Customer Response {status} : POST {url}");
                (text, Some(*status), None)
            }
            Err(error) => {
                let text = format!("Customer Response none : POST {url} : {error}");
                (text, None, Some(error.to_string()))
            }
        };
        let metadata = json!({
            "method": "POST",
            "status": status,
            "failure": failure,
            "durationMs": exchanged.took.as_millis() as u64,
            "attempt": message.attempt,
            "webhookId": message.id,
        });
        self.journal.note(LogLine {
            at: exchanged.began + exchanged.took,
            url: Some(url),
            metadata: Some(metadata.to_string()),
            entry: LogEntry {
                account: message.account,
                call: message.call,
                conference: message.conference,
                level,
                request: message.request,
                message: text,
            },
        });
    }
}

/// What the answer to a notification leads to.
fn next(status: &Result<u16, EgressError>) -> Next {
    match status {
        Ok(status) => {
            let failure = format!("status {status}");
            match status {
                ..300 => Next::Told,
                429 | 500.. => Next::Again { failure },
                // The application heard it and did not like it; saying it again changes nothing.
                300..500 => Next::GiveUp { failure },
            }
        }
        Err(EgressError::Unanswered { .. }) => Next::Unanswered,
        Err(error) if error.is_refused_by_policy() => Next::GiveUp {
            failure: error.to_string(),
        },
        Err(error) => Next::Again {
            failure: error.to_string(),
        },
    }
}

/// Asks the store again and again until it answers or this moment comes; tells then why not.
async fn until_answered<T, Asked>(deadline: Instant, ask: impl Fn() -> Asked) -> Result<T, String>
where
    Asked: Future<Output = Result<T, StoreError>>,
{
    let mut failure = "the store does not answer".to_owned();
    loop {
        match timeout_at(deadline, ask()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => {
                tracing::error!(%error, "an account cannot be read; trying again");
                failure = error.to_string();
            }
            Err(_) => return Err(failure),
        }
        let again = Instant::now() + STORE_PAUSE;
        if again >= deadline {
            return Err(failure);
        }
        sleep_until(again).await;
    }
}

#[cfg(test)]
mod tests;
