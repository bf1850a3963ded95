//! What the tests of the media half are made of.

use tutti_media::{ConferenceSlot, EngineCommand, LegSlot};
use tutti_model::{CallId, Codec, Privileges};
use tutti_sim::{CallerSetup, Mouth, Random, Repertoire, Studio};

pub(crate) const TALK_AND_LISTEN: Privileges = Privileges {
    talk: true,
    listen: true,
};
pub(crate) const LISTEN_ONLY: Privileges = Privileges {
    talk: false,
    listen: true,
};

/// The only conference of most tests.
pub(crate) const CONFERENCE: ConferenceSlot = ConferenceSlot(0);

/// A studio with one conference that mixes.
pub(crate) fn studio() -> Studio {
    let mut studio = Studio::new(Random::new(11), Repertoire::default(), 32, 4);
    studio.open(CONFERENCE, true);
    studio
}

/// A caller who is in the conference.
pub(crate) fn joined(studio: &mut Studio, codec: Codec, mouth: Mouth, may: Privileges) -> LegSlot {
    let slot = connected(studio, codec, mouth);
    studio.join(slot, CONFERENCE, may).unwrap();
    slot
}

/// A caller who is on the line and in no conference; Opus has in-band FEC.
pub(crate) fn connected(studio: &mut Studio, codec: Codec, mouth: Mouth) -> LegSlot {
    let number = studio.callers().count() as u16;
    let call = CallId::from_bytes([number as u8; 20]);
    let fec = codec == Codec::Opus;
    studio
        .connect(CallerSetup {
            call,
            number,
            codec,
            fec,
            mouth,
        })
        .unwrap()
        .unwrap()
}

/// Changes what a caller may do.
pub(crate) fn allow(studio: &mut Studio, slot: LegSlot, privileges: Privileges) {
    studio.handle(EngineCommand::SetPrivileges { slot, privileges });
}

/// What a caller hears while some ticks pass.
pub(crate) fn heard(studio: &mut Studio, slot: LegSlot, ticks: u32) -> Vec<f32> {
    studio.caller(slot).unwrap().start_listening();
    studio.ticks(ticks).unwrap();
    studio.caller(slot).unwrap().heard().to_vec()
}

/// The greatest second difference: what a click is made of. A tone of amplitude a and frequency f
/// has about a·(2πf/rate)².
pub(crate) fn sharpest_bend(samples: &[f32]) -> f32 {
    let bend = |window: &[f32]| (window[2] - 2.0 * window[1] + window[0]).abs();
    samples.windows(3).map(bend).fold(0.0, f32::max)
}

/// The greatest distance from zero.
pub(crate) fn peak(samples: &[f32]) -> f32 {
    samples
        .iter()
        .fold(0.0, |peak, sample| sample.abs().max(peak))
}

/// The root mean square in dB relative to full scale.
pub(crate) fn rms_db(samples: &[f32]) -> f32 {
    let energy: f64 = samples
        .iter()
        .map(|sample| f64::from(*sample).powi(2))
        .sum();
    (10.0 * (energy / samples.len().max(1) as f64).max(1e-12).log10()) as f32
}
