//! How the rest of the bridge speaks to the control loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tutti_control_plane::{ControlPlane, Input, Refusal, Reply};
use tutti_media::Audio;
use tutti_model::{Audience, CallId, ConferenceId, PromptId, Repeat};
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
    /// # Errors
    /// When the control plane refuses, or the bridge is stopping.
    pub async fn request(&self, input: Input) -> Result<Reply, ControlError> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Request {
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
