//! Networks lose, delay and bunch packets, and the bridge copes.

use std::time::Duration;

use tutti_media::{LegSlot, ReceiveCounters};
use tutti_model::{Codec, Format};
use tutti_sim::{
    Bursts, Habits, Impairments, Mouth, Random, Studio, Talk, Tone, Trace, find, level_db, thinned,
};

use crate::stage::*;

const TONE_HZ: f32 = 564.0;

/// How much later than before somebody may be heard when all is well again: a frame, and what the
/// measurement is off by.
const MOST_LATER_MS: f64 = 20.5;

const CODECS: [Codec; 3] = [Codec::Pcmu, Codec::G722, Codec::Opus];

#[test]
fn what_is_lost_is_repaired_or_concealed_and_nothing_else_is() {
    for format in [
        Format::plain(Codec::Pcmu),
        Format::plain(Codec::G722),
        Format::plain(Codec::Opus),
        format(Codec::Opus),
    ] {
        for part in [0.01, 0.03, 0.05, 0.10] {
            for bursts in [None, Some(Bursts::of(part, 3.0))] {
                let loss = if bursts.is_some() { 0.0 } else { part };
                let lossy = Impairments {
                    loss,
                    bursts,
                    ..Impairments::NONE
                };
                let (mut studio, talker, _) = speech(format, 30.0);
                studio.ticks(100).unwrap();
                studio.caller(talker).unwrap().impair(lossy);
                let (before, sent) = (counters(&studio, talker), 1_200);
                studio.ticks(sent).unwrap();
                let after = counters(&studio, talker);
                let share = |count: fn(&ReceiveCounters) -> u64, of: f64| {
                    (count(&after) - count(&before)) as f64 / of
                };
                let packets = f64::from(sent);
                let lost = share(|all| all.lost, packets);
                let samples = packets * 960.0;
                let repaired = share(|all| all.repaired_samples, samples);
                let concealed = share(|all| all.concealed_samples, samples);
                println!(
                    "{:?} fec {} loss {part}{}: lost {:.1} %, repaired {:.1} %, concealed {:.1} %",
                    format.codec,
                    format.fec,
                    if bursts.is_some() { " in bursts" } else { "" },
                    100.0 * lost,
                    100.0 * repaired,
                    100.0 * concealed,
                );
                assert!(lost > 0.4 * part, "{lost} of {part}");
                // Of a long burst only the beginning is concealed, and then there is silence.
                let least = if bursts.is_some() {
                    0.4 * lost
                } else {
                    lost - 0.01
                };
                assert!(
                    (least..=lost + 0.01).contains(&(repaired + concealed)),
                    "{format:?} loses {lost}, repairs {repaired} and conceals {concealed}"
                );
                if format.fec && bursts.is_none() && part >= 0.03 {
                    assert!(repaired > 0.6 * lost, "FEC repairs {repaired} of {lost}");
                }
            }
        }
    }
}

#[test]
fn a_burst_of_losses_makes_no_click() {
    for (codec, sharpest) in [(Codec::Pcmu, 3.0), (Codec::G722, 4.0), (Codec::Opus, 8.0)] {
        let (mut studio, talker, listener) = tone(codec);
        studio.ticks(100).unwrap();
        let steady = sharpest_bend(&heard(&mut studio, listener, 100));
        let lossy = Impairments {
            bursts: Some(Bursts::of(0.05, 4.0)),
            ..Impairments::NONE
        };
        studio.caller(talker).unwrap().impair(lossy);
        let bent = sharpest_bend(&heard(&mut studio, listener, 1_500));
        println!("{codec:?}: bends {:.1} times as sharp", bent / steady);
        assert!(bent < sharpest * steady, "{codec:?}: {bent} after {steady}");
    }
}

#[test]
fn real_networks_are_followed_and_left_behind_within_five_seconds_of_calm() {
    let spikes = Trace::Spikes {
        length: Duration::from_millis(200),
        every: Duration::from_secs(4),
    };
    let mut wrong = Vec::new();
    for (trace, most_concealed) in [(Trace::Wifi, 0.018), (Trace::Lte, 0.015), (spikes, 0.04)] {
        let (mut studio, talker, listener) = speech(Format::plain(Codec::Pcmu), 100.0);
        studio.caller(listener).unwrap().start_listening();
        studio.ticks(500).unwrap();
        let calm = delay_ms(&mut studio, listener, 500);
        let bad = Impairments {
            trace,
            ..Impairments::NONE
        };
        studio.caller(talker).unwrap().impair(bad);
        // Ten seconds to get used to it.
        studio.ticks(500).unwrap();
        let before = counters(&studio, talker);
        studio.ticks(2_500).unwrap();
        let after = counters(&studio, talker);
        let rough = delay_ms(&mut studio, listener, 3_500);
        studio.caller(talker).unwrap().impair(Impairments::NONE);
        studio.ticks(250).unwrap();
        let again = delay_ms(&mut studio, listener, 3_750);
        let concealed =
            (after.concealed_samples - before.concealed_samples) as f64 / (2_500.0 * 960.0);
        println!(
            "{trace:?}: concealed {:.2} %, delay {calm:.0} ms, then {rough:.0} ms, then {again:.0} ms",
            100.0 * concealed
        );
        if concealed > most_concealed {
            wrong.push(format!("{trace:?}: {concealed} concealed"));
        }
        if (again - calm).abs() > MOST_LATER_MS {
            wrong.push(format!("{trace:?}: {calm:.0} ms, then {again:.0} ms"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn two_seconds_after_an_outage_nothing_is_late() {
    outages(false);
}

#[test]
fn five_seconds_after_packets_were_held_up_nothing_is_late() {
    outages(true);
}

#[test]
fn an_outage_begins_and_ends_without_a_click() {
    for (codec, sharpest) in [(Codec::Pcmu, 3.0), (Codec::G722, 4.0), (Codec::Opus, 8.0)] {
        let (mut studio, talker, listener) = tone(codec);
        studio.ticks(100).unwrap();
        let steady = sharpest_bend(&heard(&mut studio, listener, 100));
        studio.caller(listener).unwrap().start_listening();
        for ticks in [25, 250] {
            studio.caller(talker).unwrap().impair(Impairments::OUTAGE);
            studio.ticks(ticks).unwrap();
            studio.caller(talker).unwrap().impair(Impairments::NONE);
            studio.ticks(100).unwrap();
        }
        let bent = sharpest_bend(studio.caller(listener).unwrap().heard());
        println!(
            "{codec:?}: an outage bends {:.1} times as sharp",
            bent / steady
        );
        assert!(bent < sharpest * steady, "{codec:?}: {bent} after {steady}");
    }
}

fn outages(held: bool) {
    let mut late = Vec::new();
    for codec in CODECS {
        for outage_ms in [500, 5_000] {
            let (before, after) = outage(codec, outage_ms, held);
            if (after - before).abs() > MOST_LATER_MS {
                late.push(format!(
                    "{codec:?}, {outage_ms} ms: {before:.0} ms, then {after:.0} ms"
                ));
            }
        }
    }
    assert!(late.is_empty(), "{late:?}");
}

/// Nothing comes for a while; what was sent meanwhile is lost, or comes all at once. How late the
/// talker is heard before and after it, in milliseconds.
fn outage(codec: Codec, outage_ms: u32, held: bool) -> (f64, f64) {
    let (mut studio, talker, listener) = speech(Format::plain(codec), 40.0);
    studio.caller(listener).unwrap().start_listening();
    studio.ticks(500).unwrap();
    let before = delay_ms(&mut studio, listener, 500);
    let ticks = outage_ms / 20;
    let until = studio.now() + Duration::from_millis(outage_ms.into());
    let caller = studio.caller(talker).unwrap();
    if held {
        caller.hold_up(until);
    } else {
        caller.impair(Impairments::OUTAGE);
    }
    studio.ticks(ticks).unwrap();
    studio.caller(talker).unwrap().impair(Impairments::NONE);
    // Time to recover, and half a second in which it is looked at. What was held up is jitter, and
    // believed in for longer than a loss is.
    let recovery = if held { 250 } else { 100 } + 25;
    studio.ticks(recovery).unwrap();
    let after = delay_ms(&mut studio, listener, 500 + ticks + recovery);
    let what = if held { "held" } else { "lost" };
    println!("{codec:?}: {outage_ms} ms {what}: {before:.0} ms before, {after:.0} ms after");
    (before, after)
}

#[test]
fn a_step_in_the_delay_costs_what_it_must_and_nothing_is_left_of_it_once_it_is_undone() {
    const STEP: Duration = Duration::from_millis(150);
    /// What is missing ends at a tick, and the sound rises after it.
    const MOST_MISSING_MS: usize = 190;
    const TICK: Duration = Duration::from_millis(20);
    for (codec, most_dead_ms) in [(Codec::Pcmu, 70), (Codec::G722, 70), (Codec::Opus, 30)] {
        for phase_ms in [1, 6, 11, 16] {
            let (mut studio, talker, listener) = tone(codec);
            let phase = Duration::from_millis(phase_ms);
            studio.caller(talker).unwrap().set_phase(phase);
            studio.ticks(250).unwrap();
            let delay = |studio: &Studio| studio.leg(talker).unwrap().playout_delay();
            let calm = delay(&studio);
            let before = counters(&studio, talker);
            let further = Impairments {
                delay: Impairments::NONE.delay + STEP,
                ..Impairments::NONE
            };
            studio.caller(talker).unwrap().impair(further);
            let ear = heard(&mut studio, listener, 250);
            let rate = studio.caller(listener).unwrap().rate_hz();
            let dead_ms = longest_dead_air_ms(&ear, rate);
            let missing_ms = changed_ms(&ear, rate);
            let stepped = counters(&studio, talker);
            let long = delay(&studio);
            println!(
                "{codec:?}, {phase_ms} ms into the tick: {missing_ms} ms are missing, {dead_ms} ms \
                 of them dead air; delay {calm:?}, then {long:?}"
            );
            assert!(missing_ms <= MOST_MISSING_MS, "{codec:?}: {missing_ms} ms");
            assert!(dead_ms <= most_dead_ms, "{codec:?}: {dead_ms} ms");
            assert!(long <= calm + TICK, "{codec:?}: {calm:?}, then {long:?}");
            assert_eq!(stepped.discarded, before.discarded, "{codec:?}");

            studio.caller(talker).unwrap().impair(Impairments::NONE);
            studio.ticks(250).unwrap();
            let undone = delay(&studio);
            println!("    undone: {undone:?} after five seconds");
            assert!(
                undone <= calm + TICK / 2,
                "{codec:?}: {calm:?}, then {undone:?}"
            );
            let after = counters(&studio, talker);
            assert_eq!(
                (after.concealed_samples, after.discarded),
                (stepped.concealed_samples, stepped.discarded),
                "{codec:?}"
            );
        }
    }
}

/// How long a tone is not what it mostly is: all parts of 10 ms whose level is off by 1.5 dB.
fn changed_ms(samples: &[f32], rate_hz: u32) -> usize {
    let levels: Vec<f32> = samples
        .chunks_exact(rate_hz as usize / 100)
        .map(rms_db)
        .collect();
    let mut sorted = levels.clone();
    sorted.sort_by(f32::total_cmp);
    let usual = sorted[sorted.len() / 2];
    let is_off = |level: &&f32| (*level - usual).abs() > 1.5;
    10 * levels.iter().filter(is_off).count()
}

#[test]
fn duplicates_and_reordering_sound_as_if_clean() {
    let rough = Impairments {
        duplicates: 0.1,
        reordering: 0.1,
        ..Impairments::NONE
    };
    for codec in CODECS {
        let (mut studio, talker, _) = speech(Format::plain(codec), 40.0);
        studio.caller(talker).unwrap().impair(rough);
        // Being overtaken by 30 ms has to be learnt once.
        studio.ticks(500).unwrap();
        let before = counters(&studio, talker);
        studio.ticks(1_000).unwrap();
        let after = counters(&studio, talker);
        assert!(after.duplicate > before.duplicate + 50, "{after:?}");
        assert!(after.reordered > before.reordered + 50, "{after:?}");
        assert_eq!(
            after.concealed_samples, before.concealed_samples,
            "{codec:?}"
        );
        assert_eq!(after.lost, before.lost, "{codec:?}");
    }
}

#[test]
fn a_source_that_sends_200_ms_at_a_time_is_heard_whole() {
    for codec in CODECS {
        let (mut studio, talker, listener) = tone(codec);
        let habits = Habits {
            chunk: Duration::from_millis(200),
            ..Habits::default()
        };
        studio.caller(talker).unwrap().behave(habits);
        studio.ticks(1_000).unwrap();
        let before = counters(&studio, talker);
        let ear = heard(&mut studio, listener, 1_500);
        let after = counters(&studio, talker);
        let rate = studio.caller(listener).unwrap().rate_hz();
        println!("{codec:?} in chunks: {}", level_db(&ear, rate, TONE_HZ));
        assert_eq!(
            after.concealed_samples, before.concealed_samples,
            "{codec:?}"
        );
        assert_eq!(
            after.timestamp_jumps + after.sequence_restarts,
            0,
            "{after:?}"
        );
        assert_eq!(longest_dead_air_ms(&ear, rate), 0, "{codec:?}");
    }
}

/// Somebody who speaks for so long, and somebody who hears it as it is mixed.
fn speech(format: Format, seconds: f32) -> (Studio, LegSlot, LegSlot) {
    let mut studio = studio();
    let said = Talk::new(Random::new(5), 110.0).seconds(seconds, -20.0);
    let talker = connected_with(&mut studio, format, Mouth::Sound(said));
    studio.join(talker, CONFERENCE, TALK_AND_LISTEN);
    let listener = joined(&mut studio, Codec::L16At48, Mouth::Shut, LISTEN_ONLY);
    (studio, talker, listener)
}

/// Somebody who says a tone, and somebody who listens.
fn tone(codec: Codec) -> (Studio, LegSlot, LegSlot) {
    let mut studio = studio();
    let tone = Mouth::Tone(Tone::new(TONE_HZ, 0.3));
    let talker = joined(&mut studio, codec, tone, TALK_AND_LISTEN);
    let listener = joined(&mut studio, codec, Mouth::Shut, LISTEN_ONLY);
    (studio, talker, listener)
}

fn counters(studio: &Studio, slot: LegSlot) -> ReceiveCounters {
    *studio.leg(slot).unwrap().receive_counters()
}

/// How late the talker of [`speech`] is heard now: so many ticks after it began to speak. The
/// listener must have listened all the while.
fn delay_ms(studio: &mut Studio, listener: LegSlot, ticks: u32) -> f64 {
    let caller = studio.caller(listener).unwrap();
    let ear = thinned(caller.heard(), caller.rate_hz() as usize / 8_000);
    assert_eq!(ear.len(), ticks as usize * 160);
    let seconds = ticks as f32 / 50.0;
    let said = Talk::new(Random::new(5), 110.0).seconds(seconds.max(9.0), -20.0);
    let said = thinned(&said, 6);
    // Of the last second each 600 ms that are loud, looked for in what was said up to a second earlier:
    // where time is being stretched or squeezed, the next part is found.
    let (mut best, mut late) = (0.0, 0);
    for back in [8_000, 7_200, 6_400, 5_600, 4_800] {
        let part = &ear[ear.len() - back..][..4_800];
        let from = ear.len() - back - 8_000;
        let until = (ear.len() - back + 4_800).min(said.len());
        let (at, alike) = find(part, &said[from..until]);
        if rms_db(part) > -30.0 && alike > best {
            (best, late) = (alike, 8_000 - at);
        }
    }
    assert!(best > 0.5, "the talker is not recognised: {best}");
    late as f64 / 8.0
}
