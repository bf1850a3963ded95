//! What understanding a script costs.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;

const SHORT: &str =
    r#"[{"AddToConference":{"conferenceId":"CF0123456789abcdef0123456789abcdef01234567"}}]"#;

const LONG: &str = r#"[
    {"Say":{"text":"Welcome to the weekly meeting. Please hold the line.","language":"en-US","loop":1}},
    {"Pause":{"length":500}},
    {"Play":{"file":"https://example.com/jingle.wav","loop":2}},
    {"AddToConference":{
        "conferenceId":"CF0123456789abcdef0123456789abcdef01234567",
        "startConfOnEnter":true,"talk":true,"listen":true,
        "leaveConferenceUrl":"https://example.com/left",
        "notificationUrl":"https://example.com/joined"}}
]"#;

fn parse(criterion: &mut Criterion) {
    for (name, body) in [
        ("one command", SHORT),
        ("a greeting and a conference", LONG),
    ] {
        assert!(
            tutti_freeclimb::percl::parse(body.as_bytes()).is_ok(),
            "{name} is no script"
        );
        criterion.bench_function(&format!("parse {name}"), |bencher| {
            bencher.iter(|| tutti_freeclimb::percl::parse(black_box(body.as_bytes())));
        });
    }
}

criterion_group!(percl, parse);
criterion_main!(percl);
