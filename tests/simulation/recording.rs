//! What is recorded is what was heard, when it was heard.

use tutti_media::{EngineCommand, FRAME_SAMPLES};
use tutti_model::{Codec, Privileges};
use tutti_sim::{Mouth, Tone, tape};

use crate::stage::*;

#[test]
fn a_track_of_somebody_silent_holds_nobody_elses_voice() {
    // More of them than a thread keeps anything to be decoded with for, so that some must wait for it;
    // and somebody who talks is served just before those.
    let mut studio = studio_with(plain_settings(), 64);
    let mut silent = Vec::new();
    for number in 0..61 {
        if number == 40 {
            let tone = Mouth::Tone(Tone::new(564.0, 0.3));
            joined(&mut studio, Codec::Pcmu, tone, TALK_AND_LISTEN);
        } else {
            let silence = Mouth::Sound([].into());
            silent.push(joined(&mut studio, Codec::Pcmu, silence, LISTEN_ONLY));
        }
    }
    studio.ticks(200).unwrap();
    let mut tracks = Vec::new();
    for slot in &silent {
        let (head, track) = tape();
        let (slot, tap) = (*slot, Box::new(head));
        studio.handle(EngineCommand::StartTrack { slot, tap });
        tracks.push(track);
    }
    studio.ticks(20).unwrap();
    let waited = |slot| studio.leg(slot).unwrap().receive_counters().put_off > 0;
    assert!(silent.iter().any(|slot| waited(*slot)), "nobody waited");
    for track in tracks {
        assert!(track.samples().iter().all(|sample| *sample == 0.0));
    }
}

#[test]
fn a_track_is_aligned_with_the_mixed_recording_to_the_sample() {
    let mut studio = studio();
    let tone = Mouth::Tone(Tone::new(564.0, 0.3));
    let talker = joined(&mut studio, Codec::Pcmu, tone, TALK_AND_LISTEN);
    joined(&mut studio, Codec::Pcmu, Mouth::Shut, LISTEN_ONLY);
    studio.ticks(20).unwrap();
    let ((mix_head, mix), (track_head, track)) = (tape(), tape());
    studio.handle(EngineCommand::StartRecording {
        conference: CONFERENCE,
        tap: Box::new(mix_head),
    });
    studio.ticks(7).unwrap();
    studio.handle(EngineCommand::StartTrack {
        slot: talker,
        tap: Box::new(track_head),
    });
    studio.ticks(20).unwrap();
    // A pause and a new beginning, so that there is an edge to be aligned.
    allow(&mut studio, talker, LISTEN_ONLY);
    studio.ticks(10).unwrap();
    allow(
        &mut studio,
        talker,
        Privileges {
            talk: true,
            listen: true,
        },
    );
    studio.ticks(20).unwrap();

    let (mix, track) = (mix.samples(), track.samples());
    assert_eq!(
        mix.len(),
        57 * FRAME_SAMPLES,
        "a recording is as long as the conference"
    );
    assert_eq!(
        track.len(),
        mix.len(),
        "a track that begins later is silent until then"
    );
    let compared = 10 * FRAME_SAMPLES..track.len() - 2 * FRAME_SAMPLES;
    let best = (-480_isize..=480).max_by(|a, b| {
        let alike = |lag: isize| -> f64 {
            let shifted = |at: usize| mix[at.checked_add_signed(lag).unwrap()];
            compared
                .clone()
                .map(|at| f64::from(track[at]) * f64::from(shifted(at)))
                .sum()
        };
        alike(*a).total_cmp(&alike(*b))
    });
    assert_eq!(
        best,
        Some(0),
        "the mix is this many samples later than the track"
    );
}

#[test]
fn a_recording_that_is_begun_anew_begins_at_its_start() {
    let mut studio = studio();
    let tone = Mouth::Tone(Tone::new(564.0, 0.3));
    let talker = joined(&mut studio, Codec::Pcmu, tone, TALK_AND_LISTEN);
    for _ in 0..2 {
        let ((mix_head, mix), (track_head, track)) = (tape(), tape());
        studio.handle(EngineCommand::StartRecording {
            conference: CONFERENCE,
            tap: Box::new(mix_head),
        });
        studio.handle(EngineCommand::StartTrack {
            slot: talker,
            tap: Box::new(track_head),
        });
        studio.ticks(30).unwrap();
        studio.handle(EngineCommand::StopTrack { slot: talker });
        studio.handle(EngineCommand::StopRecording {
            conference: CONFERENCE,
        });
        studio.ticks(30).unwrap();
        assert_eq!(mix.samples().len(), 30 * FRAME_SAMPLES);
        assert_eq!(track.samples().len(), 30 * FRAME_SAMPLES);
    }
}
