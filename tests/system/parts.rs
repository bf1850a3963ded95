//! Does a conference that several threads mix in parts sound like one?

use serde_json::json;

use crate::application::Application;
use crate::bridge::{Bridge, Settings};
use crate::ear::Sound;
use crate::figures::Figures;
use crate::guests::{Guests, voice_hz};
use crate::patience::until;
use crate::rest::text;

/// The most of one's own voice that may come back: what Opus makes of three others at once. An own
/// voice that comes back through a trunk is at 0 dB.
const RESIDUE_DB: f32 = -30.0;

const NAMES: [&str; 4] = ["ann", "bob", "cid", "dan"];

#[tokio::test(flavor = "multi_thread")]
async fn four_on_two_threads_hear_each_other_and_never_themselves() {
    let application = Application::start().await;
    let settings = Settings::default()
        .with("TUTTI_MEDIA__THREADS", "2")
        .with("TUTTI_MEDIA__PART_LEGS", "2");
    let (figures, settings) = Figures::with(settings);
    let bridge = Bridge::start_with(settings).await;
    let rest = bridge.rest();
    let guests = Guests::new().await;
    let options = json!({
        "playBeep": "never",
        "record": true,
        "statusCallbackUrl": application.url("/status"),
    });
    let conference = rest.create_conference(options).await;
    let target = bridge.sip_uri(&conference);

    let ann = guests.call("ann", &target).await;
    let bob = guests.call("bob", &target).await;
    let cid = guests.call("cid", &target).await;
    let dan = guests.call("dan", &target).await;
    for thread in 0..2 {
        until(&format!("thread {thread} serves"), async || {
            let ticks = figures.of_thread("tutti_ticks_total", thread).await;
            (ticks > 50).then_some(())
        })
        .await;
    }
    for guest in [&ann, &bob, &cid, &dan] {
        guest.say(true);
    }
    ann.until_hears_exactly(&["bob", "cid", "dan"]).await;
    bob.until_hears_exactly(&["ann", "cid", "dan"]).await;
    cid.until_hears_exactly(&["ann", "bob", "dan"]).await;
    dan.until_hears_exactly(&["ann", "bob", "cid"]).await;
    for guest in [&ann, &bob, &cid, &dan] {
        let residue = guest.residue_db();
        assert!(
            residue <= RESIDUE_DB,
            "{residue:.1} dB of a voice came back"
        );
    }

    // The second part ends with its last leg, and begins anew when there are too many again.
    cid.hang_up().await;
    dan.hang_up().await;
    ann.until_hears_exactly(&["bob"]).await;
    let cid = guests.call("cid", &target).await;
    cid.until_hears_exactly(&["ann", "bob"]).await;
    cid.say(true);
    bob.until_hears_exactly(&["ann", "cid"]).await;
    cid.say(false);
    ann.until_hears_exactly(&["bob"]).await;

    // Who was there first leaves; home goes on without anybody, and takes whoever comes next.
    ann.hang_up().await;
    bob.hang_up().await;
    cid.until_hears_exactly(&[]).await;
    let dan = guests.call("dan", &target).await;
    dan.say(true);
    cid.until_hears_exactly(&["dan"]).await;
    cid.hang_up().await;
    dan.hang_up().await;

    let emptied = application
        .until("the conference is empty", |webhook| {
            webhook.is("conferenceStatus")
                && webhook.body["status"] == "empty"
                && webhook.body["recordingId"].is_string()
        })
        .await;
    let recording = text(&emptied.body, "recordingId");
    let mix = until("the recording is there", async || {
        let path = format!("/Recordings/{recording}/Download");
        let reply = rest.try_get(&path).await;
        (reply.status == 200).then(|| Sound::from_wav(&reply.bytes))
    })
    .await;
    for name in NAMES {
        let level = loudest_second(&mix, voice_hz(name)[0]);
        assert!(level > -45.0, "{name} is in the recording: {level:.1} dB");
    }
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
