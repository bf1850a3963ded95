//! Is whoever watches an account told at once who speaks, which keys are pressed, who comes and goes?

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::bridge::{ACCOUNT, API_KEY, Bridge};
use crate::guests::Guests;
use crate::key_phone::KeyPhone;
use crate::patience::{PATIENCE, until};
use crate::rest::{http_client, text};

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_on_a_phone_is_told_and_seen() {
    let bridge = Bridge::start().await;
    let (rest, api) = (bridge.rest(), Api::of(&bridge));
    let conference = rest.create_conference(json!({})).await;
    let mut watch = api.watch().await;
    let guests = Guests::new().await;
    let target = bridge.sip_uri(&conference);
    let ann = guests.call("ann", &target).await;
    let ann_call = text(&rest.until_participants(&conference, 1).await[0], "callId");
    let joined = watch.next_of("participantJoined", &ann_call).await;
    assert_eq!(joined["conferenceId"], conference.as_str());
    let _bob = guests.call("bob", &target).await;

    ann.say(true);
    let began = watch.next_of("speaking", &ann_call).await;
    assert_eq!(began["speaking"], true);
    assert_eq!(began["conferenceId"], conference.as_str());
    let participants = rest.until_participants(&conference, 2).await;
    for participant in participants {
        let call = text(&participant, "callId");
        let now = api.participant(&conference, &call).await;
        assert_eq!(now["speaking"], call == ann_call, "{now}");
    }
    ann.say(false);
    let ended = watch.next_of("speaking", &ann_call).await;
    assert_eq!(ended["speaking"], false);
    assert_eq!(
        api.participant(&conference, &ann_call).await["speaking"],
        false
    );
    ann.hang_up().await;
    watch.next_of("participantLeft", &ann_call).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_arrives_once_by_rtp_by_info_and_by_both() {
    let bridge = Bridge::start().await;
    let (rest, api) = (bridge.rest(), Api::of(&bridge));
    let conference = rest.create_conference(json!({})).await;
    let mut watch = api.watch().await;
    let mut phone = KeyPhone::call(bridge.sip(), &conference);
    let call = text(&rest.until_participants(&conference, 1).await[0], "callId");
    phone.press('5');
    assert_eq!(watch.next_of("digit", &call).await["digit"], "5");
    phone.inform('6');
    assert_eq!(watch.next_of("digit", &call).await["digit"], "6");
    phone.press('7');
    phone.inform('7');
    assert_eq!(watch.next_of("digit", &call).await["digit"], "7");
    for key in ['#', '#', '*'] {
        phone.press(key);
        let told = watch.next_of("digit", &call).await;
        assert_eq!(told["digit"], key.to_string());
    }
    // What applications are told is theirs; the log is the operator's.
    assert!(!bridge.log().contains("Digit("), "{}", bridge.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_heard_once_by_the_others_where_it_passes() {
    let bridge = Bridge::start().await;
    let (rest, api) = (bridge.rest(), Api::of(&bridge));
    let conference = rest.create_conference(json!({})).await;
    let mut watch = api.watch().await;
    let presser = KeyPhone::call(bridge.sip(), &conference);
    let call = text(&rest.until_participants(&conference, 1).await[0], "callId");
    let listener = KeyPhone::call(bridge.sip(), &conference);
    rest.until_participants(&conference, 2).await;
    presser.press('1');
    until("the other phone hears 1", async || {
        (listener.heard() == "1").then_some(())
    })
    .await;

    let silent = json!({ "dtmfPassThrough": false });
    rest.update_participant(&conference, &call, silent).await;
    presser.press('2');
    while watch.next_of("digit", &call).await["digit"] != "2" {}
    let heard = json!({ "dtmfPassThrough": true });
    rest.update_participant(&conference, &call, heard).await;
    presser.press('3');
    until("the other phone hears 3", async || {
        listener.heard().ends_with('3').then_some(())
    })
    .await;
    assert_eq!(listener.heard(), "13");
    assert_eq!(presser.heard(), "", "nobody hears his own keys");
}

#[tokio::test(flavor = "multi_thread")]
async fn gains_are_changed_and_every_mistake_is_named() {
    let bridge = Bridge::start().await;
    let (rest, api) = (bridge.rest(), Api::of(&bridge));
    let conference = rest.create_conference(json!({})).await;
    let _phone = KeyPhone::call(bridge.sip(), &conference);
    let call = text(&rest.until_participants(&conference, 1).await[0], "callId");
    let now = api.participant(&conference, &call).await;
    assert_eq!(now["talk"], true);
    assert_eq!(now["listen"], true);
    assert_eq!(
        (&now["inputGainDb"], &now["outputGainDb"]),
        (&json!(0), &json!(0))
    );

    let path = format!("/conferences/{conference}/participants/{call}");
    let changed = api.patch(&path, &json!({ "inputGainDb": 6 })).await;
    assert_eq!((changed.0, &changed.1["inputGainDb"]), (200, &json!(6)));
    let changed = api.patch(&path, &json!({ "outputGainDb": -12 })).await;
    assert_eq!(changed.0, 200);
    let now = api.participant(&conference, &call).await;
    assert_eq!(
        (&now["inputGainDb"], &now["outputGainDb"]),
        (&json!(6), &json!(-12))
    );

    let nowhere = format!(
        "/conferences/{conference}/participants/CA{}",
        "0".repeat(40)
    );
    for (path, body, status, named) in [
        (&path, json!({ "inputGainDb": 25 }), 400, "from -24 to 24"),
        (&path, json!({ "louder": 1 }), 400, "louder"),
        (&path, json!([]), 400, "object"),
        (&nowhere, json!({ "inputGainDb": 1 }), 404, "conference"),
    ] {
        let (answered, problem) = api.patch(path, &body).await;
        assert_eq!((answered, &problem["status"]), (status, &json!(status)));
        let detail = text(&problem, "detail");
        assert!(detail.contains(named), "{detail}");
    }
    let stranger = http_client()
        .get(format!("{}{path}", api.base))
        .send()
        .await
        .unwrap();
    assert_eq!(stranger.status(), 401);
    assert_eq!(
        stranger.headers()["content-type"],
        "application/problem+json"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_watched_by_a_few_and_told_when_the_bridge_stops() {
    let bridge = Bridge::start().await;
    let api = Api::of(&bridge);
    let mut watches = Vec::new();
    let refused = loop {
        let answer = api.try_watch().await;
        if answer.status() != 200 {
            break answer.status();
        }
        watches.push(Watch::new(answer));
    };
    assert_eq!((watches.len(), refused.as_u16()), (16, 429));
    bridge.terminate();
    for mut watch in watches {
        let (name, data) = watch.next().await;
        assert_eq!(name, "cut");
        assert_eq!(data["reason"], "the bridge is stopping");
    }
}

/// The bridge's own API.
pub(crate) struct Api {
    client: Client,
    base: String,
}

impl Api {
    pub(crate) fn of(bridge: &Bridge) -> Api {
        Api {
            client: http_client(),
            base: format!("http://{}/api/v1", bridge.http()),
        }
    }

    async fn participant(&self, conference: &str, call: &str) -> Value {
        let path = format!("/conferences/{conference}/participants/{call}");
        let answer = self.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    async fn patch(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.request(Method::PATCH, path).body(body.to_string());
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.bytes().await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    pub(crate) async fn watch(&self) -> Watch {
        let answer = self.try_watch().await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Watch::new(answer)
    }

    async fn try_watch(&self) -> Response {
        self.request(Method::GET, "/live").send().await.unwrap()
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.base))
            .basic_auth(ACCOUNT, Some(API_KEY))
    }
}

/// A stream of server-sent events.
pub(crate) struct Watch {
    answer: Response,
    unread: String,
}

impl Watch {
    fn new(answer: Response) -> Watch {
        Watch {
            answer,
            unread: String::new(),
        }
    }

    /// The next event of this name about a call.
    pub(crate) async fn next_of(&mut self, name: &str, call: &str) -> Value {
        loop {
            let (found, data) = self.next().await;
            if found == name && data["callId"] == call {
                return data;
            }
        }
    }

    /// The next event: its name and its data.
    pub(crate) async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some((event, rest)) = self.unread.split_once("\n\n") {
                let field = |name: &str| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .map(str::to_owned)
                };
                let (name, data) = (field("event: "), field("data: "));
                self.unread = rest.to_owned();
                if let (Some(name), Some(data)) = (name, data) {
                    return (name, serde_json::from_str(&data).unwrap());
                }
                continue;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.answer.chunk());
            let chunk = chunk.await.expect("no event came").unwrap();
            let chunk = chunk.expect("the stream ended");
            self.unread.push_str(&String::from_utf8_lossy(&chunk));
        }
    }
}
