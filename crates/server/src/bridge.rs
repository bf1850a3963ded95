//! A whole bridge in one value: everything that runs, composed and started in order.
//!
//! There is no global state: two bridges run in one process, as tests and the demo need it.

use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tutti_control_plane::{ControlPlane, Effect, Input};
use tutti_media::{DelayBounds, EncoderSettings, InputSettings, LegSettings, SpeakerTimes};
use tutti_model::MediaEvent;
use tutti_recording::{DiskFloor, Found, Outcome, Recorder};
use tutti_store::{Store, StoreError};

use crate::accounts::{self, AccountError, Credentials};
use crate::audio::OwnRecordings;
use crate::audio::speech::Speech;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::control::{self, ControlHandle, Workplace};
use crate::dialling::{DialPlan, Dialling};
use crate::egress::{self, Egress};
use crate::http;
use crate::journal::Journal;
use crate::listener::{self, ConnectionLimits};
use crate::media::{Director, MediaSettings, PortPool, Sounds};
use crate::metrics;
use crate::retention;
use crate::transcriber::Transcriber;
use crate::webhooks::Webhooks;

/// How long webhooks may take to go out when the bridge stops.
const FLUSH_PATIENCE: Duration = Duration::from_secs(10);

/// How long log lines may take to be written when the bridge stops.
const JOURNAL_PATIENCE: Duration = Duration::from_secs(2);

/// Why a bridge does not start. Each names the key that would mend it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{key} = {address}: {error}")]
    CannotListen {
        key: &'static str,
        address: SocketAddr,
        error: String,
    },
    #[error("storage.recordings = {path}: {error}", path = path.display())]
    Recordings { path: PathBuf, error: String },
    #[error("storage.url: {0}")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error("egress.allow: {0}")]
    Egress(String),
    #[error("media.ip = {ip}, media.ports = {ports}: {error}")]
    NoMediaPort {
        ip: std::net::IpAddr,
        ports: String,
        error: String,
    },
    #[error("media.ip = {ip}: {error}; it must be an address of this machine")]
    ForeignMediaIp {
        ip: std::net::IpAddr,
        error: std::io::Error,
    },
    #[error(
        "storage.recordings = {path}: another bridge works there; give each its own storage",
        path = path.display()
    )]
    InUse { path: PathBuf },
    #[error("a thread cannot be started: {0}")]
    Thread(std::io::Error),
}

/// A running bridge.
pub struct Bridge {
    pub http: SocketAddr,
    pub sip: SocketAddr,
    pub metrics: Option<SocketAddr>,
    pub credentials: Credentials,
    control: ControlHandle,
    webhooks: Webhooks,
    journal: Journal,
    store: Store,
    drain_timeout: Duration,
    /// Held until the process ends or the bridge is dropped.
    _lock: File,
}

impl Bridge {
    /// Starts everything; when anything cannot start, nothing listens.
    ///
    /// # Errors
    /// What is wrong and which key mends it.
    pub async fn start(config: Config) -> Result<Bridge, StartError> {
        let clock = Clock::start();
        let now = clock.now();

        // What can fail because of the disk comes before what others could already connect to.
        let store = Store::open(&config.storage.url).await?;
        let path = config.storage.recordings.clone();
        let recordings_error = |error: String| StartError::Recordings {
            path: path.clone(),
            error,
        };
        let lock = lock_data(&config.storage.recordings)?;
        let found = tutti_recording::repair(&config.storage.recordings)
            .map_err(|error| recordings_error(error.to_string()))?;
        let floor = DiskFloor {
            bytes: config.storage.floor_bytes,
            ..DiskFloor::default()
        };
        let (recorder, recorder_events) = Recorder::start(config.storage.recordings.clone(), floor)
            .map_err(|error| recordings_error(error.to_string()))?;
        let policy = egress::Policy::new(&config.egress.allow, config.is_loopback_only())
            .map_err(|error| StartError::Egress(error.to_string()))?;
        let egress =
            Arc::new(Egress::new(policy).map_err(|error| StartError::Egress(error.to_string()))?);

        let http_listener = listen("http.listen", config.http.listen).await?;
        let metrics_listener = match config.metrics.listen.0 {
            Some(address) => Some(listen("metrics.listen", address).await?),
            None => None,
        };
        // Phones must be able to answer; where the media is, the signalling is too.
        let sip_ip = config.sip.listen.ip();
        let advertised = sip_ip.is_unspecified().then_some(config.media.ip);
        let sip_config = tutti_sip::Config {
            limits: tutti_sip::Limits {
                new_dialogs_per_second_per_source: config.limits.dialogs_per_second_per_source,
                new_dialogs_per_second: config.limits.dialogs_per_second,
                ..tutti_sip::Limits::default()
            },
            advertised,
            user_agent: concat!("Tutti/", env!("CARGO_PKG_VERSION")).to_owned(),
            ..tutti_sip::Config::new(config.sip.listen)
        };
        let (sip, sip_events) = tutti_sip::bind(sip_config).await.map_err(|error| {
            let error = error.to_string();
            StartError::CannotListen {
                key: "sip.listen",
                address: config.sip.listen,
                error,
            }
        })?;

        std::net::UdpSocket::bind((config.media.ip, 0)).map_err(|error| {
            StartError::ForeignMediaIp {
                ip: config.media.ip,
                error,
            }
        })?;
        let mut ports = PortPool::new(config.media.ip, config.media.ports, clock);
        ports.bind().map_err(|error| StartError::NoMediaPort {
            ip: config.media.ip,
            ports: config.media.ports.to_string(),
            error: error.to_string(),
        })?;
        // The key of a new account is shown once, so the account is made when nothing is left that
        // could keep the bridge from starting.
        let credentials = accounts::first_account(&store, &config.account, now).await?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let settings = MediaSettings {
            threads: config
                .media
                .threads
                .unwrap_or(u16::try_from(cores).unwrap_or(u16::MAX)),
            legs: config.limits.legs,
            conferences: u16::try_from(config.limits.conferences).unwrap_or(u16::MAX),
            part_legs: config.media.part_legs,
            contributors: config.media.contributors,
            governor: config.media.governor,
            priority: config.media.priority,
            leg: leg_settings(&config.media),
        };
        let director =
            Director::start(clock, settings, ports, recorder).map_err(StartError::Thread)?;
        let media_counters = director.counters();

        let http_address = local_address(&http_listener);
        let public_url = config
            .http
            .public_url
            .clone()
            .unwrap_or_else(|| format!("http://{http_address}"));
        let journal = Journal::start(store.clone());
        let webhooks = Webhooks::start(
            store.clone(),
            Arc::clone(&egress),
            clock,
            journal.clone(),
            Some(format!("{}/apiserver", public_url.trim_end_matches('/'))),
        );
        let speech = Speech::new(&config.speech, Arc::clone(&egress));
        speech.announce().await;
        let recordings = config.storage.recordings.clone();
        let recordings = OwnRecordings::new(&public_url, recordings, store.clone());
        let dialling = Dialling::new(
            DialPlan::new(config.sip.trunks.clone(), config.sip.sip_uris),
            store.clone(),
            Arc::clone(&egress),
            advertised.unwrap_or(sip_ip),
        );
        let transcriber = Transcriber::new(
            &config.transcription,
            config.storage.recordings.clone(),
            Arc::clone(&egress),
        );
        let (plane, effects) = restored_plane(&config, &store, clock, found).await?;
        let workplace = Workplace {
            clock,
            store: store.clone(),
            director,
            sounds: Arc::new(Sounds::new(egress, speech, recordings)),
            webhooks: webhooks.clone(),
            sip: sip.clone(),
            dialling: Arc::new(dialling),
            transcriber: Arc::new(transcriber),
            media_ip: config.media.ip,
            direct_join: config.sip.direct_join,
        };
        let control = control::start(workplace, plane, effects, sip_events, recorder_events);
        webhooks.wake_pending().await;
        let recordings = config.storage.recordings.clone();
        retention::start(store.clone(), clock, recordings, config.limits.log_days);

        let connections = ConnectionLimits {
            per_source: config.limits.connections_per_source,
            in_all: config.limits.connections,
        };
        let api = http::Api {
            store: store.clone(),
            control: control.clone(),
            clock,
            journal: journal.clone(),
            recordings_dir: config.storage.recordings.clone(),
            requests_per_second_per_account: config.limits.requests_per_second_per_account,
        };
        listener::serve(http_listener, http::router(api), connections);
        let metrics = metrics_listener.map(|socket| {
            let address = local_address(&socket);
            let page = metrics::router(
                control.clone(),
                sip.clone(),
                media_counters,
                journal.clone(),
            );
            listener::serve(socket, page, connections);
            address
        });
        Ok(Bridge {
            http: http_address,
            sip: sip.local_addr(),
            metrics,
            credentials,
            control,
            webhooks,
            journal,
            store,
            drain_timeout: config.drain_timeout,
            _lock: lock,
        })
    }

    /// Takes no new calls, lets running ones go on for a while, and ends when nothing is left.
    pub async fn drain(&self) {
        self.control.drain().await;
        let all_gone = async {
            while self.control.view().calls() > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let _ = tokio::time::timeout(self.drain_timeout, all_gone).await;
        self.stop().await;
    }

    /// Ends every call, sends what applications must still be told, and closes the store.
    pub async fn stop(&self) {
        self.control.hang_up_all().await;
        let all_closed = async {
            while self.control.view().calls() > 0 || self.control.view().legs() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            // Recordings end a moment after their conferences.
            tokio::time::sleep(Duration::from_millis(400)).await;
        };
        let _ = tokio::time::timeout(Duration::from_secs(3), all_closed).await;
        self.webhooks.flush(FLUSH_PATIENCE).await;
        self.control.stop().await;
        self.journal.flush(JOURNAL_PATIENCE).await;
        self.store.close().await;
    }
}

/// What is configured about every leg's audio.
fn leg_settings(media: &config::Media) -> LegSettings {
    LegSettings {
        encoder: EncoderSettings {
            complexity: media.opus_complexity,
            bitrate_bps: media.opus_bitrate,
        },
        delay: DelayBounds {
            least: media.playout_delay.least,
            most: media.playout_delay.most,
        },
        input: InputSettings {
            leveller: media.leveller,
            noise_suppression: media.noise_suppression,
        },
        speaker: SpeakerTimes {
            on: Duration::from_millis(media.speaker_on.into()),
            off: Duration::from_millis(media.speaker_off.into()),
        },
        ..LegSettings::default()
    }
}

/// The control plane with what the last process left, and what is to be done about it.
async fn restored_plane(
    config: &Config,
    store: &Store,
    clock: Clock,
    found: Vec<Found>,
) -> Result<(ControlPlane, Vec<Effect>), StartError> {
    let limits = tutti_control_plane::Limits {
        conferences_per_account: config.limits.conferences_per_account as usize,
        conferences: config.limits.conferences as usize,
        participants_per_conference: config.limits.participants_per_conference as usize,
        queues_per_account: config.limits.queues_per_account as usize,
        outbound: tutti_control_plane::OutboundLimits {
            calls_per_second: config.limits.outbound_calls_per_second_per_account,
            at_once: config.limits.outbound_calls_per_account as usize,
            minutes_per_day: config.limits.outbound_minutes_per_day_per_account,
            call_duration: config.limits.outbound_call_duration,
        },
        ..tutti_control_plane::Limits::default()
    };
    let mut plane = ControlPlane::new(limits, Box::new(rand::random));
    let mut effects = Vec::new();
    let open = store.open_state().await?;
    let left_open: Vec<_> = open.recordings.iter().map(|record| record.id).collect();
    plane.restore(
        clock.now(),
        open.conferences,
        open.calls,
        open.participants,
        open.recordings,
        open.queues,
        &mut effects,
    );
    for recording in left_open {
        let outcome = found.iter().find(|found| found.recording == recording);
        let failed = |reason: &str| MediaEvent::RecordingFailed {
            recording,
            failure: tutti_model::RecordingFailure::Io(reason.to_owned()),
        };
        let event = match outcome.map(|found| &found.outcome) {
            Some(
                Outcome::Whole {
                    duration,
                    size_bytes,
                }
                | Outcome::Repaired {
                    duration,
                    size_bytes,
                },
            ) => MediaEvent::RecordingReady {
                recording,
                duration: *duration,
                size_bytes: *size_bytes,
            },
            Some(Outcome::Broken { reason }) => failed(reason),
            None => failed("its file is missing"),
        };
        // A recording that is already closed refuses nothing and changes nothing.
        let _ = plane.handle(clock.now(), Input::Media(event), &mut effects);
    }
    Ok((plane, effects))
}

/// Keeps a second bridge from taking the first one's calls for the remains of a stopped process.
fn lock_data(recordings: &Path) -> Result<File, StartError> {
    let failed = |error: std::io::Error| StartError::Recordings {
        path: recordings.to_owned(),
        error: error.to_string(),
    };
    std::fs::create_dir_all(recordings).map_err(failed)?;
    let file = File::create(recordings.join(".lock")).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse {
            path: recordings.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

async fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| {
        let error = error.to_string();
        StartError::CannotListen {
            key,
            address,
            error,
        }
    })
}

fn local_address(listener: &TcpListener) -> SocketAddr {
    listener
        .local_addr()
        .unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)))
}
