//! Can a newcomer do what the first start tells them to do?

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use serde_json::Value;

use crate::bridge::{Bridge, Home, Settings, fail_to_start};
use crate::patience::until;
use crate::rest::{Rest, text};
use crate::tool::{run, tool};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_prints_a_curl_line_that_creates_a_conference() {
    let bridge = Bridge::start_with(without_account()).await;
    let printed = printed(&bridge, "curl").await;
    assert!(
        printed.contains(&bridge.http().to_string()),
        "where HTTP is:\n{printed}"
    );
    assert!(
        printed.contains(&bridge.sip().to_string()),
        "where SIP is:\n{printed}"
    );
    let account = word(&printed, "AC", 42);
    let curl = printed
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("curl "))
        .unwrap_or_else(|| panic!("a curl line to paste in\n{printed}"));
    assert!(curl.contains(&account), "{curl}");
    drop(tool("curl"));

    let mut shell = Command::new("sh");
    shell.args(["-c", curl]);
    let conference: Value = serde_json::from_str(&run(shell).await).unwrap();
    assert_eq!(conference["status"], "empty");
    assert_eq!(text(&conference, "accountId"), account);

    // The next start has the same account, and keeps its key to itself.
    let key = api_key(curl, &account);
    let bridge = Bridge::start_in(bridge.kill(), without_account()).await;
    let rest = Rest::new(bridge.http(), &account, &key);
    let found = rest.conference(&text(&conference, "conferenceId")).await;
    assert_eq!(found["conferenceId"], conference["conferenceId"]);
    let again = self::printed(&bridge, "sip").await;
    assert!(!again.contains(&key), "the key is printed once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_leaves_the_key_to_be_shown_by_the_next() {
    let home = Home::new().await;
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    let settings = without_account().with("TUTTI_HTTP__LISTEN", &address);
    fail_to_start(&home, settings, &[]).await;
    let bridge = Bridge::start_in(home, without_account()).await;
    printed(&bridge, "api key").await;
}

fn without_account() -> Settings {
    Settings::default()
        .without("TUTTI_ACCOUNT__ID")
        .without("TUTTI_ACCOUNT__API_KEY")
        .without("TUTTI_ACCOUNT__SIGNING_SECRET")
}

/// What a start has printed, once it names something.
async fn printed(bridge: &Bridge, named: &str) -> String {
    let file = bridge.home().path().join("stdout");
    until(&format!("the start prints {named}"), async || {
        let text = fs::read_to_string(&file).unwrap();
        text.to_lowercase().contains(named).then_some(text)
    })
    .await
}

/// The first word of this length with this beginning.
fn word(text: &str, prefix: &str, length: usize) -> String {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .find(|word| word.starts_with(prefix) && word.len() == length)
        .unwrap_or_else(|| panic!("no {prefix}… in\n{text}"))
        .to_owned()
}

/// The key beside the account in a curl line's credentials.
fn api_key(curl: &str, account: &str) -> String {
    let key = curl
        .split(&format!("{account}:"))
        .nth(1)
        .expect("credentials");
    key.chars().take_while(char::is_ascii_hexdigit).collect()
}
