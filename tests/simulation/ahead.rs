//! Who is quiet is served ahead of a tick, so that the mix does not wait for a crowd.

use std::time::Duration;

use tutti_model::{Codec, Format, Privileges};
use tutti_sim::{Impairments, Mouth, Random, Studio, Talk, Tone};

use crate::stage::*;

/// How long before a tick, on a media thread.
const AHEAD: Duration = Duration::from_millis(5);

const CODECS: [Codec; 4] = [Codec::Opus, Codec::Pcmu, Codec::G722, Codec::L16At48];

#[test]
fn what_came_in_time_sounds_as_if_nobody_had_been_served_ahead() {
    let mut worlds = [crowd(None), crowd(Some(AHEAD))];
    let heard = worlds.each_mut().map(|studio| {
        let ears: Vec<_> = studio.slots().collect();
        for ear in &ears {
            studio.caller(*ear).unwrap().start_listening();
        }
        studio.ticks(500).unwrap();
        let heard = |ear| studio.caller(ear).unwrap().heard().to_vec();
        ears.into_iter().map(heard).collect::<Vec<_>>()
    });
    let served = worlds.each_ref().map(|studio| studio.work().served_ahead);
    assert!(served[0] == 0 && served[1] > 5_000, "{served:?}");
    let [as_ever, ahead] = heard;
    assert!(as_ever.iter().all(|heard| rms_db(heard) > -40.0));
    for (number, (as_ever, ahead)) in as_ever.iter().zip(&ahead).enumerate() {
        assert!(as_ever == ahead, "leg {number} hears something else");
    }
    let skipped = |studio: &Studio| -> Vec<u64> {
        let legs = studio.legs();
        legs.map(|leg| leg.receive_counters().skipped_frames)
            .collect()
    };
    let skipped = worlds.each_ref().map(skipped);
    assert_eq!(skipped[0], skipped[1]);
    assert!(
        skipped[1].iter().any(|skipped| *skipped > 300),
        "nobody rested"
    );
}

#[test]
fn a_first_word_that_comes_after_its_leg_was_served_is_heard_from_its_beginning() {
    // It comes 4 or 2 ms before a tick, when the leg has been served for that.
    for (codec, millis) in CODECS
        .into_iter()
        .flat_map(|codec| [(codec, 16), (codec, 18)])
    {
        let onset = 12 * 48_000;
        let mut said = vec![0.0; onset];
        said.extend_from_slice(&Talk::new(Random::new(8), 120.0).seconds(2.0, -20.0));
        let first_word = |ahead: Option<Duration>| {
            let mut studio = studio();
            if let Some(ahead) = ahead {
                studio.set_ahead(ahead);
            }
            let mouth = Mouth::Sound(said.clone().into());
            let talker = joined(&mut studio, codec, mouth, TALK_AND_LISTEN);
            let listener = joined(&mut studio, Codec::L16At48, Mouth::Shut, LISTEN_ONLY);
            studio.caller(talker).unwrap().impair(Impairments {
                delay: Duration::from_millis(millis),
                ..Impairments::NONE
            });
            let heard = heard(&mut studio, listener, 50 * 14);
            let began = heard.iter().position(|sample| sample.abs() > 0.02).unwrap();
            (began, heard[began..began + 24_000].to_vec())
        };
        let (as_ever, ideal) = first_word(None);
        let (ahead, heard) = first_word(Some(AHEAD));
        let late_ms = (ahead as f64 - as_ever as f64) / 48.0;
        assert!(
            (0.0..=20.5).contains(&late_ms),
            "{codec:?}: {late_ms} ms later"
        );
        let word = 4_800;
        let snr = tutti_sim::snr_db(&ideal[..word], &heard[..word]);
        println!(
            "{codec:?}, {millis} ms: {late_ms:.1} ms later, the first 100 ms are {snr:.1} dB alike"
        );
        assert!(snr >= 40.0, "{codec:?}: {snr} dB");
    }
}

#[test]
fn a_crowd_is_there_when_sixty_four_legs_are_quiet_and_it_goes_with_them() {
    let mut studio = studio_with(plain_settings(), 80);
    let quiet: Vec<_> = (0..64)
        .map(|_| joined(&mut studio, Codec::Pcmu, Mouth::Shut, LISTEN_ONLY))
        .collect();
    let crowds = |studio: &Studio| (0..4).filter(|phase| studio.has_crowd(*phase)).count();
    assert_eq!(crowds(&studio), 0, "nobody is known to be quiet yet");
    studio.ticks(200).unwrap();
    assert_eq!(crowds(&studio), 1);
    studio.release(quiet[0]).unwrap();
    studio.ticks(1).unwrap();
    assert_eq!(crowds(&studio), 0);
}

/// Talkers, one in each codec, and for each of them people who are silent, in a noisy room, away,
/// muted while they talk, or who say something now and then.
fn crowd(ahead: Option<Duration>) -> Studio {
    let mut studio = studio();
    if let Some(ahead) = ahead {
        studio.set_ahead(ahead);
    }
    for (number, codec) in (0..).zip(CODECS) {
        let talk = |seed, dbov| Talk::new(Random::new(seed), 120.0).seconds(8.0, dbov);
        let mut now_and_then = vec![0.0; 4 * 48_000];
        now_and_then.extend_from_slice(&talk(20 + number, -20.0)[..48_000]);
        let people: [(Mouth, Privileges); 6] = [
            (Mouth::Sound(talk(number, -24.0)), TALK_AND_LISTEN),
            (Mouth::Sound(vec![0.0; 48_000].into()), TALK_AND_LISTEN),
            (Mouth::Sound(noise(number, 0.001).into()), TALK_AND_LISTEN),
            (Mouth::Shut, TALK_AND_LISTEN),
            (Mouth::Tone(Tone::new(440.0, 0.1)), LISTEN_ONLY),
            (Mouth::Sound(now_and_then.into()), TALK_AND_LISTEN),
        ];
        for (mouth, may) in people {
            let slot = connected_with(&mut studio, Format::plain(codec), mouth);
            studio.join(slot, CONFERENCE, may);
        }
    }
    studio
}

/// The noise of a room.
fn noise(seed: u64, amplitude: f32) -> Vec<f32> {
    let mut random = Random::new(seed);
    let sample = || (random.fraction() as f32 - 0.5) * 2.0 * amplitude;
    std::iter::repeat_with(sample).take(8 * 48_000).collect()
}
