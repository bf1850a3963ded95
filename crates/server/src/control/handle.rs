//! How the rest of the bridge speaks to the control loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tutti_control_plane::{ControlPlane, Input, Refusal, Reply};
use tutti_media::Audio;
use tutti_model::{Audience, CallId, ConferenceId, PromptId, Repeat, RequestId};
use tutti_sip::DialogId;

use super::live::Live;
use super::routing::Routed;
use crate::dialling::{NotDialled, Way};

/// How long the control loop may take to end; a store may hold it up.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// What reaches the control loop from tasks beside it.
pub(super) enum Message {
    /// Somebody asks and waits for the answer.
    Request {
        /// The name of the request, where it has one already.
        request: Option<RequestId>,
        input: Box<Input>,
        reply: oneshot::Sender<Result<Reply, Refusal>>,
    },
    /// Something happened.
    Happened(Box<Input>),
    /// It is known where an incoming call leads.
    Routed { dialog: DialogId, routed: Routed },
    /// It is known how a call that we are to place gets there, or why it does not.
    WayFound {
        call: CallId,
        way: Box<Result<Way, NotDialled>>,
    },
    /// Wait music is there, or cannot be had.
    MusicReady {
        conference: ConferenceId,
        ticket: u64,
        sound: Result<Audio, String>,
    },
    /// A prompt is there, or cannot be had.
    PromptReady {
        call: CallId,
        prompt: PromptId,
        repeat: Repeat,
        audience: Audience,
        sound: Result<Audio, String>,
    },
    /// No new calls from now on.
    Drain,
    /// Every call ends.
    HangUpAll,
    /// The loop ends.
    Stop,
}

/// Why a request has no reply.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The control plane refused; nothing changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The bridge is stopping.
    #[error("the bridge is stopping")]
    Unavailable,
}

/// What others may know about the control plane without asking: figures a moment old.
#[derive(Debug, Default)]
pub struct ControlView {
    calls: AtomicUsize,
    conferences: AtomicUsize,
    participants: AtomicUsize,
    legs: AtomicUsize,
    draining: AtomicBool,
}

impl ControlView {
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    pub fn conferences(&self) -> usize {
        self.conferences.load(Ordering::Relaxed)
    }

    pub fn participants(&self) -> usize {
        self.participants.load(Ordering::Relaxed)
    }

    pub fn legs(&self) -> usize {
        self.legs.load(Ordering::Relaxed)
    }

    /// Whether a new call would be taken.
    pub fn accepts_calls(&self) -> bool {
        !self.draining.load(Ordering::Relaxed)
    }

    pub(super) fn update(&self, plane: &ControlPlane, legs: usize) {
        self.calls.store(plane.call_count(), Ordering::Relaxed);
        self.conferences
            .store(plane.conference_count(), Ordering::Relaxed);
        self.participants
            .store(plane.participant_count(), Ordering::Relaxed);
        self.legs.store(legs, Ordering::Relaxed);
        self.draining.store(plane.is_draining(), Ordering::Relaxed);
    }
}

/// Speaks to the control loop. Clones speak to the same one.
#[derive(Clone)]
pub struct ControlHandle {
    messages: mpsc::Sender<Message>,
    view: Arc<ControlView>,
    live: Arc<Live>,
}

impl ControlHandle {
    pub(super) fn new(messages: mpsc::Sender<Message>, view: Arc<ControlView>) -> ControlHandle {
        ControlHandle {
            messages,
            view,
            live: Arc::default(),
        }
    }

    /// Asks the control plane and waits until its decision is durable.
    ///
    /// `request` is what the webhooks and log lines name as their cause; without it, the control
    /// plane draws a name.
    ///
    /// # Errors
    /// When the control plane refuses, or the bridge is stopping.
    pub async fn request(
        &self,
        request: Option<RequestId>,
        input: Input,
    ) -> Result<Reply, ControlError> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Request {
            request,
            input: Box::new(input),
            reply,
        })
        .await?;
        Ok(answer.await.map_err(|_| ControlError::Unavailable)??)
    }

    /// What happens now, for whoever watches.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// Figures a moment old.
    pub fn view(&self) -> &ControlView {
        &self.view
    }

    /// Refuses new calls from now on.
    pub async fn drain(&self) {
        let _ = self.send(Message::Drain).await;
    }

    /// Ends every call.
    pub async fn hang_up_all(&self) {
        let _ = self.send(Message::HangUpAll).await;
    }

    /// Ends the control loop, and waits until it has saved what it can.
    pub async fn stop(&self) {
        let ended = async {
            let _ = self.send(Message::Stop).await;
            self.messages.closed().await;
        };
        let _ = tokio::time::timeout(STOP_PATIENCE, ended).await;
    }

    pub(super) async fn send(&self, message: Message) -> Result<(), ControlError> {
        self.messages
            .send(message)
            .await
            .map_err(|_| ControlError::Unavailable)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tutti_control_plane::{AccountRecord, AccountStatus};
    use tutti_model::{AccountId, Timestamp};
    use tutti_store::Store;

    use super::*;
    use crate::accounts::hash_of_key;
    use crate::clock::Clock;
    use crate::http::{Api, router};
    use crate::journal::Journal;

    const ACCOUNT: AccountId = AccountId::from_bytes([1; 20]);

    #[tokio::test]
    async fn what_a_post_causes_has_the_name_that_its_client_is_told() {
        let (sender, mut messages) = mpsc::channel(1);
        let store = Store::open("sqlite::memory:").await.unwrap();
        store.put_account(&account()).await.unwrap();
        let api = router(Api {
            control: ControlHandle::new(sender, Arc::default()),
            clock: Clock::start(),
            journal: Journal::start(store.clone()),
            store,
            recordings_dir: "recordings".into(),
            requests_per_second_per_account: 100,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, api).await });

        let mut client = TcpStream::connect(address).await.unwrap();
        let credentials = STANDARD.encode(format!("{ACCOUNT}:key"));
        let head = format!(
            "POST /apiserver/Accounts/{ACCOUNT}/Conferences HTTP/1.1\r\nHost: a\r\n\
             Authorization: Basic {credentials}\r\nConnection: close\r\n\
             Content-Length: 2\r\n\r\n{{}}"
        );
        client.write_all(head.as_bytes()).await.unwrap();
        let Some(Message::Request { request, reply, .. }) = messages.recv().await else {
            panic!("the control loop is asked first");
        };
        // A loop that has ended answers nobody.
        drop(reply);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        let told = answer
            .lines()
            .find_map(|line| line.strip_prefix("x-pulse-request-id: "));
        assert_eq!(told, request.map(|id| id.to_string()).as_deref());
        assert!(told.is_some(), "{answer}");
    }

    fn account() -> AccountRecord {
        let now = Timestamp::from_micros(0);
        AccountRecord {
            id: ACCOUNT,
            api_key_hash: hash_of_key("key"),
            signing_secrets: Vec::new(),
            status: AccountStatus::Active,
            alias: None,
            label: None,
            revision: 1,
            created: now,
            updated: now,
        }
    }
}
