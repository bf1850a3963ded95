//! What everybody in one conference hears.

use tutti_model::{Beep, CallId, ConferenceId, PromptId};

use crate::beep::BeepPlayer;
use crate::codec::CodecError;
use crate::contributors::Contributors;
use crate::floor::Floor;
use crate::frame::{FRAME_SAMPLES, Frame, rms};
use crate::limiter::Limiter;
use crate::mix_class::{ClassKey, MixClass, RECENT_FRAMES};
use crate::outlet::Encoded;
use crate::prompt::{ConferencePrompt, Music};
use crate::rtp::Contributor;
use crate::tap::Tap;
use crate::trunk::Trunk;

/// The most encodings of one conference that are shared; legs beyond encode for themselves.
const MAX_CLASSES: usize = 32;

/// The most threads besides this one that mix one conference.
const MAX_TRUNKS: usize = 15;

/// As many contributors as a conference has places for, where nobody says otherwise: each of them is
/// still 15 dB below all the others together, and one more changes that by an eighth of a decibel.
pub const CONTRIBUTORS: u16 = 32;

/// A mix no louder than this is quiet: −54 dBFS.
const QUIET: f32 = 0.002;

/// What is 18 dB softer than what was heard just before is masked by it, as the end of a syllable or a
/// closed mouth is.
const MASKED: f32 = 0.125;

/// How fast what was heard stops to mask, by the tick: 13 dB a second.
const FORGOTTEN: f32 = 0.97;

/// The most prompts that one conference hears at the same time; one more is given back unused.
pub const MOST_CONFERENCE_PROMPTS: usize = 8;

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
    phase: u8,
    mixing: bool,
    /// The sum of contributors, in this tick; those of other parts are added when it is complete.
    sum: Frame,
    contributors: Contributors,
    /// Who may be among them.
    floor: Floor,
    /// What is heard beside voices in this tick: music, prompts and beeps.
    beside: Frame,
    /// The ends of voices that left since the last tick, faded out.
    tail: Frame,
    /// The sum and what is beside it, limited.
    mix: Frame,
    limiter: Limiter,
    /// The limiter before this tick, from which a leg that leaves its class goes on.
    limiter_before: Limiter,
    /// How loud the mix was in the tick before, and what it was heard after.
    level: f32,
    heard_before: f32,
    /// The mixes of the last ticks, oldest first.
    recent: [Frame; RECENT_FRAMES],
    classes: [Option<Box<MixClass>>; MAX_CLASSES],
    /// The classes that were asked for and have not come.
    asked: Vec<ClassKey>,
    beeps: BeepPlayer,
    music: Option<Music>,
    prompts: [Option<ConferencePrompt>; MOST_CONFERENCE_PROMPTS],
    recording: Option<Recording>,
    /// The ways to the other parts of this conference, on other threads.
    trunks: Vec<Box<dyn Trunk>>,
    /// Samples since the session's recording began, for tracks that begin later.
    session_position: u64,
}

impl Conference {
    /// An empty conference that does not mix yet; it ticks in this one of
    /// [`PHASES`](crate::PHASES), and has places for so many contributors, one at least.
    pub fn new(id: ConferenceId, phase: u8, places: u16) -> Conference {
        Conference {
            id,
            phase,
            mixing: false,
            sum: [0.0; FRAME_SAMPLES],
            contributors: Contributors::default(),
            floor: Floor::new(places),
            beside: [0.0; FRAME_SAMPLES],
            tail: [0.0; FRAME_SAMPLES],
            mix: [0.0; FRAME_SAMPLES],
            limiter: Limiter::default(),
            limiter_before: Limiter::default(),
            level: 0.0,
            heard_before: 0.0,
            recent: [[0.0; FRAME_SAMPLES]; RECENT_FRAMES],
            classes: Default::default(),
            asked: Vec::with_capacity(MAX_CLASSES),
            beeps: BeepPlayer::default(),
            music: None,
            prompts: Default::default(),
            recording: None,
            trunks: Vec::with_capacity(MAX_TRUNKS),
            session_position: 0,
        }
    }

    /// Which conference this is.
    pub fn id(&self) -> ConferenceId {
        self.id
    }

    pub(crate) fn phase(&self) -> u8 {
        self.phase
    }

    /// Whether it makes no sound of its own and records none, so that without legs it needs no tick.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.music.is_none()
            && self.recording.is_none()
            && self.beeps.is_at_rest()
            && self.prompts.iter().all(Option::is_none)
    }

    /// How many shared encoders it has.
    pub(crate) fn class_count(&self) -> usize {
        self.classes.iter().flatten().count()
    }

    /// Who has a place in the mix, and who waits for one.
    pub(crate) fn floor(&self) -> &Floor {
        &self.floor
    }

    pub(crate) fn floor_mut(&mut self) -> &mut Floor {
        &mut self.floor
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

    /// Plays a prompt beside those that play already; gives it back when no place is left.
    pub(crate) fn play_prompt(&mut self, prompt: ConferencePrompt) -> Option<ConferencePrompt> {
        match self.prompts.iter_mut().find(|place| place.is_none()) {
            Some(place) => place.replace(prompt),
            None => Some(prompt),
        }
    }

    /// Lets a call's prompt fade out.
    pub(crate) fn stop_prompt(&mut self, call: CallId, id: PromptId) {
        let playing = self.prompts.iter_mut().flatten();
        playing
            .filter(|prompt| prompt.is(call, id))
            .for_each(ConferencePrompt::stop);
    }

    /// Takes a prompt that is over.
    pub(crate) fn take_finished_prompt(&mut self) -> Option<ConferencePrompt> {
        self.prompts
            .iter_mut()
            .find_map(|place| place.take_if(|prompt| prompt.is_over()))
    }

    /// Takes one of the prompts, whatever it is doing.
    pub(crate) fn take_prompt(&mut self) -> Option<ConferencePrompt> {
        self.prompts.iter_mut().find_map(Option::take)
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

    /// Connects another part of this conference; gives the trunk back when no place is left.
    pub(crate) fn add_trunk(&mut self, trunk: Box<dyn Trunk>) -> Option<Box<dyn Trunk>> {
        if self.trunks.len() == MAX_TRUNKS {
            return Some(trunk);
        }
        self.trunks.push(trunk);
        None
    }

    /// Takes out a trunk whose other part is gone.
    pub(crate) fn take_finished_trunk(&mut self) -> Option<Box<dyn Trunk>> {
        let over = self.trunks.iter().position(|trunk| trunk.is_over())?;
        Some(self.trunks.swap_remove(over))
    }

    /// Moves all clocks on by ticks that nobody heard.
    pub(crate) fn skip(&mut self, ticks: u32) {
        let samples = u64::from(ticks) * FRAME_SAMPLES as u64;
        self.session_position += samples;
        if let Some(recording) = &mut self.recording {
            recording.position += samples;
        }
    }

    /// Takes one of the trunks out, whichever; all of them go when parts change.
    pub(crate) fn take_trunk(&mut self) -> Option<Box<dyn Trunk>> {
        self.trunks.pop()
    }

    /// Offers an encoder for a class; gives it back when the class has one, or no place is left.
    pub(crate) fn add_class(&mut self, class: Box<MixClass>) -> Option<Box<MixClass>> {
        self.asked.retain(|key| *key != class.key());
        if self
            .classes
            .iter()
            .flatten()
            .any(|known| known.key() == class.key())
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
        self.contributors.clear();
        for class in self.classes.iter_mut().flatten() {
            class.begin_tick();
        }
    }

    /// Adds a contributor's frame to the sum.
    pub(crate) fn add(&mut self, own: &Frame, contributor: Option<Contributor>) {
        add(&mut self.sum, own);
        if let Some(contributor) = contributor {
            self.contributors.add(contributor);
        }
    }

    /// Who contributes to this tick.
    pub(crate) fn contributors(&self) -> &Contributors {
        &self.contributors
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
        for prompt in self.prompts.iter_mut().flatten() {
            prompt.add_to(&mut self.beside);
        }
        self.beeps.add_to(&mut self.beside);
        if !self.trunks.is_empty() {
            let own = self.sum;
            for trunk in &mut self.trunks {
                trunk.exchange(&own, &mut self.sum);
            }
        }

        self.recent.rotate_left(1);
        if let Some(oldest) = self.recent.last_mut() {
            *oldest = self.mix;
        }
        self.mix = self.sum;
        add(&mut self.mix, &self.beside);
        self.limiter_before = self.limiter;
        self.limiter.process(&mut self.mix);
        self.heard_before = self.level.max(self.heard_before * FORGOTTEN);
        self.level = rms(&self.mix);
        if let Some(recording) = &mut self.recording {
            recording.tap.push(recording.position, &self.mix);
            recording.position += FRAME_SAMPLES as u64;
        }
    }

    /// Moves the session's clock on, once everybody has heard this tick; returns how many spoke and
    /// could not be heard.
    pub(crate) fn end_tick(&mut self) -> u16 {
        self.session_position += FRAME_SAMPLES as u64;
        self.floor.end_tick()
    }

    /// The full mix, before anybody's own limiter: for a leg that hears it alone.
    pub(crate) fn mix(&self) -> &Frame {
        &self.mix
    }

    /// Whether nobody hears what changes now: the tick before was quiet, or much softer than what came
    /// before it.
    pub(crate) fn hides_a_change(&self) -> bool {
        self.level <= QUIET.max(self.heard_before * MASKED)
    }

    /// The mix without one contributor's own voice, or all of it; not limited yet.
    pub(crate) fn minus(&self, own: Option<&Frame>, minus: &mut Frame) {
        *minus = self.sum;
        if let Some(own) = own {
            for (minus, own) in minus.iter_mut().zip(own) {
                *minus -= own;
            }
        }
        add(minus, &self.beside);
    }

    /// The limiter before this tick: a private mix goes on from what its class has heard.
    pub(crate) fn limiter_before(&self) -> Limiter {
        self.limiter_before
    }

    /// The mixes of the last ticks, oldest first, this tick's excluded.
    pub(crate) fn recent(&self) -> &[Frame; RECENT_FRAMES] {
        &self.recent
    }

    /// Whether legs with this in common have a shared encoder.
    pub(crate) fn shares(&self, key: ClassKey) -> bool {
        self.classes
            .iter()
            .flatten()
            .any(|class| class.key() == key)
    }

    /// Whether a shared encoder must be asked for now: it was not yet, and has a place.
    pub(crate) fn asks_for(&mut self, key: ClassKey) -> bool {
        let places = self.classes.iter().filter(|place| place.is_none()).count();
        if self.asked.len() >= places || self.asked.contains(&key) {
            return false;
        }
        self.asked.push(key);
        true
    }

    /// What this tick becomes in a class, if there is one.
    pub(crate) fn class_encoded(
        &mut self,
        key: ClassKey,
        complexity: Option<u8>,
        encodes: &mut u64,
    ) -> Option<Result<Encoded<'_>, CodecError>> {
        let Conference {
            classes,
            mix,
            recent,
            sum,
            beside,
            ..
        } = self;
        let unlimited = || {
            let mut unlimited = *sum;
            add(&mut unlimited, beside);
            unlimited
        };
        let class = classes
            .iter_mut()
            .flatten()
            .find(|class| class.key() == key)?;
        Some(class.encoded(mix, unlimited, recent, complexity, encodes))
    }
}

fn add(sum: &mut Frame, frame: &Frame) {
    for (sum, sample) in sum.iter_mut().zip(frame) {
        *sum += sample;
    }
}
