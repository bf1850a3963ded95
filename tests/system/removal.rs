//! Where do participants go when the application sends them away?

use serde_json::{Value, json};

use crate::application::{Answer, Application};
use crate::bridge::Bridge;
use crate::guests::Guests;
use crate::rest::text;

const NUMBER: &str = "+15550100100";

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_without_a_place_to_go_is_hung_up() {
    let application = Application::start().await;
    let bridge = Bridge::start().await;
    let rest = bridge.rest();
    let guests = Guests::new().await;
    let conference = rest.create_conference(json!({})).await;
    let reception = json!({
        "voiceUrl": application.url("/voice"),
        "statusCallbackUrl": application.url("/call"),
    });
    rest.create_number(NUMBER, reception).await;
    application.answer("/voice", Answer::Percl(add_to(&conference, &json!({}))));

    let mut ann = guests.call("ann", &bridge.sip_uri(NUMBER)).await;
    let bob = guests.call("bob", &bridge.sip_uri(&conference)).await;
    let participants = rest.until_participants(&conference, 2).await;
    let call = application
        .until("the call is told", |webhook| webhook.is("inboundCall"))
        .await;
    let call = text(&call.body, "callId");
    assert!(
        participants
            .iter()
            .any(|participant| participant["callId"] == call.as_str())
    );

    let path = format!("/Conferences/{conference}/Participants/{call}");
    let reply = rest.delete(&path, 204).await;
    assert!(reply.bytes.is_empty(), "204 has no body");
    ann.until_ended().await;
    let ended = application
        .until("the end is told", |webhook| webhook.is("callStatus"))
        .await;
    assert_eq!(ended.body["callEndedReason"], "removedFromConference");
    rest.until_participants(&conference, 1).await;
    rest.delete(&path, 404).await;
    bob.hang_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_goes_on_where_the_application_says() {
    let application = Application::start().await;
    let bridge = Bridge::start().await;
    let rest = bridge.rest();
    let guests = Guests::new().await;
    let first = rest.create_conference(json!({ "playBeep": "never" })).await;
    let second = rest.create_conference(json!({ "playBeep": "never" })).await;
    rest.create_number(NUMBER, json!({ "voiceUrl": application.url("/voice") }))
        .await;
    let leave = json!({ "leaveConferenceUrl": application.url("/left") });
    application.answer("/voice", Answer::Percl(add_to(&first, &leave)));
    application.answer("/left", Answer::Percl(add_to(&second, &json!({}))));

    let ann = guests.call("ann", &bridge.sip_uri(NUMBER)).await;
    let bob = guests.call("bob", &bridge.sip_uri(&second)).await;
    ann.say(true);
    rest.until_status(&first, "inProgress").await;
    bob.until_hears_exactly(&[]).await;
    rest.set_conference_status(&first, "empty").await;

    // The leg moves whole: bob hears ann as soon as she is there.
    bob.until_hears_exactly(&["ann"]).await;
    rest.until_status(&first, "empty").await;
    assert_eq!(rest.until_participants(&second, 2).await.len(), 2);
    let left = application
        .until("the leaving is told", |webhook| webhook.path == "/left")
        .await;
    assert_eq!(
        (left.is("leaveConference"), &left.body["conferenceId"]),
        (true, &json!(first))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_ended_by_rest_leaves_its_conference() {
    let bridge = Bridge::start().await;
    let rest = bridge.rest();
    let guests = Guests::new().await;
    let conference = rest.create_conference(json!({})).await;
    let mut ann = guests.call("ann", &bridge.sip_uri(&conference)).await;
    let participants = rest.until_participants(&conference, 1).await;
    let call = format!("/Calls/{}", text(&participants[0], "callId"));
    rest.post(&call, &json!({ "status": "completed" }), 202)
        .await;
    ann.until_ended().await;
    rest.until_status(&conference, "empty").await;
    assert_eq!(rest.get(&call).await["status"], "completed");
    rest.post(&call, &json!({ "status": "completed" }), 404)
        .await;
}

fn add_to(conference: &str, options: &Value) -> Value {
    let mut add = options.clone();
    add["conferenceId"] = conference.into();
    json!([{ "AddToConference": add }])
}
