//! Webhooks about what a caller has pressed or said.

use serde_json::{Value, json};
use tutti_control_plane::{
    CallContext, DigitsReason, Transcript, UtteranceReason, UtteranceSummary,
};

use super::{Base, Body, millis, standard};
use crate::resource::whole_seconds;
use crate::word::Word;

/// What stands in for digits that are nobody else's business.
const MASK: &str = "xxxxx";

/// The format of every recording.
const FORMAT: &str = "audio/wav";

pub(super) fn get_digits(
    call: &CallContext,
    digits: &str,
    reason: DigitsReason,
    private: bool,
) -> Body {
    // That nothing was pressed is no secret, and the application must know.
    let shown = if private && !digits.is_empty() {
        MASK
    } else {
        digits
    };
    let mut body = standard("getDigits", call);
    body.insert("digits", json!(shown));
    body.insert("reason", json!(reason.word()));
    body
}

pub(super) fn record(
    call: &CallContext,
    recording: Option<&UtteranceSummary>,
    reason: UtteranceReason,
    private: bool,
    base: Base<'_>,
) -> Body {
    let mut body = recorded("record", call, recording, base);
    // The SDKs insist on a string here, and on a number for a transcribed utterance.
    let size = recording.map(|summary| summary.size_bytes.to_string());
    let duration_secs = recording.map(|summary| whole_seconds(summary.duration));
    body.insert("recordingSize", json!(size));
    body.insert("recordingDurationSec", json!(duration_secs));
    body.insert("termReason", term_reason(reason));
    body.insert("privacyMode", json!(private));
    body
}

pub(super) fn transcribe(
    call: &CallContext,
    recording: Option<&UtteranceSummary>,
    base: Base<'_>,
) -> Body {
    let mut body = recorded("transcribe", call, recording, base);
    let size = recording.map(|summary| summary.size_bytes);
    let duration_ms = recording.map(|summary| millis(summary.duration));
    body.insert("recordingSize", json!(size));
    body.insert("recordingDurationMs", json!(duration_ms));
    // Prompts end at the first word or key, and which it was is not kept.
    for name in [
        "bargeInReason",
        "bargeInTimeMs",
        "bargedInPromptLoopNo",
        "bargedInPromptMs",
        "bargedInPromptNo",
    ] {
        body.insert(name, Value::Null);
    }
    body
}

/// What was understood of an utterance, or why nothing was.
pub(super) fn understand(
    body: &mut Body,
    reason: UtteranceReason,
    digit: Option<char>,
    transcript: &Result<Transcript, String>,
) {
    let term = match transcript {
        Ok(_) => "completed",
        Err(_) => "error",
    };
    let said = transcript.as_ref().ok();
    body.insert("termReason", json!(term));
    body.insert("recordTermReason", term_reason(reason));
    body.insert("digit", json!(digit.map(String::from)));
    body.insert("transcript", json!(said.map(|said| &said.text)));
    body.insert(
        "transcriptionDurationMs",
        json!(said.map(|said| millis(said.took))),
    );
    body.insert("transcribeReason", transcribe_reason(reason, said));
}

fn recorded(
    request_type: &'static str,
    call: &CallContext,
    recording: Option<&UtteranceSummary>,
    base: Base<'_>,
) -> Body {
    let mut body = standard(request_type, call);
    let id = recording.map(|summary| summary.recording);
    let url = id.map(|id| base.recording_url(call.account, id));
    body.insert("recordingId", json!(id));
    body.insert("recordingUrl", json!(url));
    body.insert("recordingFormat", json!(id.map(|_| FORMAT)));
    body
}

/// How an utterance ended; the API has no word for one that could not be recorded.
fn term_reason(reason: UtteranceReason) -> Value {
    match reason {
        UtteranceReason::FinishKey => json!("finishKey"),
        UtteranceReason::Timeout => json!("timeout"),
        UtteranceReason::Hangup => json!("hangup"),
        UtteranceReason::MaxLength => json!("maxLength"),
        UtteranceReason::Failed => Value::Null,
    }
}

/// Why a transcript is as it is; the API has no word for a caller who spoke and then was silent.
fn transcribe_reason(reason: UtteranceReason, said: Option<&Transcript>) -> Value {
    match (said, reason) {
        (None, _) | (Some(_), UtteranceReason::Failed) => json!("internalError"),
        (Some(_), UtteranceReason::FinishKey) => json!("digit"),
        (Some(_), UtteranceReason::Hangup) => json!("hangup"),
        (Some(_), UtteranceReason::MaxLength) => json!("maxLength"),
        (Some(said), UtteranceReason::Timeout) if said.text.trim().is_empty() => json!("noInput"),
        (Some(_), UtteranceReason::Timeout) => Value::Null,
    }
}
