//! Is wait music heard as it should be, whatever the file?

use serde_json::json;

use crate::application::{Answer, Application};
use crate::bridge::Bridge;
use crate::ear::Sound;
use crate::guests::{Guest, Guests, MUSIC_HZ};
use crate::tool::{run, tool};

const NUMBER: &str = "+15550100100";

/// How loud each of the two tones of the test's music is when it comes out at −32 dBov altogether:
/// 3 dB less for each of two, and 3 dB more since a full-scale sine has −3 dBov.
const LEVEL_DB: f32 = -32.0;
const TOLERANCE_DB: f32 = 4.0;

#[tokio::test(flavor = "multi_thread")]
async fn every_usual_kind_of_file_plays() {
    let house = House::open().await;
    let kinds: [(&str, &[&str]); 7] = [
        (
            "music-8k-ulaw.wav",
            &["-ar", "8000", "-ac", "1", "-c:a", "pcm_mulaw"],
        ),
        (
            "music-8k-alaw.wav",
            &["-ar", "8000", "-ac", "1", "-c:a", "pcm_alaw"],
        ),
        (
            "music-22k-16bit.wav",
            &["-ar", "22050", "-ac", "1", "-c:a", "pcm_s16le"],
        ),
        (
            "music-96k-24bit.wav",
            &["-ar", "96000", "-ac", "2", "-c:a", "pcm_s24le"],
        ),
        ("music.mp3", &["-c:a", "libmp3lame", "-b:a", "128k"]),
        ("music.flac", &["-c:a", "flac"]),
        ("music.ogg", &["-c:a", "libvorbis"]),
    ];
    let source = Sound::tones(44_100, 2.0, 20.0, &MUSIC_HZ).to_wav(2);
    for (name, options) in kinds {
        println!("{name}");
        let ann = house
            .wait_with(&converted(&source, name, options).await)
            .await;
        ann.hang_up().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn music_comes_out_at_one_level_and_loops_without_a_gap() {
    let house = House::open().await;
    for down_db in [10.0, 20.0, 35.0] {
        let file = Sound::tones(16_000, 2.0, down_db, &MUSIC_HZ).to_wav(1);
        let ann = house.wait_with(&file).await;
        for _ in 0..4 {
            ann.listen_on().await;
        }
        let heard = ann.hang_up().await.sound;
        let start = seconds_of_silence(&heard);
        let music = heard.between(start + 0.5, heard.seconds() - 0.3);
        assert!(music.seconds() > 4.0, "the file was played more than once");
        for hz in MUSIC_HZ {
            let level = music.tone_db(hz);
            println!("{hz} Hz from -{down_db} dB comes out at {level:.1} dB");
            assert!(
                (level - LEVEL_DB).abs() <= TOLERANCE_DB,
                "{hz} Hz at {level:.1} dB"
            );
        }
        let quietest = (0..(music.seconds() * 20.0) as usize - 1)
            .map(|twentieth| twentieth as f32 / 20.0)
            .map(|at| music.between(at, at + 0.05).level_db())
            .fold(0.0, f32::min);
        assert!(
            quietest > LEVEL_DB - 3.0,
            "no gap: the quietest 50 ms are at {quietest:.1} dB"
        );
    }
}

/// A bridge whose number leads to a conference that waits with a file of the test's.
struct House {
    application: Application,
    bridge: Bridge,
    guests: Guests,
}

impl House {
    async fn open() -> House {
        let application = Application::start().await;
        let bridge = Bridge::start().await;
        let reception = json!({ "voiceUrl": application.url("/voice") });
        bridge.rest().create_number(NUMBER, reception).await;
        House {
            application,
            bridge,
            guests: Guests::new().await,
        }
    }

    /// Somebody who waits with this file, and has heard it.
    async fn wait_with(&self, file: &[u8]) -> Guest {
        let rest = self.bridge.rest();
        // The bridge may keep what it has fetched, so every file has a name of its own.
        let path = format!("/music-{}", self.application.webhooks().len());
        let bytes = file.to_vec().into();
        self.application.answer(
            &path,
            Answer::File {
                content_type: "audio/x-whatever",
                bytes,
            },
        );
        let music = self.application.url(&path);
        let conference = rest
            .create_conference(json!({ "playBeep": "never", "waitUrl": music }))
            .await;
        let add = json!({ "conferenceId": conference, "startConfOnEnter": false });
        self.application
            .answer("/voice", Answer::Percl(json!([{ "AddToConference": add }])));
        let ann = self.guests.call("ann", &self.bridge.sip_uri(NUMBER)).await;
        ann.until_hears_exactly(&["music"]).await;
        ann
    }
}

async fn converted(source: &[u8], name: &str, options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("source.wav"), folder.path().join(name));
    std::fs::write(&from, source).unwrap();
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg
        .args(["-v", "error", "-i"])
        .arg(&from)
        .args(options)
        .arg(&to);
    run(ffmpeg).await;
    std::fs::read(to).unwrap()
}

/// How long nothing was heard at first.
fn seconds_of_silence(heard: &Sound) -> f32 {
    (0..(heard.seconds() * 10.0) as usize)
        .map(|tenth| tenth as f32 / 10.0)
        .find(|at| heard.between(*at, at + 0.1).tone_db(MUSIC_HZ[0]) > -45.0)
        .expect("music was heard")
}
