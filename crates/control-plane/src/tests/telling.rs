//! Effects as short sentences, so that a test can list them.

use std::collections::BTreeMap;

use tutti_model::{Audience, CallId, MediaCommand, PromptSource, RecordingId};

use crate::facts::{Fact, RecordingStatus};
use crate::{Effect, UtteranceSummary, Webhook};

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
            Effect::Dial(dial) => {
                format!(
                    "dial: {} from {} to {}",
                    letter(dial.call),
                    dial.from,
                    dial.to
                )
            }
            Effect::Transcribe { call, recording } => {
                format!(
                    "transcribe: {} of {}",
                    self.recording(*recording),
                    letter(*call)
                )
            }
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
                let holds = match (record.call, record.conference) {
                    (Some(call), Some(_)) => format!("track {}", letter(call)),
                    (Some(call), None) => format!("recording {}", letter(call)),
                    (None, Some(_) | None) => "mix".to_owned(),
                };
                let status = match &record.status {
                    RecordingStatus::Open => "open",
                    RecordingStatus::Ready { .. } => "ready",
                    RecordingStatus::Failed { .. } => "failed",
                };
                let mut text = format!("{holds} {status}");
                if let Some(until) = record.kept_until {
                    text = format!("{text}, kept for {:?}", until.since(record.updated));
                }
                self.recordings.insert(record.id, holds);
                text
            }
            Fact::Queue(record) => format!(
                "queue of {}, {} taken out after {:?}",
                record.current_size, record.taken_out, record.waited
            ),
        }
    }

    fn webhook(&self, webhook: &Webhook) -> String {
        match webhook {
            Webhook::InboundCall { call } => format!("{} inboundCall", letter(call.call)),
            Webhook::Redirect { call, original } => match original {
                Some(original) => format!(
                    "{} redirect instead of {}",
                    letter(call.call),
                    self.webhook(original)
                ),
                None => format!("{} redirect", letter(call.call)),
            },
            Webhook::OutDialStart { call, dialled } => {
                format!("{} outDialStart of {}", letter(call.call), letter(*dialled))
            }
            Webhook::OutDialConnect { call } => {
                format!("{} outDialConnect {:?}", letter(call.call), call.status)
            }
            Webhook::OutDialApiConnect { call } => {
                format!("{} outDialApiConnect {:?}", letter(call.call), call.status)
            }
            Webhook::MachineDetected { call, machine } => {
                format!("{} machineDetected {machine:?}", letter(call.call))
            }
            Webhook::GetDigits {
                call,
                digits,
                reason,
                private,
            } => {
                let private = if *private { " in private" } else { "" };
                format!(
                    "{} getDigits '{digits}' {reason:?}{private}",
                    letter(call.call)
                )
            }
            Webhook::Record {
                call,
                recording,
                reason,
                private,
            } => {
                let private = if *private { " in private" } else { "" };
                format!(
                    "{} record {} {reason:?}{private}",
                    letter(call.call),
                    self.utterance(*recording)
                )
            }
            Webhook::Transcribe {
                call,
                recording,
                reason,
                digit,
                transcript,
                private_log,
                private_recording,
            } => {
                let transcript = match transcript {
                    Ok(transcript) => format!("'{}'", transcript.text),
                    Err(why) => format!("not known: {why}"),
                };
                let mut text = format!(
                    "{} transcribe {} {reason:?} {transcript}",
                    letter(call.call),
                    self.utterance(*recording)
                );
                if let Some(digit) = digit {
                    text = format!("{text} by {digit}");
                }
                for (said, holds) in [
                    ("in private", *private_recording),
                    ("without a word in the log", *private_log),
                ] {
                    if holds {
                        text = format!("{text} {said}");
                    }
                }
                text
            }
            Webhook::CallControl { call, digits, .. } => {
                format!("{} callControl {digits}", letter(call.call))
            }
            Webhook::AddToQueueNotification { call, .. } => {
                format!("{} addToQueueNotification", letter(call.call))
            }
            Webhook::QueueWait {
                call,
                position,
                waited,
                size,
                ..
            } => format!(
                "{} queueWait {position} of {size} after {waited:?}",
                letter(call.call)
            ),
            Webhook::Dequeue {
                call,
                result,
                waited,
                ..
            } => format!("{} dequeue {result:?} after {waited:?}", letter(call.call)),
            Webhook::RemoveFromQueueNotification {
                call,
                result,
                waited,
                ..
            } => format!(
                "{} removeFromQueueNotification {result:?} after {waited:?}",
                letter(call.call)
            ),
            Webhook::ParkNotification { call } => {
                format!("{} parkNotification", letter(call.call))
            }
            Webhook::ParkWait { call, waited } => {
                format!("{} parkWait after {waited:?}", letter(call.call))
            }
            Webhook::Unpark { call, waited } => {
                format!("{} unpark after {waited:?}", letter(call.call))
            }
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
                recording,
            } => {
                let text = format!(
                    "{} ended {reason:?} after {duration_secs} s",
                    letter(call.call)
                );
                match recording {
                    Some(recording) => format!(
                        "{text}, {} of {} s",
                        self.recording(recording.recording),
                        recording.duration_secs
                    ),
                    None => text,
                }
            }
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
            MediaCommand::RecordCall {
                recording, side, ..
            } => format!("start {} of {side:?}", self.recording(*recording)),
            MediaCommand::StopRecording { recording } => {
                format!("stop {}", self.recording(*recording))
            }
            MediaCommand::PlayPrompt {
                call,
                source,
                repeat,
                audience,
                prompt: _,
            } => {
                let audience = match audience {
                    Audience::Call => "",
                    Audience::Conference => " to all",
                };
                let source = match source {
                    PromptSource::Url(url) => url.clone(),
                    PromptSource::Silence(length) => format!("{length:?} of silence"),
                    PromptSource::Beep => "a beep".to_owned(),
                    PromptSource::Speech { text, language } => format!("'{text}' in {language}"),
                };
                format!("prompt {}{audience} {source} {repeat:?}", letter(*call))
            }
            MediaCommand::StopPrompt { call, .. } => format!("stop prompt {}", letter(*call)),
            MediaCommand::WatchVoice { call, on } => {
                format!("watch {} {on}", letter(*call))
            }
            MediaCommand::CloseLeg { call } => format!("close {}", letter(*call)),
        }
    }

    fn utterance(&self, recording: Option<UtteranceSummary>) -> String {
        match recording {
            Some(recording) => format!(
                "{} of {:?} and {} bytes",
                self.recording(recording.recording),
                recording.duration,
                recording.size_bytes
            ),
            None => "nothing".to_owned(),
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
