//! Who waits for whom: events of one stream to one URL, and nobody else.

use std::sync::Mutex;

use axum::http::StatusCode;
use tutti_control_plane::Stream;
use tutti_model::CallId;
use tutti_store::FailedAttempt;

use super::scene::{CALL, Scene};
use super::*;

const HOURS: Duration = Duration::from_secs(6 * 3_600);

#[tokio::test]
async fn a_url_that_fails_for_hours_does_not_hold_back_another_url_of_the_same_call() {
    let scene = Scene::new(|_| (StatusCode::OK, "")).await;
    let stream = Stream::Call(CALL);
    let failing = scene.event(stream, "/failing", "1");
    let (waiting, telling) = (
        scene.event(stream, "/failing", "2"),
        scene.event(stream, "/status", "3"),
    );
    let store = &scene.courier.store;
    let lanes = [failing.lane(), telling.lane()];
    let batch = [failing, waiting, telling];
    let ids = store.commit(&[], &batch, &[]).await.unwrap();
    let attempt = FailedAttempt {
        retry_at: Some(scene.courier.clock.now() + HOURS),
        error: "status 500".to_owned(),
    };
    store.event_failed(ids[0], 7, &attempt).await.unwrap();

    let webhooks = scene.webhooks();
    lanes.iter().for_each(|lane| webhooks.wake(lane.clone()));
    scene.hear_at("/status", 1).await;
    // One that comes later is told as well, while the other URL still waits.
    let later = scene.event(stream, "/status", "4");
    store.commit(&[], &[later], &[]).await.unwrap();
    webhooks.wake(lanes[1].clone());
    scene.hear_at("/status", 2).await;
    assert_eq!(scene.bodies_at("/status"), ["3", "4"]);
    assert!(scene.bodies_at("/failing").is_empty());
    let pending = store.pending_events(&lanes[0], 10).await.unwrap();
    assert_eq!(pending.len(), 2, "nothing of the failing URL is lost");
}

#[tokio::test]
async fn what_happened_earlier_is_told_first_whatever_its_url() {
    let scene = Scene::new(|_| (StatusCode::OK, "")).await;
    let store = &scene.courier.store;
    let batch: Vec<_> = (0..40)
        .map(|n| (["/joined", "/left", "/status"][n % 3], n.to_string()))
        .map(|(path, body)| scene.event(Stream::Call(CALL), path, &body))
        .collect();
    store.commit(&[], &batch, &[]).await.unwrap();
    let webhooks = scene.webhooks();
    // The last one's worker begins first.
    batch
        .iter()
        .rev()
        .for_each(|event| webhooks.wake(event.lane()));
    scene.end_of_outbox().await;
    let heard: Vec<_> = scene.heard().iter().map(|told| told.body.clone()).collect();
    let expected: Vec<_> = batch.iter().map(|event| event.body.clone()).collect();
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn the_order_within_one_url_stays_through_failures_and_a_restart() {
    // Each event is refused once before it is taken.
    let refused = Mutex::new(0);
    let scene = Scene::new(move |_| {
        let mut refused = refused.lock().unwrap();
        *refused += 1;
        match *refused % 2 {
            1 => (StatusCode::SERVICE_UNAVAILABLE, ""),
            _ => (StatusCode::OK, ""),
        }
    })
    .await;
    let batch = ["1", "2"].map(|body| scene.event(Stream::Call(CALL), "/status", body));
    let lane = batch[0].lane();
    let store = &scene.courier.store;
    store.commit(&[], &batch, &[]).await.unwrap();
    let noted_failure = async {
        let failed = |events: &[tutti_store::PendingEvent]| {
            events.first().is_some_and(|event| event.attempts == 1)
        };
        while !failed(&store.pending_events(&lane, 1).await.unwrap()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = scene.courier.deliver_lane(&lane) => panic!("it was taken at once"),
        // The process ends here, while the first one waits for its second attempt.
        () = noted_failure => {}
    }

    let webhooks = scene.webhooks();
    let last = scene.event(Stream::Call(CALL), "/status", "3");
    store.commit(&[], &[last], &[]).await.unwrap();
    webhooks.wake_pending().await;
    scene.end_of_outbox().await;
    assert_eq!(scene.bodies_at("/status"), ["1", "1", "2", "2", "3", "3"]);
    let heard = scene.heard();
    let id = |at: usize| heard[at].headers["webhook-id"].to_str().unwrap();
    assert!(id(0) == id(1) && id(1) != id(2));
}

#[tokio::test]
async fn an_event_that_is_committed_while_its_lane_is_served_is_told_once_and_after_the_others() {
    let scene = Scene::new(|_| (StatusCode::OK, "")).await;
    let webhooks = scene.webhooks();
    let streams = [
        Stream::Call(CALL),
        Stream::Call(CallId::from_bytes([9; 20])),
    ];
    for number in 0..40 {
        for stream in streams {
            let path = match stream == streams[0] {
                true => "/first",
                false => "/second",
            };
            let event = scene.event(stream, path, &number.to_string());
            let lane = event.lane();
            let store = &scene.courier.store;
            store.commit(&[], &[event], &[]).await.unwrap();
            webhooks.wake(lane);
        }
    }
    scene.end_of_outbox().await;
    for path in ["/first", "/second"] {
        let expected = (0..40).map(|number: i32| number.to_string());
        assert!(expected.eq(scene.bodies_at(path)), "{path}");
    }
}
