//! Effects as short sentences, so that a test can list them.

use std::collections::BTreeMap;

use tutti_model::{CallId, MediaCommand, PromptSource, RecordingId};

use crate::facts::{Fact, RecordingStatus};
use crate::{Effect, Webhook};

/// Names recordings by what they hold.
#[derive(Default)]
pub(super) struct Teller {
    recordings: BTreeMap<RecordingId, String>,
}

impl Teller {
    pub(super) fn tell(&mut self, effect: &Effect) -> String {
        match effect {
            Effect::Commit(fact) => format!("fact: {}", self.fact(fact)),
            Effect::Notify(notification) => {
                format!("notify: {}", self.webhook(&notification.webhook))
            }
            Effect::Ask(exchange) => format!("ask: {}", self.webhook(&exchange.webhook)),
            Effect::Media(command) => format!("media: {}", self.media(command)),
            Effect::Signal { call, signal } => format!("signal: {} {signal:?}", letter(*call)),
            Effect::Log(entry) => format!("log: {:?}: {}", entry.level, entry.message),
            Effect::Live(event) => format!("live: {} {:?}", letter(event.call), event.news),
        }
    }

    fn fact(&mut self, fact: &Fact) -> String {
        match fact {
            Fact::Conference(record) => format!("conference {:?}", record.status),
            Fact::Participant(record) => {
                let mut text = format!("{} is in", letter(record.call));
                for (said, holds) in [
                    ("and started it", record.started_conference),
                    ("muted", !record.talk),
                    ("deafened", !record.listen),
                    ("without keys", !record.dtmf_pass_through),
                ] {
                    if holds {
                        text = format!("{text} {said}");
                    }
                }
                text
            }
            Fact::ParticipantGone { call, .. } => format!("{} is out", letter(*call)),
            Fact::Call(record) => {
                let mut text = format!("{} {:?}", letter(record.id), record.status);
                if record.conference.is_some() {
                    text.push_str(" in conference");
                }
                if let Some(reason) = record.ended_reason {
                    text = format!("{text} {reason:?}");
                }
                text
            }
            Fact::Recording(record) => {
                let holds = match record.call {
                    Some(call) => format!("track {}", letter(call)),
                    None => "mix".to_owned(),
                };
                let status = match &record.status {
                    RecordingStatus::Open => "open",
                    RecordingStatus::Ready { .. } => "ready",
                    RecordingStatus::Failed { .. } => "failed",
                };
                let text = format!("{holds} {status}");
                self.recordings.insert(record.id, holds);
                text
            }
        }
    }

    fn webhook(&self, webhook: &Webhook) -> String {
        match webhook {
            Webhook::InboundCall { call } => format!("{} inboundCall", letter(call.call)),
            Webhook::Redirect { call } => format!("{} redirect", letter(call.call)),
            Webhook::CreateConference { call, .. } => {
                format!("{} createConference", letter(call.call))
            }
            Webhook::ConferenceStatus {
                status, recording, ..
            } => match recording {
                Some(recording) => format!(
                    "conference {status:?}, {} of {} s",
                    self.recording(recording.recording),
                    recording.duration_secs
                ),
                None => format!("conference {status:?}"),
            },
            Webhook::ConferenceRecordingStatus {
                status, recording, ..
            } => format!(
                "{} of {} s ready while {status:?}",
                self.recording(recording.recording),
                recording.duration_secs
            ),
            Webhook::AddToConferenceNotification { call, .. } => {
                format!("{} joined", letter(call.call))
            }
            Webhook::LeaveConference { call, .. } => format!("{} left", letter(call.call)),
            Webhook::CallStatus {
                call,
                reason,
                duration_secs,
            } => format!(
                "{} ended {reason:?} after {duration_secs} s",
                letter(call.call)
            ),
        }
    }

    fn media(&self, command: &MediaCommand) -> String {
        match command {
            MediaCommand::OpenConference { .. } => "open conference".to_owned(),
            MediaCommand::CloseConference { .. } => "close conference".to_owned(),
            MediaCommand::Join { call, .. } => format!("join {}", letter(*call)),
            MediaCommand::Leave { call } => format!("leave {}", letter(*call)),
            MediaCommand::SetPrivileges { call, privileges } => format!(
                "{} talk {} listen {}",
                letter(*call),
                privileges.talk,
                privileges.listen
            ),
            MediaCommand::SetGains { call, gains } => format!(
                "{} gains {} dB in {} dB out",
                letter(*call),
                gains.input_db,
                gains.output_db
            ),
            MediaCommand::PressDigit { call, digit } => {
                format!("press {} towards {}", digit.as_char(), letter(*call))
            }
            MediaCommand::PassDigit { from, digit, .. } => {
                format!("pass {} of {}", digit.as_char(), letter(*from))
            }
            MediaCommand::SetMixing { on, .. } => format!("mixing {on}"),
            MediaCommand::PlayMusic { wait_url, .. } => format!("play music {wait_url:?}"),
            MediaCommand::StopMusic { .. } => "stop music".to_owned(),
            MediaCommand::Beep { beep, .. } => format!("beep {beep:?}"),
            MediaCommand::StartRecording { recording, .. }
            | MediaCommand::StartTrack { recording, .. } => {
                format!("start {}", self.recording(*recording))
            }
            MediaCommand::StopRecording { recording } => {
                format!("stop {}", self.recording(*recording))
            }
            MediaCommand::PlayPrompt {
                call,
                source,
                repeat,
                ..
            } => {
                let source = match source {
                    PromptSource::Url(url) => url.clone(),
                    PromptSource::Silence(length) => format!("{length:?} of silence"),
                    PromptSource::Speech { text, language } => format!("'{text}' in {language}"),
                };
                format!("prompt {} {source} {repeat:?}", letter(*call))
            }
            MediaCommand::StopPrompt { call, .. } => format!("stop prompt {}", letter(*call)),
            MediaCommand::CloseLeg { call } => format!("close {}", letter(*call)),
        }
    }

    fn recording(&self, id: RecordingId) -> &str {
        self.recordings.get(&id).map_or("unknown", String::as_str)
    }
}

/// The letter that a story gives a call.
pub(super) fn letter(call: CallId) -> char {
    char::from(call.as_bytes()[0])
}
