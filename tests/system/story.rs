//! Does a conference go through its whole life as FreeClimb describes it, in sound and in webhooks?

use std::sync::Arc;

use serde_json::{Value, json};
use tutti_loadgen::CallFailure;

use crate::application::{Answer, Application, Webhook};
use crate::bridge::{ACCOUNT, API_KEY, Bridge};
use crate::ear::Sound;
use crate::guests::{Guest, Guests, MUSIC_HZ, voice_hz, wait_music};
use crate::patience::until;
use crate::rest::{Rest, http_client, text};
use crate::tool::{run, tool};

const NUMBER: &str = "+15550100100";

/// The most of one's own voice that may come back through G.711.
const RESIDUE_DB: f32 = -40.0;

#[tokio::test(flavor = "multi_thread")]
async fn a_conference_lives_its_whole_life() {
    let application = Application::start().await;
    let bridge = Bridge::start().await;
    let rest = bridge.rest();
    let guests = Guests::new().await;
    let number = bridge.sip_uri(NUMBER);
    let conference = prepare(&application, &rest).await;

    // One waits, with music.
    let ann = guests.call("ann", &number).await;
    rest.until_status(&conference, "populated").await;
    ann.say(true);
    ann.until_hears_exactly(&["music"]).await;
    assert_eq!(
        ann.heard_times("entry"),
        1,
        "the first to enter is announced to those who listen"
    );

    // The second starts it: no music, each hears exactly the others.
    let bob = guests.call("bob", &number).await;
    rest.until_status(&conference, "inProgress").await;
    bob.say(true);
    ann.until_hears_exactly(&["bob"]).await;
    bob.until_hears_exactly(&["ann"]).await;
    ann.until_heard_times("entry", 2).await;
    let cid = guests.call("cid", &number).await;
    cid.say(true);
    each_hears_exactly_the_others(&[("ann", &ann), ("bob", &bob), ("cid", &cid)]).await;
    ann.until_heard_times("entry", 3).await;
    bob.until_heard_times("entry", 2).await;

    // Talk and listen change by REST.
    let calls = calls_by_name(&rest, &conference).await;
    rest.update_participant(&conference, &calls("bob"), json!({ "talk": false }))
        .await;
    ann.until_hears_exactly(&["cid"]).await;
    bob.until_hears_exactly(&["ann", "cid"]).await;
    rest.update_participant(&conference, &calls("bob"), json!({ "talk": true }))
        .await;
    rest.update_participant(&conference, &calls("cid"), json!({ "listen": false }))
        .await;
    cid.until_hears_exactly(&[]).await;
    ann.until_hears_exactly(&["bob", "cid"]).await;
    rest.update_participant(&conference, &calls("cid"), json!({ "listen": true }))
        .await;
    cid.until_hears_exactly(&["ann", "bob"]).await;

    // One after the other leaves; who stays hears it.
    cid.hang_up().await;
    ann.until_heard_times("exit", 1).await;
    ann.until_hears_exactly(&["bob"]).await;
    bob.hang_up().await;
    ann.until_heard_times("exit", 2).await;
    let memory = ann.hang_up().await;
    assert!(memory.sound.seconds() > 5.0);
    rest.until_status(&conference, "empty").await;

    let told = application.statuses(&conference, 4).await;
    assert_eq!(told, ["empty", "populated", "inProgress", "empty"]);
    recordings_are_right(&application, &rest, &conference, &calls).await;

    // Terminated while somebody waits.
    let mut ann = guests.call("ann", &number).await;
    rest.until_status(&conference, "populated").await;
    ann.until_hears_exactly(&["music"]).await;
    rest.set_conference_status(&conference, "terminated").await;
    ann.until_ended().await;
    let told = application.statuses(&conference, 7).await;
    assert_eq!(told[4..], ["populated", "empty", "terminated"]);
    application
        .until("the call's end is told", |webhook| {
            webhook.is("callStatus") && webhook.body["callEndedReason"] == "conferenceTerminated"
        })
        .await;

    // Who comes late is refused, by either door.
    let direct = guests.try_call("bob", &bridge.sip_uri(&conference)).await;
    assert!(
        matches!(direct, Err(CallFailure::Refused { status: 410, .. })),
        "410 is due"
    );
    if let Ok(mut bob) = guests.try_call("bob", &number).await {
        bob.until_ended().await;
    }
    application
        .until("the late call's end is told", |webhook| {
            webhook.is("callStatus") && webhook.body["callEndedReason"] == "perclProcessingError"
        })
        .await;

    let told = application.told_statuses(&conference);
    assert_eq!(told.len(), 7, "nothing more is told: {told:?}");
    every_call_tells_its_story(&application.webhooks());
}

#[tokio::test(flavor = "multi_thread")]
async fn beeps_follow_play_beep() {
    let bridge = Bridge::start().await;
    let rest = bridge.rest();
    let guests = Guests::new().await;
    for (play_beep, entries, exits) in [
        ("always", 1, 1),
        ("entryOnly", 1, 0),
        ("exitOnly", 0, 1),
        ("never", 0, 0),
    ] {
        let conference = rest
            .create_conference(json!({ "playBeep": play_beep }))
            .await;
        let uri = bridge.sip_uri(&conference);
        let ann = guests.call("ann", &uri).await;
        rest.until_participants(&conference, 1).await;
        ann.listen_on().await;
        let before = (ann.heard_times("entry"), ann.heard_times("exit"));

        let bob = guests.call("bob", &uri).await;
        rest.until_participants(&conference, 2).await;
        ann.listen_on().await;
        bob.hang_up().await;
        rest.until_participants(&conference, 1).await;
        ann.listen_on().await;

        let heard = (
            ann.heard_times("entry") - before.0,
            ann.heard_times("exit") - before.1,
        );
        assert_eq!(
            heard,
            (entries, exits),
            "entries and exits with {play_beep}"
        );
        ann.hang_up().await;
        rest.until_status(&conference, "empty").await;
    }
}

/// An application that lets ann wait, and everybody else start the conference.
async fn prepare(application: &Application, rest: &Rest) -> String {
    let music = Answer::File {
        content_type: "audio/wav",
        bytes: wait_music().into(),
    };
    application.answer("/music.wav", music);
    let conference = rest
        .create_conference(json!({
            "alias": "story",
            "playBeep": "always",
            "record": true,
            "waitUrl": application.url("/music.wav"),
            "statusCallbackUrl": application.url("/conference"),
        }))
        .await;
    let reception = json!({
        "voiceUrl": application.url("/voice"),
        "statusCallbackUrl": application.url("/call"),
    });
    rest.create_number(NUMBER, reception).await;
    let add = json!({
        "conferenceId": conference,
        "notificationUrl": application.url("/joined"),
        "leaveConferenceUrl": application.url("/left"),
    });
    let script = move |request: &Value| {
        let mut add = add.clone();
        add["startConfOnEnter"] = (!text(request, "from").contains("ann")).into();
        json!([{ "AddToConference": add }])
    };
    application.answer("/voice", Answer::PerclFor(Arc::new(script)));
    conference
}

async fn each_hears_exactly_the_others(guests: &[(&str, &Guest)]) {
    for (name, guest) in guests {
        let others: Vec<_> = guests
            .iter()
            .map(|(other, _)| *other)
            .filter(|other| other != name)
            .collect();
        guest.until_hears_exactly(&others).await;
        let residue = guest.residue_db();
        println!("{name} hears {residue:.1} dB of their own voice");
        assert!(
            residue <= RESIDUE_DB,
            "{name} hears {residue:.1} dB of their own voice"
        );
    }
}

/// Which call belongs to which guest.
async fn calls_by_name(rest: &Rest, conference: &str) -> impl Fn(&str) -> String {
    let mut calls = Vec::new();
    for participant in rest.participants(conference).await {
        let call = text(&participant, "callId");
        let from = text(&rest.get(&format!("/Calls/{call}")).await, "from");
        calls.push((from, call));
    }
    move |name: &str| {
        let call = calls.iter().find(|(from, _)| from.contains(name));
        call.unwrap_or_else(|| panic!("no call from {name} among {calls:?}"))
            .1
            .clone()
    }
}

/// One mix and a track of each, whole and readable, as the callbacks said.
async fn recordings_are_right(
    application: &Application,
    rest: &Rest,
    conference: &str,
    calls: &impl Fn(&str) -> String,
) {
    let webhooks = application.webhooks();
    let emptied = webhooks
        .iter()
        .rfind(|webhook| webhook.is("conferenceStatus") && webhook.body["status"] == "empty")
        .unwrap();
    let mix_id = text(&emptied.body, "recordingId");
    let url = text(&emptied.body, "recordingUrl");
    assert!(
        url.ends_with(&format!("/Recordings/{mix_id}/Download")),
        "{url}"
    );
    let seconds = emptied.body["recordingDurationSec"]
        .as_u64()
        .expect("whole seconds");
    application
        .until("the finished recording is told", |webhook| {
            webhook.is("conferenceRecordingStatus")
                && webhook.body["recordingId"] == mix_id.as_str()
        })
        .await;

    let path = format!("/Conferences/{conference}/Recordings");
    let recordings = until("a mix and three tracks are listed", async || {
        let list = rest.get(&path).await["recordings"]
            .as_array()
            .unwrap()
            .clone();
        (list.len() == 4).then_some(list)
    })
    .await;
    let mix = download(rest, &mix_id).await;
    let request = http_client().get(&url).basic_auth(ACCOUNT, Some(API_KEY));
    let by_url = request.send().await.unwrap().bytes().await.unwrap();
    assert_eq!(
        Sound::from_wav(&by_url).samples.len(),
        mix.samples.len(),
        "the URL is fit for use"
    );
    assert!(
        (mix.seconds() - seconds as f32).abs() <= 1.0,
        "{} of {seconds} s",
        mix.seconds()
    );
    for name in ["ann", "bob", "cid"] {
        let call = calls(name);
        let track = recordings
            .iter()
            .find(|recording| recording["callId"] == call.as_str());
        let track = download(rest, &text(track.unwrap(), "recordingId")).await;
        let off = (track.seconds() - mix.seconds()).abs();
        assert!(
            off <= mix.seconds(),
            "a track is no longer than the conference"
        );
        for other in ["ann", "bob", "cid"] {
            let level = loudest_second(&track, voice_hz(other)[0]);
            if other == name {
                assert!(
                    level > -45.0,
                    "{name} is on the track of {name}: {level:.1} dB"
                );
            } else {
                assert!(
                    level < -65.0,
                    "{other} is not on the track of {name}: {level:.1} dB"
                );
            }
        }
        let in_mix = loudest_second(&mix, voice_hz(name)[0]);
        assert!(in_mix > -45.0, "{name} is in the mix: {in_mix:.1} dB");
    }
    let music = loudest_second(&mix, MUSIC_HZ[0]);
    assert!(music < -60.0, "wait music is not recorded: {music:.1} dB");
}

/// Fetches a recording, and has it read by programs that nobody here wrote.
async fn download(rest: &Rest, recording: &str) -> Sound {
    let reply = rest
        .try_get(&format!("/Recordings/{recording}/Download"))
        .await;
    assert_eq!(
        (reply.status, reply.content_type.as_str()),
        (200, "audio/wav")
    );
    let sound = Sound::from_wav(&reply.bytes);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording.wav");
    std::fs::write(&file, &reply.bytes).unwrap();

    let mut sox = tool("sox");
    sox.args(["--info", "-D"]).arg(&file);
    let by_sox: f32 = run(sox).await.trim().parse().unwrap();
    let mut ffprobe = tool("ffprobe");
    ffprobe
        .args([
            "-v",
            "error",
            "-show_entries",
            "format=duration",
            "-of",
            "csv=p=0",
        ])
        .arg(&file);
    let by_ffprobe: f32 = run(ffprobe).await.trim().parse().unwrap();
    for seconds in [by_sox, by_ffprobe] {
        assert!(
            (seconds - sound.seconds()).abs() < 0.01,
            "{seconds} is not {}",
            sound.seconds()
        );
    }
    sound
}

/// The level of a tone in the second in which it is loudest.
fn loudest_second(sound: &Sound, hz: f32) -> f32 {
    (0..sound.seconds() as usize)
        .map(|second| {
            sound
                .between(second as f32, second as f32 + 1.0)
                .tone_db(hz)
        })
        .fold(-120.0, f32::max)
}

/// Of each call the application hears: it came, it joined, it left, it ended — in this order.
fn every_call_tells_its_story(webhooks: &[Webhook]) {
    for asked in webhooks.iter().filter(|webhook| webhook.is("inboundCall")) {
        let call = &asked.body["callId"];
        let told: Vec<_> = webhooks
            .iter()
            .filter(|webhook| webhook.body["callId"] == *call)
            .map(|webhook| webhook.body["requestType"].as_str().unwrap())
            .collect();
        assert_eq!(told.first(), Some(&"inboundCall"), "{call}: {told:?}");
        assert_eq!(told.last(), Some(&"callStatus"), "{call}: {told:?}");
        assert_eq!(
            told.iter().filter(|kind| **kind == "callStatus").count(),
            1,
            "{call}: {told:?}"
        );
    }
}
