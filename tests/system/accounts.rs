//! Are accounts made, changed and guarded as an operator expects, while the bridge runs?

use std::process::{Command, Stdio};

use serde_json::json;

use crate::application::Application;
use crate::bridge::{ACCOUNT, API_KEY, Bridge};
use crate::key_phone::KeyPhone;
use crate::rest::Rest;
use crate::tenants::new_account;
use crate::tool::run;

const NUMBER: &str = "+15550100300";

/// Wrong keys that one source may present in a minute.
const GUESSES: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_suspended_and_comes_back() {
    let application = Application::start().await;
    let bridge = Bridge::start().await;
    let (account, key) = new_account(&bridge).await;
    let rest = Rest::new(bridge.http(), &account, &key);
    let reception = json!({ "voiceUrl": application.unchecked_url("/voice") });
    rest.create_number(NUMBER, reception).await;

    operate(&bridge, "suspend", &account).await;
    assert_eq!(rest.try_get("/Conferences").await.status, 403);
    let refused = KeyPhone::try_call(bridge.sip(), NUMBER).err().unwrap();
    assert!(refused.starts_with("SIP/2.0 403 "), "{refused}");
    assert!(application.webhooks().is_empty(), "nobody is asked");

    operate(&bridge, "activate", &account).await;
    rest.get("/Conferences").await;
    let said = operate(&bridge, "rotate-key", &account).await;
    assert_eq!(
        rest.try_get("/Conferences").await.status,
        401,
        "the old key is void"
    );
    let new_key = said
        .split_whitespace()
        .find(|word| word.len() == 40 && word.chars().all(|c| c.is_ascii_hexdigit()))
        .unwrap_or_else(|| panic!("{said}"));
    Rest::new(bridge.http(), &account, new_key)
        .get("/Conferences")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_keys_is_soon_refused_unheard() {
    let bridge = Bridge::start().await;
    let (account, key) = new_account(&bridge).await;
    let mut statuses = Vec::new();
    for guess in 0..2 * GUESSES {
        let wrong = Rest::new(bridge.http(), &account, &format!("{guess:040x}"));
        statuses.push(wrong.try_get("/Conferences").await.status);
    }
    let heard = statuses.iter().filter(|status| **status == 401).count();
    assert_eq!(heard, GUESSES, "{statuses:?}");
    assert!(
        statuses[GUESSES..].iter().all(|status| *status == 429),
        "{statuses:?}"
    );
    let right = Rest::new(bridge.http(), &account, &key);
    assert_eq!(
        right.try_get("/Conferences").await.status,
        429,
        "not even the right key"
    );

    // Another account's owner, who has proven the key from here before, is not locked out.
    let owner = Rest::new(bridge.http(), ACCOUNT, API_KEY);
    let proven = owner.try_get("/Conferences").await.status;
    assert!([200, 429].contains(&proven), "{proven}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tutti"));
    command
        .args(["account", "list"])
        .env("TUTTI_STORAGE__URL", "sqlite://nowhere/tutti.db")
        .current_dir(folder.path())
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("nowhere/tutti.db"),
        "{said}"
    );
    assert!(!folder.path().join("nowhere").exists(), "and makes nothing");
}

async fn operate(bridge: &Bridge, what: &str, account: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tutti"));
    command
        .args(["account", what, account])
        .env("TUTTI_STORAGE__URL", bridge.storage_url())
        .current_dir(bridge.home().path())
        .stdin(Stdio::null());
    run(command).await
}
