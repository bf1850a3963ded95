//! Are the keys of a phone that nobody here wrote told once each, in order?

use std::path::PathBuf;

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use serde_json::json;

use crate::application::{Answer, Application};
use crate::bridge::Bridge;
use crate::live::Api;
use crate::rest::text;
use crate::sipp::Sipp;

/// The keys that the scenarios press, in this order.
const PRESSED: &str = "123456789*#0";

/// Where distributions put sipp's recordings of keys.
const RECORDINGS: [&str; 3] = [
    "/usr/share/sip-tester",
    "/usr/share/sipp/pcap",
    "/usr/local/share/sipp/pcap",
];

/// How long a call goes on after its last key, in milliseconds: longer than it takes to tell of it.
const AFTERWARDS: &str = "1000";

#[tokio::test(flavor = "multi_thread")]
async fn keys_in_rtp_are_told_once_each_in_order() {
    if let Some(recordings) = recordings() {
        keys_are_told_once_each_in_order("keys-rtp.xml", &[recordings]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_in_info_are_told_once_each_in_order() {
    keys_are_told_once_each_in_order("keys-info.xml", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_in_rtp_are_what_get_digits_brings() {
    if let Some(recordings) = recordings() {
        get_digits_brings_keys("keys-rtp.xml", &[recordings]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_in_info_are_what_get_digits_brings() {
    get_digits_brings_keys("keys-info.xml", &[]).await;
}

async fn keys_are_told_once_each_in_order(scenario: &str, words: &[(String, String)]) {
    let bridge = Bridge::start().await;
    let (rest, api) = (bridge.rest(), Api::of(&bridge));
    let conference = rest.create_conference(json!({})).await;
    let mut watch = api.watch().await;
    let mut sipp = Sipp::with_words(&bridge, scenario, words);
    sipp.command
        .args(["-s", &conference, "-m", "1", "-d", AFTERWARDS]);
    let call = tokio::spawn(sipp.run());
    let mut told = String::new();
    loop {
        let (name, event) = watch.next().await;
        match name.as_str() {
            "digit" => told.push_str(&text(&event, "digit")),
            "participantLeft" => break,
            _ => {}
        }
    }
    call.await.unwrap();
    assert_eq!(told, PRESSED);
}

async fn get_digits_brings_keys(scenario: &str, words: &[(String, String)]) {
    let application = Application::start().await;
    let bridge = Bridge::start().await;
    let get = json!([{ "GetDigits": {
        "actionUrl": application.url("/digits"), "finishOnKey": "#", "maxDigits": PRESSED.len(),
        "prompts": [{ "Pause": { "length": 60_000 } }],
    }}]);
    application.answer("/voice", Answer::Percl(get));
    let park = json!([{ "Pause": { "length": 60_000 } }]);
    application.answer("/digits", Answer::Percl(park));
    let voice_url = json!({ "voiceUrl": application.url("/voice") });
    let number = "+15550100100";
    bridge.rest().create_number(number, voice_url).await;
    let mut sipp = Sipp::with_words(&bridge, scenario, words);
    sipp.command
        .args(["-s", number, "-m", "1", "-d", AFTERWARDS]);
    sipp.run().await;
    let brought = application
        .until("digits", |webhook| webhook.path == "/digits")
        .await
        .body;
    let (before_finish, _) = PRESSED.split_once('#').unwrap();
    assert_eq!(brought["digits"], before_finish, "{brought}");
    assert_eq!(brought["reason"], "finishKey", "{brought}");
}

/// What stands for sipp's recordings in a scenario; nothing, and a word about it, where sipp may not
/// play them.
fn recordings() -> Option<(String, String)> {
    let raw = socket(
        AddressFamily::Inet,
        SockType::Raw,
        SockFlag::empty(),
        SockProtocol::Udp,
    );
    if let Err(error) = raw {
        println!("skipped: sipp plays recordings over raw sockets, which are not allowed: {error}");
        return None;
    }
    let folder = RECORDINGS
        .iter()
        .map(PathBuf::from)
        .find(|folder| folder.join("dtmf_2833_0.pcap").is_file())
        .expect("sipp's recordings of keys are not installed; scripts/test installs them");
    Some(("PCAPS".to_owned(), folder.display().to_string()))
}
