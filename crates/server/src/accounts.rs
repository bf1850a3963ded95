//! The first account: as configured, as stored, or made at the first start.

use sha2::{Digest, Sha256};
use tutti_control_plane::AccountRecord;
use tutti_model::{AccountId, Timestamp};
use tutti_store::{Store, StoreError};

use crate::config;

/// What an application needs to use the REST API.
#[derive(Clone)]
pub struct Credentials {
    pub account: AccountId,
    /// Known only in the run that made it, or where it is configured.
    pub api_key: Option<String>,
    pub signing_secret: String,
    /// Whether this start made the account.
    pub is_new: bool,
}

/// Why there is no account.
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
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds the first account or makes it; what is configured replaces what is stored.
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
    let stored = match configured.id {
        Some(id) => store.account(id).await?,
        None => store.accounts().await?.into_iter().next(),
    };
    let is_new = stored.is_none();
    let mut api_key = configured.api_key.clone();
    if is_new && api_key.is_none() {
        api_key = Some(hex::encode(rand::random::<[u8; 20]>()));
    }
    let fresh_secret = || format!("sigsec_{}", hex::encode(rand::random::<[u8; 20]>()));
    let before = stored.clone();
    let mut record = stored.unwrap_or_else(|| AccountRecord {
        id: configured
            .id
            .unwrap_or_else(|| AccountId::from_bytes(rand::random())),
        api_key_hash: [0; 32],
        signing_secret: fresh_secret(),
        alias: None,
        label: None,
        revision: 1,
        created: now,
        updated: now,
    });
    if let Some(key) = &api_key {
        record.api_key_hash = Sha256::digest(key.as_bytes()).into();
    }
    if let Some(secret) = &configured.signing_secret {
        record.signing_secret.clone_from(secret);
    }
    if before.as_ref() != Some(&record) {
        store.put_account(&record).await?;
    }
    Ok(Credentials {
        account: record.id,
        api_key,
        signing_secret: record.signing_secret,
        is_new,
    })
}

fn is_hex_40(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000);

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
}
