//! Webhooks about calls that wait: in a queue, or parked.

use std::time::Duration;

use serde_json::json;
use tutti_control_plane::{CallContext, QueueResult};
use tutti_model::QueueId;

use super::{Body, standard};
use crate::word::Word;

/// A webhook about a call and one queue, which it need not be in any more.
pub(super) fn about(request_type: &'static str, call: &CallContext, queue: QueueId) -> Body {
    let mut body = standard(request_type, call);
    body.insert("queueId", json!(queue));
    body
}

pub(super) fn wait(
    call: &CallContext,
    queue: QueueId,
    position: u32,
    waited: Duration,
    size: u32,
) -> Body {
    let mut body = about("queueWait", call, queue);
    // The SDKs insist on a string here, and on numbers there.
    body.insert("queuePosition", json!(position.to_string()));
    body.insert("queueTime", json!(waited.as_secs()));
    body.insert("currentQueueSize", json!(size));
    body
}

/// A call is no longer in a queue, or never came in.
pub(super) fn left(
    request_type: &'static str,
    call: &CallContext,
    queue: QueueId,
    result: QueueResult,
    waited: Duration,
) -> Body {
    let mut body = about(request_type, call, queue);
    body.insert("queueResult", json!(result.word()));
    body.insert("queueTime", json!(waited.as_secs()));
    body
}

/// The documents name no parameter for how long a call was parked; this one is named like a queue's.
pub(super) fn parked(request_type: &'static str, call: &CallContext, waited: Duration) -> Body {
    let mut body = standard(request_type, call);
    body.insert("parkTime", json!(waited.as_secs()));
    body
}
