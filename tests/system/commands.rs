//! Do the other commands of the binary do what they say?

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::bridge::{Bridge, Home};
use crate::ear::Sound;
use crate::tool::{run, tool};

/// What fits on a screen.
const SCREEN_LINES: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_walks_through_a_conference_and_draws_it() {
    // It runs a bridge of its own, so it waits its turn.
    let home = Home::new().await;
    let out = home.path().join("demo");
    let mut demo = tutti(&["demo", "--out"]);
    demo.arg(&out).current_dir(home.path());
    println!("{}", run(demo).await);

    let mut recordings = 0;
    let mut pictures = 0;
    let mut timelines = 0;
    for entry in fs::read_dir(&out).unwrap() {
        let path = entry.unwrap().path();
        let extension = path
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match extension.as_str() {
            "wav" => {
                assert!(Sound::read(&path).seconds() > 1.0, "{}", path.display());
                is_read_by_sox(&path).await;
                recordings += 1;
            }
            "svg" => {
                let picture = fs::read_to_string(&path).unwrap();
                assert!(picture.contains("<svg") && picture.trim_end().ends_with("</svg>"));
                pictures += 1;
            }
            "json" => {
                let text = fs::read_to_string(&path).unwrap();
                serde_json::from_str::<Value>(&text).unwrap();
                timelines += 1;
            }
            _ => {}
        }
    }
    assert!(
        recordings >= 4,
        "the mix and a track of each of three callers"
    );
    assert!(pictures >= 1 && timelines >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_load_generator_hears_whom_it_must() {
    let bridge = Bridge::start().await;
    let uri = quiet_conference(&bridge).await;
    let load = tutti(&[
        "load",
        "--target",
        &uri,
        "--callers",
        "12",
        "--duration",
        "5",
        "--json",
    ]);
    let report: Value = serde_json::from_str(&run(load).await).unwrap();
    println!("{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_load_generator_fails_when_nobody_answers() {
    let bridge = Bridge::start().await;
    let uri = bridge.sip_uri("nobody");
    let load = output(tutti(&[
        "load",
        "--target",
        &uri,
        "--callers",
        "2",
        "--duration",
        "1",
    ]))
    .await;
    assert!(!load.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn help_fits_on_a_screen_and_has_examples() {
    for command in [
        None,
        Some("serve"),
        Some("demo"),
        Some("load"),
        Some("check-config"),
    ] {
        let mut help = tutti(&[]);
        help.args(command).arg("--help");
        let text = run(help).await;
        assert!(text.lines().count() <= SCREEN_LINES, "{text}");
        assert!(text.contains("Examples:"), "no example in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_config_says_what_is_wrong_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tutti.toml");
    fs::write(&file, "[http]\nlisten = \"127.0.0.1:8081\"\n").unwrap();
    let check = || {
        let mut check = tutti(&["check-config"]);
        check.arg(&file);
        check
    };
    run(check()).await;
    fs::write(
        &file,
        "[http]\nlisten = \"127.0.0.1:8081\"\n[sip]\ndirect_join = 7\n",
    )
    .unwrap();
    let wrong = output(check()).await;
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert_eq!(wrong.status.code(), Some(1), "{said}");
    assert!(
        said.contains("line 4") && said.contains("direct_join"),
        "{said}"
    );
}

pub(crate) fn tutti(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tutti"));
    command.args(arguments).stdin(Stdio::null());
    command
}

async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap()
}

async fn is_read_by_sox(file: &Path) {
    let mut sox = tool("sox");
    sox.arg(file).args(["-n", "stat"]);
    run(sox).await;
}

/// Where to call a new conference that does not beep.
pub(crate) async fn quiet_conference(bridge: &Bridge) -> String {
    let options = json!({ "playBeep": "never" });
    let conference = bridge.rest().create_conference(options).await;
    bridge.sip_uri(&conference)
}
