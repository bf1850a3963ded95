//! What an application is told, as the bytes of a webhook's body.

mod calls;
mod conferences;
mod queues;
#[cfg(test)]
mod tests;
mod utterances;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tutti_control_plane::{CallContext, Webhook};
use tutti_model::{AccountId, RecordingId, RequestId};

use crate::word::Word;

/// The header that carries the originating request's identifier.
pub const REQUEST_ID_HEADER: &str = "Request-Id";

/// The body: compact JSON with its keys in alphabetical order, as it will be signed.
///
/// `api_base` is where applications reach this API, `/apiserver` included; without it recordings
/// are named by their path alone.
pub fn render(webhook: &Webhook, request: RequestId, api_base: Option<&str>) -> Vec<u8> {
    let mut body = body(webhook, Base(api_base));
    body.insert("requestId", json!(request));
    // Everything in the map is plain data, which JSON can always say.
    serde_json::to_vec(&body).unwrap_or_default()
}

/// The members of a body, in the order in which they are written.
type Body = BTreeMap<&'static str, Value>;

/// Where applications reach this API.
#[derive(Clone, Copy)]
struct Base<'b>(Option<&'b str>);

fn body(webhook: &Webhook, base: Base<'_>) -> Body {
    match webhook {
        Webhook::InboundCall { call } => standard("inboundCall", call),
        Webhook::Redirect { call, original } => calls::redirect(call, original.as_deref(), base),
        Webhook::OutDialStart { call, dialled } => calls::out_dial_start(call, *dialled),
        Webhook::OutDialConnect { call } => calls::connect("outDialConnect", call),
        Webhook::OutDialApiConnect { call } => calls::connect("outDialApiConnect", call),
        Webhook::MachineDetected { call, machine } => calls::machine_detected(call, *machine),
        Webhook::GetDigits {
            call,
            digits,
            reason,
            private,
        } => utterances::get_digits(call, digits, *reason, *private),
        Webhook::Record {
            call,
            recording,
            reason,
            private,
        } => utterances::record(call, recording.as_ref(), *reason, *private, base),
        Webhook::Transcribe {
            call,
            recording,
            reason,
            digit,
            transcript,
            private_log,
            private_recording,
        } => {
            let mut body = utterances::transcribe(call, recording.as_ref(), base);
            utterances::understand(&mut body, *reason, *digit, transcript);
            body.insert("privacyForLogging", json!(private_log));
            body.insert("privacyForRecording", json!(private_recording));
            body
        }
        Webhook::CallControl {
            call,
            conference,
            digits,
        } => conferences::call_control(call, *conference, digits),
        Webhook::AddToQueueNotification { call, queue } => {
            queues::about("addToQueueNotification", call, *queue)
        }
        Webhook::QueueWait {
            call,
            queue,
            position,
            waited,
            size,
        } => queues::wait(call, *queue, *position, *waited, *size),
        Webhook::Dequeue {
            call,
            queue,
            result,
            waited,
        } => queues::left("dequeue", call, *queue, *result, *waited),
        Webhook::RemoveFromQueueNotification {
            call,
            queue,
            result,
            waited,
        } => queues::left(
            "removeFromQueueNotification",
            call,
            *queue,
            *result,
            *waited,
        ),
        Webhook::ParkNotification { call } => standard("parkNotification", call),
        Webhook::ParkWait { call, waited } => queues::parked("parkWait", call, *waited),
        Webhook::Unpark { call, waited } => queues::parked("unpark", call, *waited),
        Webhook::CreateConference { call, conference } => {
            conferences::about("createConference", call, *conference)
        }
        Webhook::ConferenceStatus {
            account,
            conference,
            status,
            recording,
        } => {
            let name = "conferenceStatus";
            let recording = recording.as_ref();
            conferences::status(name, *account, *conference, *status, recording, base)
        }
        Webhook::ConferenceRecordingStatus {
            account,
            conference,
            status,
            recording,
        } => {
            let name = "conferenceRecordingStatus";
            let recording = Some(recording);
            conferences::status(name, *account, *conference, *status, recording, base)
        }
        Webhook::AddToConferenceNotification { call, conference } => {
            conferences::about("addToConferenceNotification", call, *conference)
        }
        Webhook::LeaveConference { call, conference } => {
            conferences::about("leaveConference", call, *conference)
        }
        Webhook::CallStatus {
            call,
            reason,
            duration_secs,
            recording,
        } => calls::status(call, *reason, *duration_secs, recording.as_ref(), base),
    }
}

/// The parameters of every webhook about a call.
fn standard(request_type: &'static str, call: &CallContext) -> Body {
    BTreeMap::from([
        ("accountId", json!(call.account)),
        ("callId", json!(call.call)),
        ("callStatus", json!(call.status.word())),
        ("conferenceId", json!(call.conference)),
        ("direction", json!(call.direction.word())),
        ("from", json!(call.from)),
        ("parentCallId", json!(call.parent)),
        ("queueId", json!(call.queue)),
        ("requestType", json!(request_type)),
        ("to", json!(call.to)),
    ])
}

impl Base<'_> {
    /// Where a recording is downloaded from; `Play` takes the same.
    fn recording_url(self, account: AccountId, recording: RecordingId) -> String {
        let path = format!("/Accounts/{account}/Recordings/{recording}/Download");
        match self.0 {
            Some(base) => format!("{}{path}", base.trim_end_matches('/')),
            None => path,
        }
    }
}

/// Milliseconds, as far as JSON counts.
fn millis(duration: Duration) -> Value {
    json!(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
