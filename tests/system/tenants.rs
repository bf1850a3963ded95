//! Can one account see, change or use anything of another's?

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::application::{Answer, Application};
use crate::bridge::{ACCOUNT, Bridge};
use crate::key_phone::KeyPhone;
use crate::patience::until;
use crate::rest::{Reply, Rest, text};
use crate::tool::run;

const OWNED: &str = "+15550100100";
const QUEUED: &str = "+15550100101";
const FOREIGN: &str = "+15550100200";
const QUEUE: &str = "QU7777777777777777777777777777777777777777";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_one_account_leaks_to_another() {
    let application = Application::start().await;
    let bridge = Bridge::start().await;
    let owner = bridge.rest();
    let (stranger_id, key) = new_account(&bridge).await;
    let stranger = Rest::new(bridge.http(), &stranger_id, &key);
    let estate = Estate::of(&bridge, &owner, &application).await;
    let before = estate.inventory(&owner).await;

    let mut cells = 0;
    for (method, path, body) in estate.requests() {
        let absent = estate.without_ids(&path);
        // Below the stranger's own account, and below the owner's.
        for account in [stranger_id.as_str(), ACCOUNT] {
            let reply = stranger.send_to(account, method, &path, &body).await;
            let nothing = stranger.send_to(account, method, &absent, &body).await;
            assert_eq!(reply.status, 404, "{method} {path} of {account}");
            assert_eq!(
                comparable(&reply, &estate),
                comparable(&nothing, &estate),
                "{method} {path} looks like what is absent"
            );
            cells += 1;
        }
    }
    for list in estate.lists() {
        let page = stranger.get(&list).await;
        assert_eq!(page["total"], 0, "{list}: {page}");
        let foreign = stranger.send_to(ACCOUNT, "GET", &list, &Value::Null).await;
        assert_eq!(foreign.status, 404, "{list}");
        cells += 2;
    }
    println!("{cells} cells, 0 leaks");
    assert_eq!(
        estate.inventory(&owner).await,
        before,
        "nothing was changed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_reaches_only_its_own_account() {
    let application = Application::start().await;
    let bridge = Bridge::start().await;
    let owner = bridge.rest();
    let (stranger_id, key) = new_account(&bridge).await;
    let stranger = Rest::new(bridge.http(), &stranger_id, &key);
    let estate = Estate::of(&bridge, &owner, &application).await;
    let reception = json!({
        "voiceUrl": application.unchecked_url("/foreign"),
        "statusCallbackUrl": application.unchecked_url("/foreign-status"),
    });
    stranger.create_number(FOREIGN, reception).await;

    let wait = application.unchecked_url("/foreign-wait");
    for script in [
        json!([{ "AddToConference": { "conferenceId": estate.conference } }]),
        json!([{ "Enqueue": { "queueId": QUEUE, "waitUrl": wait, "actionUrl": wait } }]),
    ] {
        application.answer("/foreign", Answer::Percl(script.clone()));
        let seen = application.webhooks().len();
        let phone = KeyPhone::call(bridge.sip(), FOREIGN);
        let end = application
            .until_after(seen, "the stranger's call ends", |webhook| {
                webhook.path == "/foreign-status"
            })
            .await;
        assert_eq!(
            end.body["callEndedReason"], "perclProcessingError",
            "{script}"
        );
        drop(phone);
    }
    assert_eq!(owner.participants(&estate.conference).await.len(), 1);
    let queue = owner.get(&format!("/Queues/{QUEUE}")).await;
    assert_eq!(queue["currentSize"], 1, "{queue}");
}

/// What an account has: one of everything.
struct Estate {
    conference: String,
    participant: String,
    recording: String,
    application: String,
    number: String,
    waiting: String,
    _phones: [KeyPhone; 2],
}

impl Estate {
    async fn of(bridge: &Bridge, owner: &Rest, application: &Application) -> Estate {
        // A conference that has recorded something, and goes on.
        let conference = owner
            .create_conference(json!({ "record": true, "playBeep": "never" }))
            .await;
        drop(KeyPhone::call(bridge.sip(), &conference));
        let path = format!("/Recordings?conferenceId={conference}");
        let recordings = until("the recordings are ready", async || {
            let page = owner.get(&path).await;
            let found = page["recordings"].as_array().unwrap().clone();
            (found.len() == 2).then_some(found)
        })
        .await;
        let phone = KeyPhone::call(bridge.sip(), &conference);
        let participants = owner.until_participants(&conference, 1).await;

        let reception = json!({ "alias": "mine", "voiceUrl": application.url("/owned") });
        let number = owner.create_number(OWNED, reception).await;
        let record = owner.get(&format!("/IncomingPhoneNumbers/{number}")).await;

        let wait = application.url("/wait");
        let enqueue = json!({ "queueId": QUEUE, "waitUrl": wait, "actionUrl": wait });
        application.answer("/queue", Answer::Percl(json!([{ "Enqueue": enqueue }])));
        let pause = json!([{ "Pause": { "length": 60_000 } }]);
        application.answer("/wait", Answer::Percl(pause));
        let reception = json!({ "voiceUrl": application.url("/queue") });
        owner.create_number(QUEUED, reception).await;
        let waiting_phone = KeyPhone::call(bridge.sip(), QUEUED);
        let waits = application
            .until("a call waits", |webhook| webhook.is("queueWait"))
            .await;
        Estate {
            participant: text(&participants[0], "callId"),
            recording: text(&recordings[0], "recordingId"),
            application: text(&record, "applicationId"),
            waiting: text(&waits.body, "callId"),
            conference,
            number,
            _phones: [phone, waiting_phone],
        }
    }

    /// Every request that names something of the account.
    fn requests(&self) -> Vec<(&'static str, String, Value)> {
        let Estate {
            conference,
            participant,
            recording,
            application,
            number,
            waiting,
            ..
        } = self;
        let conference = format!("/Conferences/{conference}");
        let participant = format!("{conference}/Participants/{participant}");
        let call = format!("/Calls/{waiting}");
        let recording = format!("/Recordings/{recording}");
        let application = format!("/Applications/{application}");
        let number = format!("/IncomingPhoneNumbers/{number}");
        let queue = format!("/Queues/{QUEUE}");
        let member = format!("{queue}/Members/{waiting}");
        let get = |path: &str| ("GET", path.to_owned(), Value::Null);
        let delete = |path: &str| ("DELETE", path.to_owned(), Value::Null);
        let post = |path: &str, body: Value| ("POST", path.to_owned(), body);
        vec![
            get(&conference),
            post(&conference, json!({ "alias": "stolen" })),
            post(&conference, json!({ "status": "terminated" })),
            get(&format!("{conference}/Participants")),
            get(&format!("{conference}/Recordings")),
            get(&participant),
            post(&participant, json!({ "talk": false })),
            delete(&participant),
            get(&call),
            post(&call, json!({ "status": "completed" })),
            get(&format!("{call}/Recordings")),
            get(&format!("{call}/Logs")),
            get(&recording),
            delete(&recording),
            get(&format!("{recording}/Download")),
            get(&format!("{recording}/Stream")),
            get(&application),
            post(&application, json!({ "alias": "stolen" })),
            delete(&application),
            get(&number),
            post(&number, json!({ "alias": "stolen" })),
            delete(&number),
            get(&queue),
            post(&queue, json!({ "alias": "stolen" })),
            get(&format!("{queue}/Members")),
            get(&format!("{queue}/Members/Front")),
            post(&format!("{queue}/Members/Front"), json!({})),
            get(&member),
            post(&member, json!({})),
        ]
    }

    /// Every list, and every filter that names something of the account.
    fn lists(&self) -> Vec<String> {
        let Estate {
            conference,
            application,
            waiting,
            ..
        } = self;
        [
            "/Conferences".to_owned(),
            "/Conferences?status=inProgress".to_owned(),
            "/Calls".to_owned(),
            "/Calls?active=true".to_owned(),
            format!("/Calls?applicationId={application}"),
            format!("/Calls?parentCallId={waiting}"),
            "/Recordings".to_owned(),
            format!("/Recordings?conferenceId={conference}"),
            format!("/Recordings?callId={waiting}"),
            "/Applications".to_owned(),
            "/Applications?alias=mine".to_owned(),
            "/IncomingPhoneNumbers".to_owned(),
            format!("/IncomingPhoneNumbers?applicationId={application}"),
            "/Queues".to_owned(),
        ]
        .into()
    }

    fn ids(&self) -> [&str; 7] {
        [
            &self.conference,
            &self.participant,
            &self.recording,
            &self.application,
            &self.number,
            &self.waiting,
            QUEUE,
        ]
    }

    /// A path that names what nobody has.
    fn without_ids(&self, path: &str) -> String {
        self.ids().iter().fold(path.to_owned(), |path, id| {
            path.replace(id, &format!("{}{}", &id[..2], "0".repeat(40)))
        })
    }

    /// Everything as its owner sees it.
    async fn inventory(&self, owner: &Rest) -> Vec<Value> {
        let mut found = Vec::new();
        for list in self.lists() {
            let mut page = owner.get(&list).await;
            page["nextPageUri"] = Value::Null;
            found.push(page);
        }
        found.push(owner.get(&format!("/Queues/{QUEUE}")).await);
        found
    }
}

/// What an answer says, without the name that was asked for.
fn comparable(reply: &Reply, estate: &Estate) -> String {
    let said = String::from_utf8_lossy(&reply.bytes).into_owned();
    estate.ids().iter().fold(said, |said, id| {
        assert!(!said.contains(*id), "{id} is told: {said}");
        said
    })
}

/// Makes an account as an operator does, while the bridge runs; returns its id and key.
pub(crate) async fn new_account(bridge: &Bridge) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tutti"));
    command
        .args(["account", "create", "--alias", "tenant"])
        .env("TUTTI_STORAGE__URL", bridge.storage_url())
        .current_dir(bridge.home().path())
        .stdin(Stdio::null());
    let said = run(command).await;
    let word = |fits: &dyn Fn(&str) -> bool| {
        let words = said.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let found = words.into_iter().find(|word| fits(word));
        found.unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    let is_hex = |text: &str| text.len() == 40 && text.chars().all(|c| c.is_ascii_hexdigit());
    let account = word(&|word| word.strip_prefix("AC").is_some_and(is_hex));
    (account, word(&is_hex))
}
