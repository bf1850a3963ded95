//! What is left of a killed process? Everything that was committed, and every recording.

use serde_json::json;

use crate::application::Application;
use crate::bridge::{Bridge, Settings};
use crate::ear::Sound;
use crate::guests::{Guests, voice_hz};
use crate::patience::until;
use crate::rest::text;
use crate::tool::{run, tool};

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_the_conference_is_closed_and_its_recording_is_whole() {
    let application = Application::start().await;
    let bridge = Bridge::start().await;
    let rest = bridge.rest();
    let guests = Guests::new().await;
    let number = rest
        .create_number(
            "+15550100100",
            json!({ "voiceUrl": application.url("/voice") }),
        )
        .await;
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
    for _ in 0..3 {
        bob.listen_on().await;
    }
    application.statuses(&conference, 3).await;
    let home = bridge.kill();

    let bridge = Bridge::start_in(home, Settings::default()).await;
    let rest = bridge.rest();
    assert_eq!(rest.conference(&conference).await["status"], "empty");
    assert!(rest.participants(&conference).await.is_empty());
    assert_eq!(
        text(
            &rest.get(&format!("/IncomingPhoneNumbers/{number}")).await,
            "phoneNumber"
        ),
        "+15550100100"
    );
    let calls = rest.get("/Calls").await;
    let statuses: Vec<_> = calls["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| &call["status"])
        .collect();
    assert_eq!(statuses, ["completed", "completed"]);
    let told = application.statuses(&conference, 4).await;
    assert_eq!(told, ["empty", "populated", "inProgress", "empty"]);

    let event = application
        .until("the repaired recording is told", |webhook| {
            webhook.is("conferenceRecordingStatus")
                && webhook.body["conferenceId"] == conference.as_str()
        })
        .await;
    let recording = text(&event.body, "recordingId");
    let file = until("the repaired recording can be fetched", async || {
        let reply = rest
            .try_get(&format!("/Recordings/{recording}/Download"))
            .await;
        (reply.status == 200).then_some(reply.bytes)
    })
    .await;
    let sound = Sound::from_wav(&file);
    assert!(
        sound.seconds() >= 2.0,
        "at most the last second is lost: {} s",
        sound.seconds()
    );
    let level = sound
        .between(sound.seconds() - 1.5, sound.seconds() - 0.5)
        .tone_db(voice_hz("ann")[0]);
    assert!(level > -45.0, "ann is heard to the end: {level:.1} dB");

    // Its own header is right, so that any reader takes it.
    let path = bridge.home().path().join("repaired.wav");
    std::fs::write(&path, &file).unwrap();
    let mut sox = tool("sox");
    sox.arg(&path).args(["-n", "stat"]);
    run(sox).await;

    // And life goes on.
    let cid = guests.call("cid", &bridge.sip_uri(&conference)).await;
    rest.until_status(&conference, "inProgress").await;
    cid.hang_up().await;
    rest.until_status(&conference, "empty").await;
}
