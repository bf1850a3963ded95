//! Does FreeClimb's own Python SDK work with the bridge, unchanged?

use crate::bridge::{ACCOUNT, API_KEY, Bridge, SIGNING_SECRET};
use crate::tool::{python_with_sdk, run, test_file, tool};

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

/// Runs a script against a bridge of its own; its asserts are the test.
async fn drive(script: &str) {
    drop(tool("sipp"));
    let bridge = Bridge::start().await;
    let mut python = python_with_sdk();
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
