//! Which bridge is measured? This binary's own, on one core, with its limits out of the way.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde_json::json;

use crate::rest::Rest;

/// How long a bridge may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Legs at once: more than any goal asks for.
const LEGS: u32 = 9_500;

/// The account that the suite works with; the bridge lives for the suite alone, on loopback.
const ACCOUNT: &str = "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const API_KEY: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// A running bridge; it is killed when it is dropped.
pub(super) struct BenchBridge {
    child: Child,
    sip: SocketAddr,
    metrics: SocketAddr,
    rest: Rest,
    /// Its data, which goes with it.
    folder: std::path::PathBuf,
}

impl BenchBridge {
    /// Starts a bridge on a core and waits until it answers.
    ///
    /// # Errors
    /// When it does not start, or does not answer.
    pub(super) async fn start(core: usize) -> anyhow::Result<BenchBridge> {
        let [http, metrics] = [free_port()?, free_port()?].map(on_loopback);
        let sip = on_loopback(free_udp_port()?);
        let folder = std::env::temp_dir().join(format!("tutti-bench-{}", sip.port()));
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let log = fs::File::create(folder.join("log"))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").current_dir(&folder);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TUTTI_")) {
            command.env_remove(name);
        }
        for (key, value) in settings(http, metrics, sip) {
            command.env(
                format!("TUTTI_{}", key.to_uppercase().replace('.', "__")),
                value,
            );
        }
        command.stdout(Stdio::null()).stderr(log);
        let child = spawn_on(core, &mut command)?;
        let rest = Rest::new(&format!("http://{http}"), ACCOUNT, API_KEY)?;
        let mut bridge = BenchBridge {
            child,
            sip,
            metrics,
            rest,
            folder,
        };
        bridge.until_ready().await?;
        Ok(bridge)
    }

    async fn until_ready(&mut self) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let failure = match self.conferences(1).await {
                Ok(_) => return Ok(()),
                Err(failure) => failure,
            };
            let has_ended = self.child.try_wait()?.is_some();
            if has_ended || tokio::time::Instant::now() > deadline {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                return Err(failure.context(format!("the bridge does not answer; it said: {log}")));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Creates conferences and says how to call them.
    ///
    /// # Errors
    /// When the bridge refuses.
    pub(super) async fn conferences(&self, count: usize) -> anyhow::Result<Vec<String>> {
        let mut targets = Vec::with_capacity(count);
        for number in 0..count {
            let conference = json!({"alias": format!("bench {number}")});
            let id = self.rest.create_conference(&conference).await?;
            targets.push(format!("sip:{id}@{}", self.sip));
        }
        Ok(targets)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn metrics(&self) -> String {
        format!("http://{}/metrics", self.metrics)
    }
}

impl Drop for BenchBridge {
    fn drop(&mut self) {
        // It may have ended by itself; its data goes in any case.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn settings(http: SocketAddr, metrics: SocketAddr, sip: SocketAddr) -> Vec<(&'static str, String)> {
    let many = "1000000".to_owned();
    vec![
        ("http.listen", http.to_string()),
        ("metrics.listen", metrics.to_string()),
        ("sip.listen", sip.to_string()),
        ("media.threads", "1".to_owned()),
        ("media.ports", "16384-65000".to_owned()),
        ("media.opus_complexity", "5".to_owned()),
        // Complexity stays as it is: otherwise it would be the governor that is measured.
        ("media.governor", "false".to_owned()),
        ("media.part_legs", LEGS.to_string()),
        ("storage.url", "sqlite://tutti.db".to_owned()),
        ("storage.recordings", "recordings".to_owned()),
        ("storage.floor_bytes", "0".to_owned()),
        ("account.id", ACCOUNT.to_owned()),
        ("account.api_key", API_KEY.to_owned()),
        ("account.signing_secret", format!("sigsec_{API_KEY}")),
        ("limits.legs", LEGS.to_string()),
        ("limits.participants_per_conference", LEGS.to_string()),
        ("limits.conferences", "5000".to_owned()),
        ("limits.conferences_per_account", "5000".to_owned()),
        ("limits.dialogs_per_second", many.clone()),
        ("limits.dialogs_per_second_per_source", many.clone()),
        ("limits.requests_per_second_per_account", many),
    ]
}

/// Starts a process on one core: it inherits where this thread may run.
fn spawn_on(core: usize, command: &mut Command) -> anyhow::Result<Child> {
    let here = sched_getaffinity(Pid::from_raw(0))?;
    pin(core)?;
    let child = command.spawn();
    sched_setaffinity(Pid::from_raw(0), &here)?;
    child.context("starting the bridge")
}

/// Binds this thread to a core.
///
/// # Errors
/// When there is no such core for us.
pub(super) fn pin(core: usize) -> anyhow::Result<()> {
    let mut only = CpuSet::new();
    only.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &only).with_context(|| format!("core {core}"))
}

fn on_loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

fn free_udp_port() -> std::io::Result<u16> {
    Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}
