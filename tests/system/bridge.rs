//! How is the real binary started, found and ended?

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, OnceLock};

use tempfile::TempDir;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::patience::until;
use crate::rest::Rest;

pub(crate) const ACCOUNT: &str = "AC00112233445566778899aabbccddeeff00112233";
pub(crate) const API_KEY: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const SIGNING_SECRET: &str = "sigsec_89abcdef0123456789abcdef0123456789abcdef";

/// A bridge that runs, and is killed when the test is done with it.
///
/// Only one runs at a time: audio in real time wants the machine for itself.
pub(crate) struct Bridge {
    process: Child,
    home: Option<Home>,
    http: SocketAddr,
    sip: SocketAddr,
}

/// The folder that outlives a bridge, so that the next one finds what it left.
pub(crate) struct Home {
    folder: TempDir,
    _turn: OwnedSemaphorePermit,
}

/// How a start differs from the usual one.
#[derive(Default)]
pub(crate) struct Settings {
    environment: Vec<(String, String)>,
    media_ports: Option<u16>,
    file: Option<String>,
}

impl Settings {
    /// Sets one key in the environment, over what the tests usually set.
    pub(crate) fn with(mut self, key: &str, value: impl Into<String>) -> Settings {
        self.environment.push((key.to_owned(), value.into()));
        self
    }

    /// Leaves a key to its default.
    pub(crate) fn without(self, key: &str) -> Settings {
        self.with(key, "")
    }

    /// Has a configuration file, for what the environment cannot say.
    pub(crate) fn with_file(mut self, text: impl Into<String>) -> Settings {
        self.file = Some(text.into());
        self
    }

    /// Has only so many ports for audio.
    pub(crate) fn with_media_ports(mut self, count: u16) -> Settings {
        self.media_ports = Some(count);
        self
    }
}

impl Home {
    /// An empty folder, and the right to run a bridge in it.
    pub(crate) async fn new() -> Home {
        static TURNS: OnceLock<Arc<Semaphore>> = OnceLock::new();
        let turns = TURNS.get_or_init(|| Arc::new(Semaphore::new(1)));
        Home {
            _turn: Arc::clone(turns).acquire_owned().await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn recordings(&self) -> PathBuf {
        self.path().join("recordings")
    }
}

impl Bridge {
    /// A bridge that accepts calls.
    pub(crate) async fn start() -> Bridge {
        Bridge::start_with(Settings::default()).await
    }

    /// A bridge that accepts calls, set up differently.
    pub(crate) async fn start_with(settings: Settings) -> Bridge {
        Bridge::start_in(Home::new().await, settings).await
    }

    /// A bridge in a folder that may hold what an earlier one left.
    pub(crate) async fn start_in(home: Home, settings: Settings) -> Bridge {
        let ports = PortBlock::claim();
        let process = command(&home, &ports, &settings).spawn().unwrap();
        let mut bridge = Bridge {
            process,
            home: Some(home),
            http: ports.http(),
            sip: ports.sip(),
        };
        bridge.wait_until_ready().await;
        bridge
    }

    pub(crate) fn sip(&self) -> SocketAddr {
        self.sip
    }

    pub(crate) fn http(&self) -> SocketAddr {
        self.http
    }

    pub(crate) fn rest(&self) -> Rest {
        Rest::new(self.http, ACCOUNT, API_KEY)
    }

    pub(crate) fn home(&self) -> &Home {
        self.home.as_ref().expect("only kill() takes it")
    }

    /// Where it keeps what is true.
    pub(crate) fn storage_url(&self) -> String {
        format!("sqlite://{}", self.home().path().join("tutti.db").display())
    }

    /// What a direct join dials.
    pub(crate) fn sip_uri(&self, user: &str) -> String {
        format!("sip:{user}@{}", self.sip)
    }

    /// Everything it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.home().path().join("stderr")).unwrap_or_default()
    }

    /// Ends it without a chance to tidy up, and keeps what it left.
    pub(crate) fn kill(mut self) -> Home {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.home.take().expect("only kill() takes it")
    }

    /// Asks it to end, as an operator does.
    pub(crate) fn terminate(&self) {
        let pid = self.process.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for its end.
    pub(crate) async fn exit_status(&mut self) -> ExitStatus {
        until("the bridge ends", async || self.process.try_wait().unwrap()).await
    }

    async fn wait_until_ready(&mut self) {
        let url = format!("http://{}/readyz", self.http);
        until("the bridge is ready", async || {
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!(
                    "the bridge ended with {status} at its start:\n{}",
                    self.log()
                );
            }
            let answer = crate::rest::http_client().get(&url).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() && self.home.is_some() {
            eprintln!("--- what the bridge logged\n{}---", self.log());
        }
    }
}

/// What a start that is expected to fail says.
pub(crate) struct FailedStart {
    pub(crate) status: ExitStatus,
    pub(crate) stderr: String,
}

/// Starts a bridge that must not come up.
pub(crate) async fn fail_to_start(
    home: &Home,
    settings: Settings,
    arguments: &[&str],
) -> FailedStart {
    let ports = PortBlock::claim();
    let mut process = command(home, &ports, &settings)
        .args(arguments)
        .spawn()
        .unwrap();
    let status = until("the bridge refuses to start", async || {
        process.try_wait().unwrap()
    })
    .await;
    FailedStart {
        status,
        stderr: fs::read_to_string(home.path().join("stderr")).unwrap(),
    }
}

fn command(home: &Home, ports: &PortBlock, settings: &Settings) -> Command {
    let inherited = std::env::vars().filter(|(key, _)| !key.starts_with("TUTTI_"));
    let database = home.path().join("tutti.db");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tutti"));
    command
        .env_clear()
        .envs(inherited)
        .env("TUTTI_HTTP__LISTEN", ports.http().to_string())
        .env("TUTTI_SIP__LISTEN", ports.sip().to_string())
        .env("TUTTI_MEDIA__PORTS", ports.media(settings.media_ports))
        .env("TUTTI_METRICS__LISTEN", "none")
        // A test machine that is busy with other things must not make calls fail.
        .env("TUTTI_MEDIA__GOVERNOR", "false")
        .env(
            "TUTTI_STORAGE__URL",
            format!("sqlite://{}", database.display()),
        )
        .env("TUTTI_STORAGE__RECORDINGS", home.recordings())
        .env("TUTTI_ACCOUNT__ID", ACCOUNT)
        .env("TUTTI_ACCOUNT__API_KEY", API_KEY)
        .env("TUTTI_ACCOUNT__SIGNING_SECRET", SIGNING_SECRET)
        .current_dir(home.path())
        .stdin(Stdio::null())
        .stdout(File::create(home.path().join("stdout")).unwrap())
        .stderr(File::create(home.path().join("stderr")).unwrap());
    if let Some(text) = &settings.file {
        let file = home.path().join("tutti.toml");
        fs::write(&file, text).unwrap();
        command.arg("serve").arg("--config").arg(file);
    }
    for (key, value) in &settings.environment {
        match value.as_str() {
            "" => command.env_remove(key),
            value => command.env(key, value),
        };
    }
    command
}

/// Ports that no other bridge of this run has, below those that the kernel hands out by itself.
struct PortBlock {
    first: u16,
}

impl PortBlock {
    const SIZE: u16 = 250;

    fn claim() -> PortBlock {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        loop {
            let block = NEXT.fetch_add(1, Ordering::Relaxed) % 46;
            let ports = PortBlock {
                first: 20_000 + block * PortBlock::SIZE,
            };
            let free = TcpListener::bind(ports.http()).is_ok()
                && TcpListener::bind(ports.sip()).is_ok()
                && UdpSocket::bind(ports.sip()).is_ok();
            if free {
                return ports;
            }
        }
    }

    fn sip(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.first).into()
    }

    fn http(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.first + 1).into()
    }

    fn media(&self, count: Option<u16>) -> String {
        let first = self.first + 10;
        let count = count.unwrap_or(PortBlock::SIZE - 10);
        format!("{first}-{}", first + count - 1)
    }
}
