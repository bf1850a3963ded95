//! How are programs run that nobody here wrote?

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// A command for an installed program; without it the test fails and says where it comes from.
pub(crate) fn tool(name: &str) -> Command {
    let installed = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .any(|folder| folder.join(name).is_file());
    assert!(
        installed,
        "{name} is not installed; scripts/test installs it"
    );
    let mut command = Command::new(name);
    command.stdin(Stdio::null());
    command
}

/// The Python that has FreeClimb's SDK.
pub(crate) fn python_with_sdk() -> Command {
    python_in("python-sdk")
}

/// The Python that has FreeClimb's SDK as it was a generation ago.
pub(crate) fn python_with_old_sdk() -> Command {
    python_in("python-sdk-4")
}

/// Node, and the folder that has FreeClimb's SDK.
pub(crate) fn node_with_sdk() -> (Command, PathBuf) {
    let modules = target_folder().join("node-sdk/node_modules");
    assert!(
        modules.join("@freeclimb/sdk").is_dir(),
        "the FreeClimb SDK for Node is not installed; scripts/test installs it"
    );
    (tool("node"), modules)
}

fn python_in(folder: &str) -> Command {
    let python = target_folder().join(folder).join("bin/python");
    assert!(
        python.is_file(),
        "the FreeClimb SDK is not installed; scripts/test installs it"
    );
    let mut command = Command::new(python);
    command.stdin(Stdio::null());
    command
}

/// Runs a command to its end off the async threads; a failure shows all that it said.
pub(crate) async fn run(mut command: Command) -> String {
    let output = tokio::task::spawn_blocking(move || {
        let output = command
            .output()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        (format!("{command:?}"), output)
    });
    let (command, output) = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command} ended with {}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

/// Runs a command to its end off the async threads, whatever it says and however it ends.
pub(crate) async fn status(mut command: Command) -> ExitStatus {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let ended = tokio::task::spawn_blocking(move || command.status());
    ended.await.unwrap().unwrap()
}

/// A file that belongs to the system tests.
pub(crate) fn test_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/system")
        .join(name)
}

fn target_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap()
        .to_owned()
}
