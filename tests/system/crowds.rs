//! Does everybody hear whom he must where many are?

use crate::bridge::{Bridge, Settings};
use crate::commands::{quiet_conference, tutti};
use crate::figures::Figures;
use crate::guests::Guests;
use crate::patience::until;
use crate::tool::run;

/// So many that ticks are prepared for those who are quiet, who are in rooms that are not.
#[tokio::test(flavor = "multi_thread")]
async fn everybody_in_a_crowd_hears_whom_they_must() {
    let settings = Settings::default().with("TUTTI_MEDIA__THREADS", "1");
    let (figures, settings) = Figures::with(settings);
    let bridge = Bridge::start_with(settings).await;
    let uri = quiet_conference(&bridge).await;
    let load = tutti(&[
        "load",
        "--target",
        &uri,
        "--callers",
        "75",
        "--speech",
        "--listeners-send",
        "noise",
        "--duration",
        "6",
    ]);
    let report = run(load).await;
    println!("{report}");
    let ahead = figures.of_thread("tutti_media_served_ahead_total", 0).await;
    assert!(ahead > 1_000, "{ahead} served ahead of a tick");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_finds_no_place_in_the_mix_is_heard_when_another_pauses() {
    let settings = Settings::default()
        .with("TUTTI_MEDIA__THREADS", "1")
        .with("TUTTI_MEDIA__CONTRIBUTORS", "2");
    let (figures, settings) = Figures::with(settings);
    let bridge = Bridge::start_with(settings).await;
    let target = quiet_conference(&bridge).await;
    let guests = Guests::new().await;
    let ann = guests.call("ann", &target).await;
    let bob = guests.call("bob", &target).await;
    let cid = guests.call("cid", &target).await;
    let dan = guests.call("dan", &target).await;

    ann.say(true);
    dan.until_hears_exactly(&["ann"]).await;
    bob.say(true);
    dan.until_hears_exactly(&["ann", "bob"]).await;
    cid.say(true);
    until("cid waits", async || {
        let waits = figures.of_thread("tutti_media_waits_total", 0).await;
        (waits > 50).then_some(())
    })
    .await;
    dan.until_hears_exactly(&["ann", "bob"]).await;
    cid.until_hears_exactly(&["ann", "bob"]).await;
    ann.say(false);
    dan.until_hears_exactly(&["bob", "cid"]).await;
    ann.until_hears_exactly(&["bob", "cid"]).await;
    cid.until_hears_exactly(&["bob"]).await;
}
