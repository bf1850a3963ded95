//! Tells applications: notifications from the outbox, in order; questions whose reply is a script.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tutti_control_plane::{Exchange, Script, ScriptFailure, Stream, Webhook};
use tutti_model::{AccountId, RequestId, Timestamp};
use tutti_store::{EventId, FailedAttempt, PendingEvent, Store};

use crate::clock::Clock;
use crate::egress::{Egress, EgressError};

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

/// Delivers webhooks. Clones share one dispatcher.
#[derive(Clone)]
pub struct Webhooks {
    courier: Arc<Courier>,
    dispatcher: mpsc::UnboundedSender<Dispatch>,
}

enum Dispatch {
    /// A stream has events to deliver.
    Wake(Stream),
    /// A stream's worker found nothing more.
    Idle(Stream),
}

impl Webhooks {
    /// Starts the dispatcher; streams that are pending in the store are woken at once.
    pub fn start(
        store: Store,
        egress: Arc<Egress>,
        clock: Clock,
        public_url: Option<String>,
    ) -> Webhooks {
        let courier = Arc::new(Courier {
            public_url,
            store,
            egress,
            clock,
        });
        let (dispatcher, dispatches) = mpsc::unbounded_channel();
        let webhooks = Webhooks {
            courier,
            dispatcher,
        };
        tokio::spawn(dispatch(webhooks.clone(), dispatches));
        webhooks
    }

    /// Delivers what a stream has in the outbox.
    pub fn wake(&self, stream: Stream) {
        // The dispatcher ends only with the process.
        let _ = self.dispatcher.send(Dispatch::Wake(stream));
    }

    /// Wakes every stream that was pending when the last process ended.
    pub async fn wake_pending(&self) {
        match self.courier.store.pending_streams().await {
            Ok(streams) => streams.into_iter().for_each(|stream| self.wake(stream)),
            Err(error) => tracing::error!(%error, "pending notifications cannot be read"),
        }
    }

    /// Renders a webhook as it is stored and sent.
    pub fn body(&self, webhook: &Webhook, request: RequestId) -> Vec<u8> {
        self.courier.body(webhook, request)
    }

    /// Asks an application for a script: its URL, then its fallback.
    pub async fn ask(&self, exchange: Exchange) -> Result<Script, ScriptFailure> {
        self.courier.ask(exchange).await
    }

    /// Waits until nothing is on its way, or the patience ends.
    pub async fn flush(&self, patience: Duration) {
        let quiet = async {
            while self.courier.has_due_events().await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let _ = tokio::time::timeout(patience, quiet).await;
    }
}

/// Gives each stream with pending events one worker, so that its events stay in order.
async fn dispatch(webhooks: Webhooks, mut dispatches: mpsc::UnboundedReceiver<Dispatch>) {
    let mut working = BTreeSet::new();
    let mut woken_meanwhile = BTreeSet::new();
    while let Some(dispatch) = dispatches.recv().await {
        let stream = match dispatch {
            Dispatch::Wake(stream) => {
                if !working.insert(stream) {
                    woken_meanwhile.insert(stream);
                    continue;
                }
                stream
            }
            Dispatch::Idle(stream) => {
                if !woken_meanwhile.remove(&stream) {
                    working.remove(&stream);
                    continue;
                }
                stream
            }
        };
        let webhooks = webhooks.clone();
        tokio::spawn(async move {
            webhooks.courier.deliver_stream(stream).await;
            let _ = webhooks.dispatcher.send(Dispatch::Idle(stream));
        });
    }
}

/// Carries messages to applications, signed.
struct Courier {
    /// The base of recording URLs in webhooks.
    public_url: Option<String>,
    store: Store,
    egress: Arc<Egress>,
    clock: Clock,
}

impl Courier {
    /// Delivers a stream's events one after another until none is pending.
    async fn deliver_stream(&self, stream: Stream) {
        loop {
            let events = match self.store.pending_events(stream, BATCH).await {
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
        loop {
            if let Some(at) = event.retry_at {
                tokio::time::sleep_until(self.clock.instant_of(at).into()).await;
            }
            let headers = match self
                .headers(event.account, event.request, &event.body)
                .await
            {
                Ok(mut headers) => {
                    headers.push(("Webhook-Id", event.id.to_string()));
                    headers
                }
                Err(error) => {
                    tracing::error!(%error, "an account cannot be read; trying again");
                    event.retry_at = Some(self.clock.now() + STORE_PAUSE);
                    continue;
                }
            };
            let sent = self
                .egress
                .post_json(
                    &event.url,
                    &headers,
                    event.body.clone(),
                    NOTIFICATION_BUDGET,
                )
                .await;
            let failure = match sent {
                Ok(response) if response.status < 300 => None,
                // The application heard it and did not like it; saying it again changes nothing.
                Ok(response) if response.status < 500 && response.status != 429 => {
                    let status = response.status;
                    self.give_up(event.id, event.attempts + 1, format!("status {status}"))
                        .await;
                    return;
                }
                Ok(response) => Some(format!("status {}", response.status)),
                Err(EgressError::Unanswered { .. } | EgressError::TooSlow { .. }) => None,
                Err(error) if error.is_refused_by_policy() => {
                    self.give_up(event.id, event.attempts + 1, error.to_string())
                        .await;
                    return;
                }
                Err(error) => Some(error.to_string()),
            };
            let Some(failure) = failure else {
                // What comes after it waits until it is noted, and does not overtake a repetition.
                while let Err(error) = self.store.event_delivered(event.id).await {
                    tracing::error!(%error, event = %event.id, "a delivery cannot be noted");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
                return;
            };
            event.attempts += 1;
            let Some(&wait) = RETRIES.get(event.attempts as usize - 1) else {
                self.give_up(event.id, event.attempts, failure).await;
                return;
            };
            tracing::warn!(event = %event.id, failure, ?wait, "a notification was not taken");
            let retry_at = self.clock.now() + wait;
            event.retry_at = Some(retry_at);
            self.note_failure(event.id, event.attempts, Some(retry_at), failure)
                .await;
        }
    }

    async fn give_up(&self, event: EventId, attempts: u32, failure: String) {
        tracing::warn!(%event, failure, "a notification was given up");
        self.note_failure(event, attempts, None, failure).await;
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
    }

    /// Whether an event waits that is not waiting for a retry.
    async fn has_due_events(&self) -> bool {
        let Ok(streams) = self.store.pending_streams().await else {
            return false;
        };
        for stream in streams {
            let Ok(events) = self.store.pending_events(stream, 1).await else {
                return false;
            };
            if events.iter().any(|event| event.retry_at.is_none()) {
                return true;
            }
        }
        false
    }

    async fn ask(&self, exchange: Exchange) -> Result<Script, ScriptFailure> {
        let body = self.body(&exchange.webhook, exchange.request);
        let asked = self.ask_url(&exchange, &exchange.url, &body).await;
        match (asked, &exchange.fallback_url) {
            (Err(ScriptFailure::Unreachable(reason)), Some(fallback)) => {
                tracing::warn!(call = %exchange.call, reason, "asking the fallback");
                self.ask_url(&exchange, fallback, &body).await
            }
            (asked, _) => asked,
        }
    }

    async fn ask_url(
        &self,
        exchange: &Exchange,
        url: &str,
        body: &[u8],
    ) -> Result<Script, ScriptFailure> {
        let unreachable = |reason: String| ScriptFailure::Unreachable(format!("{url}: {reason}"));
        let headers = self
            .headers(exchange.account, exchange.request, body)
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        let response = self
            .egress
            .post_json(url, &headers, body.to_vec(), SCRIPT_BUDGET)
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        if response.status >= 300 {
            return Err(unreachable(format!("status {}", response.status)));
        }
        tutti_freeclimb::percl::parse(&response.body)
            .map_err(|malformed| ScriptFailure::Invalid(format!("{url}: {malformed}")))
    }

    fn body(&self, webhook: &Webhook, request: RequestId) -> Vec<u8> {
        tutti_freeclimb::webhook::render(webhook, request, self.public_url.as_deref())
    }

    /// The headers that every webhook carries.
    async fn headers(
        &self,
        account: AccountId,
        request: RequestId,
        body: &[u8],
    ) -> Result<Vec<(&'static str, String)>, tutti_store::StoreError> {
        let mut headers = vec![("Request-Id", request.to_string())];
        if let Some(account) = self.store.account(account).await? {
            let now = self.clock.now();
            let signature =
                tutti_freeclimb::signature::header(&[&account.signing_secret], now, body);
            headers.push(("FreeClimb-Signature", signature));
        }
        Ok(headers)
    }
}
