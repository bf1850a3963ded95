//! Does FreeClimb's own Python SDK work with the bridge, unchanged?

use std::process::Command;

use crate::bridge::{ACCOUNT, API_KEY, Bridge, SIGNING_SECRET, Settings};
use crate::callee::Callee;
use crate::tool::{python_with_old_sdk, python_with_sdk, run, test_file, tool};

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_manages_applications_and_numbers() {
    drive("applications_and_numbers.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_manages_conferences() {
    drive("conferences.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_reads_every_error() {
    drive("errors.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_follows_a_call_from_number_to_recording() {
    drive("call_to_recording.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_manages_the_account_queues_and_logs() {
    drive("account_queues_logs.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_writes_every_command_of_a_call() {
    let callee = Callee::that_answers_calls(2);
    let settings = Settings::default().with_file(callee.trunk(&["+1555"]));
    drive_with(python_with_sdk(), settings, "scripts_of_a_call.py").await;
    callee.until_done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_of_the_generation_before_calls_every_method() {
    let callee = Callee::that_rings();
    let settings = Settings::default().with_file(callee.trunk(&["+1555"]));
    drive_with(python_with_old_sdk(), settings, "sdk_4_9.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn official_verifiers_believe_what_is_signed_and_nothing_else() {
    drive("signatures.py").await;
}

/// Runs a script against a bridge of its own; its asserts are the test.
async fn drive(script: &str) {
    drive_with(python_with_sdk(), Settings::default(), script).await;
}

async fn drive_with(mut python: Command, settings: Settings, script: &str) {
    drop(tool("sipp"));
    let bridge = Bridge::start_with(settings).await;
    python
        .arg("-B")
        .arg(test_file("python").join(script))
        .env("TUTTI_HOST", format!("http://{}/apiserver", bridge.http()))
        .env("TUTTI_SIP", bridge.sip().to_string())
        .env("TUTTI_ACCOUNT", ACCOUNT)
        .env("TUTTI_API_KEY", API_KEY)
        .env("TUTTI_SIGNING_SECRET", SIGNING_SECRET)
        .env("SIPP_SCENARIO", test_file("sipp/join.xml"));
    println!("{}", run(python).await);
}
