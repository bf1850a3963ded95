//! How late is what goes through the engine?

use std::time::Duration;

use tutti_model::Codec;
use tutti_sim::{Impairments, Mouth, Tone, find, thinned};

use crate::stage::*;

/// Bursts in one call, and from the beginning of one to that of the next.
const BURSTS: usize = 8;
const APART: usize = 24_000;

/// A burst of 10 ms.
const BURST: usize = 480;

#[test]
fn the_bridge_adds_no_more_than_20_ms_to_g711_in_the_middle_and_30_ms_at_worst() {
    let (p50, p99) = report(Codec::Pcmu, "PCMU");
    assert!(p50 <= 20.0, "p50 {p50} ms");
    assert!(p99 <= 30.0, "p99 {p99} ms");
}

#[test]
fn the_bridge_and_its_codecs_add_no_more_than_40_ms_to_opus() {
    // 6.5 ms of look-ahead in each of two encoders are the codec's own (RFC 7587 §4.2).
    let (p50, p99) = report(Codec::Opus, "Opus");
    assert!(p50 <= 33.0, "p50 {p50} ms");
    assert!(p99 <= 43.0, "p99 {p99} ms");
}

fn report(codec: Codec, name: &str) -> (f64, f64) {
    let mut delays: Vec<f64> = (0..20).flat_map(|phase| delays_ms(codec, phase)).collect();
    delays.sort_by(f64::total_cmp);
    let at = |part: f64| delays[((delays.len() - 1) as f64 * part).round() as usize];
    let (p50, p99) = (at(0.5), at(0.99));
    println!(
        "{name}: delay added p50 {p50:.1} ms, p99 {p99:.1} ms, most {:.1} ms",
        at(1.0)
    );
    (p50, p99)
}

/// How late each burst is, beyond what the network takes, for a phone that sends so many
/// milliseconds after a tick.
fn delays_ms(codec: Codec, phase_ms: u64) -> Vec<f64> {
    let mut studio = studio();
    let talker = joined(&mut studio, codec, Mouth::Sound([].into()), TALK_AND_LISTEN);
    let listener = joined(&mut studio, codec, Mouth::Shut, LISTEN_ONLY);
    let phase = Duration::from_millis(phase_ms);
    studio.caller(talker).unwrap().set_phase(phase);
    // Long enough for a buffer to find its length.
    studio.ticks(600).unwrap();
    let mut said = vec![0.0; (BURSTS + 1) * APART];
    for number in 0..BURSTS {
        let mut tone = Tone::new(1_000.0, 0.5);
        let burst = tone.frame();
        said[number * APART + 5_000..][..BURST].copy_from_slice(&burst[..BURST]);
    }
    let mouth = Mouth::Sound(said.clone().into());
    studio.caller(talker).unwrap().say(mouth).unwrap();
    let ear = heard(&mut studio, listener, 50 * (BURSTS as u32 + 1) / 2);
    // Both at 8 kHz, where an eighth of a millisecond is a sample.
    let rate = studio.caller(listener).unwrap().rate_hz() as usize;
    let ear = thinned(&ear, rate / 8_000);
    let said = thinned(&said, 6);
    let network = phase + Impairments::NONE.delay;
    (0..BURSTS)
        .map(|number| {
            let from = number * APART / 6;
            let burst = &said[from + 833..][..84];
            let (at, alike) = find(burst, &ear[from..from + APART / 6]);
            assert!(alike > 0.7, "burst {number} is not heard: {alike}");
            (at as f64 - 833.0) / 8.0 - network.as_secs_f64() * 1_000.0
        })
        .collect()
}
