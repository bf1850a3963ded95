//! What the tests of this folder play on: an outbox, and an application that hears.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use tokio::sync::Notify;
use tutti_control_plane::{AccountRecord, AccountStatus, LogLevel, Stream};
use tutti_model::{AccountId, CallId, ConferenceId, RequestId, Timestamp};
use tutti_store::{LogFilter, LogRecord, NewEvent, Page, Store};

use super::Webhooks;
use super::courier::Courier;
use crate::clock::Clock;
use crate::egress::{Egress, Policy};
use crate::journal::Journal;

pub(super) const ACCOUNT: AccountId = AccountId::from_bytes([1; 20]);
pub(super) const CALL: CallId = CallId::from_bytes([2; 20]);
pub(super) const CONFERENCE: ConferenceId = ConferenceId::from_bytes([3; 20]);
pub(super) const REQUEST: RequestId = RequestId::from_bytes([4; 20]);
pub(super) const SECRETS: [&str; 2] = ["sigsec_old", "sigsec_new"];

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A courier with a store of its own, and the application that it talks to.
pub(super) struct Scene {
    pub(super) courier: Courier,
    pub(super) base: String,
    heard: Arc<Mutex<Vec<Heard>>>,
}

/// A request as the application got it.
#[derive(Clone)]
pub(super) struct Heard {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Scene {
    /// An application that answers by the path it is asked at.
    pub(super) async fn new(
        answer: impl Fn(&str) -> (StatusCode, &'static str) + Send + Sync + 'static,
    ) -> Scene {
        Scene::answering(answer).await
    }

    /// An application that answers anything by the path it is asked at.
    pub(super) async fn answering<A: IntoResponse + Send + 'static>(
        answer: impl Fn(&str) -> A + Send + Sync + 'static,
    ) -> Scene {
        let store = Store::open("sqlite::memory:").await.unwrap();
        store.put_account(&account()).await.unwrap();
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let (ears, answer) = (Arc::clone(&heard), Arc::new(answer));
        let application =
            Router::new().fallback(async move |uri: Uri, headers: HeaderMap, body: Bytes| {
                let path = uri.path().to_owned();
                let answer = answer(&path);
                ears.lock().unwrap().push(Heard {
                    path,
                    headers,
                    body,
                });
                answer
            });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, application).await });
        Scene {
            courier: courier(store),
            base,
            heard,
        }
    }

    /// The webhooks of a process that finds this outbox.
    pub(super) fn webhooks(&self) -> Webhooks {
        let courier = courier(self.courier.store.clone());
        let Courier {
            store,
            egress,
            clock,
            journal,
            public_url,
            attempted: _,
        } = courier;
        Webhooks::start(store, egress, clock, journal, public_url)
    }

    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// The bodies that were heard at a path, in their order.
    pub(super) fn bodies_at(&self, path: &str) -> Vec<String> {
        let text = |heard: &Heard| String::from_utf8(heard.body.to_vec()).unwrap();
        let heard = self.heard();
        let there = heard.iter().filter(|heard| heard.path == path);
        there.map(text).collect()
    }

    /// Waits until as many requests were heard at a path.
    pub(super) async fn hear_at(&self, path: &str, count: usize) {
        let enough = async {
            while self.bodies_at(path).len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let heard = tokio::time::timeout(PATIENCE, enough).await;
        assert!(heard.is_ok(), "{path} heard {:?}", self.bodies_at(path));
    }

    /// Waits until nothing is pending any more.
    pub(super) async fn end_of_outbox(&self) {
        let empty = async {
            while !self.courier.store.pending_lanes().await.unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, empty).await.unwrap();
    }

    pub(super) async fn notify(&self, stream: Stream, path: &str, body: &str) {
        self.deliver(self.event(stream, path, body)).await;
    }

    /// An event for a path of the application.
    pub(super) fn event(&self, stream: Stream, path: &str, body: &str) -> NewEvent {
        NewEvent {
            account: ACCOUNT,
            stream,
            request: REQUEST,
            url: format!("{}{path}", self.base),
            body: body.as_bytes().to_vec(),
            created: self.courier.clock.now(),
        }
    }

    pub(super) async fn deliver(&self, event: NewEvent) {
        let lane = event.lane();
        let store = &self.courier.store;
        store.commit(&[], &[event], &[]).await.unwrap();
        self.courier.deliver_lane(&lane).await;
        assert_eq!(store.pending_lanes().await.unwrap(), []);
    }

    /// The account's log, oldest first.
    pub(super) async fn lines(&self) -> Vec<LogRecord> {
        self.courier.journal.flush(PATIENCE).await;
        let store = &self.courier.store;
        let filter = LogFilter::default();
        let page = Page::first(100);
        let listing = store.logs(ACCOUNT, &filter, &page).await.unwrap();
        listing.items.into_iter().rev().collect()
    }

    pub(super) async fn levels(&self) -> Vec<LogLevel> {
        let lines = self.lines().await;
        lines.iter().map(|record| record.line.entry.level).collect()
    }
}

fn courier(store: Store) -> Courier {
    let policy = Policy::new(&[], true).unwrap();
    Courier {
        public_url: None,
        egress: Arc::new(Egress::new(policy).unwrap()),
        clock: Clock::start(),
        journal: Journal::start(store.clone()),
        store,
        attempted: Notify::new(),
    }
}

fn account() -> AccountRecord {
    let now = Timestamp::from_micros(0);
    AccountRecord {
        id: ACCOUNT,
        api_key_hash: [0; 32],
        signing_secrets: SECRETS.map(str::to_owned).into(),
        status: AccountStatus::Active,
        alias: None,
        label: None,
        revision: 1,
        created: now,
        updated: now,
    }
}
