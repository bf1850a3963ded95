//! Are the APIs as their descriptions say? schemathesis reads them, makes up requests that fit and
//! requests that do not, and judges every answer; `scripts/test` installs it, and without it nothing
//! is judged.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::bridge::{ACCOUNT, API_KEY, Bridge, Settings};
use crate::guests::Guests;
use crate::patience::until;
use crate::rest::text;
use crate::tool::{run, test_file};

/// How many requests are made up for an operation, besides those at the bounds of each value.
const EXAMPLES: &str = "20";

/// Nobody answers there: made-up calls go out, and no further than this machine.
const TRUNK: &str = "[[sip.trunks]]\nname = \"nobody\"\nhost = \"127.0.0.1:9\"\n\
                     allowed_prefixes = [\"+1555\"]\n";

#[tokio::test(flavor = "multi_thread")]
async fn freeclimbs_api_is_as_its_description_says() {
    judge("/apiserver").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_api_is_as_its_description_says() {
    judge("/api/v1").await;
}

/// Has one API judged that has something of everything to show.
async fn judge(api: &str) {
    let Some(mut schemathesis) = schemathesis() else {
        return;
    };
    let settings = Settings::default()
        .with_file(TRUNK)
        .with("TUTTI_LIMITS__REQUESTS_PER_SECOND_PER_ACCOUNT", "1000000");
    let bridge = Bridge::start_with(settings).await;
    let rest = bridge.rest();
    let guests = Guests::new().await;
    rest.create_number("+15550100100", json!({})).await;
    let recorded = rest.create_conference(json!({ "record": true })).await;
    let ann = guests.call("ann", &bridge.sip_uri(&recorded)).await;
    rest.until_participants(&recorded, 1).await;
    ann.hang_up().await;
    rest.set_conference_status(&recorded, "terminated").await;
    until("there is a recording", async || {
        let recordings = rest.get("/Recordings").await;
        (recordings["total"] != 0).then_some(())
    })
    .await;
    let live = rest.create_conference(json!({})).await;
    let bob = guests.call("bob", &bridge.sip_uri(&live)).await;
    let participants = rest.until_participants(&live, 1).await;

    let work = tempfile::tempdir().unwrap();
    schemathesis
        .arg("--config-file")
        .arg(test_file("python/schema.toml"))
        .args(["--no-color", "run"])
        .arg(format!("http://{}{api}/openapi.json", bridge.http()))
        .args(["--checks", "all", "--max-examples", EXAMPLES])
        // A 404 says more than that a new queue, conference or account is not there: nobody waits in
        // the queue, a call is not in the conference, a number is somebody else's.
        .args(["--exclude-checks", "ensure_resource_availability"])
        .args(["--auth", &format!("{ACCOUNT}:{API_KEY}")])
        .args(["--seed", "1", "--generation-deterministic"])
        .args(["--generation-with-security-parameters", "false"])
        .args(["--request-timeout", "30", "--continue-on-failure"])
        .env("SCHEMATHESIS_HOOKS", "schema_hooks")
        .env("PYTHONPATH", test_file("python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("TUTTI_ACCOUNT", ACCOUNT)
        .env(
            "TUTTI_FOUND",
            format!("{live} {}", text(&participants[0], "callId")),
        )
        .current_dir(work.path());
    println!("{}", run(schemathesis).await);
    drop(bob);
}

/// The judge, where it is installed.
fn schemathesis() -> Option<Command> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut command = Command::new(target.join("schemathesis/bin/schemathesis"));
    let asked = Command::new(command.get_program())
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !asked.is_ok_and(|status| status.success()) {
        // Past the test harness, which keeps what a passing test prints to itself.
        let skipped = "SKIPPED: the APIs are not held against their descriptions; scripts/test \
                       installs what it takes\n";
        let _ = std::io::stderr().write_all(skipped.as_bytes());
        return None;
    }
    command.stdin(Stdio::null());
    Some(command)
}
