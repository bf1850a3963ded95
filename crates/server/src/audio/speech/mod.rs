//! Turns the text of `Say` into sound, away from the media threads and the control loop.
//!
//! The engine is espeak-ng on this machine, or any other behind `speech.url`. What was spoken is
//! kept, so that a greeting is spoken once for however many callers hear it.

mod espeak;
mod http;
mod ssml;
#[cfg(test)]
mod tests;
mod voices;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{OnceCell, Semaphore};

use super::{AudioError, Level, Shelf, prepare};
use crate::config;
use crate::egress::{Egress, EgressError};
use espeak::Espeak;
use http::HttpEngine;
pub use ssml::Malformed;

/// The longest text (FreeClimb API, "Say").
pub const MAX_TEXT_BYTES: usize = 4_096;

/// How long an utterance may take, with the wait for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an entry of the cache weighs beside its samples.
const ENTRY_BYTES: usize = 256;

/// Why a text is not heard.
#[derive(Debug, thiserror::Error)]
pub enum SpeechError {
    #[error("the text has {0} bytes; at most {MAX_TEXT_BYTES} are spoken")]
    TooLongToSay(usize),
    #[error("the text makes more sound than is played at once")]
    TooLongToHear,
    #[error("the SSML is broken: {0}")]
    Malformed(#[from] Malformed),
    #[error(
        "no voice is installed ({program} is not found): install espeak-ng or set speech.url",
        program = program.display()
    )]
    NoVoice { program: PathBuf },
    #[error("{program} did not speak: {reason}", program = program.display())]
    Failed { program: PathBuf, reason: String },
    #[error("speech.url: {0}")]
    Engine(#[source] EgressError),
    #[error("{engine} answered with what cannot be heard: {error}")]
    Unheard { engine: String, error: AudioError },
    #[error("{engine} did not speak within {within:?}")]
    TooSlow { engine: String, within: Duration },
}

/// A text, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Utterance<'a> {
    /// Text that is read as it stands.
    Plain { text: &'a str, language: &'a str },
    /// An SSML document.
    Ssml { text: &'a str, language: &'a str },
}

impl<'a> Utterance<'a> {
    /// Takes a text for SSML if it is one `speak` element from beginning to end, and for plain text
    /// otherwise. The language is a BCP 47 tag.
    pub fn of(text: &'a str, language: &'a str) -> Utterance<'a> {
        if ssml::is_document(text) {
            Utterance::Ssml { text, language }
        } else {
            Utterance::Plain { text, language }
        }
    }

    fn text(&self) -> &'a str {
        match self {
            Utterance::Plain { text, .. } | Utterance::Ssml { text, .. } => text,
        }
    }

    fn language(&self) -> &'a str {
        match self {
            Utterance::Plain { language, .. } | Utterance::Ssml { language, .. } => language,
        }
    }
}

#[derive(Debug, Clone)]
enum Engine {
    Espeak(Espeak),
    Http(HttpEngine),
}

/// Names an utterance: the hash of its engine, voice, kind and text.
type Key = [u8; 32];

/// Speaks, a few utterances at a time, and remembers what was spoken.
#[derive(Debug)]
pub struct Speech {
    engine: Engine,
    patience: Duration,
    turns: Semaphore,
    spoken: Mutex<Shelf<Key, Arc<[f32]>>>,
    /// What is being spoken: whoever wants the same waits for it.
    under_way: UnderWay,
}

type UnderWay = Mutex<BTreeMap<Key, Arc<OnceCell<Arc<[f32]>>>>>;

impl Speech {
    /// Prepares the engine that is configured; it is not asked for anything yet.
    pub fn new(settings: &config::Speech, egress: Arc<Egress>) -> Speech {
        let engine = match &settings.url {
            Some(url) => Engine::Http(HttpEngine::new(url.clone(), egress)),
            None => Engine::Espeak(Espeak::new(settings.espeak.clone())),
        };
        Speech {
            engine,
            patience: PATIENCE,
            turns: Semaphore::new(usize::from(settings.at_once.max(1))),
            spoken: Mutex::new(Shelf::new(settings.cache_bytes)),
            under_way: Mutex::default(),
        }
    }

    /// Says in the log who speaks, or that nobody does.
    pub async fn announce(&self) {
        match &self.engine {
            Engine::Http(http) => {
                let origin = http.url().origin().ascii_serialization();
                tracing::info!("Say is spoken by {origin}");
            }
            Engine::Espeak(espeak) => {
                let asked = tokio::time::timeout(self.patience, espeak.version()).await;
                match asked.unwrap_or_else(|_| Err(self.too_slow())) {
                    Ok(version) => tracing::info!("Say is spoken by {version}"),
                    Err(error) => tracing::warn!("Say will not be heard: {error}"),
                }
            }
        }
    }

    /// Speaks an utterance at the level of prompts; without words, it is without sound.
    ///
    /// # Errors
    /// What keeps it from being heard, in a sentence for the account's log.
    pub async fn speak(&self, utterance: Utterance<'_>) -> Result<Arc<[f32]>, SpeechError> {
        let length = utterance.text().len();
        if length > MAX_TEXT_BYTES {
            return Err(SpeechError::TooLongToSay(length));
        }
        let key = self.key(utterance);
        if let Some(audio) = lock(&self.spoken).get(&key) {
            return Ok(Arc::clone(audio));
        }
        let waiting = Waiting::join(&self.under_way, key);
        let speaking = waiting
            .cell
            .get_or_try_init(|| self.speak_anew(utterance, key));
        match tokio::time::timeout(self.patience, speaking).await {
            Ok(spoken) => spoken.cloned(),
            Err(_) => Err(self.too_slow()),
        }
    }

    async fn speak_anew(
        &self,
        utterance: Utterance<'_>,
        key: Key,
    ) -> Result<Arc<[f32]>, SpeechError> {
        // Never closed: the turn is there sooner or later.
        let _turn = self.turns.acquire().await.ok();
        // Somebody may have finished between the look at the shelf and here.
        if let Some(audio) = lock(&self.spoken).get(&key) {
            return Ok(Arc::clone(audio));
        }
        let body = match &self.engine {
            Engine::Espeak(espeak) => espeak.speak(utterance).await?,
            Engine::Http(http) => http.speak(utterance, self.patience).await?,
        };
        let audio = match (&self.engine, body.bytes.is_empty()) {
            // It writes no file for a text without words.
            (Engine::Espeak(_), true) => Arc::default(),
            (Engine::Espeak(_) | Engine::Http(_), _) => {
                let prepared = prepare(body, Level::Prompt).await;
                prepared.map_err(|error| SpeechError::Unheard {
                    engine: self.engine_name(),
                    error,
                })?
            }
        };
        let weight = audio.len() * size_of::<f32>() + ENTRY_BYTES;
        lock(&self.spoken).put(key, Arc::clone(&audio), weight);
        Ok(audio)
    }

    fn key(&self, utterance: Utterance<'_>) -> Key {
        let engine = match &self.engine {
            Engine::Espeak(_) => "espeak-ng",
            Engine::Http(http) => http.url().as_str(),
        };
        let language = utterance.language();
        let voice = match &self.engine {
            Engine::Espeak(_) => voices::voice_for(language).voice,
            Engine::Http(_) => language,
        };
        let kind = match utterance {
            Utterance::Plain { .. } => "plain",
            Utterance::Ssml { .. } => "ssml",
        };
        let mut hash = Sha256::new();
        for part in [engine, voice, kind, utterance.text()] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    fn engine_name(&self) -> String {
        match &self.engine {
            Engine::Espeak(espeak) => espeak.program().display().to_string(),
            Engine::Http(http) => {
                format!("speech.url ({})", http.url().origin().ascii_serialization())
            }
        }
    }

    fn too_slow(&self) -> SpeechError {
        SpeechError::TooSlow {
            engine: self.engine_name(),
            within: self.patience,
        }
    }
}

/// One of those who wait for the same utterance; the last to go takes its entry along.
struct Waiting<'a> {
    under_way: &'a UnderWay,
    key: Key,
    cell: Arc<OnceCell<Arc<[f32]>>>,
}

impl Waiting<'_> {
    fn join(under_way: &UnderWay, key: Key) -> Waiting<'_> {
        let cell = Arc::clone(lock(under_way).entry(key).or_default());
        Waiting {
            under_way,
            key,
            cell,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut under_way = lock(self.under_way);
        // Joining needs the lock, so nobody comes between the look and the removal: what holds the
        // cell now is the map, and this.
        if Arc::strong_count(&self.cell) == 2 {
            under_way.remove(&self.key);
        }
        // Before the lock is released, so that the next to look does not count it.
        self.cell = Arc::default();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
