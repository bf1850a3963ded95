//! What everybody in one conference hears.

use tutti_model::{Beep, ConferenceId, Format};

use crate::beep::BeepPlayer;
use crate::codec::Encoder;
use crate::frame::{FRAME_SAMPLES, Frame};
use crate::limiter::Limiter;
use crate::prompt::Music;
use crate::tap::Tap;

/// How many frames of the mix are remembered, to prime the encoder of a leg that leaves its class.
pub(crate) const RECENT_FRAMES: usize = 5;

/// The most encodings of one conference that are shared; legs beyond encode for themselves.
///
/// Two of G.711, and Opus with five bitrates, with FEC or without, with DTX or without.
pub(crate) const MAX_CLASSES: usize = 22;

/// The largest payload that an encoder writes in 20 ms, in bytes.
pub(crate) const MAX_PAYLOAD: usize = 1_275;

/// All legs that hear the full mix in the same encoding: encoded once.
pub struct MixClass {
    format: Format,
    encoder: Encoder,
    payload: [u8; MAX_PAYLOAD],
    /// The length of this tick's payload, once somebody has asked for it.
    encoded: Option<usize>,
    /// The encoder has heard the tick before, so that this one goes on from it.
    in_step: bool,
}

impl MixClass {
    /// Makes the shared end of a format; the encoder must be of that format.
    pub fn new(format: Format, encoder: Encoder) -> MixClass {
        MixClass {
            format,
            encoder,
            payload: [0; MAX_PAYLOAD],
            encoded: None,
            in_step: false,
        }
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Begins a tick: nobody has asked yet.
    fn begin_tick(&mut self) {
        self.in_step = self.encoded.is_some();
        self.encoded = None;
    }

    /// This tick's payload, encoded when the first listener asks.
    fn payload(&mut self, mix: &Frame, recent: &[Frame; RECENT_FRAMES]) -> &[u8] {
        let len = match self.encoded {
            Some(len) => len,
            None => {
                // Whoever asks after a pause comes from an encoder that went on meanwhile.
                if !self.in_step {
                    self.encoder.prime(recent.iter());
                }
                self.encoder.encode(mix, &mut self.payload).unwrap_or(0)
            }
        };
        self.encoded = Some(len);
        self.payload.get(..len).unwrap_or_default()
    }
}

/// A recording of the mix and how far it is.
struct Recording {
    tap: Box<dyn Tap>,
    position: u64,
}

/// One conference: the sum of its contributors and everything that is heard beside them.
///
/// It allocates nothing after construction.
pub struct Conference {
    id: ConferenceId,
    mixing: bool,
    /// The sum of contributors, in this tick.
    sum: Frame,
    /// What is heard beside voices in this tick: music and beeps.
    beside: Frame,
    /// The ends of voices that left since the last tick, faded out.
    tail: Frame,
    /// The sum and what is beside it, limited.
    mix: Frame,
    limiter: Limiter,
    /// The limiter before this tick, from which a leg that leaves its class goes on.
    limiter_before: Limiter,
    /// The mixes of the last ticks, oldest first.
    recent: [Frame; RECENT_FRAMES],
    classes: [Option<Box<MixClass>>; MAX_CLASSES],
    beeps: BeepPlayer,
    music: Option<Music>,
    recording: Option<Recording>,
    /// Samples since the session's recording began, for tracks that begin later.
    session_position: u64,
}

impl Conference {
    /// An empty conference that does not mix yet.
    pub fn new(id: ConferenceId) -> Conference {
        Conference {
            id,
            mixing: false,
            sum: [0.0; FRAME_SAMPLES],
            beside: [0.0; FRAME_SAMPLES],
            tail: [0.0; FRAME_SAMPLES],
            mix: [0.0; FRAME_SAMPLES],
            limiter: Limiter::default(),
            limiter_before: Limiter::default(),
            recent: [[0.0; FRAME_SAMPLES]; RECENT_FRAMES],
            classes: Default::default(),
            beeps: BeepPlayer::default(),
            music: None,
            recording: None,
            session_position: 0,
        }
    }

    /// Which conference this is.
    pub fn id(&self) -> ConferenceId {
        self.id
    }

    pub(crate) fn is_mixing(&self) -> bool {
        self.mixing
    }

    pub(crate) fn set_mixing(&mut self, on: bool) {
        self.mixing = on;
    }

    pub(crate) fn beep(&mut self, beep: Beep) {
        self.beeps.play(beep);
    }

    /// Starts wait music and returns what it replaces.
    pub(crate) fn play_music(&mut self, music: Music) -> Option<Music> {
        self.music.replace(music)
    }

    pub(crate) fn stop_music(&mut self) {
        if let Some(music) = &mut self.music {
            music.stop();
        }
    }

    /// Takes wait music that has faded out.
    pub(crate) fn take_finished_music(&mut self) -> Option<Music> {
        self.music.take_if(|music| music.is_over())
    }

    /// Takes wait music, whatever it is doing.
    pub(crate) fn take_music(&mut self) -> Option<Music> {
        self.music.take()
    }

    /// Records the mix from the next tick on; returns a tap that this one replaces.
    pub(crate) fn start_recording(&mut self, tap: Box<dyn Tap>) -> Option<Box<dyn Tap>> {
        self.session_position = 0;
        let replaced = self.recording.replace(Recording { tap, position: 0 });
        replaced.map(|recording| recording.tap)
    }

    pub(crate) fn stop_recording(&mut self) -> Option<Box<dyn Tap>> {
        self.recording.take().map(|recording| recording.tap)
    }

    /// Where the present frame stands on the session's clock.
    pub(crate) fn session_position(&self) -> u64 {
        self.session_position
    }

    /// Offers an encoder for a format; gives it back when the format has one, or no place is left.
    pub(crate) fn add_class(&mut self, class: Box<MixClass>) -> Option<Box<MixClass>> {
        if self
            .classes
            .iter()
            .flatten()
            .any(|known| known.format == class.format)
        {
            return Some(class);
        }
        match self.classes.iter_mut().find(|place| place.is_none()) {
            Some(place) => place.replace(class),
            None => Some(class),
        }
    }

    /// Begins a tick: nobody has contributed yet.
    pub(crate) fn begin_tick(&mut self) {
        self.sum = self.tail;
        self.tail.fill(0.0);
        for class in self.classes.iter_mut().flatten() {
            class.begin_tick();
        }
    }

    /// Adds a contributor's frame to the sum.
    pub(crate) fn add(&mut self, own: &Frame) {
        add(&mut self.sum, own);
    }

    /// Keeps the faded end of a voice that leaves, for the next tick.
    pub(crate) fn add_tail(&mut self, end: &Frame) {
        add(&mut self.tail, end);
    }

    /// Completes the mix when every contributor has been added, and records it.
    pub(crate) fn complete_mix(&mut self) {
        self.beside.fill(0.0);
        if let Some(music) = &mut self.music {
            music.add_to(&mut self.beside);
        }
        self.beeps.add_to(&mut self.beside);

        self.recent.rotate_left(1);
        if let Some(oldest) = self.recent.last_mut() {
            *oldest = self.mix;
        }
        self.mix = self.sum;
        add(&mut self.mix, &self.beside);
        self.limiter_before = self.limiter;
        self.limiter.process(&mut self.mix);
        if let Some(recording) = &mut self.recording {
            recording.tap.push(recording.position, &self.mix);
            recording.position += FRAME_SAMPLES as u64;
        }
    }

    /// Moves the session's clock on, once everybody has heard this tick.
    pub(crate) fn end_tick(&mut self) {
        self.session_position += FRAME_SAMPLES as u64;
    }

    /// The full mix, before anybody's own limiter: for a leg that hears it alone.
    pub(crate) fn mix(&self) -> &Frame {
        &self.mix
    }

    /// The mix without one contributor's own voice, not limited yet.
    pub(crate) fn minus(&self, own: &Frame, minus: &mut Frame) {
        for (index, sample) in minus.iter_mut().enumerate() {
            *sample = self.sum[index] - own[index] + self.beside[index];
        }
    }

    /// The limiter before this tick: a private mix goes on from what its class has heard.
    pub(crate) fn limiter_before(&self) -> Limiter {
        self.limiter_before
    }

    /// The mixes of the last ticks, oldest first, this tick's excluded.
    pub(crate) fn recent(&self) -> &[Frame; RECENT_FRAMES] {
        &self.recent
    }

    /// This tick's payload of a format, if the format is shared.
    pub(crate) fn class_payload(&mut self, format: Format) -> Option<&[u8]> {
        let Conference {
            classes,
            mix,
            recent,
            ..
        } = self;
        let class = classes
            .iter_mut()
            .flatten()
            .find(|class| class.format() == format)?;
        Some(class.payload(mix, recent))
    }
}

fn add(sum: &mut Frame, frame: &Frame) {
    for (sum, sample) in sum.iter_mut().zip(frame) {
        *sum += sample;
    }
}
