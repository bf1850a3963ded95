//! What does a customer's application do? It answers webhooks with PerCL, and remembers them all.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::bridge::SIGNING_SECRET;
use crate::patience::until;

/// The query of URLs whose webhooks are not verified.
const UNCHECKED: &str = "unchecked";

/// A small HTTP server; every test has its own.
pub(crate) struct Application {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

/// One request that came in, in the order of arrival.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    pub(crate) path: String,
    /// Null for a GET.
    pub(crate) body: Value,
}

impl Webhook {
    pub(crate) fn is(&self, request_type: &str) -> bool {
        self.body["requestType"] == request_type
    }
}

/// How a path answers.
#[derive(Clone)]
pub(crate) enum Answer {
    /// A script.
    Percl(Value),
    /// A script made from the request.
    PerclFor(Arc<dyn Fn(&Value) -> Value + Send + Sync>),
    /// A bare status.
    Status(u16),
    /// A file.
    File {
        content_type: &'static str,
        bytes: Bytes,
    },
    /// Nothing, while the client waits.
    Never,
    /// A WAV header, then samples without an end.
    Endless,
}

struct Shared {
    answers: Mutex<HashMap<String, Answer>>,
    webhooks: Mutex<Vec<Webhook>>,
    offences: Mutex<Vec<String>>,
}

impl Application {
    pub(crate) async fn start() -> Application {
        let shared = Arc::new(Shared {
            answers: Mutex::default(),
            webhooks: Mutex::default(),
            offences: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .fallback(receive)
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Application {
            address,
            shared,
            server,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The same, for a webhook that somebody signs whose secret is not known here.
    pub(crate) fn unchecked_url(&self, path: &str) -> String {
        self.url(&format!("{path}?{UNCHECKED}"))
    }

    /// From now on a path answers so. Without this it answers 200 with an empty script.
    pub(crate) fn answer(&self, path: &str, answer: Answer) {
        self.shared
            .answers
            .lock()
            .unwrap()
            .insert(path.to_owned(), answer);
    }

    /// From now on a path answers so; returns how it has answered until now.
    pub(crate) fn replace(&self, path: &str, answer: Answer) -> Option<Answer> {
        let mut answers = self.shared.answers.lock().unwrap();
        answers.insert(path.to_owned(), answer)
    }

    /// From now on a path answers as if nothing had been said about it.
    pub(crate) fn forget(&self, path: &str) {
        self.shared.answers.lock().unwrap().remove(path);
    }

    /// Everything that has come in. Fails when any of it was not signed as FreeClimb signs.
    pub(crate) fn webhooks(&self) -> Vec<Webhook> {
        let offences = self.shared.offences.lock().unwrap();
        assert!(offences.is_empty(), "{}", offences.join("\n"));
        self.shared.webhooks.lock().unwrap().clone()
    }

    /// Waits for the first request that fits.
    pub(crate) async fn until(&self, what: &str, fits: impl Fn(&Webhook) -> bool) -> Webhook {
        self.until_after(0, what, fits).await
    }

    /// Waits for the first request that fits, after this many.
    pub(crate) async fn until_after(
        &self,
        seen: usize,
        what: &str,
        fits: impl Fn(&Webhook) -> bool,
    ) -> Webhook {
        until(what, async || {
            let webhooks = self.webhooks().into_iter().skip(seen);
            webhooks.into_iter().find(|webhook| fits(webhook))
        })
        .await
    }

    /// Waits until a conference has told this many changes of status, and returns them in order.
    pub(crate) async fn statuses(&self, conference: &str, count: usize) -> Vec<String> {
        until(
            &format!("{conference} has told {count} statuses"),
            async || {
                let told = self.told_statuses(conference);
                (told.len() >= count).then_some(told)
            },
        )
        .await
    }

    /// The statuses that a conference has told so far.
    pub(crate) fn told_statuses(&self, conference: &str) -> Vec<String> {
        self.webhooks()
            .iter()
            .filter(|webhook| webhook.is("conferenceStatus"))
            .filter(|webhook| webhook.body["conferenceId"] == conference)
            .map(|webhook| webhook.body["status"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let (head, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let mut body = Value::Null;
    if head.method == axum::http::Method::POST {
        if head.uri.query() != Some(UNCHECKED)
            && let Err(offence) = check_webhook(&head.headers, &bytes)
        {
            let webhook = String::from_utf8_lossy(&bytes);
            shared
                .offences
                .lock()
                .unwrap()
                .push(format!("{offence} in {webhook}"));
        }
        body = serde_json::from_slice(&bytes).unwrap_or_default();
    }
    let answer = shared.answers.lock().unwrap().get(&path).cloned();
    let webhook = Webhook {
        path,
        body: body.clone(),
    };
    shared.webhooks.lock().unwrap().push(webhook);
    respond(
        answer.unwrap_or(Answer::Percl(Value::Array(Vec::new()))),
        &body,
    )
    .await
}

async fn respond(answer: Answer, request: &Value) -> Response {
    let json = |script: Value| ([("content-type", "application/json")], script.to_string());
    match answer {
        Answer::Percl(script) => json(script).into_response(),
        Answer::PerclFor(script) => json(script(request)).into_response(),
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::File {
            content_type,
            bytes,
        } => ([("content-type", content_type)], bytes).into_response(),
        Answer::Never => std::future::pending().await,
        Answer::Endless => {
            let silence = futures_util::stream::repeat(Bytes::from_static(&[0; 4096]));
            let header = futures_util::stream::iter([endless_wav_header()]);
            let body = header.chain(silence).then(async |chunk| {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok::<_, Infallible>(chunk)
            });
            ([("content-type", "audio/wav")], Body::from_stream(body)).into_response()
        }
    }
}

/// What FreeClimb's documentation asks of every webhook, checked without the bridge's own code.
fn check_webhook(headers: &axum::http::HeaderMap, body: &[u8]) -> Result<(), String> {
    let header = |name: &str| {
        let value = headers.get(name).ok_or(format!("no {name}"))?;
        value.to_str().map_err(|e| format!("{name}: {e}"))
    };
    let request_id = header("Request-Id")?;
    if !request_id.starts_with("RQ") || request_id.len() != 42 {
        return Err(format!("Request-Id {request_id}"));
    }
    let signature = header("FreeClimb-Signature")?;
    let (time, signed) = signature
        .strip_prefix("t=")
        .and_then(|rest| rest.split_once(",v1="))
        .ok_or(format!("FreeClimb-Signature {signature}"))?;
    let mut mac = Hmac::<Sha256>::new_from_slice(SIGNING_SECRET.as_bytes()).unwrap();
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    if hex::encode(mac.finalize().into_bytes()) != signed {
        return Err(format!("wrong signature {signature}"));
    }
    check_spelling(body)
}

/// Compact JSON with its keys in alphabetical order.
fn check_spelling(body: &[u8]) -> Result<(), String> {
    let value: Value = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    // serde_json keeps objects sorted, so what it writes is the spelling that is asked for.
    match value.to_string().as_bytes() == body {
        true => Ok(()),
        false => Err(format!("not alphabetical and compact, as {value} is")),
    }
}

fn endless_wav_header() -> Bytes {
    let mut header = Vec::from(*b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0");
    header.extend_from_slice(&8000_u32.to_le_bytes());
    header.extend_from_slice(&16_000_u32.to_le_bytes());
    header.extend_from_slice(b"\x02\0\x10\0data\xff\xff\xff\xff");
    header.into()
}
