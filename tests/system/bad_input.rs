//! Does anything that others do wrong reach those who do it right?

use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tutti_loadgen::CallFailure;

use crate::application::{Answer, Application};
use crate::bridge::{Bridge, Home, Settings, fail_to_start};
use crate::guests::{Guests, MUSIC_HZ};
use crate::rest::{http_client, text};

const NUMBER: &str = "+15550100100";

/// By when music must be heard. A second is promised; the rest is for a busy machine.
const MUSIC_SECONDS: f32 = 4.0;

#[tokio::test(flavor = "multi_thread")]
async fn without_usable_wait_music_the_built_in_piece_plays() {
    let application = Application::start().await;
    let bridge = Bridge::start().await;
    let rest = bridge.rest();
    let guests = Guests::new().await;
    let file = |content_type, bytes: &'static [u8]| Answer::File {
        content_type,
        bytes: Bytes::from_static(bytes),
    };
    let html = b"<!doctype html><title>Not music</title>".as_slice();
    let broken = b"RIFF\x24\x08\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0data".as_slice();
    application.answer("/never", Answer::Never);
    application.answer("/endless", Answer::Endless);
    application.answer("/html", file("text/html", html));
    application.answer("/broken", file("audio/wav", broken));
    application.answer("/empty", file("audio/wav", b""));
    application.answer("/missing", Answer::Status(404));
    waiting_room(&application, &rest).await;

    let nobody_listens = "http://127.0.0.1:9/music.wav".to_owned();
    let bad = [
        "/never", "/endless", "/html", "/broken", "/empty", "/missing",
    ];
    let bad = bad
        .iter()
        .map(|path| application.url(path))
        .chain([nobody_listens]);
    for wait_url in bad {
        let conference = rest.create_conference(json!({ "waitUrl": wait_url })).await;
        answer_with_waiting_in(&application, &conference);
        let ann = guests.call("ann", &bridge.sip_uri(NUMBER)).await;
        rest.until_status(&conference, "populated").await;
        for _ in 0..4 {
            ann.listen_on().await;
        }
        assert_eq!(
            rest.conference(&conference).await["status"],
            "populated",
            "{wait_url}"
        );
        let heard = ann.hang_up().await.sound;
        let first = (0..(heard.seconds() * 10.0) as usize)
            .map(|tenth| tenth as f32 / 10.0)
            .find(|at| heard.between(*at, at + 0.1).level_db() > -60.0);
        assert!(
            first.is_some_and(|at| at <= MUSIC_SECONDS),
            "music is heard in place of {wait_url}, first at {first:?} s"
        );
        assert!(heard.tone_db(MUSIC_HZ[0]) < -60.0);
        rest.until_status(&conference, "empty").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_hangs_delays_no_other_conference() {
    let application = Application::start().await;
    let bridge = Bridge::start().await;
    let rest = bridge.rest();
    let guests = Guests::new().await;
    application.answer("/hangs", Answer::Never);
    let create = async |path: &str| {
        rest.create_conference(json!({
            "playBeep": "never",
            "statusCallbackUrl": application.url(path),
        }))
        .await
    };
    let stuck = create("/hangs").await;
    let free = create("/status").await;

    // The stuck conference itself goes on, only its application does not learn of it.
    let ann = guests.call("ann", &bridge.sip_uri(&stuck)).await;
    let bob = guests.call("bob", &bridge.sip_uri(&stuck)).await;
    ann.say(true);
    bob.until_hears_exactly(&["ann"]).await;

    let cid = guests.call("cid", &bridge.sip_uri(&free)).await;
    let dan = guests.call("dan", &bridge.sip_uri(&free)).await;
    cid.say(true);
    dan.until_hears_exactly(&["cid"]).await;
    cid.hang_up().await;
    dan.hang_up().await;
    let told = application.statuses(&free, 4).await;
    assert_eq!(told, ["empty", "populated", "inProgress", "empty"]);
    // Its own order holds, however far it has come.
    let stuck_told = application.told_statuses(&stuck);
    assert!(told.starts_with(&stuck_told), "{stuck_told:?}");
    bob.until_hears_exactly(&["ann"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_url_that_hangs_delays_no_other_call() {
    let application = Application::start().await;
    let bridge = Bridge::start().await;
    let rest = bridge.rest();
    let guests = Arc::new(Guests::new().await);
    application.answer("/hangs", Answer::Never);
    let stuck = json!({ "voiceUrl": application.url("/hangs") });
    rest.create_number("+15550100666", stuck).await;
    waiting_room(&application, &rest).await;
    let conference = rest.create_conference(json!({})).await;
    answer_with_waiting_in(&application, &conference);

    let stuck = tokio::spawn({
        let (guests, target) = (Arc::clone(&guests), bridge.sip_uri("+15550100666"));
        async move { guests.try_call("bob", &target).await.is_err() }
    });
    application
        .until("the hanging voiceUrl is asked", |webhook| {
            webhook.path == "/hangs"
        })
        .await;
    let _ann = guests.call("ann", &bridge.sip_uri(NUMBER)).await;
    rest.until_status(&conference, "populated").await;
    assert!(
        !stuck.is_finished(),
        "the other call got in while this one waited"
    );
    assert!(
        stuck.await.unwrap(),
        "a call without a script is not answered"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_voice_url_is_replaced_by_its_fallback() {
    let application = Application::start().await;
    let bridge = Bridge::start().await;
    let rest = bridge.rest();
    let guests = Guests::new().await;
    let conference = rest.create_conference(json!({})).await;
    application.answer("/broken", Answer::Status(500));
    application.answer(
        "/fallback",
        Answer::Percl(script_that_waits_in(&conference)),
    );
    let reception = json!({
        "voiceUrl": application.url("/broken"),
        "voiceFallbackUrl": application.url("/fallback"),
    });
    rest.create_number(NUMBER, reception).await;
    let _ann = guests.call("ann", &bridge.sip_uri(NUMBER)).await;
    rest.until_status(&conference, "populated").await;
    let asked: Vec<_> = application
        .webhooks()
        .into_iter()
        .map(|webhook| webhook.path)
        .collect();
    assert_eq!(asked, ["/broken", "/fallback"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_is_none_ends_the_call_and_says_why() {
    let application = Application::start().await;
    let bridge = Bridge::start().await;
    let rest = bridge.rest();
    let guests = Guests::new().await;
    let html = Bytes::from_static(b"<html>no script</html>");
    application.answer(
        "/voice",
        Answer::File {
            content_type: "text/html",
            bytes: html,
        },
    );
    let reception = json!({
        "voiceUrl": application.url("/voice"),
        "statusCallbackUrl": application.url("/call"),
    });
    rest.create_number(NUMBER, reception).await;
    if let Ok(mut ann) = guests.try_call("ann", &bridge.sip_uri(NUMBER)).await {
        ann.until_ended().await;
    }
    let ended = application
        .until("the end is told", |webhook| webhook.is("callStatus"))
        .await;
    let reason = text(&ended.body, "callEndedReason");
    assert!(
        ["appInvalidPercl", "webhookInvalidResponse"].contains(&reason.as_str()),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_conference_is_busy() {
    let settings = Settings::default().with("TUTTI_LIMITS__PARTICIPANTS_PER_CONFERENCE", "1");
    let bridge = Bridge::start_with(settings).await;
    let guests = Guests::new().await;
    let conference = bridge.rest().create_conference(json!({})).await;
    let _ann = guests.call("ann", &bridge.sip_uri(&conference)).await;
    let bob = guests.try_call("bob", &bridge.sip_uri(&conference)).await;
    assert!(
        matches!(bob, Err(CallFailure::Refused { status: 486, .. })),
        "486 is due"
    );
    assert_eq!(bridge.rest().participants(&conference).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_on_the_disk_a_conference_goes_on_unrecorded() {
    let application = Application::start().await;
    let settings =
        Settings::default().with("TUTTI_STORAGE__FLOOR_BYTES", (1_u64 << 60).to_string());
    let bridge = Bridge::start_with(settings).await;
    let rest = bridge.rest();
    let guests = Guests::new().await;
    let conference = rest
        .create_conference(json!({
            "record": true,
            "playBeep": "never",
            "statusCallbackUrl": application.url("/status"),
        }))
        .await;
    let ann = guests.call("ann", &bridge.sip_uri(&conference)).await;
    let bob = guests.call("bob", &bridge.sip_uri(&conference)).await;
    ann.say(true);
    bob.until_hears_exactly(&["ann"]).await;
    ann.hang_up().await;
    bob.hang_up().await;
    let told = application.statuses(&conference, 4).await;
    assert_eq!(told, ["empty", "populated", "inProgress", "empty"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_port_is_named_and_nothing_starts() {
    let home = Home::new().await;
    let http = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = http.local_addr().unwrap().to_string();
    let settings = Settings::default().with("TUTTI_HTTP__LISTEN", &address);
    refuses(&home, settings, &["http.listen", &address]).await;
    let sip = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = sip.local_addr().unwrap().to_string();
    let settings = Settings::default().with("TUTTI_SIP__LISTEN", &address);
    refuses(&home, settings, &["sip.listen", &address]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_bridge_on_the_same_data_is_refused_and_the_first_goes_on() {
    let bridge = Bridge::start().await;
    let rest = bridge.rest();
    let guests = Guests::new().await;
    let conference = rest.create_conference(json!({})).await;
    let _ann = guests.call("ann", &bridge.sip_uri(&conference)).await;
    rest.until_status(&conference, "inProgress").await;
    let any_port = Settings::default()
        .with("TUTTI_HTTP__LISTEN", "127.0.0.1:0")
        .with("TUTTI_SIP__LISTEN", "127.0.0.1:0");
    refuses(bridge.home(), any_port, &["another bridge"]).await;
    assert_eq!(rest.conference(&conference).await["status"], "inProgress");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_another_machine_is_named() {
    let home = Home::new().await;
    let settings = Settings::default().with("TUTTI_MEDIA__IP", "192.0.2.1");
    refuses(&home, settings, &["media.ip", "192.0.2.1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_wrong_is_named_by_key_and_line() {
    let home = Home::new().await;
    let cases = [
        (
            "[http]\nlisten = \"127.0.0.1:0\"\nlisen = \"127.0.0.1:1\"\n",
            ["lisen", "line 3"],
        ),
        ("[media]\n\nports = \"many\"\n", ["ports", "line 3"]),
        ("[nonsense]\n", ["nonsense", "line 1"]),
        ("[http\n", ["tutti.toml", "line 1"]),
    ];
    let file = home.path().join("tutti.toml");
    for (text, named) in cases {
        std::fs::write(&file, text).unwrap();
        let arguments = ["serve", "--config", file.to_str().unwrap()];
        let failed = fail_to_start(&home, Settings::default(), &arguments).await;
        one_clear_line(&failed.stderr, failed.status.code(), &named);
    }
    let settings = Settings::default().with("TUTTI_HTTP__LISEN", "127.0.0.1:1");
    refuses(&home, settings, &["TUTTI_HTTP__LISEN"]).await;
    let settings = Settings::default().with("TUTTI_MEDIA__PORTS", "many");
    refuses(&home, settings, &["TUTTI_MEDIA__PORTS"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_that_cannot_be_written_is_named() {
    let home = Home::new().await;
    // A file where a folder is due stops even root.
    std::fs::write(home.path().join("file"), "").unwrap();
    let below_a_file = home
        .path()
        .join("file")
        .join("recordings")
        .display()
        .to_string();
    let settings = Settings::default().with("TUTTI_STORAGE__RECORDINGS", &below_a_file);
    refuses(&home, settings, &["storage.recordings", &below_a_file]).await;
    let url = format!("sqlite://{below_a_file}/tutti.db");
    refuses(
        &home,
        Settings::default().with("TUTTI_STORAGE__URL", &url),
        &["storage.url"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_sigterm_drains_and_the_second_ends() {
    let settings = Settings::default().with("TUTTI_DRAIN_TIMEOUT", "3600");
    let mut bridge = Bridge::start_with(settings).await;
    let rest = bridge.rest();
    let guests = Guests::new().await;
    let conference = rest.create_conference(json!({ "playBeep": "never" })).await;
    let ann = guests.call("ann", &bridge.sip_uri(&conference)).await;
    let bob = guests.call("bob", &bridge.sip_uri(&conference)).await;
    bridge.terminate();

    let ready = format!("http://{}/readyz", bridge.http());
    crate::patience::until("the bridge is not ready any more", async || {
        let answer = http_client().get(&ready).send().await.ok()?;
        (answer.status() == 503).then_some(())
    })
    .await;
    let cid = guests.try_call("cid", &bridge.sip_uri(&conference)).await;
    assert!(
        matches!(cid, Err(CallFailure::Refused { status: 503, .. })),
        "503 is due"
    );
    ann.say(true);
    bob.until_hears_exactly(&["ann"]).await;

    bridge.terminate();
    bridge.exit_status().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_bridge_ends_with_its_last_call_and_its_last_webhook() {
    let application = Application::start().await;
    let settings = Settings::default().with("TUTTI_DRAIN_TIMEOUT", "3600");
    let mut bridge = Bridge::start_with(settings).await;
    let guests = Guests::new().await;
    let callback = json!({ "statusCallbackUrl": application.url("/status") });
    let conference = bridge.rest().create_conference(callback).await;
    let ann = guests.call("ann", &bridge.sip_uri(&conference)).await;
    bridge.terminate();
    ann.listen_on().await;
    ann.hang_up().await;
    assert!(
        bridge.exit_status().await.success(),
        "a drained bridge ends well"
    );
    let told = application.told_statuses(&conference);
    assert_eq!(told, ["empty", "populated", "inProgress", "empty"]);
}

/// A start that must fail with one line that names all of these.
async fn refuses(home: &Home, settings: Settings, named: &[&str]) {
    let failed = fail_to_start(home, settings, &[]).await;
    one_clear_line(&failed.stderr, failed.status.code(), named);
}

fn one_clear_line(stderr: &str, code: Option<i32>, named: &[&str]) {
    assert_eq!(code, Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "one line, not\n{stderr}");
    for name in named {
        assert!(stderr.contains(name), "{name} is not named in: {stderr}");
    }
}

/// A number that leads to the script at /voice.
async fn waiting_room(application: &Application, rest: &crate::rest::Rest) {
    let reception = json!({ "voiceUrl": application.url("/voice") });
    rest.create_number(NUMBER, reception).await;
}

fn answer_with_waiting_in(application: &Application, conference: &str) {
    application.answer("/voice", Answer::Percl(script_that_waits_in(conference)));
}

fn script_that_waits_in(conference: &str) -> Value {
    json!([{ "AddToConference": { "conferenceId": conference, "startConfOnEnter": false } }])
}
