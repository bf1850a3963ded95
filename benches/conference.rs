//! What deciding costs: a participant joins a conference and leaves it.

use criterion::{Criterion, criterion_group, criterion_main};
use tutti_control_plane::{ConferenceOptions, ControlPlane, Input, Limits, Reply, Route};
use tutti_model::{AccountId, CallId, CloseReason, ConferenceId};
use tutti_sim::{Random, START};

const ACCOUNT: AccountId = AccountId::from_bytes([0xac; 20]);

fn join_and_leave(criterion: &mut Criterion) {
    for others in [1, 100, 1_000] {
        let (mut plane, conference) = conference_of(others);
        let name = format!("join and leave a conference of {others}");
        let mut effects = Vec::new();
        criterion.bench_function(&name, |bencher| {
            bencher.iter(|| {
                effects.clear();
                feed(&mut plane, arrival(0, conference), &mut effects);
                let gone = Input::CallGone {
                    call: call(0),
                    reason: CloseReason::FarEndHangup,
                };
                feed(&mut plane, gone, &mut effects);
                effects.len()
            });
        });
    }
}

/// A conference in which this many participants are already.
fn conference_of(participants: u32) -> (ControlPlane, ConferenceId) {
    let mut random = Random::new(1);
    let limits = Limits {
        participants_per_conference: 5_000,
        ..Limits::default()
    };
    let mut plane = ControlPlane::new(limits, Box::new(move || random.id()));
    let mut effects = Vec::new();
    let options = ConferenceOptions {
        status_callback_url: Some("http://app/conference".into()),
        ..ConferenceOptions::default()
    };
    let create = Input::CreateConference {
        account: ACCOUNT,
        options,
    };
    let Reply::Conference(record) = feed(&mut plane, create, &mut effects) else {
        panic!("no conference");
    };
    for number in 1..=participants {
        feed(&mut plane, arrival(number, record.id), &mut effects);
    }
    (plane, record.id)
}

fn arrival(number: u32, conference: ConferenceId) -> Input {
    Input::CallArrived {
        call: call(number),
        account: ACCOUNT,
        from: "+18005550000".into(),
        to: "+18005551000".into(),
        route: Route::Conference(conference),
    }
}

fn call(number: u32) -> CallId {
    let mut bits = [0; 20];
    bits[..4].copy_from_slice(&number.to_be_bytes());
    CallId::from_bytes(bits)
}

fn feed(
    plane: &mut ControlPlane,
    input: Input,
    effects: &mut Vec<tutti_control_plane::Effect>,
) -> Reply {
    match plane.handle(START, input, effects) {
        Ok(reply) => reply,
        Err(refusal) => panic!("{refusal}"),
    }
}

criterion_group!(conference, join_and_leave);
criterion_main!(conference);
