//! Is what a script says and plays heard by whom it is for?

use serde_json::json;

use crate::application::{Answer, Application};
use crate::bridge::{Bridge, Settings};
use crate::guests::{Guests, MUSIC_HZ, wait_music};
use crate::key_phone::KeyPhone;
use crate::sipp::Sipp;

const NUMBER: &str = "+15550100400";

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_may_be_told_something_before_the_answer() {
    let (bridge, application) = stage().await;
    let file = application.url("/music.wav");
    let script = json!([
        { "PlayEarlyMedia": { "file": file } }, { "Pause": { "length": 200 } }, { "Hangup": {} },
    ]);
    application.answer("/voice", Answer::Percl(script));
    let mut sipp = Sipp::new(&bridge, "early-media.xml");
    sipp.command.args(["-s", NUMBER, "-m", "1"]);
    sipp.run().await;

    let script = json!([{ "PlayEarlyMedia": { "file": file } }, { "Reject": {} }]);
    application.answer("/voice", Answer::Percl(script));
    let status = (
        "response=\"STATUS\"".to_owned(),
        "response=\"603\"".to_owned(),
    );
    let mut sipp = Sipp::with_words(&bridge, "early-refused.xml", &[status]);
    sipp.command.args(["-s", NUMBER, "-m", "1"]);
    sipp.run().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_script_plays_to_the_whole_conference() {
    let (bridge, application) = stage().await;
    let rest = bridge.rest();
    let conference = rest.create_conference(json!({ "playBeep": "never" })).await;
    let control = json!([{ "AddToConference": {
        "conferenceId": conference, "allowCallControl": true, "callControlSequence": "*",
        "callControlUrl": application.url("/control"),
    }}]);
    application.answer("/voice", Answer::Percl(control));
    let play = json!([{ "Play": {
        "file": application.url("/music.wav"), "loop": 20, "conferenceId": conference,
    }}]);
    application.answer("/control", Answer::Percl(play));

    let guests = Guests::new().await;
    let ann = guests.call("ann", &bridge.sip_uri(&conference)).await;
    let phone = KeyPhone::call(bridge.sip(), NUMBER);
    rest.until_participants(&conference, 2).await;
    phone.press('*');
    ann.until_hears_exactly(&["music"]).await;
    drop(phone);
    ann.until_hears_exactly(&[]).await;
    ann.hang_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_speaks_with_a_real_voice() {
    let (bridge, application) = stage().await;
    let said = json!([
        { "Say": { "text": "Two hundred and forty two people are waiting.", "language": "en-US" } },
        { "Hangup": {} },
    ]);
    application.answer("/voice", Answer::Percl(said));
    let guests = Guests::new().await;
    let mut ann = guests.call("ann", &bridge.sip_uri(NUMBER)).await;
    ann.until_ended().await;
    let heard = ann.hang_up().await.sound;
    let frames = (heard.seconds() / 0.1) as usize;
    let voiced = (0..frames)
        .map(|n| heard.between(n as f32 * 0.1, (n + 1) as f32 * 0.1))
        .filter(|part| part.level_db() > -45.0)
        .count();
    assert!(
        voiced >= 12,
        "{voiced} of {frames} tenths of a second have a voice"
    );
    let tones = MUSIC_HZ.map(|hz| heard.tone_db(hz));
    assert!(
        tones.iter().all(|db| *db < -40.0),
        "it is no music: {tones:?}"
    );
}

async fn stage() -> (Bridge, Application) {
    let application = Application::start().await;
    let bridge = Bridge::start_with(Settings::default()).await;
    let music = Answer::File {
        content_type: "audio/wav",
        bytes: wait_music().into(),
    };
    application.answer("/music.wav", music);
    let reception = json!({ "voiceUrl": application.url("/voice") });
    bridge.rest().create_number(NUMBER, reception).await;
    (bridge, application)
}
