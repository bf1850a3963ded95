//! On which machine was it measured?

use std::fs;
use std::process::Command;

/// What a figure depends on.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Machine {
    pub(super) processor: String,
    pub(super) cores: usize,
    pub(super) virtual_machine: bool,
    pub(super) kernel: String,
    pub(super) rustc: String,
    pub(super) libopus: String,
    pub(super) tutti: String,
}

impl Machine {
    /// This one.
    pub(super) fn here() -> Machine {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let value = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        Machine {
            processor: value("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: cpuinfo
                .lines()
                .filter(|line| line.starts_with("processor"))
                .count(),
            virtual_machine: value("flags").is_some_and(|flags| flags.contains("hypervisor")),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .map(|release| format!("Linux {}", release.trim()))
                .unwrap_or_default(),
            rustc: said_by("rustc", &["--version"]),
            libopus: opus::version().to_owned(),
            tutti: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.unwrap_or_else(|_| "unknown".to_owned())
}
