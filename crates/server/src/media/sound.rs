//! Fetches prompts and wait music, decodes them and remembers them for a moment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tutti_media::Audio;
use tutti_model::AccountId;

use crate::audio;
use crate::egress::Egress;

/// Fetches under way at the same time, for one account and for all.
const FETCHES_PER_ACCOUNT: usize = 8;
const FETCHES: usize = 64;

/// How long a sound may wait for its turn to be fetched.
const TURN_PATIENCE: Duration = Duration::from_secs(5);

/// How long a sound is reused without asking again (FreeClimb API, "Play": 5 s without Cache-Control).
const FRESH: Duration = Duration::from_secs(5);

/// The most that is remembered, in samples: 256 MiB.
const REMEMBERED_SAMPLES: usize = 64 << 20;

/// What a sound is for; it decides how loud it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    Prompt,
    WaitMusic,
}

/// A sound that was fetched a moment ago.
struct Remembered {
    audio: Audio,
    until: Instant,
}

/// Gets sound from where applications keep it.
pub struct Sounds {
    egress: Arc<Egress>,
    built_in: Audio,
    fetches: Semaphore,
    accounts: Mutex<BTreeMap<AccountId, Arc<Semaphore>>>,
    remembered: Mutex<BTreeMap<(AccountId, String, Purpose), Remembered>>,
}

impl Sounds {
    /// Renders the built-in piece and waits for requests.
    pub fn new(egress: Arc<Egress>) -> Sounds {
        Sounds {
            egress,
            built_in: audio::builtin::wait_music(),
            fetches: Semaphore::new(FETCHES),
            accounts: Mutex::default(),
            remembered: Mutex::default(),
        }
    }

    /// The wait music that is always there.
    pub fn built_in(&self) -> Audio {
        Arc::clone(&self.built_in)
    }

    /// Fetches and prepares a sound; the error is one sentence for the account's log.
    pub async fn fetch(
        &self,
        account: AccountId,
        url: &str,
        purpose: Purpose,
    ) -> Result<Audio, String> {
        let key = (account, url.to_owned(), purpose);
        if let Some(audio) = self.recall(&key) {
            return Ok(audio);
        }
        let of_account = {
            let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(Semaphore::new(FETCHES_PER_ACCOUNT));
            Arc::clone(accounts.entry(account).or_insert_with(new))
        };
        let busy = || format!("{url}: too many sounds are being fetched at the same time");
        let turns = async {
            let of_account = of_account.acquire().await.ok()?;
            let of_all = self.fetches.acquire().await.ok()?;
            Some((of_account, of_all))
        };
        let turns = tokio::time::timeout(TURN_PATIENCE, turns).await;
        let _turns = turns.ok().flatten().ok_or_else(busy)?;
        // Many callers want the same greeting at once: the first has fetched it for all.
        if let Some(audio) = self.recall(&key) {
            return Ok(audio);
        }

        let body = self
            .egress
            .get_audio(url)
            .await
            .map_err(|error| error.to_string())?;
        let level = match purpose {
            Purpose::Prompt => audio::Level::Prompt,
            Purpose::WaitMusic => audio::Level::WaitMusic,
        };
        let audio = audio::prepare(body, level)
            .await
            .map_err(|error| format!("{url}: {error}"))?;
        self.remember(key, &audio);
        Ok(audio)
    }

    fn recall(&self, key: &(AccountId, String, Purpose)) -> Option<Audio> {
        let remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = remembered
            .get(key)
            .filter(|known| known.until > Instant::now())?;
        Some(Arc::clone(&known.audio))
    }

    fn remember(&self, key: (AccountId, String, Purpose), audio: &Audio) {
        let now = Instant::now();
        let mut remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        remembered.retain(|_, known| known.until > now);
        let samples: usize = remembered.values().map(|known| known.audio.len()).sum();
        if samples + audio.len() <= REMEMBERED_SAMPLES {
            remembered.insert(
                key,
                Remembered {
                    audio: Arc::clone(audio),
                    until: now + FRESH,
                },
            );
        }
    }
}
