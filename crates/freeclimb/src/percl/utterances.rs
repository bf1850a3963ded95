//! Commands that record what a caller says.

use std::time::Duration;

use tutti_control_plane::{Command, RecordUtterance, TranscribeUtterance};

use super::{keys, private, sounds};
use crate::attributes::{Attributes, BadAttribute, required};

/// The documents do not tell these two defaults; they are those that callers know from elsewhere.
const SILENCE_TIMEOUT_MS: u32 = 5_000;
const MAX_LENGTH_SECS: u32 = 3_600;

/// The most that is transcribed at once, in seconds; as much where nobody says.
const MAX_TRANSCRIBED_SECS: u32 = 60;

/// The longest silence inside something that is transcribed, in milliseconds; as much where nobody
/// says.
const MAX_TRANSCRIBED_SILENCE_MS: u32 = 3_000;

pub(super) fn record_utterance(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let silence_timeout_ms = attributes
        .number("silenceTimeoutMs")?
        .unwrap_or(SILENCE_TIMEOUT_MS);
    let max_length_secs = attributes.number_in("maxLengthSec", 1..=u32::MAX)?;
    Ok(Command::RecordUtterance(RecordUtterance {
        action_url: required("actionUrl", attributes.url("actionUrl")?)?,
        silence_timeout: (silence_timeout_ms > 0).then(|| millis(silence_timeout_ms)),
        finish_on_key: keys::finish_on_key(attributes)?,
        max_length: secs(max_length_secs.unwrap_or(MAX_LENGTH_SECS)),
        play_beep: attributes.bool("playBeep")?.unwrap_or(false),
        // The API means the reverse of what the attribute is called: true waits for a voice.
        awaits_voice: attributes.bool("autoStart")?.unwrap_or(false),
        private: private(attributes)?,
    }))
}

pub(super) fn transcribe_utterance(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let record = attributes.object("record")?.unwrap_or_default();
    let max_length_secs = record.number_in("maxLengthSec", 1..=MAX_TRANSCRIBED_SECS)?;
    let silence_timeout_ms = record.number_in(
        "rcrdTerminationSilenceTimeMs",
        1..=MAX_TRANSCRIBED_SILENCE_MS,
    )?;
    let flag = |name| Ok(attributes.bool(name)?.unwrap_or(false));
    Ok(Command::TranscribeUtterance(TranscribeUtterance {
        action_url: required("actionUrl", attributes.url("actionUrl")?)?,
        play_beep: flag("playBeep")?,
        save_recording: record.bool("saveRecording")?.unwrap_or(false),
        max_length: secs(max_length_secs.unwrap_or(MAX_TRANSCRIBED_SECS)),
        silence_timeout: Some(millis(
            silence_timeout_ms.unwrap_or(MAX_TRANSCRIBED_SILENCE_MS),
        )),
        private_log: flag("privacyForLogging")?,
        private_recording: flag("privacyForRecording")?,
        prompts: sounds::prompts(attributes)?,
    }))
}

fn secs(secs: u32) -> Duration {
    Duration::from_secs(u64::from(secs))
}

fn millis(millis: u32) -> Duration {
    Duration::from_millis(u64::from(millis))
}
