//! The control loop: one task in which everything that happens meets the control plane.
//!
//! Inputs come from REST, SIP, media threads, webhooks and timers. Each is handed to the control
//! plane with its time; what the plane decides is committed first and carried out then, in order.
//! Nothing here waits for a media thread, for an application or for a file's contents.

mod effects;
mod handle;
mod live;
mod outbound;
mod routing;
mod signalling;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tutti_control_plane::{ControlPlane, Effect, Input, Refusal, Reply};
use tutti_media::Audio;
use tutti_model::{
    AccountId, Audience, CallId, CloseReason, ConferenceId, MediaEvent, PromptId, Repeat, RequestId,
};
use tutti_recording::RecorderEvent;
use tutti_sip::{Endpoint, SipEvent};
use tutti_store::Store;

use handle::Message;
pub use handle::{ControlError, ControlHandle, ControlView};
#[cfg(test)]
pub use live::Live;
pub use live::{Cut, Unwatchable, Watcher};
use signalling::Signalling;

use crate::clock::Clock;
use crate::dialling::Dialling;
use crate::media::{Director, Sounds};
use crate::transcriber::Transcriber;
use crate::webhooks::Webhooks;

/// How often the media threads are looked at while there are legs.
const MEDIA_LOOK: Duration = Duration::from_millis(10);

/// The most messages that may wait for the control loop; beyond it, who asks waits.
const MESSAGES: usize = 4_096;

/// What the control loop works with.
pub struct Workplace {
    pub clock: Clock,
    pub store: Store,
    pub director: Director,
    pub sounds: Arc<Sounds>,
    pub webhooks: Webhooks,
    pub sip: Endpoint,
    pub dialling: Arc<Dialling>,
    pub transcriber: Arc<Transcriber>,
    /// Addresses in SDP.
    pub media_ip: std::net::IpAddr,
    /// Whether a conference's identifier can be dialled.
    pub direct_join: bool,
}

/// Starts the control loop.
pub fn start(
    workplace: Workplace,
    plane: ControlPlane,
    first_effects: Vec<Effect>,
    sip_events: mpsc::Receiver<SipEvent>,
    recorder_events: mpsc::UnboundedReceiver<RecorderEvent>,
) -> ControlHandle {
    let (sender, messages) = mpsc::channel(MESSAGES);
    let view = Arc::new(ControlView::default());
    let handle = ControlHandle::new(sender, Arc::clone(&view));
    let control_loop = ControlLoop {
        plane,
        signalling: Signalling::new(
            workplace.sip.clone(),
            workplace.media_ip,
            workplace.direct_join,
        ),
        workplace,
        messages: handle.clone(),
        unsaved: VecDeque::new(),
        save_again_at: None,
        conference_accounts: BTreeMap::new(),
        call_accounts: BTreeMap::new(),
        music: BTreeMap::new(),
        tickets: 0,
        preparing: BTreeSet::new(),
        view,
    };
    tokio::spawn(control_loop.run(first_effects, messages, sip_events, recorder_events));
    handle
}

/// A commit that the store did not take yet.
struct Unsaved {
    facts: Vec<tutti_control_plane::Fact>,
    events: Vec<tutti_store::NewEvent>,
    logs: Vec<tutti_store::LogLine>,
}

/// The control loop's state beside the control plane's own.
struct ControlLoop {
    workplace: Workplace,
    plane: ControlPlane,
    signalling: Signalling,
    /// For tasks that bring something back later.
    messages: ControlHandle,
    /// Commits that failed, in order; they are tried again before the next one.
    unsaved: VecDeque<Unsaved>,
    /// When to ask a store again that took nothing.
    save_again_at: Option<Instant>,
    conference_accounts: BTreeMap<ConferenceId, AccountId>,
    call_accounts: BTreeMap<CallId, AccountId>,
    /// The ticket of the wait music that each populated conference should play.
    music: BTreeMap<ConferenceId, u64>,
    tickets: u64,
    /// Prompts whose sound is being made ready, and which nobody has stopped.
    preparing: BTreeSet<(CallId, PromptId)>,
    view: Arc<ControlView>,
}

impl ControlLoop {
    async fn run(
        mut self,
        first_effects: Vec<Effect>,
        mut messages: mpsc::Receiver<Message>,
        mut sip_events: mpsc::Receiver<SipEvent>,
        mut recorder_events: mpsc::UnboundedReceiver<RecorderEvent>,
    ) {
        self.carry_out(first_effects).await;
        let mut next_look = Instant::now();
        loop {
            let deadline = self.plane.next_deadline().map(|(at, _reason)| at);
            let deadline = deadline.map(|at| self.workplace.clock.instant_of(at));
            let look = (!self.workplace.director.is_idle()).then_some(next_look);
            let wake = [deadline, look, self.save_again_at]
                .into_iter()
                .flatten()
                .min();
            let sleep = tokio::time::sleep_until(
                wake.unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600))
                    .into(),
            );
            tokio::select! {
                message = messages.recv() => match message {
                    Some(Message::Stop) | None => break,
                    Some(message) => self.message(message).await,
                },
                Some(event) = sip_events.recv() => self.sip_event(event).await,
                Some(event) = recorder_events.recv() => self.recorder_event(event).await,
                () = sleep => {}
            }
            if Instant::now() >= next_look {
                next_look = Instant::now() + MEDIA_LOOK;
                for event in self.workplace.director.poll() {
                    self.happen(Input::Media(event)).await;
                }
            }
            if deadline.is_some_and(|at| Instant::now() >= at) {
                self.happen(Input::Timeout).await;
            }
            if self.save_again_at.is_some_and(|at| Instant::now() >= at) {
                self.save().await;
            }
            self.view
                .update(&self.plane, self.workplace.director.leg_count());
        }
        self.save().await;
        self.messages.live().end();
        // Before the messages: whoever waits for the loop to end waits for all that it owns.
        drop(self);
    }

    async fn message(&mut self, message: Message) {
        match message {
            Message::Request {
                request,
                input,
                reply,
            } => {
                let result = self.handle(request, *input).await;
                // Whoever asked may have gone; what was decided stays decided.
                let _ = reply.send(result);
            }
            Message::Happened(input) => self.happen(*input).await,
            Message::Routed { dialog, routed } => self.routed(dialog, routed).await,
            Message::WayFound { call, way } => self.way_found(call, *way).await,
            Message::MusicReady {
                conference,
                ticket,
                sound,
            } => {
                self.music_ready(conference, ticket, sound).await;
            }
            Message::PromptReady {
                call,
                prompt,
                repeat,
                audience,
                sound,
            } => {
                self.prompt_ready(call, prompt, repeat, audience, sound)
                    .await;
            }
            Message::Drain => {
                self.plane.begin_drain();
                self.workplace.sip.set_ready(false);
            }
            Message::HangUpAll => self.hang_up_all().await,
            Message::Stop => {}
        }
    }

    /// Decides an input, and carries the decision out before the answer is known to anybody.
    async fn handle(&mut self, request: Option<RequestId>, input: Input) -> Result<Reply, Refusal> {
        let mut effects = Vec::new();
        let now = self.workplace.clock.now();
        let reply = match request {
            Some(request) => self.plane.handle_as(request, now, input, &mut effects),
            None => self.plane.handle(now, input, &mut effects),
        }?;
        self.carry_out(effects).await;
        Ok(reply)
    }

    /// Decides an input to which nobody waits for an answer.
    async fn happen(&mut self, input: Input) {
        if let Err(refusal) = self.handle(None, input).await {
            tracing::debug!(%refusal, "an event came too late");
        }
    }

    async fn recorder_event(&mut self, event: RecorderEvent) {
        let event = match event {
            RecorderEvent::Ready {
                recording,
                duration,
                size_bytes,
            } => MediaEvent::RecordingReady {
                recording,
                duration,
                size_bytes,
            },
            RecorderEvent::Failed { recording, failure } => {
                MediaEvent::RecordingFailed { recording, failure }
            }
        };
        self.happen(Input::Media(event)).await;
    }

    async fn music_ready(
        &mut self,
        conference: ConferenceId,
        ticket: u64,
        sound: Result<Audio, String>,
    ) {
        // The conference may have started, or begun to wait anew, while the music was fetched.
        if self.music.get(&conference) != Some(&ticket) {
            return;
        }
        match sound {
            Ok(audio) => self.workplace.director.play_music(conference, audio),
            Err(reason) => {
                self.happen(Input::Media(MediaEvent::MusicFailed { conference, reason }))
                    .await;
            }
        }
    }

    async fn prompt_ready(
        &mut self,
        call: CallId,
        prompt: PromptId,
        repeat: Repeat,
        audience: Audience,
        sound: Result<Audio, String>,
    ) {
        // It may have been stopped, and another one plays, while it was made ready.
        if !self.preparing.remove(&(call, prompt)) {
            return;
        }
        match sound {
            Ok(audio) => {
                let audio = tutti_media::PromptAudio::Sound(audio);
                self.workplace
                    .director
                    .play_prompt(call, prompt, audio, repeat, audience);
            }
            Err(reason) => {
                let outcome = tutti_model::PromptOutcome::Failed(reason);
                self.happen(Input::Media(MediaEvent::PromptFinished {
                    call,
                    prompt,
                    outcome,
                }))
                .await;
            }
        }
    }

    async fn hang_up_all(&mut self) {
        let calls: Vec<_> = self
            .call_accounts
            .iter()
            .map(|(&call, &account)| (call, account))
            .collect();
        for (call, account) in calls {
            let change = tutti_control_plane::CallChange::Completed;
            self.happen(Input::UpdateCall {
                account,
                call,
                change,
            })
            .await;
        }
    }

    /// A call's signalling ended without our asking.
    async fn call_gone(&mut self, call: CallId, reason: CloseReason) {
        self.happen(Input::CallGone { call, reason }).await;
    }
}
