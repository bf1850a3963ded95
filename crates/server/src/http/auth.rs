//! Who asks: HTTP Basic, with the account's id and its API key.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, FromRequestParts, RawPathParams};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;
use tutti_control_plane::{AccountRecord, AccountStatus};
use tutti_freeclimb::error::ApiError;
use tutti_model::{AccountId, RequestId};
use tutti_store::Store;

use super::Shared;
use super::answer::Failure;
use super::guesses::Guesses;
use super::noting;
use crate::accounts::hash_of_key;

/// How long a refusal takes, whatever its reason, so that its time does not tell the reason.
const REFUSAL: Duration = Duration::from_millis(20);

/// The account that asks, proven by its key, within its rate, about itself.
pub(super) struct Caller {
    pub(super) account: AccountRecord,
    /// The key as it was presented.
    pub(super) api_key: String,
    /// The request's name; whatever it causes carries it, too.
    pub(super) request: Option<RequestId>,
}

impl Caller {
    pub(super) fn id(&self) -> AccountId {
        self.account.id
    }
}

impl FromRequestParts<Arc<Shared>> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(
        parts: &mut Parts,
        shared: &Arc<Shared>,
    ) -> Result<Caller, Failure> {
        let credentials = Credentials::parse(&parts.headers)?;
        let source = source_of(parts);
        let mut caller = prove(&shared.api.store, &shared.guesses, source, credentials).await?;
        caller.request = parts.extensions.get().copied();
        shared.rate.admit(caller.id())?;
        noting::belongs_to(parts, caller.id());
        refuse_inactive(&caller.account)?;
        let names = RawPathParams::from_request_parts(parts, shared)
            .await
            .map_err(|_| ApiError::NoSuchPath)?;
        let about = names.iter().find(|(name, _)| *name == "account");
        // Somebody else's account looks exactly like one that does not exist.
        if about.is_some_and(|(_, id)| id.parse() != Ok(caller.id())) {
            return Err(ApiError::NoSuchAccount.into());
        }
        Ok(caller)
    }
}

/// What a request claims.
#[derive(Debug, PartialEq, Eq)]
struct Credentials {
    account: String,
    api_key: String,
}

impl Credentials {
    fn parse(headers: &HeaderMap) -> Result<Credentials, ApiError> {
        let header = headers.get(AUTHORIZATION).ok_or(ApiError::NoCredentials)?;
        let text = header.to_str().map_err(|_| ApiError::NoCredentials)?;
        let (scheme, encoded) = text.split_once(' ').ok_or(ApiError::NoCredentials)?;
        if !scheme.eq_ignore_ascii_case("Basic") {
            return Err(ApiError::NoCredentials);
        }
        let decoded = STANDARD.decode(encoded.trim()).ok();
        let pair = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = pair.ok_or(ApiError::NoCredentials)?;
        let (account, api_key) = pair.split_once(':').ok_or(ApiError::NoCredentials)?;
        Ok(Credentials {
            account: account.to_owned(),
            api_key: api_key.to_owned(),
        })
    }
}

/// Who is known by the key and may do nothing all the same.
fn refuse_inactive(account: &AccountRecord) -> Result<(), ApiError> {
    match account.status {
        AccountStatus::Active => Ok(()),
        AccountStatus::Suspended | AccountStatus::Closed => Err(ApiError::AccountNotActive),
    }
}

/// Where a request comes from, as the kernel has it: what a request says about that proves nothing.
fn source_of(parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.0.ip())
}

/// Looks whether an account that was let in with the key of this hash would be now, which a stream
/// asks that outlives its request. A store that does not answer refuses, too.
pub(super) async fn look_again(
    store: &Store,
    account: AccountId,
    key_hash: &[u8; 32],
) -> Result<(), Failure> {
    match store.account(account).await? {
        Some(record) if is_key_of(&record, key_hash) => Ok(refuse_inactive(&record)?),
        Some(_) | None => Err(ApiError::WrongCredentials.into()),
    }
}

fn is_key_of(record: &AccountRecord, key_hash: &[u8; 32]) -> bool {
    record.api_key_hash.ct_eq(key_hash).into()
}

async fn prove(
    store: &Store,
    guesses: &Guesses,
    source: IpAddr,
    credentials: Credentials,
) -> Result<Caller, Failure> {
    let begun = Instant::now();
    let claimed: Option<AccountId> = credentials.account.parse().ok();
    guesses.admit(begun, source, claimed)?;
    let record = match claimed {
        Some(account) => store.account(account).await?,
        None => None,
    };
    // An unknown account is compared too, so that it takes as long as a wrong key.
    let expected = record
        .as_ref()
        .map_or([0; 32], |record| record.api_key_hash);
    let presented = hash_of_key(&credentials.api_key);
    let matches = bool::from(presented.ct_eq(&expected));
    match record {
        Some(account) if matches => {
            guesses.right(begun, source, account.id);
            Ok(Caller {
                account,
                api_key: credentials.api_key,
                request: None,
            })
        }
        Some(_) | None => {
            let refusal = guesses.wrong(begun, source, claimed);
            tokio::time::sleep_until((begun + REFUSAL).into()).await;
            Err(refusal.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use tutti_model::Timestamp;

    use super::*;

    #[test]
    fn the_user_is_the_account_and_the_password_its_key() {
        for scheme in ["Basic", "basic", "BASIC"] {
            let parsed = parse(&format!("{scheme} {}", STANDARD.encode("AC01:ke:y")));
            let expected = Credentials {
                account: "AC01".to_owned(),
                api_key: "ke:y".to_owned(),
            };
            assert_eq!(parsed, Ok(expected));
        }
    }

    #[test]
    fn whatever_is_not_basic_is_no_credential() {
        let table = [
            String::new(),
            "Basic".to_owned(),
            "Basic !!!".to_owned(),
            format!("Bearer {}", STANDARD.encode("AC01:key")),
            format!("Basic {}", STANDARD.encode("no colon")),
            format!("Basic {}", STANDARD.encode([0xff, b':', 0xfe])),
        ];
        for header in table {
            assert_eq!(parse(&header), Err(ApiError::NoCredentials), "{header:?}");
        }
        assert_eq!(
            Credentials::parse(&HeaderMap::new()),
            Err(ApiError::NoCredentials)
        );
    }

    #[tokio::test]
    async fn a_key_opens_its_own_account_and_nothing_else() {
        let (store, guesses) = (two_accounts().await, Guesses::new());
        let table = [
            (OURS.to_string(), "key of ours", true),
            (THEIRS.to_string(), "key of theirs", true),
            (OURS.to_string(), "key of theirs", false),
            (OURS.to_string(), "", false),
            (OURS.to_string(), "KEY OF OURS", false),
            (NOBODY.to_string(), "key of ours", false),
            // The hash that an unknown account is compared with is no way in.
            (NOBODY.to_string(), "", false),
            ("nonsense".to_owned(), "key of ours", false),
        ];
        for (account, api_key, opens) in table {
            let told = format!("{account} {api_key:?}");
            let outcome = prove_as(&store, &guesses, 1, &account, api_key).await;
            match outcome {
                Ok(caller) => assert!(opens && caller.id().to_string() == account, "{told}"),
                Err(error) => {
                    assert!(!opens, "{told}");
                    assert_eq!(error, ApiError::WrongCredentials, "{told}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_right_key_after_too_many_wrong_ones_is_not_told_apart() {
        let (store, guesses) = (two_accounts().await, Guesses::new());
        let ours = OURS.to_string();
        for _ in 0..10 {
            let wrong = prove_as(&store, &guesses, 1, &NOBODY.to_string(), "guess").await;
            assert_eq!(wrong.err(), Some(ApiError::WrongCredentials));
        }
        for key in ["guess", "key of ours"] {
            let refused = prove_as(&store, &guesses, 1, &ours, key).await.err();
            let refused = refused.expect("a key was looked at");
            assert_eq!((refused.status(), refused.code()), (429, 24));
            assert!(refused.retry_after_secs().is_some_and(|wait| wait <= 61));
        }
        // Elsewhere it opens the account, and is let in there from then on, whoever guesses.
        assert!(
            prove_as(&store, &guesses, 2, &ours, "key of ours")
                .await
                .is_ok()
        );
        for _ in 0..10 {
            let _ = prove_as(&store, &guesses, 3, &ours, "guess").await;
        }
        assert!(
            prove_as(&store, &guesses, 2, &ours, "key of ours")
                .await
                .is_ok()
        );
        let new = prove_as(&store, &guesses, 4, &ours, "key of ours").await;
        assert_eq!(new.err().map(|error| error.status()), Some(429));
    }

    #[tokio::test]
    async fn a_refusal_takes_its_time_whether_the_account_exists_or_not() {
        let (store, guesses) = (two_accounts().await, Guesses::new());
        for account in [OURS.to_string(), NOBODY.to_string(), "nonsense".to_owned()] {
            let begun = Instant::now();
            let _ = prove_as(&store, &guesses, 1, &account, "guess").await;
            assert!(begun.elapsed() >= REFUSAL);
        }
    }

    #[tokio::test]
    async fn an_account_that_is_not_active_is_known_and_refused() {
        let store = two_accounts().await;
        let account = store.account(OURS).await.unwrap().unwrap();
        assert_eq!(refuse_inactive(&account), Ok(()));
        for status in [AccountStatus::Suspended, AccountStatus::Closed] {
            let inactive = AccountRecord {
                status,
                ..account.clone()
            };
            let refused = refuse_inactive(&inactive).unwrap_err();
            assert_eq!(refused.status(), 403);
        }
    }

    #[tokio::test]
    async fn who_was_let_in_stays_until_the_key_or_the_account_changes() {
        let store = two_accounts().await;
        let held = hash_of_key("key of ours");
        let account = store.account(OURS).await.unwrap().unwrap();
        let table = [
            ("key of ours", AccountStatus::Active, Ok(())),
            (
                "key of ours",
                AccountStatus::Suspended,
                Err(ApiError::AccountNotActive),
            ),
            (
                "key of ours",
                AccountStatus::Closed,
                Err(ApiError::AccountNotActive),
            ),
            (
                "another key",
                AccountStatus::Active,
                Err(ApiError::WrongCredentials),
            ),
            ("key of ours", AccountStatus::Active, Ok(())),
        ];
        for (revision, (key, status, expected)) in (2..).zip(table) {
            let changed = AccountRecord {
                api_key_hash: hash_of_key(key),
                status,
                revision,
                ..account.clone()
            };
            store.put_account(&changed).await.unwrap();
            let looked = look_again(&store, OURS, &held).await;
            let told = format!("{key}, {status:?}");
            assert_eq!(looked.map_err(Failure::into_error), expected, "{told}");
        }
        let nobody = look_again(&store, NOBODY, &held).await;
        let refused = nobody.map_err(Failure::into_error);
        assert_eq!(refused, Err(ApiError::WrongCredentials));
    }

    const OURS: AccountId = AccountId::from_bytes([1; 20]);
    const THEIRS: AccountId = AccountId::from_bytes([2; 20]);
    const NOBODY: AccountId = AccountId::from_bytes([3; 20]);

    async fn two_accounts() -> Store {
        let store = Store::open("sqlite::memory:").await.unwrap();
        for (id, key) in [(OURS, "key of ours"), (THEIRS, "key of theirs")] {
            let record = AccountRecord {
                id,
                api_key_hash: hash_of_key(key),
                signing_secrets: Vec::new(),
                status: AccountStatus::Active,
                alias: None,
                label: None,
                revision: 1,
                created: Timestamp::from_micros(0),
                updated: Timestamp::from_micros(0),
            };
            store.put_account(&record).await.unwrap();
        }
        store
    }

    async fn prove_as(
        store: &Store,
        guesses: &Guesses,
        host: u8,
        account: &str,
        api_key: &str,
    ) -> Result<Caller, ApiError> {
        let credentials = Credentials {
            account: account.to_owned(),
            api_key: api_key.to_owned(),
        };
        let source = IpAddr::from([10, 0, 0, host]);
        let proven = prove(store, guesses, source, credentials).await;
        proven.map_err(Failure::into_error)
    }

    fn parse(header: &str) -> Result<Credentials, ApiError> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, header.parse().unwrap());
        Credentials::parse(&headers)
    }
}
