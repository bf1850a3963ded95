//! Who asks: HTTP Basic, with the account's id and its API key.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tutti_control_plane::AccountRecord;
use tutti_freeclimb::error::ApiError;
use tutti_model::AccountId;

use super::Shared;
use super::answer::Failure;

/// The account that asks, proven by its key, within its rate, about itself.
pub(super) struct Caller {
    pub(super) account: AccountRecord,
    /// The key as it was presented.
    pub(super) api_key: String,
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
        let caller = prove(shared, credentials).await?;
        shared.rate.admit(caller.id())?;
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

async fn prove(shared: &Shared, credentials: Credentials) -> Result<Caller, Failure> {
    let record = match credentials.account.parse() {
        Ok(account) => shared.api.store.account(account).await?,
        Err(_) => None,
    };
    // An unknown account is compared too, so that it takes as long as a wrong key.
    let expected = record
        .as_ref()
        .map_or([0; 32], |record| record.api_key_hash);
    let presented: [u8; 32] = Sha256::digest(credentials.api_key.as_bytes()).into();
    let matches = bool::from(presented.ct_eq(&expected));
    match record {
        Some(account) if matches => Ok(Caller {
            account,
            api_key: credentials.api_key,
        }),
        Some(_) | None => Err(ApiError::WrongCredentials.into()),
    }
}

#[cfg(test)]
mod tests {
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

    fn parse(header: &str) -> Result<Credentials, ApiError> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, header.parse().unwrap());
        Credentials::parse(&headers)
    }
}
