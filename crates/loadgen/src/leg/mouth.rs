//! What does a caller send in each frame?

use std::io;
use std::sync::Arc;
use std::time::Instant;

use tutti_model::Codec;

use super::{LegSetup, Says};
use crate::codec::{Encoder, pcm_rate_hz};
use crate::floor::Floor;
use crate::pip::{PipRota, PipSender};
use crate::recital::{Quiet, Recital, Reciter};
use crate::voice::Talker;

/// Frames of silence that a live encoder still encodes, so that the voice ends as it would.
const SETTLED_FRAMES: u32 = 10;

/// One frame to be sent.
pub(super) struct Spoken<'a> {
    pub(super) payload: &'a [u8],
    /// Talking begins with it.
    pub(super) marker: bool,
}

/// Makes payloads.
pub(super) struct Mouth {
    voice: Option<VoiceSource>,
    quiet: Reciter,
    floor: Option<(Arc<Floor>, usize)>,
    was_talking: bool,
}

enum VoiceSource {
    Live(Box<LiveVoice>),
    Recited(Reciter),
}

/// A voice that is encoded as it speaks, so that pips can be added.
struct LiveVoice {
    sound: LiveSound,
    encoder: Encoder,
    pips: Option<(PipSender, Arc<PipRota>)>,
    frame: Vec<f32>,
    payload: Vec<u8>,
    quiet_frames: u32,
}

enum LiveSound {
    Tones(Talker),
    Speech { sound: Arc<[f32]>, at: usize },
}

impl Mouth {
    pub(super) fn new(setup: &LegSetup) -> io::Result<Mouth> {
        let codec = setup.codec;
        let quiet = match &setup.habits.quiet {
            Some(quiet) => quiet.clone(),
            None => Reciter::new(Arc::new(plain_silence(codec)?), 0),
        };
        let voice = match (&setup.habits.says, &setup.speech) {
            (Some(Says::Recited(reciter)), _) => Some(VoiceSource::Recited(reciter.clone())),
            (Some(Says::Live(sound)), _) => {
                let sound = Arc::clone(sound);
                Some(live(setup, LiveSound::Speech { sound, at: 0 })?)
            }
            (None, Some(speech)) => {
                let talker = Talker::new(speech.voice, speech.manner, pcm_rate_hz(codec));
                Some(live(setup, LiveSound::Tones(talker))?)
            }
            (None, None) => None,
        };
        Ok(Mouth {
            voice,
            quiet,
            floor: setup.habits.floor.clone(),
            was_talking: false,
        })
    }

    /// What is sent in the next frame, if anything is; `now` is when its first sample is said.
    pub(super) fn next(&mut self, speaking: bool, now: Instant) -> Option<Spoken<'_>> {
        let has_floor = self
            .floor
            .as_ref()
            .is_none_or(|(floor, talker)| floor.is_held_by(*talker, now));
        let talking = speaking && has_floor && self.voice.is_some();
        let marker = talking && !self.was_talking;
        self.was_talking = talking;
        let said = match &mut self.voice {
            Some(VoiceSource::Live(voice)) => voice.next(talking, now),
            Some(VoiceSource::Recited(reciter)) if talking => reciter.next(),
            Some(VoiceSource::Recited(_)) | None => None,
        };
        let payload = match said {
            Some(payload) => payload,
            None => self.quiet.next()?,
        };
        Some(Spoken { payload, marker })
    }

    /// Passes over the next frames, while it has nothing to send in them whatever it is asked, so many
    /// at most; says how many.
    pub(super) fn pass_over(&mut self, most: u32) -> u32 {
        match self.voice {
            Some(_) => 0,
            None => self.quiet.pass_over(most),
        }
    }
}

impl LiveVoice {
    /// The next frame, until the voice has been silent for a while.
    fn next(&mut self, talking: bool, now: Instant) -> Option<&[u8]> {
        self.frame.fill(0.0);
        match &mut self.sound {
            LiveSound::Tones(talker) => {
                if talking || !talker.is_quiet() {
                    talker.speak(talking, &mut self.frame);
                }
            }
            LiveSound::Speech { sound, at } if talking => {
                for sample in &mut self.frame {
                    *sample = sound.get(*at).copied().unwrap_or_default();
                    *at = (*at + 1) % sound.len().max(1);
                }
            }
            LiveSound::Speech { .. } => {}
        }
        if let Some((sender, rota)) = self.pips.as_mut().filter(|_| talking) {
            sender.add_to(&mut self.frame, rota, now);
        }
        let silent = self.frame.iter().all(|sample| *sample == 0.0);
        self.quiet_frames = if silent {
            self.quiet_frames.saturating_add(1)
        } else {
            0
        };
        if self.quiet_frames > SETTLED_FRAMES {
            return None;
        }
        // What an encoder refuses is sent as silence, and heard by whoever misses the voice.
        self.encoder.encode(&self.frame, &mut self.payload).ok()?;
        Some(&self.payload)
    }
}

fn live(setup: &LegSetup, sound: LiveSound) -> io::Result<VoiceSource> {
    let rate_hz = pcm_rate_hz(setup.codec);
    let part = setup.pips.as_ref();
    let pips = part.and_then(|part| {
        let sender = PipSender::new(part.talker?, rate_hz);
        Some((sender, Arc::clone(&part.rota)))
    });
    Ok(VoiceSource::Live(Box::new(LiveVoice {
        sound,
        encoder: Encoder::new(setup.codec).map_err(io::Error::other)?,
        pips,
        frame: vec![0.0; rate_hz as usize / 50],
        payload: Vec::new(),
        quiet_frames: SETTLED_FRAMES,
    })))
}

/// Encoded silence, for a caller that was given nothing else to send.
fn plain_silence(codec: Codec) -> io::Result<Recital> {
    Recital::of_quiet(codec, Quiet::Silence).map_err(io::Error::other)
}
