//! The machine is late now and then, and nobody hears or sees it.

use std::time::Duration;

use tutti_model::Codec;
use tutti_sim::{Mouth, Tone, fit, turned_deg};

use crate::stage::*;

const TONE_HZ: f32 = 1_000.0;

#[test]
fn ticks_that_come_late_leave_numbers_timestamps_and_sound_as_they_were() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        for late_ms in [5, 20, 60] {
            stalls(codec, late_ms);
        }
    }
}

/// Twice a second a tick is late, and those after it as well until the engine has caught up.
fn stalls(codec: Codec, late_ms: u64) {
    let mut studio = studio();
    let tone = Mouth::Tone(Tone::new(TONE_HZ, 0.3));
    let talker = joined(&mut studio, codec, tone, TALK_AND_LISTEN);
    let listener = joined(&mut studio, codec, Mouth::Shut, LISTEN_ONLY);
    studio.ticks(250).unwrap();
    studio.caller(listener).unwrap().start_listening();
    studio.caller(listener).unwrap().forget_received();
    let before = *studio.leg(talker).unwrap().receive_counters();
    for tick in 0..1_500_u64 {
        let since_stall_ms = 20 * (tick % 25);
        let late = late_ms.saturating_sub(since_stall_ms);
        studio.late_tick(Duration::from_millis(late)).unwrap();
    }
    let after = *studio.leg(talker).unwrap().receive_counters();
    let caller = studio.caller(listener).unwrap();
    let received = caller.received();
    assert_eq!(
        (
            received.packets,
            received.gaps,
            received.steps,
            received.most_together
        ),
        (1_500, 0, 0, 1),
        "{codec:?}, {late_ms} ms: {received:?}"
    );
    assert_eq!(
        (after.concealed_samples, after.lost, after.late),
        (before.concealed_samples, before.lost, before.late),
        "{codec:?}, {late_ms} ms: {after:?}"
    );
    let (rate, ear) = (caller.rate_hz(), caller.take_heard());
    let turns = f64::from(TONE_HZ) / f64::from(rate);
    let most_turned = ear
        .chunks_exact(rate as usize / 10)
        .map(|part| fit(part, turns).phase_deg)
        .collect::<Vec<_>>()
        .windows(2)
        .map(|pair| turned_deg(pair[0], pair[1]).abs())
        .fold(0.0, f64::max);
    println!("{codec:?}: {late_ms} ms late: turned by {most_turned:.2} degrees at most");
    assert!(most_turned < 5.0, "{codec:?}, {late_ms} ms: {most_turned}");
}
