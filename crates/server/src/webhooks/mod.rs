//! Tells applications: notifications from the outbox, and questions whose reply is a script.
//!
//! Notifications of a stream go out in order. One that is not taken holds back what follows it to the
//! same URL, and nobody else.

mod courier;
mod signing;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tutti_control_plane::{Exchange, Script, ScriptFailure, Webhook};
use tutti_model::RequestId;
use tutti_store::{Lane, Store};

use self::courier::Courier;
use crate::clock::Clock;
use crate::egress::Egress;
use crate::journal::Journal;

/// Delivers webhooks. Clones share one dispatcher.
#[derive(Clone)]
pub struct Webhooks {
    courier: Arc<Courier>,
    dispatcher: mpsc::UnboundedSender<Dispatch>,
}

enum Dispatch {
    /// A lane has events to deliver.
    Wake(Lane),
    /// A lane's worker found nothing more.
    Idle(Lane),
}

impl Webhooks {
    /// Starts the dispatcher. `public_url` is the base of the recordings' URLs in webhooks.
    pub fn start(
        store: Store,
        egress: Arc<Egress>,
        clock: Clock,
        journal: Journal,
        public_url: Option<String>,
    ) -> Webhooks {
        let courier = Arc::new(Courier {
            public_url,
            store,
            egress,
            clock,
            journal,
            attempted: Notify::new(),
        });
        let (dispatcher, dispatches) = mpsc::unbounded_channel();
        let webhooks = Webhooks {
            courier,
            dispatcher,
        };
        tokio::spawn(dispatch(webhooks.clone(), dispatches));
        webhooks
    }

    /// Delivers what a lane has in the outbox.
    pub fn wake(&self, lane: Lane) {
        // The dispatcher ends only with the process.
        let _ = self.dispatcher.send(Dispatch::Wake(lane));
    }

    /// Wakes every lane that was pending when the last process ended.
    pub async fn wake_pending(&self) {
        match self.courier.store.pending_lanes().await {
            Ok(lanes) => lanes.into_iter().for_each(|lane| self.wake(lane)),
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

/// Gives each lane with pending events one worker, so that its events stay in order and wait for no
/// other URL.
async fn dispatch(webhooks: Webhooks, mut dispatches: mpsc::UnboundedReceiver<Dispatch>) {
    let mut working = BTreeSet::new();
    let mut woken_meanwhile = BTreeSet::new();
    while let Some(dispatch) = dispatches.recv().await {
        let lane = match dispatch {
            Dispatch::Wake(lane) => {
                if !working.insert(lane.clone()) {
                    woken_meanwhile.insert(lane);
                    continue;
                }
                lane
            }
            Dispatch::Idle(lane) => {
                if !woken_meanwhile.remove(&lane) {
                    working.remove(&lane);
                    continue;
                }
                lane
            }
        };
        let webhooks = webhooks.clone();
        tokio::spawn(async move {
            webhooks.courier.deliver_lane(&lane).await;
            let _ = webhooks.dispatcher.send(Dispatch::Idle(lane));
        });
    }
}

#[cfg(test)]
mod scene;
#[cfg(test)]
mod tests;
