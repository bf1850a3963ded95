//! Who calls in? Callers with distinct voices over real SIP and RTP, each of whom listens.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tutti_loadgen::{
    CallFailure, Caller, CallerPlan, Line, Manner, Pacer, Sound, Speech, Tones, Vocabulary, Voice,
};
use tutti_model::Codec;

use crate::ear;
use crate::patience::until;

/// The tone pair that the tests' wait music is made of: outside every voice's bands.
pub(crate) const MUSIC_HZ: [f32; 2] = [2_950.0, 3_120.0];

/// How many looks in a row, ten in a second, make a lasting impression.
const LASTING: usize = 12;

const NAMES: [&str; 4] = ["ann", "bob", "cid", "dan"];
const CODECS: [Codec; 4] = [Codec::Pcmu, Codec::Opus, Codec::Pcma, Codec::Pcmu];

/// Everybody who can call in during one test, by name.
pub(crate) struct Guests {
    line: Arc<Line>,
    pacer: Pacer,
    vocabulary: Vocabulary,
    folder: TempDir,
}

/// One guest in a call.
pub(crate) struct Guest {
    name: &'static str,
    caller: Caller,
    vocabulary: Vocabulary,
    recording: PathBuf,
}

/// What a guest heard from the answer to the end of the call.
pub(crate) struct Memory {
    pub(crate) sound: ear::Sound,
}

impl Guests {
    pub(crate) async fn new() -> Guests {
        let voices = NAMES
            .iter()
            .enumerate()
            .map(|(n, name)| Sound::voice(name, Voice::nth(n)));
        let signals = [
            Sound {
                name: "music".to_owned(),
                tones: Tones::Together(MUSIC_HZ.to_vec()),
            },
            Sound::beep("entry", tutti_media::ENTRY_TONES_HZ),
            Sound::beep("exit", tutti_media::EXIT_TONES_HZ),
        ];
        Guests {
            line: Arc::new(Line::open([127, 0, 0, 1].into()).await.unwrap()),
            pacer: Pacer::start(1).unwrap(),
            vocabulary: Vocabulary::new(voices.chain(signals).collect()),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The guest of this name calls a SIP URI, and says nothing yet.
    pub(crate) async fn call(&self, name: &str, target: &str) -> Guest {
        self.try_call(name, target)
            .await
            .unwrap_or_else(|e| panic!("{name} cannot call {target}: {e}"))
    }

    pub(crate) async fn try_call(&self, name: &str, target: &str) -> Result<Guest, CallFailure> {
        let own = NAMES
            .iter()
            .position(|known| *known == name)
            .expect("a known guest");
        let recording = self.folder.path().join(format!("{name}.wav"));
        let plan = CallerPlan {
            from: from_uri(NAMES[own]),
            target: target.to_owned(),
            codec: CODECS[own],
            speech: Some(Speech {
                voice: Voice::nth(own),
                manner: Manner::Steady,
            }),
            vocabulary: self.vocabulary.clone(),
            own: Some(own),
            pips: None,
            recording: Some(recording.clone()),
        };
        let caller = Caller::dial(&self.line, &self.pacer, plan).await?;
        let vocabulary = self.vocabulary.clone();
        Ok(Guest {
            name: NAMES[own],
            caller,
            vocabulary,
            recording,
        })
    }
}

impl Guest {
    pub(crate) fn say(&self, speaking: bool) {
        self.caller.say(speaking);
    }

    /// Waits until the guest has heard exactly these, and nobody and nothing else, for a while.
    pub(crate) async fn until_hears_exactly(&self, names: &[&str]) {
        let mut last = Vec::new();
        let wait = async {
            loop {
                let notes = self.caller.notes();
                let cells = notes.timeline.cells();
                let recent = &cells[cells.len().saturating_sub(LASTING)..];
                last = recent
                    .iter()
                    .map(|cell| self.names_of(cell.audible))
                    .collect();
                if last.len() == LASTING && last.iter().all(|heard| same(heard, names)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let heard = tokio::time::timeout(crate::patience::PATIENCE, wait).await;
        assert!(
            heard.is_ok(),
            "{} must hear {names:?}, and hears {last:?}",
            self.name
        );
    }

    /// Waits until the guest has heard a sound this many times since the call began.
    pub(crate) async fn until_heard_times(&self, name: &str, times: usize) {
        until(
            &format!("{} has heard {name} {times} times", self.name),
            async || (self.heard_times(name) >= times).then_some(()),
        )
        .await;
    }

    /// How many times the guest has heard a sound since the call began.
    pub(crate) fn heard_times(&self, name: &str) -> usize {
        let sound = self.vocabulary.find(name).unwrap();
        let bridged = Duration::from_millis(250);
        self.caller.notes().timeline.stretches(sound, bridged).len()
    }

    /// Waits until the guest has listened for a while more.
    pub(crate) async fn listen_on(&self) {
        let before = self.caller.notes().timeline.cells().len();
        until(&format!("{} has listened on", self.name), async || {
            (self.caller.notes().timeline.cells().len() >= before + LASTING).then_some(())
        })
        .await;
    }

    /// How loud the guest's own voice has come back lately, in dB relative to how it is sent.
    pub(crate) fn residue_db(&self) -> f32 {
        let notes = self.caller.notes();
        let levels = &notes.own_levels_db;
        let recent = &levels[levels.len().saturating_sub(LASTING)..];
        recent.iter().copied().fold(f32::NEG_INFINITY, f32::max) - Voice::sent_level_db()
    }

    /// Waits until the far end hangs up.
    pub(crate) async fn until_ended(&mut self) {
        let ended = self.caller.ended_within(crate::patience::PATIENCE).await;
        assert!(ended, "{} is still in the call", self.name);
    }

    pub(crate) async fn hang_up(self) -> Memory {
        self.caller.hang_up().await;
        Memory {
            sound: ear::Sound::read(&self.recording),
        }
    }

    fn names_of(&self, audible: tutti_loadgen::Audible) -> Vec<String> {
        self.vocabulary
            .names(audible)
            .into_iter()
            .map(str::to_owned)
            .collect()
    }
}

/// What a guest's number looks like to the application.
pub(crate) fn from_uri(name: &str) -> String {
    format!("sip:{name}@127.0.0.1")
}

/// Wait music that everybody can tell from the built-in piece, as an application serves it.
pub(crate) fn wait_music() -> Vec<u8> {
    ear::Sound::tones(44_100, 2.0, 20.0, &MUSIC_HZ).to_wav(2)
}

/// The two tones of a guest's voice.
pub(crate) fn voice_hz(name: &str) -> [f32; 2] {
    let own = NAMES
        .iter()
        .position(|known| *known == name)
        .expect("a known guest");
    Voice::nth(own).tones_hz()
}

fn same(heard: &[String], names: &[&str]) -> bool {
    heard.len() == names.len() && names.iter().all(|name| heard.iter().any(|h| h == name))
}
