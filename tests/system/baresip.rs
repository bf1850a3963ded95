//! Do two SIP phones that nobody here wrote hear each other, and not themselves?

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use crate::bridge::Bridge;
use crate::ear::Sound;
use crate::patience::until;
use crate::tool::tool;

/// How long a phone must have heard the other, without a gap.
const HEARD_SECONDS: f32 = 3.0;

#[tokio::test(flavor = "multi_thread")]
async fn two_phones_hear_each_other_over_opus_and_g711() {
    two_phones_hear_each_other(Codec::Opus, Codec::Pcmu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_phones_hear_each_other_over_a_law() {
    two_phones_hear_each_other(Codec::Pcma, Codec::Pcma).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_phones_hear_each_other_over_g722_and_opus() {
    two_phones_hear_each_other(Codec::G722, Codec::Opus).await;
}

async fn two_phones_hear_each_other(first_codec: Codec, second_codec: Codec) {
    let bridge = Bridge::start().await;
    let rest = bridge.rest();
    let conference = rest.create_conference(json!({ "playBeep": "never" })).await;
    let uri = bridge.sip_uri(&conference);

    let first = Phone::dial(&uri, first_codec, 600.0);
    let second = Phone::dial(&uri, second_codec, 1_000.0);
    rest.until_participants(&conference, 2).await;
    until("both phones have heard each other", async || {
        let first_heard = first.heard()?.longest_with_without(1_000.0, 600.0);
        let second_heard = second.heard()?.longest_with_without(600.0, 1_000.0);
        (first_heard >= HEARD_SECONDS && second_heard >= HEARD_SECONDS).then_some(())
    })
    .await;

    drop(first);
    rest.until_participants(&conference, 1).await;
    drop(second);
    rest.until_status(&conference, "empty").await;
}

#[derive(Clone, Copy)]
enum Codec {
    Opus,
    G722,
    Pcmu,
    Pcma,
}

impl Codec {
    /// As baresip spells it.
    fn name(self) -> &'static str {
        match self {
            Codec::Opus => "opus/48000/2",
            Codec::G722 => "g722/16000/1",
            Codec::Pcmu => "pcmu/8000/1",
            Codec::Pcma => "pcma/8000/1",
        }
    }

    /// baresip plays only files of the codec's own rate and channels.
    fn source_file(self, tone_hz: f32) -> Vec<u8> {
        match self {
            Codec::Opus => Sound::tones(48_000, 60.0, 15.0, &[tone_hz]).to_wav(2),
            Codec::G722 => Sound::tones(16_000, 60.0, 15.0, &[tone_hz]).to_wav(1),
            Codec::Pcmu | Codec::Pcma => Sound::tones(8_000, 60.0, 15.0, &[tone_hz]).to_wav(1),
        }
    }
}

/// A baresip in a folder of its own, in a call; it writes down what it hears.
struct Phone {
    process: Child,
    folder: TempDir,
}

impl Phone {
    fn dial(uri: &str, codec: Codec, tone_hz: f32) -> Phone {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join("tone.wav"), codec.source_file(tone_hz)).unwrap();
        fs::write(path.join("config"), configuration(path)).unwrap();
        fs::write(path.join("contacts"), "").unwrap();
        let account = format!(
            "<sip:phone@127.0.0.1>;regint=0;audio_codecs={}\n",
            codec.name()
        );
        fs::write(path.join("accounts"), account).unwrap();
        let log = fs::File::create(path.join("log")).unwrap();
        let process = tool("baresip")
            .args(["-4", "-f"])
            .arg(path)
            .args(["-e", &format!("/dial {uri}")])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Phone { process, folder }
    }

    /// What it has heard so far.
    fn heard(&self) -> Option<Sound> {
        let dump = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.to_string_lossy().ends_with("-dec.wav"))?;
        // The file's header is only right at its end, so that the lengths are read anew.
        Some(Sound::from_wav(&mended(fs::read(dump).unwrap())?))
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        // A phone that is asked to end says BYE; one that is killed does not.
        let pid = self.process.id().to_string();
        let _ = Command::new("kill")
            .arg(&pid)
            .stdout(Stdio::null())
            .status();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let log = fs::read(self.folder.path().join("log")).unwrap_or_default();
            eprintln!(
                "--- what a phone said\n{}\n---",
                String::from_utf8_lossy(&log)
            );
        }
    }
}

fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    let modules = module_folder();
    format!(
        "net_interface 127.0.0.1\n\
         audio_source aufile,{folder}/tone.wav\n\
         audio_player aufile,{folder}/played.wav\n\
         audio_alert aufile,{folder}/alert.wav\n\
         snd_path {folder}\n\
         rtp_ports 33000-39998\n\
         module_path {}\n\
         module g711.so\n\
         module g722.so\n\
         module opus.so\n\
         module aufile.so\n\
         module sndfile.so\n\
         module account.so\n\
         module_app menu.so\n",
        modules.display()
    )
}

/// Where the package keeps its modules.
fn module_folder() -> PathBuf {
    ["/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules"]
        .iter()
        .map(PathBuf::from)
        .find(|folder| folder.is_dir())
        .expect("baresip has modules; scripts/test installs them")
}

/// A WAV that is still being written, with the lengths it has now.
fn mended(mut wav: Vec<u8>) -> Option<Vec<u8>> {
    let data = wav.windows(4).position(|word| word == b"data")? + 8;
    let frame = usize::from(u16::from_le_bytes(wav.get(32..34)?.try_into().ok()?));
    let length = (wav.len().checked_sub(data)? / frame) * frame;
    wav.truncate(data + length);
    wav[data - 4..data].copy_from_slice(&u32::try_from(length).ok()?.to_le_bytes());
    let riff = u32::try_from(wav.len() - 8).ok()?;
    wav[4..8].copy_from_slice(&riff.to_le_bytes());
    Some(wav)
}
