//! Calls in virtual time: a sender, a network and a receiver.

mod delay;
mod rest;
mod trouble;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};

use tutti_model::{Codec, Format, MediaFlow};

use super::*;
use crate::codec::{Encoder, EncoderSettings};
use crate::frame::{FRAME_SAMPLES, rms};
use crate::jitter::{Decoding, Need};
use crate::rtp::{Header, RtcpWriter, RtpTime, SenderInfo, write_header};

const CODECS: [Codec; 4] = [Codec::Opus, Codec::Pcmu, Codec::Pcma, Codec::G722];
const TICK_US: i64 = 20_000;
const AUDIO: u8 = 96;
const EVENT: u8 = 101;
const COMFORT: u8 = 13;
const LEVEL: u8 = 3;

#[test]
fn a_tone_over_a_good_network_comes_through_undisturbed() {
    for codec in CODECS {
        let mut call = Call::new(codec);
        call.run(100);
        let heard = call.run(400);
        assert_eq!(heard.audio, 400, "{codec:?}");
        assert!(
            purity_db(&heard.samples) > 25.0,
            "{codec:?}: {}",
            purity_db(&heard.samples)
        );
        let counters = call.receiver.counters();
        assert_eq!(
            (counters.received, counters.concealed_samples),
            (500, 0),
            "{codec:?}"
        );
        assert_eq!(
            (counters.lost, counters.late, counters.discarded),
            (0, 0, 0)
        );
        assert!(
            (4..=26).contains(&call.delay_ms()),
            "{codec:?}: {} ms",
            call.delay_ms()
        );
    }
}

#[test]
fn every_ptime_plays_without_a_gap() {
    for ptime_ms in [10, 20, 30, 40, 60] {
        for codec in CODECS {
            let mut call = Call::new(codec);
            call.sender.ptime_ms = ptime_ms;
            call.run(100);
            let heard = call.run(300);
            assert_eq!(heard.audio, 300, "{codec:?} with {ptime_ms} ms");
            assert_eq!(call.receiver.counters().concealed_samples, 0);
            assert!(
                steepest(&heard.samples) < 0.06,
                "{codec:?} with {ptime_ms} ms clicks"
            );
        }
    }
}

#[test]
fn one_lost_packet_in_ten_is_concealed_and_no_more_than_that() {
    for codec in CODECS {
        let mut call = Call::new(codec);
        call.run(100);
        let before = *call.receiver.counters();
        call.sender.fate = |n, _| {
            if n % 10 == 3 {
                Fate::Lost
            } else {
                Fate::After(0)
            }
        };
        let heard = call.run(1_000);
        let counters = call.receiver.counters();
        let lost = counters.lost - before.lost;
        assert!((99..=101).contains(&lost), "{codec:?}: {lost}");
        let concealed = counters.concealed_samples - before.concealed_samples;
        let frames = concealed as f32 / FRAME_SAMPLES as f32;
        assert!(
            (95.0..=105.0).contains(&frames),
            "{codec:?}: {frames} frames concealed"
        );
        assert_eq!(heard.silence, 0);
        assert_eq!(counters.discarded, 0);
        // The tone goes on through the losses.
        assert!(
            purity_db(&heard.samples) > 6.0,
            "{codec:?}: {}",
            purity_db(&heard.samples)
        );
        assert!(
            (4..=26).contains(&call.delay_ms()),
            "{codec:?}: {} ms",
            call.delay_ms()
        );
    }
}

#[test]
fn what_in_band_fec_describes_is_repaired() {
    let mut call = Call::with(
        Format {
            fec: true,
            ..Format::plain(Codec::Opus)
        },
        voice,
    );
    // With a little jitter the next packet is there in time.
    call.sender.fate = |n, seed| match n % 20 {
        7 => Fate::Lost,
        _ => Fate::After(i64::from(seed % 15_000)),
    };
    call.run(1_000);
    let counters = call.receiver.counters();
    assert!(counters.lost >= 45);
    let repaired = counters.repaired_samples / FRAME_SAMPLES as u64;
    // Half of the time it is silent, and silence is not worth describing.
    assert!(
        repaired >= counters.lost / 4,
        "{repaired} of {} repaired",
        counters.lost
    );
}

#[test]
fn reordering_within_the_delay_changes_nothing_that_is_heard() {
    for codec in CODECS {
        let mut tidy = Call::new(codec);
        let mut jumbled = Call::new(codec);
        for call in [&mut tidy, &mut jumbled] {
            // Both networks are slow enough at times for the same delay.
            call.sender.fate = |n, _| Fate::After(if n % 4 == 0 { 45_000 } else { 0 });
            call.run(200);
        }
        tidy.sender.fate = |_, _| Fate::After(30_000);
        jumbled.sender.fate = |n, _| Fate::After(if n % 2 == 0 { 30_000 } else { 4_000 });
        let (a, b) = (tidy.run(30), jumbled.run(30));
        assert!(jumbled.receiver.counters().reordered >= 10);
        assert_eq!((a.audio, b.audio), (30, 30), "{codec:?}");
        assert!(
            jumbled.receiver.counters().lost <= 1,
            "more than what is still under way"
        );
        assert!(
            purity_db(&b.samples) > 20.0,
            "{codec:?}: {}",
            purity_db(&b.samples)
        );
    }
}

#[test]
fn duplicates_are_heard_once() {
    for codec in CODECS {
        let mut single = Call::new(codec);
        let mut double = Call::new(codec);
        double.sender.copies = 2;
        assert_eq!(
            single.run(200).samples,
            double.run(200).samples,
            "{codec:?}"
        );
        assert_eq!(double.receiver.counters().duplicate, 200);
        assert_eq!(double.receiver.counters().received, 200);
    }
}

#[test]
fn a_jittery_network_is_waited_for() {
    for codec in CODECS {
        let mut call = Call::new(codec);
        call.sender.fate = |_, seed| Fate::After(i64::from(seed % 60_000));
        call.run(300);
        let before = *call.receiver.counters();
        call.run(3_000);
        let counters = call.receiver.counters();
        let late = counters.late - before.late;
        assert!(late <= 30, "{codec:?}: {late} of 3000 packets late");
        assert!(
            (50..=110).contains(&call.delay_ms()),
            "{codec:?}: {} ms",
            call.delay_ms()
        );
    }
}

#[test]
fn a_delay_that_is_no_longer_needed_is_given_up() {
    for codec in CODECS {
        let mut call = Call::new(codec);
        call.sender.fate = |_, seed| Fate::After(i64::from(seed % 120_000));
        call.run(500);
        assert!(call.delay_ms() > 90, "{codec:?}: {} ms", call.delay_ms());
        call.sender.fate = |_, _| Fate::After(0);
        let before = *call.receiver.counters();
        // The window must forget, then the delay shrinks.
        let heard = call.run(800);
        assert!(call.delay_ms() <= 45, "{codec:?}: {} ms", call.delay_ms());
        let counters = call.receiver.counters();
        assert!(counters.squeezed_samples > before.squeezed_samples);
        // Nothing was skipped: the tone has no step in it.
        assert_eq!(counters.discarded, before.discarded);
        assert!(steepest(&heard.samples) < 0.06, "{codec:?} clicks");
    }
}

#[test]
fn in_silence_the_delay_shrinks_by_twenty_milliseconds_a_second_and_more() {
    for codec in CODECS {
        let mut call = Call::with(Format::plain(codec), |_| 0.0);
        call.run(600);
        let rest = call.delay_ms();
        call.sender.not_before_us = call.now_us + 150_000;
        call.run(12);
        let mut delay = call.delay_ms();
        assert!(delay > rest + 80, "{codec:?}: {delay} ms");
        while delay > rest + 20 {
            call.run(50);
            assert!(
                call.delay_ms() <= delay - 20,
                "{codec:?}: {delay} ms to {}",
                call.delay_ms()
            );
            delay = call.delay_ms();
        }
    }
}

#[test]
fn ten_packets_in_a_burst_are_heard_and_their_delay_shrinks_back() {
    for codec in CODECS {
        let mut call = Call::new(codec);
        call.run(300);
        let (delay, before) = (call.delay_ms(), *call.receiver.counters());
        // All that is said in 200 ms is held up until their end.
        call.sender.not_before_us = call.now_us + 200_000;
        call.run(20);
        assert!(
            call.delay_ms() > delay + 60,
            "{codec:?}: {} ms",
            call.delay_ms()
        );
        call.run(600);
        assert!(
            call.delay_ms() <= delay + 20,
            "{codec:?}: {} ms",
            call.delay_ms()
        );
        let counters = call.receiver.counters();
        assert_eq!(counters.lost, before.lost);
        assert!(
            counters.discarded - before.discarded <= 1,
            "{codec:?}: {counters:?}"
        );
    }
}

#[test]
fn after_an_outage_the_delay_is_what_it_was() {
    for codec in CODECS {
        for outage_ticks in [25, 250] {
            let mut call = Call::new(codec);
            call.run(300);
            let delay = call.delay_ms();
            call.sender.fate = |_, _| Fate::Lost;
            let silence = call.run(outage_ticks);
            assert!(
                silence.silence as i64 >= outage_ticks as i64 - 16,
                "{codec:?}"
            );
            call.sender.fate = |_, _| Fate::After(0);
            let back = call.run(10);
            assert!(back.audio >= 6, "{codec:?}: {} frames of 10", back.audio);
            let heard = call.run(90);
            assert_eq!(heard.audio, 90, "{codec:?} after {outage_ticks} ticks");
            assert!(
                (call.delay_ms() - delay).abs() <= 20,
                "{codec:?}: {} ms",
                call.delay_ms()
            );
        }
    }
}

#[test]
fn five_seconds_after_five_seconds_held_up_no_delay_is_left_over() {
    for codec in CODECS {
        let mut call = Call::new(codec);
        call.run(300);
        let (delay, held_up) = (call.delay_ms(), call.now_us + 5_000_000);
        call.sender.not_before_us = held_up;
        call.run(250);
        call.run(10);
        assert!(call.delay_ms() <= 240, "{codec:?}: {} ms", call.delay_ms());
        call.run(250);
        assert!(
            (call.delay_ms() - delay).abs() <= 20,
            "{codec:?}: {} ms",
            call.delay_ms()
        );
        let heard = call.run(100);
        assert_eq!(heard.audio, 100);
    }
}

#[test]
fn a_step_of_the_delay_costs_no_more_than_the_step() {
    for codec in CODECS {
        for step_us in [150_000, 600_000] {
            let mut call = Call::new(codec);
            call.run(300);
            call.sender.extra_us = step_us;
            call.run(100);
            let before = *call.receiver.counters();
            let heard = call.run(400);
            assert_eq!(heard.audio, 400, "{codec:?} after a step of {step_us} us");
            assert_eq!(call.receiver.counters().discarded, before.discarded);
            assert!(call.delay_ms() <= 60, "{codec:?}: {} ms", call.delay_ms());
        }
    }
}

#[test]
fn a_skewed_clock_is_absorbed_for_ten_minutes() {
    for codec in CODECS {
        for skew_ppm in [500, -500] {
            let mut call = Call::new(codec);
            call.sender.skew_ppm = skew_ppm;
            call.run(500);
            let before = *call.receiver.counters();
            for _ in 0..30 {
                let heard = call.run(1_000);
                assert_eq!(heard.audio, 1_000, "{codec:?} at {skew_ppm} ppm");
                assert!(
                    steepest(&heard.samples) < 0.06,
                    "{codec:?} at {skew_ppm} ppm"
                );
                assert!(call.delay_ms() <= 50, "{codec:?}: {} ms", call.delay_ms());
            }
            let counters = call.receiver.counters();
            assert_eq!(counters.late, before.late, "{codec:?} at {skew_ppm} ppm");
            assert_eq!(counters.discarded, before.discarded);
            assert_eq!(counters.concealed_samples, before.concealed_samples);
            // 500 ppm of ten minutes are 300 ms.
            let squeezed = counters.squeezed_samples - before.squeezed_samples;
            let stretched = counters.stretched_samples - before.stretched_samples;
            let net_ms = (squeezed as i64 - stretched as i64) / 48;
            assert!(
                (net_ms - i64::from(skew_ppm) * 6 / 10).abs() <= 30,
                "{net_ms} ms"
            );
        }
    }
}

#[test]
fn another_source_is_heard_from_its_second_packet() {
    for codec in CODECS {
        let mut call = Call::new(codec);
        call.run(100);
        call.sender.ssrc = 0xffff_0000;
        call.sender.number = 7;
        call.sender.timestamp = 0x8000_0000;
        let heard = call.run(50);
        assert!(heard.audio >= 47, "{codec:?}: {} frames", heard.audio);
        assert_eq!(heard.silence, 0);
        let counters = call.receiver.counters();
        assert_eq!((counters.ssrc_changes, counters.discarded), (1, 1));
        assert_eq!(call.receiver.remote_ssrc(), Some(0xffff_0000));
        assert_eq!(call.run(100).audio, 100);
    }
}

#[test]
fn one_stray_packet_of_another_source_disturbs_nothing() {
    let mut call = Call::new(Codec::Pcmu);
    call.run(100);
    for n in 0..50_u16 {
        let stray = rtp(
            AUDIO,
            n.wrapping_mul(77),
            5,
            1_000 + u32::from(n),
            &[0x80; 160],
        );
        assert_eq!(call.receiver.handle_rtp(call.now(), &stray), Ok(()));
        assert_eq!(call.run(1).audio, 1);
    }
    assert_eq!(call.receiver.counters().ssrc_changes, 0);
    assert_eq!(call.receiver.counters().discarded, 50);
}

#[test]
fn of_two_streams_at_once_the_first_is_heard() {
    let mut call = Call::new(Codec::Pcma);
    call.run(100);
    for n in 0..200_u16 {
        let other = rtp(AUDIO, n, 5, 160 * u32::from(n), &[0x2a; 160]);
        assert_eq!(call.receiver.handle_rtp(call.now(), &other), Ok(()));
        assert_eq!(call.run(1).audio, 1);
    }
    assert_eq!(call.receiver.counters().ssrc_changes, 0);
    assert_eq!(call.receiver.remote_ssrc(), Some(1));
}

#[test]
fn comfort_noise_goes_on_through_a_pause_with_dtx() {
    let format = Format {
        dtx: true,
        ..Format::plain(Codec::Opus)
    };
    // A room that is not quite silent, after somebody spoke.
    let mut call = Call::with(format, |t| {
        let noise = ((t * 7_919.0).sin() * 43_758.547).fract() * 0.003;
        if t < 4.0 { voice(t) } else { noise as f32 }
    });
    call.run(300);
    let pause = call.run(300);
    assert!(
        call.sender.unsent > 100,
        "{} packets unsent",
        call.sender.unsent
    );
    assert!(pause.silence <= 6, "{} silent frames", pause.silence);
}

#[test]
fn a_restart_of_numbers_and_a_jump_of_the_clock_are_hardly_heard() {
    for codec in CODECS {
        for (number, leap) in [
            (0, 0x8000_0000_u32),
            (0, 0x7fff_ffff),
            (20_000, 0),
            (40_000, 0x1234_5678),
            (0, 0xff00_0000),
            (1, 0),
        ] {
            let mut call = Call::new(codec);
            call.run(100);
            call.sender.number = call.sender.number.wrapping_add(number);
            call.sender.timestamp = call.sender.timestamp.wrapping_add(leap);
            let heard = call.run(50);
            assert!(
                heard.audio >= 47,
                "{codec:?} {number} {leap}: {} frames",
                heard.audio
            );
            assert_eq!(heard.silence, 0, "{codec:?} {number} {leap}");
            assert_eq!(call.run(50).audio, 50, "{codec:?} {number} {leap}");
            assert!(
                call.delay_ms() <= 70,
                "{codec:?} {number} {leap}: {}",
                call.delay_ms()
            );
        }
    }
}

#[test]
fn numbers_and_stamps_wrap_around_unheard() {
    for codec in CODECS {
        let mut call = Call::new(codec);
        call.sender.number = 65_400;
        call.sender.timestamp = 0_u32.wrapping_sub(200 * call.sender.ticks_per_frame());
        let heard = call.run(400);
        assert_eq!(heard.audio + heard.silence, 400);
        assert!(heard.silence <= 3, "{codec:?}");
        assert_eq!(call.receiver.counters().lost, 0);
    }
}

#[test]
fn a_pause_of_the_sender_is_silence_and_not_loss() {
    for codec in CODECS {
        let mut call = Call::new(codec);
        call.run(200);
        let delay = call.delay_ms();
        for _ in 0..5 {
            call.sender.fate = |_, _| Fate::Unsent;
            let pause = call.run(100);
            assert!(pause.silence >= 88, "{codec:?}: {}", pause.silence);
            call.sender.fate = |_, _| Fate::After(0);
            let spurt = call.run(50);
            assert!(spurt.audio >= 46, "{codec:?}: {}", spurt.audio);
            assert!(
                (call.delay_ms() - delay).abs() <= 20,
                "{codec:?}: {}",
                call.delay_ms()
            );
        }
        let counters = call.receiver.counters();
        assert_eq!(
            (counters.lost, counters.discarded, counters.timestamp_jumps),
            (0, 0, 0)
        );
    }
}

#[test]
fn dtx_of_a_voice_with_pauses_loses_none_of_the_voice() {
    let format = Format {
        dtx: true,
        ..Format::plain(Codec::Opus)
    };
    let mut call = Call::with(format, |t| if t % 4.0 < 2.0 { voice(t) } else { 0.0 });
    let heard = call.run(2_000);
    assert!(
        call.sender.unsent > 500,
        "{} packets unsent",
        call.sender.unsent
    );
    assert_eq!(call.receiver.counters().lost, 0);
    assert_eq!(call.receiver.counters().discarded, 0);
    let loud = heard
        .samples
        .chunks(FRAME_SAMPLES)
        .filter(|frame| rms(frame) > 0.02)
        .count();
    // Half of each second is a voice, and half of that is between syllables.
    assert!((470..560).contains(&loud), "{loud} loud frames");
}

#[test]
fn a_key_press_is_reported_once_and_never_heard() {
    let mut call = Call::new(Codec::Pcmu);
    call.run(100);
    for (n, key) in "147*0#".chars().enumerate() {
        let code = [1, 4, 7, 10, 0, 11][n];
        let start = call.sender.timestamp;
        for packet in 0..8_u16 {
            let duration = 160 * packet.min(5);
            let [d0, d1] = duration.to_be_bytes();
            let flags = if packet >= 5 { 0x8a } else { 0x0a };
            let number = call.sender.number;
            call.sender.number = number.wrapping_add(1);
            let event = rtp_marked(EVENT, packet == 0, number, 1, start, &[code, flags, d0, d1]);
            for _ in 0..2 {
                assert_eq!(call.receiver.handle_rtp(call.now(), &event), Ok(()));
            }
            call.sender.fate = |_, _| Fate::Unsent;
            call.run(1);
        }
        call.sender.fate = |_, _| Fate::After(0);
        let after = call.run(20);
        assert!(after.audio >= 17);
        assert_eq!(call.receiver.poll_digit().map(Digit::as_char), Some(key));
        assert_eq!(call.receiver.poll_digit(), None);
    }
    assert_eq!(call.receiver.counters().lost, 0);
    assert_eq!(call.receiver.counters().undecodable, 0);
}

#[test]
fn packets_of_unknown_payload_types_are_dropped_and_are_not_lost() {
    let mut call = Call::new(Codec::Pcma);
    call.run(50);
    for _ in 0..10 {
        let number = call.sender.number;
        call.sender.number = number.wrapping_add(1);
        let noise = rtp(14, number, 1, call.sender.timestamp, &[60]);
        assert_eq!(call.receiver.handle_rtp(call.now(), &noise), Ok(()));
        assert_eq!(call.run(5).audio, 5);
    }
    let counters = call.receiver.counters();
    assert_eq!((counters.unknown_payload, counters.lost), (10, 0));
    assert_eq!(counters.concealed_samples, 0);
}

#[test]
fn malformed_datagrams_change_a_counter_and_nothing_else() {
    let mut call = Call::new(Codec::Opus);
    let mut calm = Call::new(Codec::Opus);
    let lies: [(Vec<u8>, Malformed); 6] = [
        (vec![], Malformed::Truncated),
        (vec![0x80; 5], Malformed::Truncated),
        (
            rtp(AUDIO, 1, 1, 0, &[0xff; 3]),
            Malformed::PayloadNotOfCodec,
        ),
        (
            rtp(AUDIO, 1, 1, 0, &[0; crate::codec::MAX_PAYLOAD_BYTES + 1]),
            Malformed::PayloadTooLong,
        ),
        (rtp(EVENT, 1, 1, 0, &[1, 2]), Malformed::EventTruncated),
        (
            vec![0x80, 200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            Malformed::RtcpAmongRtp,
        ),
    ];
    for (lie, name) in &lies {
        assert_eq!(call.receiver.handle_rtp(call.now(), lie), Err(*name));
    }
    assert_eq!(call.receiver.last_heard(), None);
    assert_eq!(call.receiver.remote_ssrc(), None);
    for _ in 0..100 {
        assert_eq!(call.run(1).samples, calm.run(1).samples);
        for (lie, name) in &lies {
            assert_eq!(call.receiver.handle_rtp(call.now(), lie), Err(*name));
        }
        assert_eq!(
            call.receiver.handle_rtcp(call.now(), &[1, 2, 3]),
            Err(Malformed::Truncated)
        );
    }
    assert_eq!(call.receiver.counters().malformed, 606 + 100);
}

#[test]
fn reports_tell_loss_and_round_trip() {
    let mut call = Call::new(Codec::Pcmu);
    assert_eq!(call.receiver.report(call.now()), None);
    call.sender.fate = |n, _| {
        if n % 4 == 1 {
            Fate::Lost
        } else {
            Fate::After(0)
        }
    };
    call.run(400);
    let sent_at = call.now();
    let mut bytes = [0; 100];
    let mut writer = RtcpWriter::new(&mut bytes);
    let info = SenderInfo {
        ntp_time: NtpTime::from(sent_at),
        rtp_time: RtpTime::new(0),
        packets: 1,
        octets: 1,
    };
    let about_us = ReportBlock {
        ssrc: 99,
        fraction_lost: 25,
        cumulative_lost: 12,
        highest_sequence: 0,
        jitter: 80,
        last_sr: NtpTime::from(sent_at).middle(),
        delay_since_last_sr: 65_536 / 2,
    };
    writer.sender_report(1, &info, Some(&about_us));
    writer.cname(1, "peer");
    let len = writer.finish();
    let heard_at = sent_at + Duration::from_millis(580);
    assert_eq!(call.receiver.handle_rtcp(heard_at, &bytes[..len]), Ok(()));

    let remote = *call.receiver.remote_report().unwrap();
    assert_eq!(
        (remote.fraction_lost, remote.jitter),
        (25, Duration::from_millis(10))
    );
    let rtt = remote.rtt.unwrap().as_millis();
    assert!((79..=81).contains(&rtt), "{rtt} ms");

    let block = call
        .receiver
        .report(heard_at + Duration::from_secs(1))
        .unwrap();
    assert_eq!(block.ssrc, 1);
    assert!((62..=66).contains(&block.fraction_lost), "{block:?}");
    assert_eq!(block.last_sr, about_us.last_sr);
    assert_eq!(block.delay_since_last_sr, 65_536);
}

#[test]
fn no_datagram_whatever_makes_it_panic_or_speak_nonsense() {
    for codec in CODECS {
        for seed in 1..=4_u32 {
            let mut call = Call::new(codec);
            call.run(20);
            let mut random = Lcg(seed);
            for round in 0..10_000 {
                let len = (random.next() % 220) as usize;
                let mut datagram: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
                // Half of them look like the stream, so that they get further in.
                if random.next().is_multiple_of(2) && len > 12 {
                    let payload_type = if random.next().is_multiple_of(4) {
                        EVENT
                    } else {
                        AUDIO
                    };
                    datagram[0] = 0x80;
                    datagram[1] = payload_type | (datagram[1] & 0x80);
                    datagram[8..12].copy_from_slice(&1_u32.to_be_bytes());
                    if random.next().is_multiple_of(2) {
                        let number = call.sender.number.wrapping_add(random.next() as u16 % 9);
                        datagram[2..4].copy_from_slice(&number.to_be_bytes());
                    }
                }
                let _ = call.receiver.handle_rtp(call.now(), &datagram);
                if len > 2 {
                    datagram[0] = 0x80 | (datagram[0] & 0x21);
                    datagram[1] = 200 + datagram[1] % 5;
                }
                let _ = call.receiver.handle_rtcp(call.now(), &datagram);
                let _ = call.receiver.report(call.now());
                while call.receiver.poll_digit().is_some() {}
                if round % 7 == 0 {
                    let heard = call.run(1);
                    assert!(
                        heard.samples.iter().all(|sample| sample.is_finite()),
                        "seed {seed}"
                    );
                }
            }
            // The call goes on as though nothing had been.
            call.run(300);
            assert!(call.run(100).audio >= 98, "{codec:?}, seed {seed}");
        }
    }
}

/// What becomes of a packet on its way.
enum Fate {
    /// It arrives so many microseconds late.
    After(i64),
    Lost,
    /// The sender has nothing to say.
    Unsent,
}

/// A caller who says `sound`, and the network.
struct Caller {
    encoder: Encoder,
    sound: fn(f64) -> f32,
    codec: Codec,
    ssrc: u32,
    number: u16,
    timestamp: u32,
    ptime_ms: u32,
    skew_ppm: i32,
    extra_us: i64,
    not_before_us: i64,
    copies: usize,
    fate: fn(u32, u32) -> Fate,
    /// What it claims of its level (RFC 6464), by the time in its sound.
    claim: Option<fn(f64) -> u8>,
    /// All that was sent, where that is wanted.
    history: Option<Vec<Vec<u8>>>,
    /// It encodes with CELT alone, in place of its own encoder.
    low_delay: bool,
    celt: opus::Encoder,
    sent: u32,
    unsent: u32,
    said: u64,
    random: Lcg,
    /// Frames that were encoded for the packet that is being made, at the codec's rate.
    pending: Vec<u8>,
    pending_ms: u32,
    /// What is on its way, and when it arrives.
    network: Vec<(i64, Vec<u8>)>,
}

/// Has what legs give up, if they do, and lends it.
#[derive(Default)]
struct Pool {
    takes: bool,
    decodings: VecDeque<Box<Decoding>>,
    /// So many times it says that nothing is left.
    refuses: u32,
}

impl Lender for Pool {
    fn lend(&mut self, codec: Codec, _: Need) -> Option<Box<Decoding>> {
        if self.refuses > 0 {
            self.refuses -= 1;
            return None;
        }
        let lent = self.decodings.pop_front()?;
        assert_eq!(lent.codec(), codec);
        Some(lent)
    }

    fn take_back(&mut self, mut decoding: Box<Decoding>) -> Option<Box<Decoding>> {
        if !self.takes {
            return Some(decoding);
        }
        decoding.reset();
        self.decodings.push_back(decoding);
        None
    }
}

struct Call {
    format: Format,
    receiver: Receiver,
    pool: Pool,
    sender: Caller,
    now_us: i64,
    /// When the sender has its next frame, in nanoseconds: it may be skewed.
    next_said_ns: i64,
    /// The leg's owner takes what is louder for a voice, and lets it rest after half a second.
    voice_from: Option<f32>,
    quiet_frames: u32,
    /// How late the thread wakes.
    late_us: i64,
}

#[derive(Default)]
struct HeardFrames {
    audio: usize,
    silence: usize,
    samples: Vec<f32>,
}

struct Lcg(u32);

impl Lcg {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 8
    }
}

impl Call {
    fn new(codec: Codec) -> Call {
        Call::with(Format::plain(codec), tone)
    }

    fn with(format: Format, sound: fn(f64) -> f32) -> Call {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 4_000));
        let description = MediaDescription {
            format,
            payload_type: AUDIO,
            telephone_event: Some(EVENT),
            comfort_noise: Some(COMFORT),
            level_extension: Some(LEVEL),
            mixer_levels_extension: None,
            remote_rtp: anywhere,
            remote_rtcp: anywhere,
            flow: MediaFlow {
                send: true,
                receive: true,
            },
        };
        let now_us = 1_700_000_000_000_000;
        Call {
            format,
            receiver: Receiver::new(&description).unwrap(),
            pool: Pool::default(),
            sender: Caller {
                encoder: Encoder::new(&format, EncoderSettings::default()).unwrap(),
                sound,
                codec: format.codec,
                ssrc: 1,
                number: 500,
                timestamp: 70_000,
                ptime_ms: 20,
                skew_ppm: 0,
                extra_us: 0,
                not_before_us: 0,
                copies: 1,
                fate: |_, _| Fate::After(0),
                claim: None,
                history: None,
                low_delay: false,
                celt: opus::Encoder::new(48_000, opus::Channels::Mono, opus::Application::LowDelay)
                    .unwrap(),
                sent: 0,
                unsent: 0,
                said: 0,
                random: Lcg(1),
                pending: Vec::new(),
                pending_ms: 0,
                network: Vec::new(),
            },
            now_us,
            // Packets come in the middle of a tick.
            next_said_ns: (now_us - 7_000) * 1_000,
            voice_from: None,
            quiet_frames: 0,
            late_us: 0,
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now_us)
    }

    fn delay_ms(&self) -> i64 {
        self.receiver.playout_delay().as_millis() as i64
    }

    fn run(&mut self, ticks: usize) -> HeardFrames {
        let mut heard = HeardFrames::default();
        for _ in 0..ticks {
            while self.next_said_ns / 1_000 <= self.now_us {
                let said_us = self.next_said_ns / 1_000;
                self.sender.say(said_us);
                self.next_said_ns +=
                    20_000_000 * (1_000_000 - i64::from(self.sender.skew_ppm)) / 1_000_000;
            }
            self.sender
                .network
                .sort_by_key(|(arrives_us, _)| *arrives_us);
            let arrived = self
                .sender
                .network
                .partition_point(|(us, _)| *us <= self.now_us);
            for (arrives_us, datagram) in self.sender.network.drain(..arrived) {
                let at = Timestamp::from_micros(arrives_us);
                for _ in 0..self.sender.copies {
                    self.receiver.handle_rtp(at, &datagram).unwrap();
                }
            }
            let mut frame = [f32::NAN; FRAME_SAMPLES];
            let woke = Timestamp::from_micros(self.now_us + self.late_us);
            match self.receiver.pull_lent(woke, &mut self.pool, &mut frame) {
                Pulled::Audio => heard.audio += 1,
                Pulled::Concealed => {}
                Pulled::Silence => {
                    heard.silence += 1;
                    frame.fill(0.0);
                }
            }
            if let Some(voice_from) = self.voice_from {
                if rms(&frame) > voice_from {
                    self.quiet_frames = 0;
                } else {
                    self.quiet_frames += 1;
                }
                let rest = if self.quiet_frames > 25 {
                    Rest::WhileQuiet
                } else {
                    Rest::Never
                };
                self.receiver.set_rest(rest);
            }
            heard.samples.extend_from_slice(&frame);
            self.now_us += TICK_US;
        }
        heard
    }
}

impl Caller {
    fn ticks_per_frame(&self) -> u32 {
        self.codec.clock_rate() / 50
    }

    /// Says 20 ms more.
    fn say(&mut self, now_us: i64) {
        let mut frame = [0.0; FRAME_SAMPLES];
        for sample in &mut frame {
            *sample = (self.sound)(self.said as f64 / 48_000.0);
            self.said += 1;
        }
        let mut payload = [0; crate::codec::MAX_PAYLOAD_BYTES];
        let len = if self.low_delay {
            self.celt.encode_float(&frame, &mut payload).unwrap()
        } else {
            self.encoder.encode(&frame, &mut payload).unwrap()
        };
        match self.codec {
            // Opus packets of other lengths are several packets, or one with several frames.
            Codec::Opus => self.packetize_opus(now_us, &payload[..len]),
            Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::L16At16 | Codec::L16At48 => {
                self.pending.extend_from_slice(&payload[..len]);
                let bytes = len * self.ptime_ms as usize / 20;
                let ticks = self.ticks_per_frame() * self.ptime_ms / 20;
                while self.pending.len() >= bytes {
                    let payload: Vec<u8> = self.pending.drain(..bytes).collect();
                    self.send(now_us, &payload, ticks);
                }
            }
        }
    }

    fn packetize_opus(&mut self, now_us: i64, payload: &[u8]) {
        if self.ptime_ms < 40 || payload.is_empty() {
            self.send(now_us, payload, 960);
            return;
        }
        // Several frames in one packet (RFC 6716 §3.2.5, variable length).
        if self.pending_ms == 0 {
            self.pending = vec![(payload[0] & !3) | 3, 0x80];
        }
        self.pending_ms += 20;
        let frame = &payload[1..];
        let last = self.pending_ms >= self.ptime_ms;
        self.network_frames(frame, last);
        if last {
            self.pending[1] |= (self.pending_ms / 20) as u8;
            let ticks = self.pending_ms * 48;
            self.pending_ms = 0;
            let payload = std::mem::take(&mut self.pending);
            self.send(now_us, &payload, ticks);
        }
    }

    /// Adds a frame to a packet of several; the lengths stand before all of them.
    fn network_frames(&mut self, frame: &[u8], last: bool) {
        if !last {
            let lengths: Vec<u8> = if frame.len() < 252 {
                vec![frame.len() as u8]
            } else {
                let low = 252 + (frame.len() & 3);
                vec![low as u8, ((frame.len() - low) / 4) as u8]
            };
            let at = 2 + self.lengths();
            self.pending.splice(at..at, lengths);
        }
        self.pending.extend_from_slice(frame);
    }

    /// The bytes that the lengths of earlier frames take; these frames are all short.
    fn lengths(&self) -> usize {
        (self.pending_ms / 20 - 1) as usize
    }

    fn send(&mut self, now_us: i64, payload: &[u8], ticks: u32) {
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(ticks);
        let random = self.random.next();
        let fate = if payload.is_empty() {
            Fate::Unsent
        } else {
            (self.fate)(self.sent, random)
        };
        self.sent += 1;
        if matches!(fate, Fate::Unsent) {
            self.unsent += 1;
            return;
        }
        let number = self.number;
        self.number = number.wrapping_add(1);
        if let Fate::After(us) = fate {
            let arrives_us = (now_us + us + self.extra_us).max(self.not_before_us);
            let mut datagram = rtp(AUDIO, number, self.ssrc, timestamp, payload);
            if let Some(claim) = self.claim {
                let level = claim(self.said as f64 / 48_000.0);
                datagram[0] |= 0x10;
                let extension = [0xbe, 0xde, 0, 1, LEVEL << 4, level, 0, 0];
                datagram.splice(12..12, extension);
            }
            if let Some(history) = &mut self.history {
                history.push(datagram.clone());
            }
            self.network.push((arrives_us, datagram));
        }
    }
}

fn tone(t: f64) -> f32 {
    (0.4 * (std::f64::consts::TAU * 500.0 * t).sin()) as f32
}

/// Something like a voice: syllables of harmonics whose pitch wanders.
fn voice(t: f64) -> f32 {
    let phase = std::f64::consts::TAU * (140.0 * t + 2.0 * (3.0 * t).sin());
    let syllable = (std::f64::consts::TAU * 2.0 * t).sin().max(0.0).sqrt();
    let harmonics = (1..=20).map(|k| 0.2 / f64::from(k) * (f64::from(k) * phase).sin());
    (syllable * harmonics.sum::<f64>()) as f32
}

fn rtp(payload_type: u8, number: u16, ssrc: u32, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    rtp_marked(payload_type, false, number, ssrc, timestamp, payload)
}

fn rtp_marked(
    payload_type: u8,
    marker: bool,
    number: u16,
    ssrc: u32,
    timestamp: u32,
    payload: &[u8],
) -> Vec<u8> {
    let header = Header {
        marker,
        payload_type,
        sequence_number: number,
        timestamp: RtpTime::new(timestamp),
        ssrc,
    };
    let mut bytes = vec![0; 12];
    write_header(&header, &mut bytes);
    bytes.extend_from_slice(payload);
    bytes
}

/// How far everything but the tone lies below it: what remains after each piece of 10 ms has
/// been compared with its best fit of the tone.
fn purity_db(samples: &[f32]) -> f32 {
    let (mut signal, mut noise) = (0.0, 1e-12);
    for piece in samples.chunks_exact(480) {
        let (mut re, mut im) = (0.0, 0.0);
        let angle = |n: usize| std::f32::consts::TAU * 500.0 * n as f32 / 48_000.0;
        for (n, sample) in piece.iter().enumerate() {
            re += sample * angle(n).cos() / 240.0;
            im += sample * angle(n).sin() / 240.0;
        }
        for (n, sample) in piece.iter().enumerate() {
            let fit = re * angle(n).cos() + im * angle(n).sin();
            signal += fit * fit;
            noise += (sample - fit) * (sample - fit);
        }
    }
    10.0 * f32::log10(signal / noise)
}

/// The steepest step; the tone's own is 0.03.
fn steepest(samples: &[f32]) -> f32 {
    samples
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .fold(0.0, f32::max)
}
