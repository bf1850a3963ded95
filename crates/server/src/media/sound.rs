//! Gets prompts and wait music from wherever they are: fetched, spoken, or recorded here.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tutti_media::Audio;
use tutti_model::AccountId;

use crate::audio::speech::{Speech, Utterance};
use crate::audio::{self, OwnRecordings, Shelf};
use crate::egress::{AudioBody, Egress, EgressError, Fetched, Keeping, Version};

/// Sounds being made ready at the same time, for one account and for all.
const TURNS_PER_ACCOUNT: usize = 8;
const TURNS: usize = 64;

/// How long a sound may wait for its turn.
const TURN_PATIENCE: Duration = Duration::from_secs(5);

/// A file beyond this waits until few others like it are in memory.
const LARGE_BYTES: usize = 8 << 20;
const LARGE_AT_ONCE: usize = 2;

/// How long a large file may wait for that.
const LARGE_PATIENCE: Duration = Duration::from_secs(30);

/// The largest file (FreeClimb API, "Play").
const MAX_FILE_BYTES: usize = 100 << 20;

/// The most that is remembered: 256 MiB of samples.
const REMEMBERED_BYTES: usize = 256 << 20;

/// What a remembered sound weighs beside its samples.
const ENTRY_BYTES: usize = 1 << 10;

/// What a sound is for; it decides how loud it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    Prompt,
    WaitMusic,
}

impl Purpose {
    fn level(self) -> audio::Level {
        match self {
            Purpose::Prompt => audio::Level::Prompt,
            Purpose::WaitMusic => audio::Level::WaitMusic,
        }
    }
}

type Key = (AccountId, String, Purpose);

/// A sound as it was fetched.
#[derive(Clone)]
struct Remembered {
    audio: Audio,
    /// Until when it is played without asking.
    until: Instant,
    /// By what its server tells whether it has changed.
    version: Option<Version>,
}

/// Gets sound from where applications keep it.
pub struct Sounds {
    egress: Arc<Egress>,
    speech: Speech,
    recordings: OwnRecordings,
    built_in: Audio,
    beep: Audio,
    turns: Semaphore,
    accounts: Mutex<BTreeMap<AccountId, Arc<Semaphore>>>,
    large: Arc<Semaphore>,
    remembered: Mutex<Shelf<Key, Remembered>>,
}

impl Sounds {
    /// Renders what is built in and waits for requests.
    pub fn new(egress: Arc<Egress>, speech: Speech, recordings: OwnRecordings) -> Sounds {
        Sounds {
            egress,
            speech,
            recordings,
            built_in: audio::builtin::wait_music(),
            beep: tutti_media::record_beep(),
            turns: Semaphore::new(TURNS),
            accounts: Mutex::default(),
            large: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
            remembered: Mutex::new(Shelf::new(REMEMBERED_BYTES)),
        }
    }

    /// The wait music that is always there.
    pub fn built_in(&self) -> Audio {
        Arc::clone(&self.built_in)
    }

    /// The tone that asks a caller to speak.
    pub fn beep(&self) -> Audio {
        Arc::clone(&self.beep)
    }

    /// Speaks a text, which is SSML if it is one `speak` element; the language is a BCP 47 tag. The
    /// error is one sentence for the account's log.
    pub async fn speak(
        &self,
        account: AccountId,
        text: &str,
        language: &str,
    ) -> Result<Audio, String> {
        let busy = || "Say: too many sounds are being made ready at the same time".to_owned();
        let _turn = self.turn_of(account).await.ok_or_else(busy)?;
        let spoken = self.speech.speak(Utterance::of(text, language)).await;
        spoken.map_err(|error| format!("Say: {error}"))
    }

    /// Fetches and prepares a sound; the error is one sentence for the account's log.
    pub async fn fetch(
        &self,
        account: AccountId,
        url: &str,
        purpose: Purpose,
    ) -> Result<Audio, String> {
        let key = (account, url.to_owned(), purpose);
        if let Some(audio) = self.recall_fresh(&key) {
            return Ok(audio);
        }
        let busy = || format!("{url}: too many sounds are being fetched at the same time");
        let _turn = self.turn_of(account).await.ok_or_else(busy)?;
        // Many callers want the same greeting at once: the first has fetched it for all.
        if let Some(audio) = self.recall_fresh(&key) {
            return Ok(audio);
        }

        if let Some(named) = self.recordings.named_by(url) {
            let _large = self.turn_of_large().await.ok_or_else(busy)?;
            let read = self.recordings.read(named, account, MAX_FILE_BYTES).await;
            let body = read.map_err(|error| format!("{url}: {error}"))?;
            return prepared(url, body, purpose).await;
        }
        let known = self.recall(&key);
        let version = known.as_ref().and_then(|known| known.version.as_ref());
        let (fetched, _large) = self.get(url, version).await?;
        let (audio, keeping) = match (fetched, known) {
            (Fetched::Unchanged(keeping), Some(known)) => (known.audio, keeping),
            (Fetched::Unchanged(_), None) => {
                return Err(format!("{url}: unchanged, though it was not known"));
            }
            (Fetched::File(body, keeping), _) => (prepared(url, body, purpose).await?, keeping),
        };
        self.remember(key, &audio, keeping);
        Ok(audio)
    }

    /// Waits until the account and the bridge have a hand free.
    async fn turn_of(
        &self,
        account: AccountId,
    ) -> Option<(OwnedSemaphorePermit, tokio::sync::SemaphorePermit<'_>)> {
        let of_account = {
            let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(Semaphore::new(TURNS_PER_ACCOUNT));
            Arc::clone(accounts.entry(account).or_insert_with(new))
        };
        let turns = async {
            let of_account = of_account.acquire_owned().await.ok()?;
            let of_all = self.turns.acquire().await.ok()?;
            Some((of_account, of_all))
        };
        tokio::time::timeout(TURN_PATIENCE, turns).await.ok()?
    }

    /// Waits until there is room for a large file in memory.
    async fn turn_of_large(&self) -> Option<OwnedSemaphorePermit> {
        let turn = Arc::clone(&self.large).acquire_owned();
        tokio::time::timeout(LARGE_PATIENCE, turn).await.ok()?.ok()
    }

    /// Fetches a file; one that turns out to be large is fetched again when it is its turn.
    async fn get(
        &self,
        url: &str,
        known: Option<&Version>,
    ) -> Result<(Fetched, Option<OwnedSemaphorePermit>), String> {
        match self.egress.get_audio(url, known, LARGE_BYTES).await {
            Ok(fetched) => return Ok((fetched, None)),
            Err(EgressError::TooLarge { limit_bytes, .. }) if limit_bytes == LARGE_BYTES => {}
            Err(error) => return Err(error.to_string()),
        }
        let busy = || format!("{url}: too many large files are being fetched at the same time");
        let turn = self.turn_of_large().await.ok_or_else(busy)?;
        let fetched = self.egress.get_audio(url, known, MAX_FILE_BYTES).await;
        let fetched = fetched.map_err(|error| error.to_string())?;
        Ok((fetched, Some(turn)))
    }

    fn recall(&self, key: &Key) -> Option<Remembered> {
        let mut remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        remembered.get(key).cloned()
    }

    fn recall_fresh(&self, key: &Key) -> Option<Audio> {
        let known = self.recall(key)?;
        (known.until > Instant::now()).then_some(known.audio)
    }

    /// Keeps what may be kept, if it can be of use later.
    fn remember(&self, key: Key, audio: &Audio, keeping: Keeping) {
        let mut remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Keeping { fresh_for, version } = keeping;
        let Some(fresh_for) = fresh_for.filter(|time| !time.is_zero() || version.is_some()) else {
            remembered.remove(&key);
            return;
        };
        let weight = size_of_val::<[f32]>(audio) + ENTRY_BYTES + key.1.len();
        let entry = Remembered {
            audio: Arc::clone(audio),
            until: Instant::now() + fresh_for,
            version,
        };
        remembered.put(key, entry, weight);
    }
}

async fn prepared(url: &str, body: AudioBody, purpose: Purpose) -> Result<Audio, String> {
    let prepared = audio::prepare(body, purpose.level()).await;
    prepared.map_err(|error| format!("{url}: {error}"))
}
