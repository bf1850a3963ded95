//! Carries out what the control plane decided: facts first, then everything else in order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tutti_control_plane::{Effect, Exchange, Fact, Input, LogEntry, LogLevel, Signal};
use tutti_media::Audio;
use tutti_model::{
    AccountId, Audience, CallId, ConferenceId, MediaCommand, MediaEvent, PromptId, PromptOutcome,
    PromptSource, RecordingId, Repeat,
};
use tutti_store::{LogLine, NewEvent};

use super::handle::Message;
use super::{ControlLoop, Unsaved};
use crate::media::{Purpose, Sounds};

/// How long wait music may take to arrive before the built-in piece plays instead.
const MUSIC_PATIENCE: Duration = Duration::from_millis(800);

/// How long to wait before a failing store is asked again.
const SAVE_PAUSE: Duration = Duration::from_secs(1);

/// Commits that may wait for a store that does not take them.
const MAX_UNSAVED: usize = 100_000;

impl ControlLoop {
    /// Makes facts and events durable together, and then does the rest.
    pub(super) async fn carry_out(&mut self, effects: Vec<Effect>) {
        let now = self.workplace.clock.now();
        let mut batch = Unsaved {
            facts: Vec::new(),
            events: Vec::new(),
            logs: Vec::new(),
        };
        let mut rest = Vec::new();
        for effect in effects {
            match effect {
                Effect::Commit(fact) => {
                    self.note_owner(&fact);
                    batch.facts.push(fact);
                }
                Effect::Notify(notification) => batch.events.push(NewEvent {
                    body: self
                        .workplace
                        .webhooks
                        .body(&notification.webhook, notification.request),
                    account: notification.account,
                    stream: notification.stream,
                    request: notification.request,
                    url: notification.url,
                    created: now,
                }),
                Effect::Log(entry) => {
                    log(&entry);
                    batch.logs.push(LogLine {
                        at: now,
                        url: None,
                        metadata: None,
                        entry,
                    });
                }
                Effect::Media(_)
                | Effect::Dial(_)
                | Effect::Transcribe { .. }
                | Effect::Signal { .. }
                | Effect::Ask(_)
                | Effect::Live(_) => rest.push(effect),
            }
        }
        self.commit(batch).await;
        for effect in rest {
            match effect {
                Effect::Media(command) => self.command_media(command).await,
                Effect::Dial(dial) => self.dial(dial),
                Effect::Transcribe { call, recording } => self.transcribe(call, recording),
                Effect::Signal { call, signal } => self.signal(call, signal).await,
                Effect::Ask(exchange) => self.ask(exchange),
                Effect::Live(event) => self.messages.live().tell(event),
                Effect::Commit(_) | Effect::Notify(_) | Effect::Log(_) => {}
            }
        }
    }

    /// Commits, after whatever a failing store has left over. Audio never waits for it to recover.
    async fn commit(&mut self, batch: Unsaved) {
        if !(batch.facts.is_empty() && batch.events.is_empty() && batch.logs.is_empty()) {
            self.unsaved.push_back(batch);
        }
        if self.unsaved.len() > MAX_UNSAVED {
            self.unsaved.pop_front();
        }
        // Each attempt may take long, and everybody's calls would wait for it.
        if self.save_again_at.is_none_or(|at| Instant::now() >= at) {
            self.save().await;
        }
    }

    /// Commits what is not saved, in order.
    pub(super) async fn save(&mut self) {
        self.save_again_at = None;
        while let Some(batch) = self.unsaved.front() {
            let store = &self.workplace.store;
            if let Err(error) = store.commit(&batch.facts, &batch.events, &batch.logs).await {
                let waiting = self.unsaved.len();
                tracing::error!(%error, waiting, "the store takes nothing; trying again later");
                self.save_again_at = Some(Instant::now() + SAVE_PAUSE);
                return;
            }
            let lanes: BTreeSet<_> = batch.events.iter().map(NewEvent::lane).collect();
            lanes
                .into_iter()
                .for_each(|lane| self.workplace.webhooks.wake(lane));
            self.unsaved.pop_front();
        }
    }

    /// Remembers whose a conference or a call is, while it lives.
    fn note_owner(&mut self, fact: &Fact) {
        match fact {
            Fact::Conference(record) => {
                self.conference_accounts.insert(record.id, record.account);
            }
            Fact::Call(record) if record.status.is_final() => {
                self.call_accounts.remove(&record.id);
            }
            Fact::Call(record) => {
                self.call_accounts.insert(record.id, record.account);
            }
            Fact::Participant(_)
            | Fact::ParticipantGone { .. }
            | Fact::Recording(_)
            | Fact::Queue(_) => {}
        }
    }

    /// Has a recording turned into text, beside the control loop.
    fn transcribe(&self, call: CallId, recording: RecordingId) {
        let transcriber = Arc::clone(&self.workplace.transcriber);
        let messages = self.messages.clone();
        tokio::spawn(async move {
            let outcome = transcriber.transcribe(recording).await;
            let input = Input::Transcribed {
                call,
                recording,
                outcome: outcome.map_err(|error| error.to_string()),
            };
            let _ = messages.send(Message::Happened(Box::new(input))).await;
        });
    }

    fn ask(&self, exchange: Exchange) {
        let (webhooks, messages) = (self.workplace.webhooks.clone(), self.messages.clone());
        tokio::spawn(async move {
            let (call, number) = (exchange.call, exchange.exchange);
            let outcome = webhooks.ask(exchange).await;
            let input = Input::ScriptArrived {
                call,
                exchange: number,
                outcome,
            };
            let _ = messages.send(Message::Happened(Box::new(input))).await;
        });
    }

    async fn signal(&mut self, call: CallId, signal: Signal) {
        match signal {
            Signal::EarlyMedia => self.early_media(call).await,
            Signal::Answer => {
                self.signalling.answer(call).await;
                self.workplace.director.answered(call);
            }
            Signal::Reject(reason) => self.signalling.reject(call, reason).await,
            Signal::HangUp => self.signalling.hang_up(call).await,
        }
    }

    async fn command_media(&mut self, command: MediaCommand) {
        let director = &mut self.workplace.director;
        match command {
            MediaCommand::OpenConference { conference } => director.open_conference(conference),
            MediaCommand::CloseConference { conference } => {
                self.music.remove(&conference);
                self.conference_accounts.remove(&conference);
                director.close_conference(conference);
            }
            MediaCommand::Join {
                conference,
                call,
                privileges,
            } => {
                director.join(call, conference, privileges);
            }
            MediaCommand::Leave { call } => director.leave(call),
            MediaCommand::SetPrivileges { call, privileges } => {
                director.set_privileges(call, privileges);
            }
            MediaCommand::SetGains { call, gains } => director.set_gains(call, gains),
            MediaCommand::PressDigit { call, digit } => director.press_digit(call, digit),
            MediaCommand::PassDigit {
                conference,
                from,
                digit,
            } => {
                director.pass_digit(conference, from, digit);
            }
            MediaCommand::SetMixing { conference, on } => director.set_mixing(conference, on),
            MediaCommand::PlayMusic {
                conference,
                wait_url,
            } => {
                self.play_music(conference, wait_url);
            }
            MediaCommand::StopMusic { conference } => {
                self.music.remove(&conference);
                director.stop_music(conference);
            }
            MediaCommand::Beep { conference, beep } => director.beep(conference, beep),
            MediaCommand::StartRecording {
                conference,
                recording,
            } => {
                director.start_recording(conference, recording);
            }
            MediaCommand::StartTrack {
                call,
                recording,
                conference: _,
            } => {
                director.start_track(call, recording);
            }
            MediaCommand::StopRecording { recording } => director.stop_recording(recording),
            MediaCommand::PlayPrompt {
                call,
                prompt,
                source,
                repeat,
                audience,
            } => {
                self.play_prompt(call, prompt, source, repeat, audience);
            }
            MediaCommand::StopPrompt { call, prompt } => {
                // One that is not ready yet is not to be heard when it is.
                self.preparing.remove(&(call, prompt));
                director.stop_prompt(call, prompt);
            }
            MediaCommand::RecordCall {
                call,
                recording,
                side,
            } => {
                director.record_call(call, recording, side);
            }
            MediaCommand::WatchVoice { call, on } => director.watch_voice(call, on),
            MediaCommand::CloseLeg { call } => {
                director.close_leg(call);
                self.signalling.forget(call);
            }
        }
    }

    /// Fetches wait music; the built-in piece plays when it is not there in time.
    fn play_music(&mut self, conference: ConferenceId, wait_url: Option<String>) {
        self.tickets += 1;
        let ticket = self.tickets;
        self.music.insert(conference, ticket);
        let sounds = Arc::clone(&self.workplace.sounds);
        let account = self.conference_accounts.get(&conference).copied();
        let (Some(url), Some(account)) = (wait_url, account) else {
            self.workplace
                .director
                .play_music(conference, sounds.built_in());
            return;
        };
        let messages = self.messages.clone();
        tokio::spawn(async move {
            let ready = |sound| Message::MusicReady {
                conference,
                ticket,
                sound,
            };
            let fetching = sounds.fetch(account, &url, Purpose::WaitMusic);
            tokio::pin!(fetching);
            let sound = match tokio::time::timeout(MUSIC_PATIENCE, &mut fetching).await {
                Ok(sound) => sound,
                Err(_) => {
                    let _ = messages.send(ready(Ok(sounds.built_in()))).await;
                    fetching.await
                }
            };
            if let Err(reason) = &sound {
                // Told before the music, so that whoever hears the built-in piece can know why.
                let _ = messages.send(ready(Err(reason.clone()))).await;
                let _ = messages.send(ready(Ok(sounds.built_in()))).await;
                return;
            }
            let _ = messages.send(ready(sound)).await;
        });
    }

    fn play_prompt(
        &mut self,
        call: CallId,
        prompt: PromptId,
        source: PromptSource,
        repeat: Repeat,
        audience: Audience,
    ) {
        if self.signalling.is_deaf(call) {
            return self.prompt_is_in_vain(call, prompt);
        }
        let director = &mut self.workplace.director;
        match source {
            PromptSource::Silence(length) => {
                let samples =
                    length.as_millis() as u64 * u64::from(tutti_media::SAMPLE_RATE_HZ) / 1_000;
                let audio = tutti_media::PromptAudio::Silence(samples);
                director.play_prompt(call, prompt, audio, repeat, audience);
            }
            PromptSource::Beep => {
                let audio = tutti_media::PromptAudio::Sound(self.workplace.sounds.beep());
                director.play_prompt(call, prompt, audio, repeat, audience);
            }
            PromptSource::Url(url) => {
                let get = |sounds: Arc<Sounds>, account| async move {
                    sounds.fetch(account, &url, Purpose::Prompt).await
                };
                self.play_when_ready(call, prompt, repeat, audience, get);
            }
            PromptSource::Speech { text, language } => {
                let get = |sounds: Arc<Sounds>, account| async move {
                    sounds.speak(account, &text, &language).await
                };
                self.play_when_ready(call, prompt, repeat, audience, get);
            }
        }
    }

    /// Ends a prompt that could be heard by nobody, so that the call's script goes on.
    fn prompt_is_in_vain(&self, call: CallId, prompt: PromptId) {
        let reason = "nothing is agreed with the caller yet".to_owned();
        let input = Input::Media(MediaEvent::PromptFinished {
            call,
            prompt,
            outcome: PromptOutcome::Failed(reason),
        });
        let messages = self.messages.clone();
        // What is decided now is carried out first; that the prompt has ended is decided next.
        tokio::spawn(async move {
            let _ = messages.send(Message::Happened(Box::new(input))).await;
        });
    }

    /// Gets a prompt's sound, and says so when it is there or cannot be had.
    fn play_when_ready<Get, Sound>(
        &mut self,
        call: CallId,
        prompt: PromptId,
        repeat: Repeat,
        audience: Audience,
        get: Get,
    ) where
        Get: FnOnce(Arc<Sounds>, AccountId) -> Sound + Send + 'static,
        Sound: Future<Output = Result<Audio, String>> + Send,
    {
        self.preparing.insert((call, prompt));
        let account = self.call_accounts.get(&call).copied();
        let messages = self.messages.clone();
        let sounds = Arc::clone(&self.workplace.sounds);
        tokio::spawn(async move {
            let sound = match account {
                Some(account) => get(sounds, account).await,
                None => Err("the call has ended".to_owned()),
            };
            let ready = Message::PromptReady {
                call,
                prompt,
                repeat,
                audience,
                sound,
            };
            let _ = messages.send(ready).await;
        });
    }
}

fn log(entry: &LogEntry) {
    let LogEntry {
        account,
        call,
        conference,
        level,
        message,
        request: _,
    } = entry;
    match level {
        LogLevel::Info => tracing::info!(%account, ?call, ?conference, "{message}"),
        LogLevel::Warning => tracing::warn!(%account, ?call, ?conference, "{message}"),
        LogLevel::Error => tracing::error!(%account, ?call, ?conference, "{message}"),
    }
}
