//! What an application wants of an utterance.

use std::time::Duration;

use tutti_model::Digit;

use crate::recordings::Keep;
use crate::script::{RecordUtterance, TranscribeUtterance};

pub(super) struct Order {
    pub(super) action_url: String,
    pub(super) purpose: Purpose,
    pub(super) silence_timeout: Option<Duration>,
    pub(super) max_length: Duration,
    pub(super) finish_on: FinishOn,
    pub(super) play_beep: bool,
    /// A recording in which nobody speaks is none.
    pub(super) needs_voice: bool,
}

#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Record {
        private: bool,
    },
    Transcribe {
        save_recording: bool,
        private_log: bool,
        private_recording: bool,
    },
}

/// Which keys end an utterance.
#[derive(Clone, Copy)]
pub(super) enum FinishOn {
    NoKey,
    Key(Digit),
    AnyKey,
}

impl Order {
    pub(super) fn to_record(how: RecordUtterance) -> Order {
        Order {
            action_url: how.action_url,
            purpose: Purpose::Record {
                private: how.private,
            },
            silence_timeout: how.silence_timeout,
            max_length: how.max_length,
            finish_on: how.finish_on_key.map_or(FinishOn::NoKey, FinishOn::Key),
            play_beep: how.play_beep,
            needs_voice: how.awaits_voice,
        }
    }

    /// All but the prompts.
    pub(super) fn to_transcribe(how: TranscribeUtterance) -> Order {
        Order {
            action_url: how.action_url,
            purpose: Purpose::Transcribe {
                save_recording: how.save_recording,
                private_log: how.private_log,
                private_recording: how.private_recording,
            },
            silence_timeout: how.silence_timeout,
            max_length: how.max_length,
            finish_on: FinishOn::AnyKey,
            play_beep: how.play_beep,
            needs_voice: false,
        }
    }

    /// How long the recording is kept.
    pub(super) fn keep(&self) -> Keep {
        let briefly = match self.purpose {
            Purpose::Record { private } => private,
            Purpose::Transcribe {
                save_recording,
                private_recording,
                private_log: _,
            } => private_recording || !save_recording,
        };
        if briefly {
            Keep::Briefly {
                longest: self.max_length,
            }
        } else {
            Keep::Always
        }
    }

    pub(super) fn ends_with(&self, digit: Digit) -> bool {
        match self.finish_on {
            FinishOn::NoKey => false,
            FinishOn::Key(key) => key == digit,
            FinishOn::AnyKey => true,
        }
    }
}
