//! How long what is heard is under way.

use super::*;

/// What the bridge adds to a clean call's delay, for each phase of its packets within the tick: the
/// time from a packet's arrival to the tick that sends its audio, in microseconds.
fn delays_us(codec: Codec, jitter_us: i64, ptime_ms: u32) -> Vec<i64> {
    let mut delays = Vec::new();
    for phase_us in (0..20_000).step_by(250) {
        let mut call = Call::new(codec);
        call.sender.ptime_ms = ptime_ms;
        call.next_said_ns = (call.now_us - phase_us) * 1_000;
        call.sender.fate = match jitter_us {
            0 => |_, _| Fate::After(0),
            _ => |_, seed| Fate::After(i64::from(seed % 1_500)),
        };
        call.run(250);
        let counters = call.receiver.counters();
        assert_eq!(
            (
                counters.late,
                counters.concealed_samples,
                counters.discarded
            ),
            (0, 0, 0),
            "{codec:?} {phase_us} us before the tick"
        );
        delays.push(call.receiver.playout_delay().as_micros() as i64);
    }
    delays.sort_unstable();
    delays
}

#[test]
fn on_a_clean_network_a_packet_waits_for_the_next_tick_and_two_milliseconds() {
    for codec in [Codec::Pcmu, Codec::Opus, Codec::G722] {
        for jitter_us in [0, 1_500] {
            let delays = delays_us(codec, jitter_us, 20);
            let (least, middle, most) = (
                delays[0],
                delays[delays.len() / 2],
                delays[delays.len() - 1],
            );
            assert!(least >= 1_900, "{codec:?} {jitter_us}: {least} us at least");
            assert!(
                (10_000..=15_700).contains(&middle),
                "{codec:?} {jitter_us}: {middle} us in the middle"
            );
            // What is late by more than two milliseconds is waited for, a little longer than it was.
            let bound = if jitter_us == 0 { 22_900 } else { 27_400 };
            assert!(most <= bound, "{codec:?} {jitter_us}: {most} us at most");
        }
    }
}

#[test]
fn packets_of_other_lengths_wait_as_little_as_their_place_in_the_tick_allows() {
    // Of those of 10 and 30 ms half come 10 ms late here: what is said is encoded in frames of 20 ms.
    for (ptime_ms, most_us) in [(10, 31_500), (30, 34_000), (40, 24_600), (60, 24_600)] {
        let delays = delays_us(Codec::Pcmu, 0, ptime_ms);
        assert!(
            delays.iter().all(|us| (1_900..=most_us).contains(us)),
            "{ptime_ms} ms: {delays:?}"
        );
    }
}

#[test]
fn a_late_thread_changes_no_delay_and_no_sound() {
    for codec in CODECS {
        let mut call = Call::new(codec);
        let mut punctual = Call::new(codec);
        let mut random = Lcg(7);
        for n in 0..600 {
            // It wakes up to 3 ms late, and once it stands still for four ticks.
            let late_us = match n {
                300..304 => (304 - n) * TICK_US,
                _ => i64::from(random.next() % 3_000),
            };
            call.late_us = late_us;
            let (heard, wanted) = (call.run(1), punctual.run(1));
            assert_eq!(heard.samples, wanted.samples, "{codec:?} in tick {n}");
        }
        assert_eq!(call.receiver.counters().stretched_samples, 0);
        assert_eq!(call.receiver.counters().squeezed_samples, 0);
    }
}

#[test]
fn a_spike_of_200_ms_leaves_no_delay_after_five_seconds() {
    for codec in CODECS {
        let mut call = Call::with(Format::plain(codec), voice);
        call.run(500);
        let delay = call.delay_ms();
        for _ in 0..4 {
            call.sender.not_before_us = call.now_us + 200_000;
            call.run(250);
            assert!(
                call.delay_ms() <= delay + 10,
                "{codec:?}: {} ms after {delay}",
                call.delay_ms()
            );
        }
    }
}

#[test]
fn a_sender_of_chunks_is_heard_without_a_gap_once_it_is_known() {
    for codec in CODECS {
        let mut call = Call::new(codec);
        // All that was said in 200 ms comes at once.
        call.sender.fate = |n, _| Fate::After(i64::from(9 - n % 10) * 20_000);
        call.run(1_000);
        let before = *call.receiver.counters();
        let heard = call.run(3_000);
        let counters = call.receiver.counters();
        assert_eq!(heard.audio, 3_000, "{codec:?}");
        assert_eq!(
            (
                counters.late,
                counters.discarded,
                counters.concealed_samples
            ),
            (before.late, before.discarded, before.concealed_samples),
            "{codec:?}"
        );
    }
}
