//! Whether the API's description tells what is really read and written.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tutti_control_plane::{
    AccountRecord, AccountStatus, ApplicationRecord, CallRecord, CallStatus, ConferenceRecord,
    ConferenceStatus, Direction, LogEntry, LogLevel, NumberRecord, ParticipantRecord, PlayBeep,
    QueueMember, QueueRecord, RecordingRecord, RecordingStatus,
};
use tutti_model::{
    AccountId, ApplicationId, CallId, ConferenceId, NumberId, QueueId, RecordingId, RequestId,
    Timestamp,
};
use utoipa::{PartialSchema, ToSchema};

use crate::attributes::Attributes;
use crate::page::{Filter, ListRequest, PageOf};
use crate::request::*;
use crate::resource::*;

const NOW: Timestamp = Timestamp::from_micros(1_466_703_006_250_000);

const ACCOUNT: AccountId = AccountId::from_bytes([1; 20]);

/// Every body that a client can send, read in full, and what the description says of it.
#[test]
fn every_attribute_that_is_read_is_described_and_the_other_way_round() {
    let application = ApplicationId::from_bytes([6; 20]);
    let url = "https://app.example/";
    let number = "+15550101";
    compare::<AccountRequest>(&json!({}), |body| AccountUpdate::parse(body).is_ok());
    compare::<ApplicationRequest>(&json!({}), |body| ApplicationUpdate::parse(body).is_ok());
    let call = json!({"from": number, "to": number, "callConnectUrl": url});
    compare::<MakeCallRequest>(&call, |body| NewCallRequest::parse(body).is_ok());
    compare::<UpdateCallRequest>(&json!({"status": "canceled"}), |body| {
        update_call(body).is_ok()
    });
    compare::<CreateConferenceRequest>(&json!({}), |body| create_conference(body).is_ok());
    compare::<UpdateConferenceRequest>(&json!({}), |body| update_conference(body).is_ok());
    compare::<FilterLogsRequest>(&json!({"pql": "timestamp > 1"}), |body| {
        filter_logs(body).is_ok()
    });
    let purchase = json!({"phoneNumber": number, "applicationId": application});
    compare::<BuyIncomingNumberRequest>(&purchase, |body| NumberPurchase::parse(body).is_ok());
    compare::<IncomingNumberRequest>(&json!({}), |body| NumberUpdate::parse(body).is_ok());
    compare::<UpdateConferenceParticipantRequest>(&json!({}), |body| {
        update_participant(body).is_ok()
    });
    compare::<QueueRequest>(&json!({}), |body| queue_options(body).is_ok());
    let token = json!({"to": number, "from": number, "uses": 1});
    compare::<CreateWebRtcToken>(&token, |body| WebRtcTokenRequest::parse(body).is_ok());
}

/// What is required is what a body cannot do without.
#[test]
fn what_is_required_is_described_as_required() {
    let number = "+15550101";
    let whole = json!({"to": number, "from": number, "uses": 1});
    for name in required::<CreateWebRtcToken>() {
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(&name);
        let error = WebRtcTokenRequest::parse(&attributes(&body)).unwrap_err();
        assert_eq!(error.to_string(), format!("{name}: is required"));
    }
    assert_eq!(required::<MakeCallRequest>(), ["from", "to"]);
    assert_eq!(required::<UpdateCallRequest>(), ["status"]);
    assert_eq!(required::<FilterLogsRequest>(), ["pql"]);
    assert_eq!(required::<BuyIncomingNumberRequest>(), ["phoneNumber"]);
    assert!(required::<QueueRequest>().is_empty());
    assert!(required::<CreateConferenceRequest>().is_empty());
}

#[test]
fn every_resource_is_described_as_it_is_written() {
    let created = NOW;
    let updated = NOW;
    let revision = 1;
    let call = CallId::from_bytes([2; 20]);
    let conference = ConferenceId::from_bytes([3; 20]);
    let account = AccountRecord {
        id: ACCOUNT,
        api_key_hash: [0; 32],
        signing_secrets: Vec::new(),
        status: AccountStatus::Active,
        alias: None,
        label: None,
        revision,
        created,
        updated,
    };
    described(&AccountResource::new(&account, "key"));
    described(&ApplicationResource::from(&ApplicationRecord {
        id: ApplicationId::from_bytes([6; 20]),
        account: ACCOUNT,
        alias: None,
        voice_url: None,
        voice_fallback_url: None,
        call_connect_url: None,
        status_callback_url: None,
        sms_url: None,
        sms_fallback_url: None,
        revision,
        created,
        updated,
    }));
    described(&CallResource::from(&CallRecord {
        id: call,
        account: ACCOUNT,
        application: None,
        parent: None,
        number: None,
        from: "+15550100".to_owned(),
        to: "+15550101".to_owned(),
        direction: Direction::Inbound,
        status: CallStatus::Ringing,
        conference: None,
        queue: None,
        answered_by: None,
        ended_reason: None,
        started: None,
        connected: None,
        ended: None,
        revision,
        created,
        updated,
    }));
    described(&ConferenceResource::from(&ConferenceRecord {
        id: conference,
        account: ACCOUNT,
        alias: None,
        play_beep: PlayBeep::Always,
        record: false,
        status: ConferenceStatus::Empty,
        wait_url: None,
        action_url: None,
        status_callback_url: None,
        revision,
        created,
        updated,
    }));
    described(&NumberResource::from(&NumberRecord {
        id: NumberId::from_bytes([7; 20]),
        account: ACCOUNT,
        application: None,
        phone_number: "+15550101".to_owned(),
        alias: None,
        revision,
        created,
        updated,
    }));
    described(&ParticipantResource::from(&ParticipantRecord {
        account: ACCOUNT,
        conference,
        call,
        talk: true,
        listen: true,
        dtmf_pass_through: true,
        started_conference: false,
        revision,
        created,
        updated,
    }));
    described(&RecordingResource::from(&RecordingRecord {
        id: RecordingId::from_bytes([4; 20]),
        account: ACCOUNT,
        call: None,
        conference: None,
        status: RecordingStatus::Open,
        kept_until: None,
        revision,
        created,
        updated,
    }));
    let queue = QueueRecord {
        id: QueueId::from_bytes([8; 20]),
        account: ACCOUNT,
        alias: None,
        max_size: 1,
        current_size: 0,
        taken_out: 0,
        waited: std::time::Duration::ZERO,
        revision,
        created,
        updated,
    };
    described(&QueueResource::from(&queue));
    let member = QueueMember {
        call,
        position: 1,
        since: NOW,
    };
    let member = QueueMemberResource::new(ACCOUNT, queue.id, &member, NOW);
    described(&member);
    let entry = LogEntry {
        account: ACCOUNT,
        call: None,
        conference: None,
        level: LogLevel::Info,
        request: RequestId::from_bytes([5; 20]),
        message: String::new(),
    };
    described(&LogResource::new(NOW, &entry));

    let request = ListRequest::<QueueMemberFilter>::parse("").unwrap();
    let page = request.page("/Members", vec![member], 1, None);
    let page = serde_json::to_value(page).unwrap();
    type Members = PageOf<QueueMemberFilter, QueueMemberResource>;
    assert_eq!(names_of::<Members>(), keys(&page));
    assert_eq!(Members::name(), "QueueMembersPage");
    let mut schemas = Vec::new();
    Members::schemas(&mut schemas);
    assert!(
        schemas
            .iter()
            .any(|(name, _)| name == "QueueMemberResource")
    );
    assert_eq!(QueueMemberFilter::LIST, "queueMembers");
}

/// Lets a parser read a body, and holds what it has asked for against the description.
fn compare<T: ToSchema>(body: &Value, read: impl FnOnce(&Attributes) -> bool) {
    let attributes = attributes(body);
    assert!(read(&attributes), "{}: {body} is refused", T::name());
    let asked: BTreeSet<_> = attributes.asked().into_iter().map(str::to_owned).collect();
    assert_eq!(names_of::<T>(), asked, "{}", T::name());
}

fn attributes(body: &Value) -> Attributes {
    members(body.to_string().as_bytes()).unwrap()
}

/// Holds a resource against its description: the same names, and of each the type.
fn described<T: ToSchema + serde::Serialize>(resource: &T) {
    let written = serde_json::to_value(resource).unwrap();
    assert_eq!(names_of::<T>(), keys(&written), "{}", T::name());
    for (name, schema) in properties(&schema::<T>(), &schemas::<T>()) {
        let value = &written[&name];
        let types = schema["type"].to_string();
        let fits = match value {
            Value::Null => types.contains("null"),
            Value::Bool(_) => types.contains("boolean"),
            Value::Number(_) => types.contains("integer"),
            Value::String(_) => types.contains("string"),
            Value::Object(_) => types.contains("object"),
            Value::Array(_) => types.contains("array"),
        };
        assert!(fits, "{}.{name} is {value}, not {types}", T::name());
    }
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

fn names_of<T: ToSchema>() -> BTreeSet<String> {
    let properties = properties(&schema::<T>(), &schemas::<T>());
    properties.into_iter().map(|(name, _)| name).collect()
}

fn required<T: ToSchema>() -> Vec<String> {
    let schema = schema::<T>();
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    required
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

fn schema<T: PartialSchema>() -> Value {
    serde_json::to_value(T::schema()).unwrap()
}

/// The schemas that a schema refers to.
fn schemas<T: ToSchema>() -> Vec<(String, Value)> {
    let mut schemas = Vec::new();
    T::schemas(&mut schemas);
    schemas
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_value(schema).unwrap()))
        .collect()
}

/// The members that a schema has, with those of the schemas that it is made of.
fn properties(schema: &Value, others: &[(String, Value)]) -> Vec<(String, Value)> {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        let other = others.iter().find(|(known, _)| known == name);
        return properties(&other.unwrap().1, others);
    }
    let parts = schema["allOf"].as_array().cloned().unwrap_or_default();
    let own = schema["properties"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let of_parts = parts.iter().flat_map(|part| properties(part, others));
    own.into_iter().chain(of_parts).collect()
}
