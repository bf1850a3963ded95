//! Accounts from the operator's side: the first one at start, and all of them while a bridge runs.

use sha2::{Digest, Sha256};
use tutti_control_plane::{AccountRecord, AccountStatus};
use tutti_model::{AccountId, Timestamp};
use tutti_store::{Store, StoreError};

use crate::clock::Clock;
use crate::config::{self, Config};

/// How many secrets may sign at the same time (FreeClimb API, "Account": two).
const MAX_SECRETS: usize = 2;

/// How often a change is tried again because somebody else made one in between.
const ATTEMPTS: u32 = 10;

/// What an application needs to use the REST API.
#[derive(Clone)]
pub struct Credentials {
    pub account: AccountId,
    /// Known only in the run that made it, or where it is configured.
    pub api_key: Option<String>,
    /// The newest of the secrets that sign webhooks.
    pub signing_secret: String,
    /// Whether this start made the account.
    pub is_new: bool,
}

/// Why there is no account, or why it does not change.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error(
        "account.api_key: a key is 40 hexadecimal digits; this one has {0} characters or others"
    )]
    MalformedKey(usize),
    #[error(
        "account.signing_secret: a secret is sigsec_ and 40 hexadecimal digits; this one is not"
    )]
    MalformedSecret,
    #[error("there is no account {0}")]
    NoSuchAccount(AccountId),
    #[error("{0} is closed, and a closed account stays closed")]
    Closed(AccountId),
    #[error("{0} has two signing secrets already; drop-secret removes the older one")]
    TwoSecrets(AccountId),
    #[error(
        "{0} has one signing secret, and nothing would sign without it; add-secret comes first"
    )]
    OnlySecret(AccountId),
    #[error(
        "{key} is configured for {account}, and would be back at the next start; change it there"
    )]
    Configured {
        account: AccountId,
        key: &'static str,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds the first account or makes it; what is configured replaces what is stored.
///
/// A configured secret replaces all others unless it is one of them already.
///
/// # Errors
/// When a configured key or secret is malformed, or the store fails.
pub async fn first_account(
    store: &Store,
    configured: &config::Account,
    now: Timestamp,
) -> Result<Credentials, AccountError> {
    if let Some(key) = &configured.api_key
        && !is_hex_40(key)
    {
        return Err(AccountError::MalformedKey(key.len()));
    }
    if let Some(secret) = &configured.signing_secret
        && !secret.strip_prefix("sigsec_").is_some_and(is_hex_40)
    {
        return Err(AccountError::MalformedSecret);
    }
    let before = match configured.id {
        Some(id) => store.account(id).await?,
        None => store.accounts().await?.into_iter().next(),
    };
    let is_new = before.is_none();
    let mut api_key = configured.api_key.clone();
    if is_new && api_key.is_none() {
        api_key = Some(fresh_key());
    }
    let fresh_id = || AccountId::from_bytes(rand::random());
    let mut record = match &before {
        Some(record) => record.clone(),
        None => fresh_account(configured.id.unwrap_or_else(fresh_id), now),
    };
    if let Some(key) = &api_key {
        record.api_key_hash = hash_of_key(key);
    }
    if let Some(secret) = &configured.signing_secret
        && !record.signing_secrets.contains(secret)
    {
        record.signing_secrets = vec![secret.clone()];
    }
    if record.signing_secrets.is_empty() {
        record.signing_secrets.push(fresh_secret());
    }
    if before.as_ref() != Some(&record) {
        if before.is_some() {
            touch(&mut record, now);
        }
        store.put_account(&record).await?;
    }
    Ok(Credentials {
        account: record.id,
        api_key,
        signing_secret: record.signing_secrets.pop().unwrap_or_default(),
        is_new,
    })
}

/// What is stored of a key: enough to know it again, and nothing that leads back to it.
///
/// A key is 160 random bits, which nobody finds by hashing guesses, however fast the hash is.
pub(crate) fn hash_of_key(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// The accounts in a bridge's storage. The bridge may run meanwhile; it notices at once.
pub struct Accounts {
    store: Store,
    clock: Clock,
    configured: config::Account,
}

/// A new account with what is shown of it only now.
pub struct NewAccount {
    pub id: AccountId,
    pub api_key: String,
    pub signing_secret: String,
}

impl Accounts {
    /// Opens the storage that a bridge with this configuration uses.
    ///
    /// # Errors
    /// When there is none yet, or it is of another version, or locked.
    pub async fn open(config: &Config) -> Result<Accounts, AccountError> {
        Ok(Accounts {
            store: Store::open_existing(&config.storage.url).await?,
            clock: Clock::start(),
            configured: config.account.clone(),
        })
    }

    /// All accounts, oldest first.
    pub async fn list(&self) -> Result<Vec<AccountRecord>, AccountError> {
        Ok(self.store.accounts().await?)
    }

    pub async fn show(&self, id: AccountId) -> Result<AccountRecord, AccountError> {
        let record = self.store.account(id).await?;
        record.ok_or(AccountError::NoSuchAccount(id))
    }

    pub async fn create(
        &self,
        alias: Option<String>,
        label: Option<String>,
    ) -> Result<NewAccount, AccountError> {
        let api_key = fresh_key();
        let secret = fresh_secret();
        let id = AccountId::from_bytes(rand::random());
        let record = AccountRecord {
            api_key_hash: hash_of_key(&api_key),
            signing_secrets: vec![secret.clone()],
            alias,
            label,
            ..fresh_account(id, self.clock.now())
        };
        self.store.put_account(&record).await?;
        Ok(NewAccount {
            id,
            api_key,
            signing_secret: secret,
        })
    }

    /// Replaces an account's key; the old one is refused from then on. Answers with the new one.
    pub async fn rotate_key(&self, id: AccountId) -> Result<String, AccountError> {
        if self.configured.api_key.is_some() && self.is_configured(id).await? {
            return Err(AccountError::Configured {
                account: id,
                key: "account.api_key",
            });
        }
        let key = fresh_key();
        self.change(id, |record| {
            record.api_key_hash = hash_of_key(&key);
            Ok(())
        })
        .await?;
        Ok(key)
    }

    /// Lets a second secret sign beside the first. Answers with the new one.
    pub async fn add_secret(&self, id: AccountId) -> Result<String, AccountError> {
        let secret = fresh_secret();
        self.change(id, |record| {
            if record.signing_secrets.len() >= MAX_SECRETS {
                return Err(AccountError::TwoSecrets(id));
            }
            record.signing_secrets.push(secret.clone());
            Ok(())
        })
        .await?;
        Ok(secret)
    }

    /// Forgets the older of an account's two secrets.
    pub async fn drop_secret(&self, id: AccountId) -> Result<(), AccountError> {
        let kept = match self.is_configured(id).await? {
            true => self.configured.signing_secret.as_ref(),
            false => None,
        };
        self.change(id, |record| {
            if record.signing_secrets.len() < MAX_SECRETS {
                return Err(AccountError::OnlySecret(id));
            }
            if record.signing_secrets.first() == kept && kept.is_some() {
                return Err(AccountError::Configured {
                    account: id,
                    key: "account.signing_secret",
                });
            }
            record.signing_secrets.remove(0);
            Ok(())
        })
        .await
    }

    pub async fn set_status(
        &self,
        id: AccountId,
        status: AccountStatus,
    ) -> Result<(), AccountError> {
        self.change(id, |record| match record.status {
            AccountStatus::Closed if status != AccountStatus::Closed => {
                Err(AccountError::Closed(id))
            }
            AccountStatus::Active | AccountStatus::Suspended | AccountStatus::Closed => {
                record.status = status;
                Ok(())
            }
        })
        .await
    }

    /// Whether a start of the bridge gives this account what is configured.
    async fn is_configured(&self, id: AccountId) -> Result<bool, AccountError> {
        let first = match self.configured.id {
            Some(first) => Some(first),
            None => self.list().await?.first().map(|record| record.id),
        };
        Ok(first == Some(id))
    }

    /// Changes an account as it stands now, whoever else changes it at the same time.
    async fn change(
        &self,
        id: AccountId,
        change: impl Fn(&mut AccountRecord) -> Result<(), AccountError>,
    ) -> Result<(), AccountError> {
        let mut attempts = 1;
        loop {
            let before = self.show(id).await?;
            let mut record = before.clone();
            change(&mut record)?;
            if record == before {
                return Ok(());
            }
            touch(&mut record, self.clock.now());
            match self.store.put_account(&record).await {
                Err(StoreError::Outdated { .. }) if attempts < ATTEMPTS => attempts += 1,
                put => return Ok(put?),
            }
        }
    }
}

/// An account without a key and without secrets.
fn fresh_account(id: AccountId, now: Timestamp) -> AccountRecord {
    AccountRecord {
        id,
        api_key_hash: [0; 32],
        signing_secrets: Vec::new(),
        status: AccountStatus::Active,
        alias: None,
        label: None,
        revision: 1,
        created: now,
        updated: now,
    }
}

fn touch(record: &mut AccountRecord, now: Timestamp) {
    record.revision = record.revision.saturating_add(1);
    record.updated = now;
}

fn fresh_key() -> String {
    hex::encode(rand::random::<[u8; 20]>())
}

fn fresh_secret() -> String {
    format!("sigsec_{}", hex::encode(rand::random::<[u8; 20]>()))
}

fn is_hex_40(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000);
    const SECRET: &str = "sigsec_00112233445566778899aabbccddeeff00112233";

    #[tokio::test]
    async fn a_first_start_makes_an_account_and_a_second_finds_it() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        let made = first_account(&store, &config::Account::default(), NOW)
            .await
            .unwrap();
        let found = first_account(&store, &config::Account::default(), NOW)
            .await
            .unwrap();
        assert!(made.is_new && made.api_key.is_some());
        assert!(!found.is_new && found.api_key.is_none());
        assert_eq!(made.account, found.account);
        assert_eq!(made.signing_secret, found.signing_secret);
    }

    #[tokio::test]
    async fn a_malformed_key_is_named() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        let configured = config::Account {
            api_key: Some("abc".into()),
            ..Default::default()
        };
        let Err(error) = first_account(&store, &configured, NOW).await else {
            panic!("accepted")
        };
        assert!(error.to_string().contains("account.api_key"), "{error}");
    }

    #[tokio::test]
    async fn what_is_configured_replaces_what_is_stored() {
        let (_folder, mut config, accounts) = storage().await;
        let first = accounts.list().await.unwrap().remove(0);
        config.account.signing_secret = Some(SECRET.to_owned());
        config.account.api_key = Some("ab".repeat(20));
        let start = async || {
            let found = first_account(&accounts.store, &config.account, NOW).await;
            assert_eq!(found.unwrap().account, first.id);
            accounts.show(first.id).await.unwrap()
        };
        let record = start().await;
        assert_eq!(record.signing_secrets, [SECRET]);
        assert_eq!(record.api_key_hash, hash_of_key(&"ab".repeat(20)));
        assert_eq!(record.revision, first.revision + 1);
        // A secret that was added beside it stays.
        let added = accounts.add_secret(first.id).await.unwrap();
        assert_eq!(start().await.signing_secrets, [SECRET.to_owned(), added]);
    }

    #[tokio::test]
    async fn a_new_account_stands_beside_the_first_and_its_key_is_not_kept() {
        let (_folder, config, accounts) = storage().await;
        let (alias, label) = (Some("second".to_owned()), Some("a tenant".to_owned()));
        let made = accounts.create(alias.clone(), label.clone()).await.unwrap();
        let all = accounts.list().await.unwrap();
        assert_eq!(all.len(), 2);
        // Another process sees it at once, and knows its key again.
        let record = Accounts::open(&config).await.unwrap().show(made.id).await;
        let record = record.unwrap();
        assert_eq!((&record.alias, &record.label), (&alias, &label));
        assert_eq!(record.status, AccountStatus::Active);
        assert_eq!(record.api_key_hash, hash_of_key(&made.api_key));
        assert_eq!(record.signing_secrets, [made.signing_secret]);
        assert!(is_hex_40(&made.api_key));
    }

    #[tokio::test]
    async fn a_rotated_key_is_another_and_the_secrets_stay() {
        let (_folder, _config, accounts) = storage().await;
        let made = accounts.create(None, None).await.unwrap();
        let key = accounts.rotate_key(made.id).await.unwrap();
        assert_ne!(key, made.api_key);
        let record = accounts.show(made.id).await.unwrap();
        assert_eq!(record.api_key_hash, hash_of_key(&key));
        assert_eq!(record.signing_secrets, [made.signing_secret]);
        assert_eq!(record.revision, 2);
    }

    #[tokio::test]
    async fn a_secret_is_replaced_without_a_moment_in_which_none_signs() {
        let (_folder, _config, accounts) = storage().await;
        let made = accounts.create(None, None).await.unwrap();
        let (id, old) = (made.id, made.signing_secret);
        let secrets = async || accounts.show(id).await.unwrap().signing_secrets;
        assert!(matches!(
            accounts.drop_secret(id).await,
            Err(AccountError::OnlySecret(_))
        ));
        let new = accounts.add_secret(id).await.unwrap();
        assert_eq!(secrets().await, [old, new.clone()]);
        assert!(matches!(
            accounts.add_secret(id).await,
            Err(AccountError::TwoSecrets(_))
        ));
        accounts.drop_secret(id).await.unwrap();
        assert_eq!(secrets().await, [new]);
    }

    #[tokio::test]
    async fn a_suspended_account_comes_back_and_a_closed_one_does_not() {
        let (_folder, _config, accounts) = storage().await;
        let id = accounts.create(None, None).await.unwrap().id;
        for status in [
            AccountStatus::Suspended,
            AccountStatus::Active,
            AccountStatus::Closed,
            AccountStatus::Closed,
        ] {
            accounts.set_status(id, status).await.unwrap();
            assert_eq!(accounts.show(id).await.unwrap().status, status);
        }
        for status in [AccountStatus::Active, AccountStatus::Suspended] {
            let refused = accounts.set_status(id, status).await;
            assert!(matches!(refused, Err(AccountError::Closed(_))));
        }
        let record = accounts.show(id).await.unwrap();
        assert_eq!(record.status, AccountStatus::Closed);
        assert_eq!(record.revision, 4, "what changes nothing is no revision");
    }

    #[tokio::test]
    async fn what_is_configured_is_not_changed_behind_the_configurations_back() {
        let (_folder, mut config, accounts) = storage().await;
        let first = accounts.list().await.unwrap().remove(0).id;
        let second = accounts.create(None, None).await.unwrap().id;
        config.account.api_key = Some("ab".repeat(20));
        config.account.signing_secret = Some(SECRET.to_owned());
        first_account(&accounts.store, &config.account, NOW)
            .await
            .unwrap();
        let accounts = Accounts::open(&config).await.unwrap();
        assert!(matches!(
            accounts.rotate_key(first).await,
            Err(AccountError::Configured { .. })
        ));
        accounts.add_secret(first).await.unwrap();
        assert!(matches!(
            accounts.drop_secret(first).await,
            Err(AccountError::Configured { .. })
        ));
        accounts.rotate_key(second).await.unwrap();
    }

    #[tokio::test]
    async fn changes_at_the_same_time_are_all_made() {
        let (_folder, config, accounts) = storage().await;
        let id = accounts.create(None, None).await.unwrap().id;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let other = Accounts::open(&config).await.unwrap();
            tasks.spawn(async move { other.rotate_key(id).await.unwrap() });
        }
        let keys = tasks.join_all().await;
        let record = accounts.show(id).await.unwrap();
        assert_eq!(record.revision, 5);
        assert!(
            keys.iter()
                .any(|key| hash_of_key(key) == record.api_key_hash)
        );
    }

    #[tokio::test]
    async fn an_unknown_account_and_a_missing_storage_are_named() {
        let (folder, mut config, accounts) = storage().await;
        let nobody = AccountId::from_bytes([9; 20]);
        let refused = accounts.rotate_key(nobody).await.unwrap_err().to_string();
        assert!(refused.contains(&nobody.to_string()), "{refused}");
        let path = folder.path().join("elsewhere.db");
        config.storage.url = format!("sqlite://{}", path.display());
        let Err(refused) = Accounts::open(&config).await else {
            panic!("opened")
        };
        let refused = refused.to_string();
        assert!(refused.contains(&path.display().to_string()), "{refused}");
        assert!(!path.exists(), "asking makes nothing");
    }

    /// A storage as a bridge that has started once leaves it, with its first account.
    async fn storage() -> (TempDir, Config, Accounts) {
        let folder = TempDir::new().unwrap();
        let mut config = Config::default();
        config.storage.url = format!("sqlite://{}/tutti.db", folder.path().display());
        let store = Store::open(&config.storage.url).await.unwrap();
        first_account(&store, &config.account, NOW).await.unwrap();
        store.close().await;
        let accounts = Accounts::open(&config).await.unwrap();
        (folder, config, accounts)
    }
}
