//! What an application receives, and what its account's log tells of it.

use std::cell::Cell;

use axum::http::StatusCode;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tutti_control_plane::{CallContext, CallStatus, DigitsReason, Direction};
use tutti_store::NewEvent;

use super::super::scene::{ACCOUNT, CALL, CONFERENCE, REQUEST, SECRETS, Scene};
use super::*;

#[tokio::test]
async fn a_notification_is_signed_with_every_secret_and_noted() {
    let scene = Scene::new(|_| (StatusCode::OK, "")).await;
    let stream = Stream::Conference(CONFERENCE);
    scene
        .notify(stream, "/status?token=hidden", "{\"a\":1}")
        .await;

    let heard = scene.heard();
    assert_eq!(heard.len(), 1);
    let (headers, body) = (&heard[0].headers, &heard[0].body);
    let header = |name: &str| headers[name].to_str().unwrap();
    assert_eq!(header("request-id"), REQUEST.to_string());
    assert_eq!(header("webhook-id"), format!("{CONFERENCE}-1"));
    assert_eq!(headers.get_all("webhook-id").iter().count(), 1);
    let time = header("webhook-timestamp");
    let freeclimb: Vec<_> = SECRETS
        .iter()
        .map(|secret| format!("v1={}", hex::encode(mac(secret, &format!("{time}."), body))))
        .collect();
    assert_eq!(
        header("freeclimb-signature"),
        format!("t={time},{}", freeclimb.join(","))
    );
    assert_eq!(header("webhook-signature").split(' ').count(), 2);

    let lines = scene.lines().await;
    assert_eq!(lines.len(), 1);
    let url = format!("{}/status", scene.base);
    let line = &lines[0].line;
    assert_eq!(
        line.entry.message,
        format!("Customer Response 200 : POST {url}")
    );
    assert_eq!(line.url.as_ref(), Some(&url));
    assert_eq!(line.entry.level, LogLevel::Info);
    assert_eq!(line.entry.request, REQUEST);
    assert_eq!(line.entry.conference, Some(CONFERENCE));
}

#[tokio::test]
async fn a_notification_that_is_refused_is_not_repeated_and_is_an_error_in_the_log() {
    let scene = Scene::new(|_| (StatusCode::NOT_FOUND, "")).await;
    scene.notify(Stream::Call(CALL), "/status", "{}").await;
    assert_eq!(scene.heard().len(), 1);
    let entry = &scene.lines().await[0].line.entry;
    assert_eq!(entry.level, LogLevel::Error);
    assert_eq!(entry.call, Some(CALL));
    assert!(entry.message.starts_with("Customer Response 404 : POST "));
}

#[tokio::test]
async fn a_notification_is_told_whatever_the_answer_says_of_its_body() {
    let scene = Scene::answering(|_| {
        let gzip = [("content-encoding", "gzip")];
        (StatusCode::OK, gzip, "no gzip at all")
    })
    .await;
    scene.notify(Stream::Call(CALL), "/status", "{}").await;
    assert_eq!(scene.heard().len(), 1);
    assert_eq!(scene.levels().await, [LogLevel::Info]);
}

#[tokio::test]
async fn a_store_that_fails_for_a_while_ends_no_call() {
    let asked = Cell::new(0);
    let ask = || async {
        asked.set(asked.get() + 1);
        match asked.get() {
            ..3 => Err(StoreError::Locked),
            times => Ok(times),
        }
    };
    let deadline = Instant::now() + SCRIPT_BUDGET * 10;
    assert_eq!(until_answered(deadline, ask).await, Ok(3));
}

#[tokio::test]
async fn a_store_that_fails_until_the_time_is_over_is_named() {
    let failing = || async { Err::<(), _>(StoreError::Locked) };
    let failure = until_answered(Instant::now() + STORE_PAUSE / 2, failing).await;
    assert_eq!(failure, Err(StoreError::Locked.to_string()));

    let silent = std::future::pending::<Result<(), StoreError>>;
    let deadline = Instant::now() + STORE_PAUSE / 2;
    assert!(until_answered(deadline, silent).await.is_err());
}

#[tokio::test]
async fn a_notification_that_may_not_go_there_is_noted_with_the_reason() {
    let scene = Scene::new(|_| (StatusCode::OK, "")).await;
    let event = NewEvent {
        url: "ftp://app.example/x".to_owned(),
        ..scene.event(Stream::Call(CALL), "", "{}")
    };
    scene.deliver(event).await;
    assert!(scene.heard().is_empty());
    let line = &scene.lines().await[0].line;
    assert_eq!(line.entry.level, LogLevel::Error);
    assert!(
        line.entry.message.contains("only http and https"),
        "{}",
        line.entry.message
    );
}

#[tokio::test]
async fn the_fallback_is_asked_the_same_question() {
    let scene = Scene::new(|path| match path {
        "/voice" => (StatusCode::INTERNAL_SERVER_ERROR, ""),
        _ => (StatusCode::OK, "[{\"Hangup\":{}}]"),
    })
    .await;
    let exchange = exchange(&scene, "/voice", Some("/fallback"), inbound());
    let script = scene.courier.ask(exchange).await.unwrap();
    assert_eq!(script.commands.len(), 1);

    let heard = scene.heard();
    let paths: Vec<_> = heard.iter().map(|heard| heard.path.as_str()).collect();
    assert_eq!(paths, ["/voice", "/fallback"]);
    assert_eq!(heard[0].body, heard[1].body);
    assert_eq!(
        heard[0].headers["webhook-id"],
        heard[1].headers["webhook-id"]
    );
    assert_eq!(
        scene.levels().await,
        [LogLevel::Warning, LogLevel::Info],
        "the failure is no error as long as somebody else can be asked"
    );
}

#[tokio::test]
async fn two_questions_have_different_names() {
    let scene = Scene::new(|_| (StatusCode::OK, "[]")).await;
    for _ in 0..2 {
        let exchange = exchange(&scene, "/voice", None, inbound());
        scene.courier.ask(exchange).await.unwrap();
    }
    let heard = scene.heard();
    assert_ne!(
        heard[0].headers["webhook-id"],
        heard[1].headers["webhook-id"]
    );
}

#[tokio::test]
async fn an_answer_that_is_no_script_is_not_asked_for_elsewhere() {
    let scene = Scene::new(|_| (StatusCode::OK, "[{\"Say\":")).await;
    let exchange = exchange(&scene, "/voice?key=hidden", Some("/fallback"), inbound());
    let Err(ScriptFailure::Invalid(reason)) = scene.courier.ask(exchange).await else {
        panic!("a broken script was understood");
    };
    assert!(reason.contains("/voice: "), "{reason}");
    assert!(!reason.contains("hidden"), "{reason}");
    assert_eq!(scene.heard().len(), 1);
}

#[tokio::test]
async fn without_a_fallback_a_failed_question_is_an_error() {
    let scene = Scene::new(|_| (StatusCode::FOUND, "[]")).await;
    let exchange = exchange(&scene, "/voice", None, inbound());
    let failure = scene.courier.ask(exchange).await.unwrap_err();
    let reason = format!("{}/voice: status 302", scene.base);
    assert_eq!(failure, ScriptFailure::Unreachable(reason));
    assert_eq!(scene.levels().await, [LogLevel::Error]);
}

#[tokio::test]
async fn neither_digits_nor_secrets_reach_the_log() {
    let scene = Scene::new(|_| (StatusCode::BAD_GATEWAY, "echo 4711")).await;
    let digits = Webhook::GetDigits {
        call: context(),
        digits: "4711".to_owned(),
        reason: DigitsReason::MaxDigits,
        private: false,
    };
    let exchange = exchange(
        &scene,
        "/digits?pin=4711#4711",
        Some("/again?pin=4711"),
        digits,
    );
    let failure = scene.courier.ask(exchange).await.unwrap_err();
    let told = format!("{failure:?} {:?}", scene.lines().await);
    for secret in ["4711", SECRETS[0], SECRETS[1]] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}

fn exchange(scene: &Scene, path: &str, fallback: Option<&str>, webhook: Webhook) -> Exchange {
    Exchange {
        account: ACCOUNT,
        call: CALL,
        exchange: 1,
        request: REQUEST,
        url: format!("{}{path}", scene.base),
        fallback_url: fallback.map(|path| format!("{}{path}", scene.base)),
        webhook,
    }
}

fn inbound() -> Webhook {
    Webhook::InboundCall { call: context() }
}

fn context() -> CallContext {
    CallContext {
        account: ACCOUNT,
        call: CALL,
        parent: None,
        from: "+15550100".to_owned(),
        to: "+15550101".to_owned(),
        status: CallStatus::Ringing,
        direction: Direction::Inbound,
        conference: None,
        queue: None,
    }
}

fn mac(secret: &str, before: &str, body: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(before.as_bytes());
    mac.update(body);
    mac.finalize().into_bytes().to_vec()
}
