//! Webhooks about a conference, and about a call in one.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tutti_control_plane::{CallContext, ConferenceStatus, RecordingSummary};
use tutti_model::{AccountId, ConferenceId};

use super::calls::describe;
use super::{Base, Body, standard};
use crate::word::Word;

/// A webhook about a call and one conference, which it need not be in any more.
pub(super) fn about(
    request_type: &'static str,
    call: &CallContext,
    conference: ConferenceId,
) -> Body {
    let mut body = standard(request_type, call);
    body.insert("conferenceId", json!(conference));
    body
}

pub(super) fn call_control(call: &CallContext, conference: ConferenceId, digits: &str) -> Body {
    let mut body = about("callControl", call, conference);
    body.insert("digits", json!(digits));
    body
}

/// A webhook about a conference; it has no call, and says so with nulls.
pub(super) fn status(
    request_type: &'static str,
    account: AccountId,
    conference: ConferenceId,
    status: ConferenceStatus,
    recording: Option<&RecordingSummary>,
    base: Base<'_>,
) -> Body {
    let mut body = BTreeMap::from([
        ("accountId", json!(account)),
        ("callId", Value::Null),
        ("callStatus", Value::Null),
        ("conferenceId", json!(conference)),
        ("direction", Value::Null),
        ("from", Value::Null),
        ("parentCallId", Value::Null),
        ("queueId", Value::Null),
        ("requestType", json!(request_type)),
        ("status", json!(status.word())),
        ("to", Value::Null),
    ]);
    describe(&mut body, account, recording, base);
    body
}
