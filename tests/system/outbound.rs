//! Does the bridge call out as an application asks, and only where it may?

use serde_json::{Value, json};

use crate::application::{Answer, Application, Webhook};
use crate::bridge::{Bridge, Settings};
use crate::callee::Callee;
use crate::patience::until;
use crate::rest::{Rest, text};

const OWN: &str = "+15550100100";
const THEIRS: &str = "+15550109999";

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_answered_runs_its_script_and_is_hung_up() {
    let scene = Scene::new(Callee::that_answers()).await;
    let connected = json!([{ "Pause": { "length": 500 } }, { "Hangup": {} }]);
    scene
        .application
        .answer("/connect", Answer::Percl(connected));

    let placed = scene.place(json!({})).await;
    assert_eq!(placed["status"], "queued");
    assert_eq!(placed["direction"], "outboundAPI");
    let call = text(&placed, "callId");

    let connect = scene.connected(&call).await;
    assert_eq!(connect.body["callStatus"], "inProgress");
    assert_eq!(connect.body["dialCallStatus"], "inProgress");
    assert_eq!(connect.body["to"], THEIRS);
    assert_eq!(connect.body["from"], OWN);
    scene.ends(&call, "completed", "appHangup").await;
    let record = scene.rest.get(&format!("/Calls/{call}")).await;
    assert!(record["connectTime"].is_string() && record["endTime"].is_string());
    scene.nothing_is_left().await;
    scene.callee.until_done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trunk_that_asks_for_a_password_gets_its_answer() {
    let callee = Callee::that_asks();
    let trunk = callee.trunk(&["+1555"])
        + "username = \"tutti\"\npassword = \"open sesame\"\nrealm = \"trunk.example\"\n";
    let scene = Scene::with_file(callee, trunk).await;
    let connected = json!([{ "Hangup": {} }]);
    scene
        .application
        .answer("/connect", Answer::Percl(connected));
    let call = text(&scene.place(json!({})).await, "callId");
    scene.ends(&call, "completed", "appHangup").await;
    scene.callee.until_done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trunk_of_another_realm_learns_nothing() {
    let callee = Callee::that_asks();
    let trunk = callee.trunk(&["+1555"])
        + "username = \"tutti\"\npassword = \"open sesame\"\nrealm = \"elsewhere.example\"\n";
    let scene = Scene::with_file(callee, trunk).await;
    let call = text(&scene.place(json!({})).await, "callId");
    scene.ends(&call, "failed", "failed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_is_told_apart() {
    for (status, outcome) in [
        (486, "busy"),
        (600, "busy"),
        (480, "noAnswer"),
        (503, "failed"),
    ] {
        let scene = Scene::new(Callee::that_refuses(status)).await;
        let call = text(&scene.place(json!({})).await, "callId");
        let connect = scene.connected(&call).await;
        assert_eq!(connect.body["callStatus"], outcome, "after {status}");
        assert_eq!(connect.body["dialCallStatus"], outcome, "after {status}");
        scene.ends(&call, outcome, outcome).await;
        scene.nothing_is_left().await;
        scene.callee.until_done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_rings_as_long_as_it_may() {
    let scene = Scene::new(Callee::that_rings()).await;
    let call = text(&scene.place(json!({ "timeout": 2 })).await, "callId");
    scene.until_call(&call, "ringing").await;
    let connect = scene.connected(&call).await;
    assert_eq!(connect.body["dialCallStatus"], "noAnswer");
    scene.ends(&call, "noAnswer", "noAnswer").await;
    scene.nothing_is_left().await;
    scene.callee.until_done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_rings_can_be_cancelled() {
    let scene = Scene::new(Callee::that_rings()).await;
    let call = text(&scene.place(json!({})).await, "callId");
    scene.until_call(&call, "ringing").await;
    let cancel = json!({ "status": "canceled" });
    scene
        .rest
        .post(&format!("/Calls/{call}"), &cancel, 202)
        .await;
    scene.ends(&call, "canceled", "callCanceled").await;
    scene.nothing_is_left().await;
    scene.callee.until_done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answered_call_whose_webhook_fails_is_hung_up() {
    for failing in [
        Answer::Status(500),
        Answer::Percl(json!({ "Hangup": {} })),
        Answer::Percl(json!([{ "Gather": {} }])),
    ] {
        let scene = Scene::new(Callee::that_answers()).await;
        let reason = match failing {
            Answer::Status(_) => "webhookFailed",
            _ => "webhookInvalidResponse",
        };
        scene.application.answer("/connect", failing);
        let call = text(&scene.place(json!({})).await, "callId");
        scene.ends(&call, "completed", reason).await;
        scene.nothing_is_left().await;
        scene.callee.until_done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answered_call_is_ended_from_the_middle_of_its_script() {
    let scene = Scene::new(Callee::that_answers()).await;
    let waits = json!([{ "Pause": { "length": 60_000 } }]);
    scene.application.answer("/connect", Answer::Percl(waits));
    let call = text(&scene.place(json!({})).await, "callId");
    scene.connected(&call).await;
    let end = json!({ "status": "completed" });
    scene.rest.post(&format!("/Calls/{call}"), &end, 202).await;
    scene.ends(&call, "completed", "appHangup").await;
    scene.nothing_is_left().await;
    scene.callee.until_done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_trunk_allows_is_not_called() {
    let scene = Scene::new(Callee::that_answers()).await;
    for forbidden in [
        "+442071234567",
        "+19005550100",
        "sip:attacker@10.0.0.1",
        "sip:+15550109999@192.168.1.1;user=phone",
    ] {
        let reply = scene.try_place(json!({ "to": forbidden })).await;
        if reply.status == 202 {
            let call = text(&reply.json(), "callId");
            scene.ends(&call, "failed", "failed").await;
        } else {
            assert!((400..500).contains(&reply.status), "{forbidden}");
        }
    }
    for nonsense in [
        "15550109999;ext=1",
        "+1555٠١٠٩٩٩٩",
        "tel:+15550109999",
        "+1 555 010 9999",
        "",
    ] {
        let reply = scene.try_place(json!({ "to": nonsense })).await;
        assert_eq!(reply.status, 400, "{nonsense}");
    }
    let foreign = json!({ "from": "+15550107777" });
    let reply = scene.try_place(foreign).await;
    assert!(
        (400..500).contains(&reply.status),
        "a number that is not ours"
    );
    scene.nothing_is_left().await;
}

/// A bridge with a trunk, a number of ours, and an application that answers for it.
struct Scene {
    bridge: Bridge,
    rest: Rest,
    application: Application,
    app: String,
    callee: Callee,
}

impl Scene {
    async fn new(callee: Callee) -> Scene {
        let trunk = callee.trunk(&["+1555"]);
        Scene::with_file(callee, trunk).await
    }

    async fn with_file(callee: Callee, file: String) -> Scene {
        let application = Application::start().await;
        let bridge = Bridge::start_with(Settings::default().with_file(file)).await;
        let rest = bridge.rest();
        let app = json!({
            "callConnectUrl": application.url("/connect"),
            "statusCallbackUrl": application.url("/status"),
        });
        let app = rest.post("/Applications", &app, 201).await.json();
        let app = text(&app, "applicationId");
        let number = json!({ "phoneNumber": OWN, "applicationId": app });
        rest.post("/IncomingPhoneNumbers", &number, 200).await;
        Scene {
            bridge,
            rest,
            application,
            app,
            callee,
        }
    }

    async fn try_place(&self, options: Value) -> crate::rest::Reply {
        let mut call = json!({ "from": OWN, "to": THEIRS, "applicationId": self.app });
        for (name, value) in options.as_object().unwrap() {
            call[name] = value.clone();
        }
        self.rest.try_post("/Calls", &call).await
    }

    async fn place(&self, options: Value) -> Value {
        let reply = self.try_place(options).await;
        let said = String::from_utf8_lossy(&reply.bytes).into_owned();
        assert_eq!(reply.status, 202, "{said}");
        reply.json()
    }

    async fn connected(&self, call: &str) -> Webhook {
        self.application
            .until("the call's outcome is told", |webhook| {
                webhook.is("outDialApiConnect") && webhook.body["callId"] == call
            })
            .await
    }

    async fn until_call(&self, call: &str, status: &str) {
        until(&format!("the call is {status}"), async || {
            let record = self.rest.get(&format!("/Calls/{call}")).await;
            (record["status"] == status).then_some(())
        })
        .await;
    }

    /// The end is told, and stands in the record.
    async fn ends(&self, call: &str, status: &str, reason: &str) {
        let end = self
            .application
            .until("the call's end is told", |webhook| {
                webhook.is("callStatus") && webhook.body["callId"] == call
            })
            .await;
        assert_eq!(end.body["callStatus"], status);
        assert_eq!(end.body["callEndedReason"], reason);
        self.until_call(call, status).await;
    }

    async fn nothing_is_left(&self) {
        let active = self.rest.get("/Calls?active=true").await;
        assert_eq!(active["total"], 0, "{active}\n{}", self.bridge.log());
    }
}
