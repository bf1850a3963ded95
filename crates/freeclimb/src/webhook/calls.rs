//! Webhooks about a call itself.

use serde_json::{Value, json};
use tutti_control_plane::{CallContext, Machine, RecordingSummary, Webhook};
use tutti_model::{AccountId, CallId, CloseReason};

use super::{Base, Body, body, standard};
use crate::word::Word;

/// The call as it is now, with what the original webhook said beyond the standard parameters.
pub(super) fn redirect(call: &CallContext, original: Option<&Webhook>, base: Base<'_>) -> Body {
    let mut whole = standard("redirect", call);
    let mut original_type = Value::Null;
    if let Some(original) = original {
        let mut said = body(original, base);
        original_type = said.remove("requestType").unwrap_or_default();
        for (name, value) in said {
            // What the original was about; of everything else, the call's state counts.
            let about = matches!(name, "conferenceId" | "queueId");
            let known = whole.get(name).is_some_and(|known| !known.is_null());
            if !known && (about || !whole.contains_key(name)) {
                whole.insert(name, value);
            }
        }
    }
    whole.insert("originalRequestType", original_type);
    whole
}

pub(super) fn out_dial_start(call: &CallContext, dialled: CallId) -> Body {
    let mut body = standard("outDialStart", call);
    body.insert("dialCallId", json!(dialled));
    body
}

/// What became of a call that was placed. Its status is told twice, for older applications.
pub(super) fn connect(request_type: &'static str, call: &CallContext) -> Body {
    let mut body = standard(request_type, call);
    body.insert("dialCallStatus", json!(call.status.word()));
    body
}

pub(super) fn machine_detected(call: &CallContext, machine: Machine) -> Body {
    let mut body = standard("machineDetected", call);
    body.insert("machineType", json!(machine.word()));
    body
}

/// A call that has ended is in no conference and no queue any more.
pub(super) fn status(
    call: &CallContext,
    reason: CloseReason,
    duration_secs: u64,
    recording: Option<&RecordingSummary>,
    base: Base<'_>,
) -> Body {
    let mut body = standard("callStatus", call);
    body.insert("conferenceId", Value::Null);
    body.insert("queueId", Value::Null);
    body.insert("callEndedReason", json!(reason.word()));
    body.insert("callDuration", json!(duration_secs));
    describe(&mut body, call.account, recording, base);
    body
}

/// The recording that a webhook is about, or nulls.
pub(super) fn describe(
    body: &mut Body,
    account: AccountId,
    recording: Option<&RecordingSummary>,
    base: Base<'_>,
) {
    let url = recording.map(|summary| base.recording_url(account, summary.recording));
    let id = recording.map(|summary| summary.recording);
    let duration_secs = recording.map(|summary| summary.duration_secs);
    body.insert("recordingUrl", json!(url));
    body.insert("recordingId", json!(id));
    body.insert("recordingDurationSec", json!(duration_secs));
}
