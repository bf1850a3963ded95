//! What the tests of the media half are made of.

use tutti_media::{
    Audio, ConferenceSlot, EngineCommand, FRAME_SAMPLES, InputSettings, LegSettings, LegSlot,
};
use tutti_model::{CallId, Codec, Format, Privileges};
use tutti_sim::{CallerSetup, Mouth, Random, Repertoire, Studio, Tone};

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

/// A studio with one conference that mixes, and that leaves voices as loud as they come.
pub(crate) fn studio() -> Studio {
    studio_with(plain_settings(), 32)
}

/// A studio with one conference that mixes.
pub(crate) fn studio_with(settings: LegSettings, legs: u16) -> Studio {
    let mut studio = Studio::new(Random::new(11), Repertoire::default(), legs, 4);
    studio.set_settings(settings);
    studio.open(CONFERENCE, true);
    studio
}

/// Nothing is done to voices beyond what is always done.
pub(crate) fn plain_settings() -> LegSettings {
    LegSettings {
        input: InputSettings {
            leveller: false,
            noise_suppression: false,
        },
        ..LegSettings::default()
    }
}

/// A caller who is in the conference.
pub(crate) fn joined(studio: &mut Studio, codec: Codec, mouth: Mouth, may: Privileges) -> LegSlot {
    let slot = connected(studio, codec, mouth);
    studio.join(slot, CONFERENCE, may);
    slot
}

/// A caller who is on the line and in no conference; Opus has in-band FEC.
pub(crate) fn connected(studio: &mut Studio, codec: Codec, mouth: Mouth) -> LegSlot {
    connected_with(studio, format(codec), mouth)
}

/// The same in any format.
pub(crate) fn connected_with(studio: &mut Studio, format: Format, mouth: Mouth) -> LegSlot {
    let number = studio.callers().count() as u16;
    let mut id = [0; 20];
    id[..2].copy_from_slice(&number.to_be_bytes());
    let setup = CallerSetup {
        call: CallId::from_bytes(id),
        number,
        format,
        mouth,
    };
    studio.connect(setup).unwrap().unwrap()
}

/// How a codec is used in most tests: Opus with in-band FEC.
pub(crate) fn format(codec: Codec) -> Format {
    Format {
        fec: codec == Codec::Opus,
        ..Format::plain(codec)
    }
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

/// How long a tone is missing at most: in how many parts of 10 ms in a row its level is 20 dB below
/// what it mostly is.
pub(crate) fn longest_dead_air_ms(samples: &[f32], rate_hz: u32) -> usize {
    let levels: Vec<f32> = samples
        .chunks_exact(rate_hz as usize / 100)
        .map(rms_db)
        .collect();
    let mut sorted = levels.clone();
    sorted.sort_by(f32::total_cmp);
    let usual = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let (mut longest, mut present) = (0, 0);
    for level in levels {
        present = if level < usual - 20.0 { present + 1 } else { 0 };
        longest = longest.max(present);
    }
    longest * 10
}

/// A whisper of −45 dBov for two fifths of every second: whoever sends it has a mix of its own for
/// as long, and a little longer.
pub(crate) fn whisper(seconds: u32) -> Audio {
    let mut tone = Tone::new(800.0, 0.008);
    let mut whisper = Vec::new();
    for _ in 0..seconds {
        whisper.extend((0..20).flat_map(|_| tone.frame()));
        whisper.resize(whisper.len() + 30 * FRAME_SAMPLES, 0.0);
    }
    whisper.into()
}

/// How often somebody has changed between packets that another gets as well and packets of its own,
/// since both began to listen.
pub(crate) fn changes(studio: &mut Studio, switches: LegSlot, stays: LegSlot) -> u32 {
    let mut payloads = |slot| studio.caller(slot).unwrap().payloads().to_vec();
    let (own, shared) = (payloads(switches), payloads(stays));
    let same: Vec<bool> = own
        .iter()
        .zip(&shared)
        .map(|(own, shared)| own == shared)
        .collect();
    same.windows(2).filter(|pair| pair[0] != pair[1]).count() as u32
}
