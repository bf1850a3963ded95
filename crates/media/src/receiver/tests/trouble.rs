//! Networks and senders that misbehave.

use super::*;

#[test]
fn loss_makes_opus_wait_for_the_packet_that_repairs_it_and_no_longer_than_it_lasts() {
    let format = Format {
        fec: true,
        ..Format::plain(Codec::Opus)
    };
    let mut call = Call::with(format, |t| 0.5 * tone(t) + voice(t));
    call.run(400);
    let delay = call.delay_ms();
    let lossy: fn(u32, u32) -> Fate = |_, seed| match seed % 20 {
        0 => Fate::Lost,
        _ => Fate::After(0),
    };
    call.sender.fate = lossy;
    call.run(500);
    assert!(
        (15..=26).contains(&(call.delay_ms() - delay)),
        "{} ms after {delay}",
        call.delay_ms()
    );
    let before = *call.receiver.counters();
    call.run(1_500);
    let counters = *call.receiver.counters();
    let lost = counters.lost - before.lost;
    let repaired = (counters.repaired_samples - before.repaired_samples) / FRAME_SAMPLES as u64;
    assert!(lost > 50);
    // Half of the packets describe the one before them.
    assert!(repaired * 10 >= lost * 4, "{repaired} of {lost} repaired");

    call.sender.fate = |_, _| Fate::After(0);
    call.run(1_000);
    assert!(
        call.delay_ms() <= delay + 6,
        "{} ms after {delay}",
        call.delay_ms()
    );
}

#[test]
fn loss_that_nothing_repairs_costs_no_delay() {
    for codec in CODECS {
        let mut call = Call::new(codec);
        call.run(200);
        let delay = call.delay_ms();
        call.sender.fate = |_, seed| match seed % 10 {
            0 => Fate::Lost,
            _ => Fate::After(0),
        };
        call.run(1_000);
        assert_eq!(call.delay_ms(), delay, "{codec:?}");
    }
}

#[test]
fn what_is_lost_in_silence_is_concealed_and_what_is_not_sent_is_not() {
    // Its encoder says of every packet that it holds no voice.
    let mut lossy = Call::with(Format::plain(Codec::Opus), |t| {
        (t * 7_919.0).sin() as f32 * 1e-3
    });
    lossy.run(100);
    lossy.sender.fate = |n, _| {
        if n % 10 == 3 {
            Fate::Lost
        } else {
            Fate::After(0)
        }
    };
    lossy.run(500);
    let concealed = lossy.receiver.counters().concealed_samples / FRAME_SAMPLES as u64;
    assert!((49..=51).contains(&concealed), "{concealed} frames");

    let dtx = Format {
        dtx: true,
        ..Format::plain(Codec::Opus)
    };
    let mut pausing = Call::with(dtx, |_| 0.0);
    pausing.run(500);
    assert!(pausing.sender.unsent > 300);
    assert_eq!(pausing.receiver.counters().concealed_samples, 0);
}

#[test]
fn a_skew_of_a_thousandth_is_absorbed_for_two_hours() {
    for skew_ppm in [1_000, -1_000] {
        let mut call = Call::new(Codec::Pcmu);
        call.sender.skew_ppm = skew_ppm;
        call.run(500);
        let before = *call.receiver.counters();
        let mut most_ms = 0;
        for _ in 0..360 {
            let heard = call.run(1_000);
            assert_eq!(heard.audio, 1_000, "at {skew_ppm} ppm");
            let step = steepest(&heard.samples);
            assert!(step < 0.045, "at {skew_ppm} ppm: a step of {step}");
            most_ms = most_ms.max(call.delay_ms());
        }
        let counters = call.receiver.counters();
        assert!(most_ms <= 45, "{most_ms} ms");
        assert_eq!(
            (
                counters.late,
                counters.discarded,
                counters.concealed_samples
            ),
            (before.late, before.discarded, before.concealed_samples),
            "at {skew_ppm} ppm"
        );
        assert_eq!(
            (counters.sequence_restarts, counters.timestamp_jumps),
            (0, 0)
        );
    }
}

#[test]
fn another_length_of_packets_in_the_middle_of_a_call_is_not_heard() {
    for codec in CODECS {
        let mut call = Call::new(codec);
        call.run(200);
        for ptime_ms in [10, 20, 30, 40, 60, 20, 60, 10] {
            if codec == Codec::Opus && ptime_ms == 30 {
                continue;
            }
            call.sender.ptime_ms = ptime_ms;
            call.run(100);
            let before = *call.receiver.counters();
            let heard = call.run(100);
            assert_eq!(heard.audio, 100, "{codec:?} with {ptime_ms} ms");
            let step = steepest(&heard.samples);
            assert!(
                step < 0.06,
                "{codec:?} with {ptime_ms} ms: a step of {step}"
            );
            let counters = call.receiver.counters();
            assert_eq!(counters.concealed_samples, before.concealed_samples);
            assert_eq!(counters.discarded, before.discarded);
        }
    }
}

#[test]
fn comfort_noise_announces_a_pause() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722] {
        let mut call = Call::new(codec);
        call.run(200);
        let before = *call.receiver.counters();
        for _ in 0..5 {
            // The talker stops, says how its room sounds, and goes on a second later.
            let number = call.sender.number;
            call.sender.number = number.wrapping_add(1);
            let comfort = rtp(COMFORT, number, 1, call.sender.timestamp, &[60]);
            let arrives_us = call.next_said_ns / 1_000;
            call.sender.network.push((arrives_us, comfort));
            call.sender.fate = |_, _| Fate::Unsent;
            let pause = call.run(50);
            assert!(pause.silence >= 40, "{codec:?}: {} frames", pause.silence);
            call.sender.fate = |_, _| Fate::After(0);
            assert!(call.run(20).audio >= 17, "{codec:?}");
        }
        let counters = call.receiver.counters();
        assert_eq!(
            (counters.lost, counters.unknown_payload, counters.discarded),
            (before.lost, before.unknown_payload, before.discarded),
            "{codec:?}"
        );
        assert_eq!(counters.concealed_samples, before.concealed_samples);
    }
}

#[test]
fn a_replay_of_what_was_heard_is_not_heard() {
    for codec in CODECS {
        let mut call = Call::new(codec);
        let mut calm = Call::new(codec);
        call.sender.history = Some(Vec::new());
        for n in 0..300 {
            let wanted = calm.run(1).samples;
            assert_eq!(call.run(1).samples, wanted, "{codec:?} in tick {n}");
            if n > 100 {
                let history = call.sender.history.iter().flatten();
                for datagram in history.skip(n % 50).step_by(7) {
                    let _ = call.receiver.handle_rtp(call.now(), datagram);
                }
            }
        }
        assert_eq!(call.receiver.counters().sequence_restarts, 0);
        let counters = call.receiver.counters();
        assert!(counters.duplicate + counters.discarded > 2_000);
    }
}

#[test]
fn nothing_is_skipped_when_what_waits_is_too_much() {
    for codec in CODECS {
        for held_up_ms in [300, 600, 1_500] {
            let mut call = Call::new(codec);
            call.run(300);
            call.sender.not_before_us = call.now_us + held_up_ms * 1_000;
            let ticks = held_up_ms as usize / 20;
            let heard = call.run(ticks + 200);
            let step = steepest(&heard.samples);
            assert!(
                step < 0.09,
                "{codec:?} after {held_up_ms} ms: a step of {step}"
            );
        }
    }
}
