//! When a sound is asked for again, and what becomes of one that cannot be had.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tutti_control_plane::{Fact, RecordingRecord, RecordingStatus};
use tutti_model::{RecordingId, Timestamp};
use tutti_store::Store;

use super::*;
use crate::config;
use crate::egress::Policy;

const OURS: AccountId = AccountId::from_bytes([1; 20]);
const THEIRS: AccountId = AccountId::from_bytes([2; 20]);
const PUBLIC: &str = "https://bridge.example";

#[tokio::test]
async fn a_sound_is_asked_for_again_only_when_its_server_wants_that() {
    let server = Server::start().await;
    let sounds = sounds().await.0;
    // Asked for, and sent, after two fetches.
    for (path, asked, sent) in [
        ("max-age=60/", 1, 1),
        ("max-age=60/etag", 1, 1),
        ("no-cache/etag", 2, 1),
        ("max-age=0/modified", 2, 1),
        ("no-cache/", 2, 2),
        ("no-store/etag", 2, 2),
        ("silent/", 1, 1),
    ] {
        let url = server.url(path);
        let first = sounds.fetch(OURS, &url, Purpose::Prompt).await.unwrap();
        let second = sounds.fetch(OURS, &url, Purpose::Prompt).await.unwrap();
        assert_eq!(first, second, "{path}");
        assert_eq!(server.counted(), (asked, sent), "{path}");
    }
}

#[tokio::test]
async fn a_new_version_is_heard_at_once() {
    let server = Server::start().await;
    let sounds = sounds().await.0;
    let url = server.url("no-cache/etag");
    let first = sounds.fetch(OURS, &url, Purpose::Prompt).await.unwrap();
    server.state.version.fetch_add(1, Ordering::Relaxed);
    let second = sounds.fetch(OURS, &url, Purpose::Prompt).await.unwrap();
    assert_eq!(second.len(), 2 * first.len());
    assert_eq!(server.counted(), (2, 2));
}

#[tokio::test]
async fn what_one_account_fetched_another_fetches_for_itself() {
    let server = Server::start().await;
    let sounds = sounds().await.0;
    let url = server.url("max-age=60/");
    for account in [OURS, THEIRS, OURS, THEIRS] {
        sounds.fetch(account, &url, Purpose::Prompt).await.unwrap();
    }
    assert_eq!(server.counted(), (2, 2));
}

#[tokio::test]
async fn large_files_are_played_and_those_beyond_100_mb_are_refused() {
    let server = Server::start().await;
    let sounds = sounds().await.0;
    let url = server.url("large/");
    let heard = sounds.fetch(OURS, &url, Purpose::Prompt).await.unwrap();
    assert_eq!(heard.len(), LARGE_SAMPLES);
    let url = server.url("huge/");
    let refused = sounds.fetch(OURS, &url, Purpose::Prompt).await.unwrap_err();
    assert_eq!(
        refused,
        format!("{} answered with more than 104857600 bytes", server.origin)
    );
}

#[tokio::test]
async fn what_is_no_sound_is_told_in_a_sentence() {
    let server = Server::start().await;
    let sounds = sounds().await.0;
    for (path, reason) in [
        ("empty/", "the file is empty"),
        ("page/", "the file is text/html, not audio"),
    ] {
        let url = server.url(path);
        let refused = sounds.fetch(OURS, &url, Purpose::Prompt).await.unwrap_err();
        assert_eq!(refused, format!("{url}: {reason}"));
    }
    let url = server.url("missing/");
    let refused = sounds.fetch(OURS, &url, Purpose::Prompt).await.unwrap_err();
    assert_eq!(
        refused,
        format!("{} answered with status 404", server.origin)
    );
}

#[tokio::test]
async fn a_recording_of_this_bridge_is_read_from_disk_and_for_its_account_alone() {
    let (sounds, store, dir) = sounds().await;
    let ready = RecordingStatus::Ready {
        duration: Duration::from_secs(1),
        size_bytes: 0,
    };
    let recordings = [
        recording(1, ready.clone()),
        recording(2, RecordingStatus::Open),
        recording(3, ready),
    ];
    for recording in &recordings[..2] {
        let path = tutti_recording::recording_path(dir.path(), recording.id);
        std::fs::write(path, tone(1)).unwrap();
    }
    let ids = recordings.clone().map(|recording| recording.id);
    let facts = recordings.map(Fact::Recording);
    store.commit(&facts, &[], &[]).await.unwrap();

    let play = async |account, owner: AccountId, recording: RecordingId| {
        let path = format!("/Accounts/{owner}/Recordings/{recording}/Download");
        let by_path = sounds.fetch(account, &path, Purpose::Prompt).await;
        // Nothing answers there: it is never asked.
        let url = format!("{PUBLIC}/apiserver{path}");
        let by_url = sounds.fetch(account, &url, Purpose::Prompt).await;
        let by_url = by_url.map_err(|error| error.replace(&url, &path));
        assert_eq!(by_path, by_url);
        by_path.map_err(|error| error.replace(&path, "it"))
    };
    assert_eq!(play(OURS, OURS, ids[0]).await.unwrap().len(), 48_000);
    let unknown = Err("it: there is no such recording".to_owned());
    assert_eq!(play(THEIRS, OURS, ids[0]).await, unknown);
    assert_eq!(play(THEIRS, THEIRS, ids[0]).await, unknown);
    let absent = RecordingId::from_bytes([9; 20]);
    assert_eq!(play(OURS, OURS, absent).await, unknown);
    let open = Err("it: the recording is not finished".to_owned());
    assert_eq!(play(OURS, OURS, ids[1]).await, open);
    let gone = play(OURS, OURS, ids[2]).await.unwrap_err();
    assert!(
        gone.starts_with("it: the recording's file cannot be read"),
        "{gone}"
    );
}

#[tokio::test]
async fn a_text_that_cannot_be_spoken_fails_with_the_command_and_the_reason() {
    let (sounds, _, _) = sounds().await;
    let refused = sounds.speak(OURS, "Hello", "en-US").await.unwrap_err();
    assert_eq!(
        refused,
        "Say: no voice is installed (/nowhere/espeak-ng is not found): install espeak-ng or set \
         speech.url"
    );
}

async fn sounds() -> (Sounds, Store, tempfile::TempDir) {
    let egress = Arc::new(Egress::new(Policy::new(&[], true).unwrap()).unwrap());
    let settings = config::Speech {
        espeak: "/nowhere/espeak-ng".into(),
        ..config::Speech::default()
    };
    let speech = Speech::new(&settings, Arc::clone(&egress));
    let store = Store::open("sqlite::memory:").await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let recordings = OwnRecordings::new(PUBLIC, dir.path().to_owned(), store.clone());
    let sounds = Sounds::new(egress, speech, recordings);
    (sounds, store, dir)
}

fn recording(n: u8, status: RecordingStatus) -> RecordingRecord {
    RecordingRecord {
        id: RecordingId::from_bytes([n; 20]),
        account: OURS,
        call: None,
        conference: None,
        status,
        kept_until: None,
        revision: 1,
        created: Timestamp::from_micros(1),
        updated: Timestamp::from_micros(1),
    }
}

/// More than `LARGE_BYTES` of 16 bits.
const LARGE_SAMPLES: usize = 5 << 20;

/// So many seconds of sound.
fn tone(secs: usize) -> Vec<u8> {
    wav((0..secs * 48_000).map(|n| (n as f32 * 0.0576).sin()))
}

fn wav(samples: impl Iterator<Item = f32>) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    for sample in samples {
        writer.write_sample((sample * 8_000.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
    file.into_inner()
}

/// What a file server counts, and which version it has.
#[derive(Default)]
struct Counted {
    asked: AtomicUsize,
    sent: AtomicUsize,
    version: AtomicUsize,
}

/// A file server that says what its paths tell it to say.
struct Server {
    origin: String,
    state: Arc<Counted>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Server {
    async fn start() -> Server {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Counted::default());
        let router = Router::new()
            .route("/{caching}/", get(bare))
            .route("/{caching}/{version}", get(versioned))
            .with_state(Arc::clone(&state));
        let task = tokio::spawn(async move { axum::serve(listener, router).await });
        Server {
            origin,
            state,
            task,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.origin)
    }

    /// How often it was asked, and how often it sent a file, since the last look.
    fn counted(&self) -> (usize, usize) {
        let look = |counter: &AtomicUsize| counter.swap(0, Ordering::Relaxed);
        (look(&self.state.asked), look(&self.state.sent))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn bare(State(state): State<Arc<Counted>>, Path(caching): Path<String>) -> Response {
    answer(&state, &caching, None, &HeaderMap::new())
}

async fn versioned(
    State(state): State<Arc<Counted>>,
    Path((caching, version)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    answer(&state, &caching, Some(&version), &headers)
}

fn answer(state: &Counted, caching: &str, version: Option<&str>, headers: &HeaderMap) -> Response {
    const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    state.asked.fetch_add(1, Ordering::Relaxed);
    let present = state.version.load(Ordering::Relaxed);
    let (name, condition, value) = match version {
        Some("etag") => ("etag", "if-none-match", format!("\"{present}\"")),
        Some("modified") => ("last-modified", "if-modified-since", MODIFIED.to_owned()),
        Some(_) | None => ("x-none", "x-none", String::new()),
    };
    let cache_control = match caching {
        "no-store" => "no-store, max-age=60",
        "silent" | "empty" | "page" | "large" | "huge" | "missing" => "",
        said => said,
    };
    let mut response = match caching {
        "missing" => StatusCode::NOT_FOUND.into_response(),
        "empty" => ().into_response(),
        "page" => axum::response::Html("<html></html>").into_response(),
        "large" => wav((0..LARGE_SAMPLES).map(|_| 0.5)).into_response(),
        // The length alone says enough; nobody waits for the rest.
        "huge" => (
            [("content-length", "104857601")],
            axum::body::Body::from_stream(
                futures_util::stream::pending::<std::io::Result<Vec<u8>>>(),
            ),
        )
            .into_response(),
        _ if version.is_some() && headers.get(condition).is_some_and(|known| *known == value) => {
            StatusCode::NOT_MODIFIED.into_response()
        }
        _ => {
            state.sent.fetch_add(1, Ordering::Relaxed);
            tone(1 + present).into_response()
        }
    };
    let head = response.headers_mut();
    if !cache_control.is_empty() {
        head.insert("cache-control", cache_control.parse().unwrap());
    }
    if version.is_some() {
        head.insert(name, value.parse().unwrap());
    }
    response
}
