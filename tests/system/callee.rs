//! Whom does the bridge call? Phones that nobody here wrote: sipp with a scenario.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Stdio};

use tempfile::TempDir;

use crate::patience::until;
use crate::tool::{test_file, tool};

/// A phone that waits for one call; it is killed when the test is done with it.
pub(crate) struct Callee {
    process: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Callee {
    /// Rings, answers and sends back what it hears, until the caller hangs up.
    pub(crate) fn that_answers() -> Callee {
        Callee::start("callee.xml", |scenario| scenario)
    }

    /// The same, for many calls.
    pub(crate) fn that_answers_calls(count: u32) -> Callee {
        Callee::with_calls("callee.xml", count, |scenario| scenario)
    }

    /// Asks whoever calls for a password: user `tutti`, password `open sesame`, realm
    /// `trunk.example`.
    pub(crate) fn that_asks() -> Callee {
        Callee::start("callee-asks.xml", |scenario| scenario)
    }

    /// Refuses with this status.
    pub(crate) fn that_refuses(status: u16) -> Callee {
        Callee::start("callee-busy.xml", |scenario| {
            scenario.replace("STATUS", &status.to_string())
        })
    }

    /// Rings until it is given up.
    pub(crate) fn that_rings() -> Callee {
        Callee::start("callee-rings.xml", |scenario| scenario)
    }

    /// A trunk that leads to it for these prefixes, as an operator configures it.
    pub(crate) fn trunk(&self, prefixes: &[&str]) -> String {
        format!(
            "[[sip.trunks]]\nname = \"test\"\nhost = \"{}\"\nallowed_prefixes = {prefixes:?}\n",
            self.address
        )
    }

    /// Waits until its calls have gone as its scenario says.
    pub(crate) async fn until_done(mut self) {
        let status = until("the callee is done", async || {
            self.process.try_wait().unwrap()
        })
        .await;
        assert!(
            status.success(),
            "the call did not go as its scenario says\n{}",
            self.log()
        );
    }

    fn start(scenario: &str, edit: impl Fn(String) -> String) -> Callee {
        Callee::with_calls(scenario, 1, edit)
    }

    fn with_calls(scenario: &str, count: u32, edit: impl Fn(String) -> String) -> Callee {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("scenario.xml");
        let text = fs::read_to_string(test_file("sipp").join(scenario)).unwrap();
        fs::write(&file, edit(text)).unwrap();
        let address = free_address();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let process = tool("sipp")
            .arg("-sf")
            .arg(&file)
            .args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-nostdin"])
            .args(["-p", &address.port().to_string(), "-m", &count.to_string()])
            .args(["-rtp_echo", "-trace_err", "-error_file"])
            .arg(folder.path().join("errors"))
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Callee {
            process,
            address,
            folder,
        }
    }

    fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        format!("{}{}", read("log"), read("errors"))
    }
}

impl Drop for Callee {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- what a callee said\n{}\n---", self.log());
        }
    }
}

/// An address that nobody uses now.
fn free_address() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap()
}
