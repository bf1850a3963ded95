//! Do the flows that applications are made of go their way, and end well wherever they break?
//!
//! Each flow is walked once as it should go, once for every webhook that fails, and once for every
//! place where its call is ended over REST.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::application::{Answer, Application, Webhook};
use crate::bridge::{Bridge, Settings};
use crate::callee::Callee;
use crate::ear::Sound;
use crate::guests::Guests;
use crate::key_phone::KeyPhone;
use crate::patience::until;
use crate::rest::{Rest, text};
use crate::tool::tool;

const NUMBER: &str = "+15550100100";
const QUEUE: &str = "QU5555555555555555555555555555555555555555";

/// How long somebody speaks.
const UTTERANCE: Duration = Duration::from_millis(2_500);

/// How a flow ends when nobody disturbs it: its script hangs up.
const BY_SCRIPT: &str = "appHangup";

/// One thing that an application is told in a flow, and what its caller or operator does then.
struct Step {
    path: &'static str,
    then: Act,
    /// Whether its answer is the call's script; where not, its failure changes nothing.
    is_script: bool,
}

/// What somebody does.
#[derive(Clone, Copy)]
enum Act {
    Nothing,
    Press(&'static str),
    /// Says something, and presses a key when it is said.
    SayAndPress(char),
    /// Takes the call out of its conference, over REST.
    Remove,
    /// Takes the call out of the queue, over REST.
    Dequeue,
}

/// How a walk is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disturbance {
    None,
    /// This path's webhook answers with an error.
    Fails(&'static str),
    /// The call is ended over REST once this path has been told.
    Ended(&'static str),
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_leads_into_a_conference() {
    let stage = Stage::new(Settings::default()).await;
    let conference = stage
        .rest
        .create_conference(json!({ "playBeep": "never" }))
        .await;
    stage.script(
        "/voice",
        json!([{ "GetDigits": {
            "actionUrl": stage.url("/pin"), "maxDigits": 8, "finishOnKey": "#",
            "prompts": [{ "Pause": { "length": 60_000 } }],
        }}]),
    );
    let (joined, left) = (stage.url("/joined"), stage.url("/left"));
    stage.answer("/pin", move |request| {
        let add = json!({
            "conferenceId": conference, "notificationUrl": joined, "leaveConferenceUrl": left,
        });
        match request["digits"] == "4711" && request["reason"] == "finishKey" {
            true => json!([{ "AddToConference": add }]),
            false => json!([{ "Reject": {} }]),
        }
    });
    stage.script("/left", json!([{ "Hangup": {} }]));
    let steps = [
        Step::script("/voice", Act::Press("4711#")),
        Step::script("/pin", Act::Nothing),
        Step::notice("/joined", Act::Remove),
        Step::script("/left", Act::Nothing),
    ];
    stage.walk_every_way(&steps).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_mute_and_unmute_in_a_conference() {
    let stage = Stage::new(Settings::default()).await;
    let conference = stage
        .rest
        .create_conference(json!({ "playBeep": "never" }))
        .await;
    stage.script(
        "/voice",
        json!([{ "AddToConference": {
            "conferenceId": conference, "notificationUrl": stage.url("/joined"),
            "allowCallControl": true, "callControlSequence": "*1",
            "callControlUrl": stage.url("/control"),
        }}]),
    );
    let asked = AtomicU32::new(0);
    stage.answer("/control", move |_| {
        let talk = asked.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        json!([{ "SetTalk": { "talk": talk } }])
    });
    let phone = KeyPhone::call(stage.bridge.sip(), NUMBER);
    let talks = async |talk: bool| {
        until(&format!("talk is {talk}"), async || {
            let participants = stage.rest.participants(&conference).await;
            (participants.first()?["talk"] == talk).then_some(())
        })
        .await;
    };
    talks(true).await;
    phone.press_all("*1");
    talks(false).await;
    // A wrong sequence between two right ones.
    phone.press_all("1*2");
    phone.press_all("**1");
    talks(true).await;
    let controls = stage.told("/control");
    assert_eq!(controls.len(), 2, "{controls:?}");
    for told in &controls {
        assert!(told.is("callControl") && told.body["digits"] == "*1");
        assert_eq!(told.body["conferenceId"], conference.as_str());
    }
    drop(phone);
    stage.rest.until_status(&conference, "empty").await;

    let steps = [
        Step::script("/voice", Act::Nothing),
        Step::notice("/joined", Act::Press("*1")),
        Step::script("/control", Act::Remove),
    ];
    stage
        .walk_every_way_to(&steps, "removedFromConference")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_in_a_queue_is_taken_out() {
    let stage = Stage::new(Settings::default()).await;
    stage.script(
        "/voice",
        json!([{ "Enqueue": {
            "queueId": QUEUE, "waitUrl": stage.url("/wait"), "actionUrl": stage.url("/taken"),
            "notificationUrl": stage.url("/queued"),
        }}]),
    );
    stage.script("/wait", json!([{ "Pause": { "length": 60_000 } }]));
    stage.answer("/taken", |request| {
        match request["queueResult"] == "dequeued" {
            true => json!([{ "Hangup": {} }]),
            false => json!([{ "Reject": {} }]),
        }
    });
    let steps = [
        Step::script("/voice", Act::Nothing),
        Step::notice("/queued", Act::Nothing),
        Step::script("/wait", Act::Dequeue),
        Step::script("/taken", Act::Nothing),
    ];
    stage.walk_every_way(&steps).await;
    let queue = stage.rest.get(&format!("/Queues/{QUEUE}")).await;
    assert_eq!(queue["currentSize"], 0, "{queue}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_utterance_is_recorded_and_played_back() {
    let stage = Stage::new(Settings::default()).await;
    stage.script(
        "/voice",
        json!([{ "RecordUtterance": {
            "actionUrl": stage.url("/recorded"), "finishOnKey": "#", "playBeep": true,
            "silenceTimeoutMs": 20_000, "maxLengthSec": 30,
        }}]),
    );
    let next = stage.url("/next");
    stage.answer("/recorded", move |request| {
        json!([
            { "Play": { "file": request["recordingUrl"] } },
            { "Redirect": { "actionUrl": next } },
        ])
    });
    stage.script("/next", json!([{ "Hangup": {} }]));
    let steps = [
        Step::script("/voice", Act::SayAndPress('#')),
        Step::script("/recorded", Act::Nothing),
        Step::script("/next", Act::Nothing),
    ];
    stage.walk_every_way(&steps).await;

    let told = stage.told("/recorded");
    let told = &told[0].body;
    assert_eq!(told["termReason"], "finishKey");
    assert!(told["recordingSize"].is_string(), "{told}");
    let recording = text(told, "recordingId");
    let reply = stage
        .rest
        .try_get(&format!("/Recordings/{recording}/Download"))
        .await;
    assert_eq!(reply.status, 200);
    let sound = Sound::from_wav(&reply.bytes);
    assert!(
        sound.longest_with_without(1_000.0, 440.0) > 0.8,
        "what was said is recorded"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_hears_what_was_recorded() {
    let stage = Stage::new(Settings::default()).await;
    stage.script(
        "/voice",
        json!([{ "RecordUtterance": {
            "actionUrl": stage.url("/recorded"), "playBeep": false, "maxLengthSec": 2,
            "autoStart": false, "silenceTimeoutMs": 20_000,
        }}]),
    );
    stage.answer("/recorded", |request| {
        json!([
            { "Play": { "file": request["recordingUrl"], "loop": 0 } },
        ])
    });
    let guests = Guests::new().await;
    let ann = guests.call("ann", &stage.bridge.sip_uri(NUMBER)).await;
    ann.say(true);
    let told = stage
        .application
        .until("the utterance is recorded", |webhook| webhook.is("record"))
        .await;
    assert_eq!(told.body["termReason"], "maxLength");
    ann.say(false);
    ann.until_hears_exactly(&["ann"]).await;
    ann.hang_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_utterance_becomes_text_by_the_operators_program() {
    // A program that really reads the file: its text is how many seconds were said.
    drop(tool("soxi"));
    let file = "[transcription]\ncommand = [\"soxi\", \"-D\", \"{file}\"]\n";
    let stage = Stage::new(Settings::default().with_file(file)).await;
    stage.script(
        "/voice",
        json!([{ "TranscribeUtterance": {
            "actionUrl": stage.url("/said"), "record": { "saveRecording": true, "maxLengthSec": 9 },
        }}]),
    );
    stage.script("/said", json!([{ "Hangup": {} }]));
    let mut caller = Calling::begin(stage.bridge.sip());
    let phone = caller.phone().await;
    phone.say(true);
    tokio::time::sleep(UTTERANCE).await;
    phone.press('5');
    let told = stage
        .application
        .until("the text is told", |webhook| webhook.path == "/said")
        .await;
    let seconds: f32 = text(&told.body, "transcript").trim().parse().unwrap();
    assert!((2.0..9.0).contains(&seconds), "{}", told.body);
    assert_eq!(told.body["requestType"], "transcribe");
    let recording = text(&told.body, "recordingId");
    let kept = stage.rest.get(&format!("/Recordings/{recording}")).await;
    assert!(kept["durationSec"].as_u64().unwrap() >= 2, "{kept}");
    stage.until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_legs_meet_in_a_conference() {
    let callee = Callee::that_answers_calls(40);
    let hurry = "[limits]\noutbound_calls_per_second_per_account = 100\n\n";
    let file = hurry.to_owned() + &callee.trunk(&["+1555"]);
    let stage = Stage::new(Settings::default().with_file(file)).await;
    stage.script(
        "/voice",
        json!([{ "CreateConference": {
            "actionUrl": stage.url("/created"), "playBeep": "never",
        }}]),
    );
    let (dialled, connected, child) = (
        stage.url("/dialled"),
        stage.url("/connected"),
        stage.url("/child"),
    );
    let conference = Arc::new(std::sync::Mutex::new(Value::Null));
    let made = Arc::clone(&conference);
    stage.answer("/created", move |request| {
        *made.lock().unwrap() = request["conferenceId"].clone();
        json!([{ "OutDial": {
            "destination": "+15550109999", "callingNumber": request["from"],
            "actionUrl": dialled, "callConnectUrl": connected, "statusCallbackUrl": child,
        }}])
    });
    let (bridged, left) = (stage.url("/bridged"), stage.url("/left"));
    let made = Arc::clone(&conference);
    stage.answer("/dialled", move |_| {
        json!([{ "AddToConference": {
            "conferenceId": *made.lock().unwrap(), "notificationUrl": bridged,
            "leaveConferenceUrl": left,
        }}])
    });
    let joined = stage.url("/joined");
    let made = Arc::clone(&conference);
    stage.answer("/connected", move |request| {
        match request["callStatus"] == "inProgress" {
            true => json!([{ "AddToConference": {
                "conferenceId": *made.lock().unwrap(), "notificationUrl": joined,
            }}]),
            false => json!([]),
        }
    });
    stage.script("/left", json!([{ "Hangup": {} }]));

    // The callee sends back what it hears, so that the caller hears herself through two calls.
    let guests = Guests::new().await;
    let ann = guests.call("ann", &stage.bridge.sip_uri(NUMBER)).await;
    stage
        .application
        .until("the callee has joined", |webhook| webhook.path == "/joined")
        .await;
    ann.say(true);
    ann.until_hears_exactly(&["ann"]).await;
    let id = conference.lock().unwrap().as_str().unwrap().to_owned();
    stage.rest.until_participants(&id, 2).await;
    stage.rest.set_conference_status(&id, "terminated").await;
    stage.until_idle().await;
    ann.hang_up().await;

    let steps = [
        Step::script("/voice", Act::Nothing),
        Step::script("/created", Act::Nothing),
        Step::script("/dialled", Act::Nothing),
        Step::notice("/bridged", Act::Remove),
        Step::script("/left", Act::Nothing),
    ];
    stage.walk_every_way(&steps).await;

    // The new call's own webhook fails: that call ends, and the caller's goes on.
    stage.application.answer("/connected", Answer::Status(500));
    let phone = KeyPhone::call(stage.bridge.sip(), NUMBER);
    let end = stage
        .application
        .until("the new call's end is told", |webhook| {
            webhook.path == "/child" && webhook.body["callEndedReason"] == "webhookFailed"
        })
        .await;
    assert_eq!(end.body["direction"], "outboundDial");
    let active = stage.rest.get("/Calls?active=true").await;
    assert_eq!(active["total"], 1, "{active}");
    drop(phone);
    stage.until_idle().await;
}

/// A path that answers with an error until it is mended.
struct Broken<'a> {
    application: &'a Application,
    path: Option<(&'static str, Option<Answer>)>,
}

impl<'a> Broken<'a> {
    fn by(application: &'a Application, disturbance: Disturbance) -> Broken<'a> {
        let path = match disturbance {
            Disturbance::Fails(path) => {
                Some((path, application.replace(path, Answer::Status(500))))
            }
            Disturbance::None | Disturbance::Ended(_) => None,
        };
        Broken { application, path }
    }

    /// Lets the path answer as before.
    fn mend(&mut self) {
        match self.path.take() {
            Some((path, Some(answer))) => self.application.answer(path, answer),
            Some((path, None)) => self.application.forget(path),
            None => {}
        }
    }
}

/// A caller whose call may not be answered yet, or never.
struct Calling {
    dialling: Option<tokio::task::JoinHandle<Result<KeyPhone, String>>>,
    phone: Option<KeyPhone>,
}

impl Calling {
    fn begin(bridge: SocketAddr) -> Calling {
        let dialling = tokio::task::spawn_blocking(move || KeyPhone::try_call(bridge, NUMBER));
        Calling {
            dialling: Some(dialling),
            phone: None,
        }
    }

    /// The phone, once its call is answered.
    async fn phone(&mut self) -> &KeyPhone {
        if let Some(dialling) = self.dialling.take() {
            self.phone = Some(dialling.await.unwrap().expect("the call is answered"));
        }
        self.phone.as_ref().unwrap()
    }

    async fn let_go(self) {
        if let Some(dialling) = self.dialling {
            drop(dialling.await.unwrap());
        }
    }
}

/// A bridge, an application, and a number that leads from one to the other.
struct Stage {
    bridge: Bridge,
    rest: Rest,
    application: Application,
}

impl Step {
    fn script(path: &'static str, then: Act) -> Step {
        Step {
            path,
            then,
            is_script: true,
        }
    }

    fn notice(path: &'static str, then: Act) -> Step {
        Step {
            path,
            then,
            is_script: false,
        }
    }
}

impl Stage {
    async fn new(settings: Settings) -> Stage {
        let application = Application::start().await;
        let bridge = Bridge::start_with(settings).await;
        let rest = bridge.rest();
        let reception = json!({
            "voiceUrl": application.url("/voice"),
            "statusCallbackUrl": application.url("/status"),
        });
        rest.create_number(NUMBER, reception).await;
        Stage {
            bridge,
            rest,
            application,
        }
    }

    fn url(&self, path: &str) -> String {
        self.application.url(path)
    }

    fn script(&self, path: &str, script: Value) {
        self.application.answer(path, Answer::Percl(script));
    }

    fn answer(&self, path: &str, script: impl Fn(&Value) -> Value + Send + Sync + 'static) {
        self.application
            .answer(path, Answer::PerclFor(Arc::new(script)));
    }

    /// What a path was told, in order.
    fn told(&self, path: &str) -> Vec<Webhook> {
        let webhooks = self.application.webhooks();
        webhooks
            .into_iter()
            .filter(|webhook| webhook.path == path)
            .collect()
    }

    /// Walks a flow whose script hangs up, undisturbed and disturbed everywhere.
    async fn walk_every_way(&self, steps: &[Step]) {
        self.walk_every_way_to(steps, BY_SCRIPT).await;
    }

    async fn walk_every_way_to(&self, steps: &[Step], end: &str) {
        self.walk(steps, Disturbance::None, end).await;
        for step in steps {
            let reason = if step.is_script { "webhookFailed" } else { end };
            self.walk(steps, Disturbance::Fails(step.path), reason)
                .await;
        }
        // The first script's call rings yet when it is told, and the last one's is about to end.
        for step in steps.iter().take(steps.len() - 1).skip(1) {
            self.walk(steps, Disturbance::Ended(step.path), "appHangup")
                .await;
        }
    }

    /// One call through a flow, to its end for this reason; nothing of it is left then.
    async fn walk(&self, steps: &[Step], disturbance: Disturbance, reason: &str) {
        let seen = self.application.webhooks().len();
        let mut broken = Broken::by(&self.application, disturbance);
        let mut caller = Calling::begin(self.bridge.sip());
        let mut call = String::new();
        for step in steps {
            let what = format!("{} is told, {disturbance:?}", step.path);
            // What an earlier call was not told in time may come now.
            let known = call.clone();
            let fits = move |webhook: &Webhook| {
                webhook.path == step.path
                    && webhook.body["direction"] == "inbound"
                    && (known.is_empty() || webhook.body["callId"] == known.as_str())
            };
            let told = self.application.until_after(seen, &what, fits).await;
            call = text(&told.body, "callId");
            match disturbance {
                Disturbance::Fails(path) if path == step.path && step.is_script => break,
                // It is told again until it is taken, and what comes after it waits until then.
                Disturbance::Fails(path) if path == step.path => broken.mend(),
                Disturbance::Ended(path) if path == step.path => {
                    let end = json!({ "status": "completed" });
                    self.rest.post(&format!("/Calls/{call}"), &end, 202).await;
                    break;
                }
                Disturbance::None | Disturbance::Fails(_) | Disturbance::Ended(_) => {}
            }
            self.act(step.then, &call, &mut caller).await;
        }
        let end = self
            .application
            .until_after(
                seen,
                &format!("the end is told, {disturbance:?}"),
                |webhook| webhook.path == "/status" && webhook.body["callId"] == call.as_str(),
            )
            .await;
        assert_eq!(end.body["callEndedReason"], reason, "{disturbance:?}");
        caller.let_go().await;
        broken.mend();
        self.end_the_others().await;
        self.until_idle().await;
    }

    async fn act(&self, act: Act, call: &str, caller: &mut Calling) {
        match act {
            Act::Nothing => {}
            Act::Press(keys) => caller.phone().await.press_all(keys),
            Act::SayAndPress(key) => {
                let phone = caller.phone().await;
                phone.say(true);
                tokio::time::sleep(UTTERANCE).await;
                phone.say(false);
                phone.press(key);
            }
            Act::Remove => {
                let path = until("the call is in a conference", async || {
                    self.participant(call).await
                })
                .await;
                self.rest.delete(&path, 204).await;
            }
            Act::Dequeue => {
                let path = format!("/Queues/{QUEUE}/Members/Front");
                let front = self.rest.get(&path).await;
                assert_eq!(front["callId"], call, "{front}");
                let taken = self.rest.post(&path, &json!({}), 202).await.json();
                assert_eq!(taken["callId"], call, "{taken}");
            }
        }
    }

    /// The path of a call as a participant, if it is one.
    async fn participant(&self, call: &str) -> Option<String> {
        let conferences = self.rest.get("/Conferences?status=inProgress").await;
        for conference in conferences["conferences"].as_array().unwrap() {
            let conference = text(conference, "conferenceId");
            let participants = self.rest.participants(&conference).await;
            if participants.iter().any(|found| found["callId"] == call) {
                return Some(format!("/Conferences/{conference}/Participants/{call}"));
            }
        }
        None
    }

    /// A flow may leave another call behind, as a caller's who hangs up: those are ended.
    async fn end_the_others(&self) {
        let active = self.rest.get("/Calls?active=true").await;
        for call in active["calls"].as_array().unwrap() {
            let path = format!("/Calls/{}", text(call, "callId"));
            // It may end by itself meanwhile.
            self.rest
                .try_post(&path, &json!({ "status": "completed" }))
                .await;
        }
    }

    async fn until_idle(&self) {
        until("no call is left", async || {
            let active = self.rest.get("/Calls?active=true").await;
            (active["total"] == 0).then_some(())
        })
        .await;
    }
}
