//! Does the bridge speak SIP with a client that nobody here wrote?

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::application::{Answer, Application};
use crate::bridge::{Bridge, Settings};
use crate::patience::until;
use crate::tool::{test_file, tool};

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_join_and_leave() {
    let application = Application::start().await;
    // Fewer ports than calls: a leg that leaves gives its port back.
    let bridge = Bridge::start_with(Settings::default().with_media_ports(160)).await;
    let rest = bridge.rest();
    let conference = rest
        .create_conference(json!({ "statusCallbackUrl": application.url("/status") }))
        .await;

    let mut sipp = Sipp::new(&bridge, "join.xml");
    sipp.command.args([
        "-s",
        &conference,
        "-m",
        "200",
        "-r",
        "15",
        "-l",
        "40",
        "-d",
        "800",
    ]);
    sipp.run().await;

    rest.until_status(&conference, "empty").await;
    assert!(rest.participants(&conference).await.is_empty());
    let calls = until("200 calls are completed", async || {
        let calls = all_calls(&bridge).await;
        let completed = calls
            .iter()
            .filter(|call| call["status"] == "completed")
            .count();
        (completed == 200).then_some(calls)
    })
    .await;
    assert_eq!(calls.len(), 200);
    let told = application.statuses(&conference, 4).await;
    assert_eq!(told[..3], ["empty", "populated", "inProgress"], "{told:?}");
    assert_eq!(told.last().unwrap(), "empty", "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_set_up_over_tcp() {
    let bridge = Bridge::start().await;
    let conference = bridge.rest().create_conference(json!({})).await;
    let mut sipp = Sipp::new(&bridge, "join.xml");
    sipp.command
        .args(["-s", &conference, "-m", "3", "-d", "300", "-t", "t1"]);
    sipp.run().await;
    bridge.rest().until_status(&conference, "empty").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_without_an_offer_gets_one() {
    let bridge = Bridge::start().await;
    let conference = bridge.rest().create_conference(json!({})).await;
    let mut sipp = Sipp::new(&bridge, "late-offer.xml");
    sipp.command
        .args(["-s", &conference, "-m", "1", "-d", "300"]);
    sipp.run().await;
    bridge.rest().until_status(&conference, "empty").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_call_comes_back_with_another_codec() {
    let bridge = Bridge::start().await;
    let conference = bridge.rest().create_conference(json!({})).await;
    let mut sipp = Sipp::new(&bridge, "hold.xml");
    sipp.command.args(["-s", &conference, "-m", "1"]);
    sipp.run().await;
    bridge.rest().until_status(&conference, "empty").await;
}

/// The parts of the call that sipp makes of `hold-codec.xml`, and whether the bridge is to send then.
const HOLDS: [bool; 5] = [true, false, true, false, true];

#[tokio::test(flavor = "multi_thread")]
async fn a_held_phone_is_sent_nothing_and_hears_again_with_every_codec() {
    let bridge = Bridge::start().await;
    let conference = bridge.rest().create_conference(json!({})).await;
    for (payload_type, codec) in [
        (0, "PCMU/8000"),
        (8, "PCMA/8000"),
        (9, "G722/8000"),
        (111, "opus/48000/2"),
    ] {
        // Each part of the call has a port of its own, so that no clock tells them apart.
        let ears = HOLDS.map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        let mut words = vec![
            ("TYPE".to_owned(), payload_type.to_string()),
            ("CODEC".to_owned(), codec.to_owned()),
        ];
        for (number, ear) in (1..).zip(&ears) {
            let port = ear.local_addr().unwrap().port();
            words.push((format!("PORT{number}"), port.to_string()));
        }
        let mut sipp = Sipp::with_words(&bridge, "hold-codec.xml", &words);
        sipp.command.args(["-s", &conference, "-m", "1"]);
        sipp.run().await;
        bridge.rest().until_status(&conference, "empty").await;
        for ((number, ear), is_sent) in (1..).zip(&ears).zip(HOLDS) {
            let types = payload_types(ear);
            let right = types.iter().all(|heard| *heard == payload_type);
            assert!(
                right && types.is_empty() != is_sent,
                "{codec}, part {number}: {types:?}"
            );
        }
    }
}

/// The payload types of the RTP that has come.
fn payload_types(ear: &UdpSocket) -> Vec<u8> {
    ear.set_nonblocking(true).unwrap();
    let mut buffer = [0; 2_048];
    let datagrams = std::iter::from_fn(|| {
        let length = ear.recv(&mut buffer).ok()?;
        (length > 1).then_some(buffer[1])
    });
    // RTCP of a neighbouring port is none (RFC 5761 §4).
    datagrams
        .filter(|second| !(192..=223).contains(second))
        .map(|second| second & 0x7f)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_may_give_up_before_the_answer() {
    let application = Application::start().await;
    application.answer("/voice", Answer::Never);
    let bridge = Bridge::start().await;
    bridge
        .rest()
        .create_number(
            "+15550100100",
            json!({ "voiceUrl": application.url("/voice") }),
        )
        .await;
    let mut sipp = Sipp::new(&bridge, "cancel.xml");
    sipp.command.args(["-s", "+15550100100", "-m", "1"]);
    sipp.run().await;
    until("the call is canceled", async || {
        let calls = all_calls(&bridge).await;
        calls
            .iter()
            .any(|call| call["status"] == "canceled")
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dials_what_is_not_there_is_told_so() {
    let bridge = Bridge::start().await;
    let rest = bridge.rest();
    let unknown_conference = "CF0000000000000000000000000000000000000000";
    refuse(&bridge, unknown_conference, 404).await;
    refuse(&bridge, "+15550100999", 404).await;
    refuse(&bridge, "nobody", 404).await;

    let terminated = rest.create_conference(json!({})).await;
    rest.set_conference_status(&terminated, "terminated").await;
    refuse(&bridge, &terminated, 410).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_direct_join_a_conference_is_not_a_number() {
    let settings = Settings::default().with("TUTTI_SIP__DIRECT_JOIN", "false");
    let bridge = Bridge::start_with(settings).await;
    let conference = bridge.rest().create_conference(json!({})).await;
    refuse(&bridge, &conference, 404).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn options_tells_that_calls_are_accepted() {
    let bridge = Bridge::start().await;
    let mut sipp = Sipp::new(&bridge, "options.xml");
    sipp.command.args(["-m", "10"]);
    sipp.run().await;
}

async fn refuse(bridge: &Bridge, target: &str, status: u16) {
    // Only the answer that is waited for; the comment names it too.
    let (waited, status) = ("response=\"STATUS\"", format!("response=\"{status}\""));
    let mut sipp = Sipp::with_words(bridge, "refused.xml", &[(waited.to_owned(), status)]);
    sipp.command.args(["-s", target, "-m", "1"]);
    sipp.run().await;
}

async fn all_calls(bridge: &Bridge) -> Vec<Value> {
    let rest = bridge.rest();
    let mut page = rest.get("/Calls").await;
    let mut calls = Vec::new();
    loop {
        calls.append(page["calls"].as_array_mut().unwrap());
        let Some(next) = page["nextPageUri"].as_str() else {
            return calls;
        };
        let below_account = next.splitn(4, '/').nth(3).unwrap();
        page = rest.get(&format!("/{below_account}")).await;
    }
}

/// One run of sipp against a bridge.
pub(crate) struct Sipp {
    pub(crate) command: Command,
    folder: TempDir,
}

impl Sipp {
    pub(crate) fn new(bridge: &Bridge, scenario: &str) -> Sipp {
        let file = test_file("sipp").join(scenario);
        Sipp::in_folder(bridge, &file, tempfile::tempdir().unwrap())
    }

    /// With a scenario in which words stand for others.
    pub(crate) fn with_words(bridge: &Bridge, scenario: &str, words: &[(String, String)]) -> Sipp {
        let text = fs::read_to_string(test_file("sipp").join(scenario)).unwrap();
        let text = words
            .iter()
            .fold(text, |text, (word, means)| text.replace(word, means));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(scenario);
        fs::write(&file, text).unwrap();
        Sipp::in_folder(bridge, &file, folder)
    }

    fn in_folder(bridge: &Bridge, scenario: &Path, folder: TempDir) -> Sipp {
        let mut command = tool("sipp");
        command
            .current_dir(folder.path())
            .arg("-sf")
            .arg(scenario)
            .args(["-nostdin", "-i", "127.0.0.1", "-mi", "127.0.0.1"])
            .args(["-p", &free_port().to_string()])
            .args(["-timeout", "90s", "-timeout_error"])
            .args(["-trace_err", "-error_file", "errors"])
            .arg(bridge.sip().to_string());
        Sipp { command, folder }
    }

    /// Fails when a single call did not go as the scenario says.
    pub(crate) async fn run(self) {
        let errors = self.folder.path().join("errors");
        let failed = crate::tool::status(self.command).await;
        assert!(
            failed.success(),
            "sipp ended with {failed}\n{}",
            fs::read_to_string(errors).unwrap_or_default()
        );
    }
}

fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}
