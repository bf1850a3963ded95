//! The machine is late now and then, and nobody hears or sees it.

use std::time::Duration;

use tutti_media::{EngineCommand, FRAME_SAMPLES};
use tutti_model::Codec;
use tutti_sim::{Mouth, Tone, fit, tape, turned_deg};

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

#[test]
fn a_pause_of_the_machine_is_a_gap_as_long_in_streams_and_recordings_and_no_longer() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        for ticks in [12, 100, 250] {
            pause(codec, ticks);
        }
    }
}

/// The machine stands still for some ticks, which the engine then leaves out.
fn pause(codec: Codec, left_out: u32) {
    const BEFORE: u32 = 100;
    const AFTER: u32 = 200;
    /// So late the tone is back for good, after the machine is: of what has come meanwhile, 64 packets
    /// are taken in each tick.
    const MOST_LATER_MS: usize = 200;
    let what = format!("{codec:?}, {left_out} ticks");
    let mut studio = studio();
    let tone = Mouth::Tone(Tone::new(TONE_HZ, 0.3));
    let talker = joined(&mut studio, codec, tone, TALK_AND_LISTEN);
    let listener = joined(&mut studio, codec, Mouth::Shut, LISTEN_ONLY);
    studio.ticks(250).unwrap();
    let ((mix_head, mix), (track_head, track)) = (tape(), tape());
    studio.handle(EngineCommand::StartRecording {
        conference: CONFERENCE,
        tap: Box::new(mix_head),
    });
    studio.handle(EngineCommand::StartTrack {
        slot: talker,
        tap: Box::new(track_head),
    });
    studio.caller(listener).unwrap().start_listening();
    studio.caller(listener).unwrap().forget_received();
    studio.ticks(BEFORE).unwrap();
    studio.stand_still(left_out).unwrap();
    studio.ticks(AFTER).unwrap();

    let caller = studio.caller(listener).unwrap();
    let received = caller.received();
    // One leap of the timestamp, and no number is left out.
    assert_eq!(
        (
            received.packets,
            received.gaps,
            received.steps,
            received.most_together
        ),
        (u64::from(BEFORE + AFTER), 0, 1, 1),
        "{what}: {received:?}"
    );
    let (rate, ear) = (caller.rate_hz() as usize, caller.take_heard());
    let (pause_ms, all) = (left_out as usize * 20, BEFORE + left_out + AFTER);
    assert_eq!(ear.len(), all as usize * rate / 50, "{what}");
    let back = BEFORE as usize * 20 + pause_ms + MOST_LATER_MS;
    let dead_ms = longest_dead_air_ms(&ear[back * rate / 1_000..], rate as u32);
    println!("{what}: {dead_ms} ms of dead air {MOST_LATER_MS} ms after it");
    assert_eq!(dead_ms, 0, "{what}");

    for (name, tape) in [("mix", mix), ("track", track)] {
        let samples = tape.samples();
        assert_eq!(
            samples.len(),
            all as usize * FRAME_SAMPLES,
            "{what}: {name}"
        );
        let (begin, end) = (BEFORE as usize, (BEFORE + left_out) as usize);
        let gap = &samples[begin * FRAME_SAMPLES..end * FRAME_SAMPLES];
        assert!(gap.iter().all(|sample| *sample == 0.0), "{what}: {name}");
        let rest = &samples[(end + MOST_LATER_MS / 20) * FRAME_SAMPLES..];
        assert_eq!(longest_dead_air_ms(rest, 48_000), 0, "{what}: {name}");
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
