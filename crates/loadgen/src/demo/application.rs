//! What does the demo's application answer, and what is it told?
//!
//! A small HTTP server on loopback: it serves sound files, answers webhooks with PerCL, and keeps
//! everything that it is told, with the time.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::cast::{PROMPT, Role, WAIT_MUSIC};
use super::tones::voice_wav;
use crate::voice::Voice;

/// How long the wait music and the prompt are.
pub(super) const WAIT_MUSIC_SECS: u32 = 8;
pub(super) const PROMPT_SECS: u32 = 3;

/// A signature older than this is not accepted.
const OLDEST_SIGNATURE_SECS: u64 = 300;

/// What a webhook's signature is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Signature {
    Valid,
    Invalid,
    Absent,
    /// No secret was given to check it by.
    Unchecked,
}

/// A webhook as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) at: Instant,
    pub(super) path: String,
    pub(super) request_type: String,
    pub(super) signature: Signature,
    pub(super) body: Value,
}

impl Received {
    /// A field of the body, as text.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.body.get(field).and_then(Value::as_str)
    }

    /// The caller that it is about.
    pub(super) fn role(&self) -> Option<Role> {
        self.text("from").and_then(Role::of_number)
    }

    /// Whether it tells that the conference has this status.
    pub(super) fn is_status(&self, status: &str) -> bool {
        self.request_type == "conferenceStatus" && self.text("status") == Some(status)
    }
}

/// The running application. Dropping it stops it.
pub(super) struct Application {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    signing_secret: Option<String>,
    wait_music: Bytes,
    prompt: Bytes,
    scripts: Mutex<BTreeMap<Role, Value>>,
    received: Mutex<Vec<Received>>,
    /// How many webhooks have been received.
    count: watch::Sender<usize>,
}

impl Application {
    /// Starts on a free port.
    pub(super) async fn start(
        ip: IpAddr,
        signing_secret: Option<String>,
    ) -> anyhow::Result<Application> {
        let listener = tokio::net::TcpListener::bind((ip, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            signing_secret,
            wait_music: voice_wav(Voice::nth(WAIT_MUSIC), WAIT_MUSIC_SECS)?.into(),
            prompt: voice_wav(Voice::nth(PROMPT), PROMPT_SECS)?.into(),
            scripts: Mutex::default(),
            received: Mutex::default(),
            count: watch::channel(0).0,
        });
        let router = Router::new()
            .route("/wait.wav", get(wait_music))
            .route("/prompt.wav", get(prompt))
            .route("/{*path}", post(webhook))
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("the demo's application stopped: {error}");
            }
        });
        Ok(Application {
            address,
            shared,
            server,
        })
    }

    /// The absolute URL of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Answers this caller's voiceUrl with this script from now on.
    pub(super) fn answer(&self, role: Role, script: Value) {
        lock(&self.shared.scripts).insert(role, script);
    }

    /// Everything received so far.
    pub(super) fn received(&self) -> Vec<Received> {
        lock(&self.shared.received).clone()
    }

    /// Waits until this many webhooks are of a kind; says whether they came in time.
    pub(super) async fn wait_for(
        &self,
        many: usize,
        patience: Duration,
        is_of_kind: impl Fn(&Received) -> bool,
    ) -> bool {
        let mut count = self.shared.count.subscribe();
        let enough = || {
            lock(&self.shared.received)
                .iter()
                .filter(|one| is_of_kind(one))
                .count()
                >= many
        };
        let wait = async {
            while !enough() {
                if count.changed().await.is_err() {
                    return;
                }
            }
        };
        // Running out of time is one of the two answers.
        let _ = tokio::time::timeout(patience, wait).await;
        enough()
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn wait_music(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "audio/wav")],
        shared.wait_music.clone(),
    )
}

async fn prompt(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "audio/wav")], shared.prompt.clone())
}

async fn webhook(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let at = Instant::now();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let header = headers
        .get("FreeClimb-Signature")
        .and_then(|value| value.to_str().ok());
    let signature = check_signature(shared.signing_secret.as_deref(), header, &body, now);
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let request_type = body
        .get("requestType")
        .and_then(Value::as_str)
        .unwrap_or("?")
        .to_owned();
    let received = Received {
        at,
        path: uri.path().to_owned(),
        request_type,
        signature,
        body,
    };
    let script = match received.role() {
        Some(role) if received.request_type == "inboundCall" => lock(&shared.scripts)
            .get(&role)
            .cloned()
            .unwrap_or_else(|| json!([])),
        Some(_) | None => json!([]),
    };
    lock(&shared.received).push(received);
    shared.count.send_modify(|count| *count += 1);
    (
        [(header::CONTENT_TYPE, "application/json")],
        script.to_string(),
    )
}

/// Checks `t=<unix seconds>,v1=<hex>[,v1=<hex>]`: an HMAC-SHA256 over `<t>.<body>`.
fn check_signature(secret: Option<&str>, header: Option<&str>, body: &[u8], now: u64) -> Signature {
    let Some(header) = header else {
        return Signature::Absent;
    };
    let Some(secret) = secret else {
        return Signature::Unchecked;
    };
    let fields: Vec<(&str, &str)> = header
        .split(',')
        .filter_map(|field| field.split_once('='))
        .collect();
    let named = |name: &'static str| {
        fields
            .iter()
            .filter(move |(key, _)| *key == name)
            .map(|(_, value)| *value)
    };
    let Some(time) = named("t").next() else {
        return Signature::Invalid;
    };
    let is_recent = time
        .parse()
        .is_ok_and(|t: u64| t.abs_diff(now) <= OLDEST_SIGNATURE_SECS);
    let is_right = |hash: &str| {
        let Ok(hash) = hex::decode(hash) else {
            return false;
        };
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
            return false;
        };
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(body);
        mac.verify_slice(&hash).is_ok()
    };
    if is_recent && named("v1").any(is_right) {
        Signature::Valid
    } else {
        Signature::Invalid
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is one insertion; a panic elsewhere leaves the data good.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of FreeClimb's own SDK tests.
    const SECRET: &str = "sigsec_ead6d3b6904196c60835d039e91b3341c77a7793";
    const HASH: &str = "c3957749baf61df4b1506802579cc69a74c77a1ae21447b930e5a704f9ec4120";
    const TIME: u64 = 1_679_944_186;
    const BODY: &[u8] = br#"{"accountId":"AC1334ffb694cd8d969f51cddf5f7c9b478546d50c","callId":"CAccb0b00506553cda09b51c5477f672a49e0b2213","callStatus":"ringing","conferenceId":null,"direction":"inbound","from":"+13121000109","parentCallId":null,"queueId":null,"requestType":"inboundCall","to":"+13121000096"}"#;

    #[test]
    fn the_published_signature_is_valid() {
        let header = format!("t={TIME},v1={HASH}");
        assert_eq!(
            check_signature(Some(SECRET), Some(&header), BODY, TIME + 1),
            Signature::Valid
        );
        let second = format!("t={TIME},v1=00,v1={HASH}");
        assert_eq!(
            check_signature(Some(SECRET), Some(&second), BODY, TIME),
            Signature::Valid
        );
    }

    #[test]
    fn a_changed_body_time_or_secret_is_invalid() {
        let header = format!("t={TIME},v1={HASH}");
        let check = |secret, header: &str, body, now| {
            check_signature(Some(secret), Some(header), body, now)
        };
        assert_eq!(check(SECRET, &header, b"{}", TIME), Signature::Invalid);
        assert_eq!(check("sigsec_00", &header, BODY, TIME), Signature::Invalid);
        assert_eq!(check(SECRET, &header, BODY, TIME + 301), Signature::Invalid);
        assert_eq!(check(SECRET, "v1=zz", BODY, TIME), Signature::Invalid);
        assert_eq!(
            check_signature(Some(SECRET), None, BODY, TIME),
            Signature::Absent
        );
    }

    #[tokio::test]
    async fn the_application_answers_a_caller_with_its_script_and_remembers() {
        let application = Application::start([127, 0, 0, 1].into(), None)
            .await
            .unwrap();
        application.answer(Role::Ben, json!([{"Hangup": {}}]));
        let body = json!({"requestType": "inboundCall", "from": "+12125550102"}).to_string();
        let request = format!(
            "POST /voice HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = tokio::net::TcpStream::connect(application.address)
            .await
            .unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes())
            .await
            .unwrap();
        let mut reply = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut reply)
            .await
            .unwrap();
        assert!(reply.ends_with(r#"[{"Hangup":{}}]"#), "{reply}");
        let is_ben = |received: &Received| received.role() == Some(Role::Ben);
        assert!(
            application
                .wait_for(1, Duration::from_secs(5), is_ben)
                .await
        );
        assert_eq!(application.received()[0].path, "/voice");
    }
}
