//! `/Calls/WebRTC/Token`: what lets a browser call, for a while.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use tutti_freeclimb::error::ApiError;
use tutti_freeclimb::request::{CreateWebRtcToken, WebRtcTokenRequest};
use tutti_model::{AccountId, Timestamp};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::Answer;
use super::auth::Caller;
use super::request::Members;

/// How long a token may be used.
const VALID_SECS: i64 = 3_600;

/// Keeps the key of tokens apart from everything else that a signing secret signs.
const PURPOSE: &[u8] = b"tutti webrtc token";

pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new().routes(routes!(make))
}

#[utoipa::path(
    post,
    path = "/Calls/WebRTC/Token",
    operation_id = "make_a_webrtc_jwt",
    request_body = CreateWebRtcToken,
    responses((status = 200, description = "A JSON Web Token", body = String, content_type = "text/plain"))
)]
async fn make(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Members(attributes): Members,
) -> Answer {
    let request = WebRtcTokenRequest::parse(&attributes)?;
    let secrets = &caller.account.signing_secrets;
    // An account without a secret could not tell our tokens from others.
    let secret = secrets.first().ok_or(ApiError::Internal)?;
    let name = hex::encode(rand::random::<[u8; 16]>());
    let now = shared.api.clock.now();
    let token = token(secret, caller.id(), &request, &name, now).ok_or(ApiError::Internal)?;
    let text = [(CONTENT_TYPE, "text/plain")];
    Ok((StatusCode::OK, text, token).into_response())
}

/// A JSON Web Token (RFC 7519, HS256), which says who may call whom how often and until when.
///
/// FreeClimb's claims are `exp` and `custom`; `iss` names the account, whose secrets verify the
/// token, and `jti` the token, whose uses are counted. It is written by hand: the one algorithm
/// needs three lines, and the libraries for it bring six others.
fn token(
    secret: &str,
    account: AccountId,
    request: &WebRtcTokenRequest,
    name: &str,
    now: Timestamp,
) -> Option<String> {
    let header = json!({"alg": "HS256", "typ": "JWT"});
    let claims = json!({
        "iss": account.to_string(),
        "jti": name,
        "iat": now.as_secs(),
        "exp": now.as_secs() + VALID_SECS,
        "custom": {"to": request.to, "from": request.from, "uses": request.uses},
    });
    let encoded = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encoded(header), encoded(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(&key(secret)?).ok()?;
    mac.update(signed.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    Some(format!("{signed}.{signature}"))
}

/// The key of an account's tokens: made from a signing secret, and of no use for anything else.
fn key(secret: &str) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(PURPOSE);
    Some(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const ACCOUNT: AccountId = AccountId::from_bytes([0xab; 20]);
    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_900_000);

    #[test]
    fn a_token_says_who_may_call_whom_how_often_and_until_when() {
        let parts = parts("sigsec_1");
        assert_eq!(decoded(&parts[0]), json!({"alg": "HS256", "typ": "JWT"}));
        assert_eq!(
            decoded(&parts[1]),
            json!({
                "iss": "ACabababababababababababababababababababab",
                "jti": "name",
                "iat": 1_700_000_000,
                "exp": 1_700_003_600,
                "custom": {"to": "+15550100", "from": "+15550101", "uses": 3},
            })
        );
    }

    #[test]
    fn only_the_derived_key_verifies_a_token() {
        let parts = parts("sigsec_1");
        let signature = URL_SAFE_NO_PAD.decode(&parts[2]).unwrap();
        let verifies = |key: &[u8]| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
            mac.update(format!("{}.{}", parts[0], parts[1]).as_bytes());
            mac.verify_slice(&signature).is_ok()
        };
        assert!(verifies(&key("sigsec_1").unwrap()));
        assert!(!verifies(b"sigsec_1"));
        assert!(!verifies(&key("sigsec_2").unwrap()));
    }

    fn parts(secret: &str) -> Vec<String> {
        let request = WebRtcTokenRequest {
            to: "+15550100".to_owned(),
            from: "+15550101".to_owned(),
            uses: 3,
        };
        let token = token(secret, ACCOUNT, &request, "name", NOW).unwrap();
        token.split('.').map(str::to_owned).collect()
    }

    fn decoded(part: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }
}
