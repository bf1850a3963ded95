//! One call's media: what it sends into the mix and what it hears.

mod inbound;
mod outbound;
mod recorded;

use std::net::IpAddr;
use std::time::Duration;

use tutti_model::{
    CallId, Codec, Digit, Format, Gains, MediaDescription, Privileges, PromptId, Timestamp,
};

use crate::call_recording::{CallRecording, MOST_CALL_RECORDINGS};
use crate::codec::CodecError;
use crate::conference::Conference;
use crate::floor::Turn;
use crate::frame::{FRAME_SAMPLES, Frame};
use crate::input::InputChain;
use crate::latch::Latch;
use crate::limiter::{LOOK_AHEAD_SAMPLES, Limiter};
use crate::mix_class::ClassKey;
use crate::outlet::Outlet;
use crate::prompt::Prompt;
use crate::ramp::Ramp;
use crate::receiver::{ReceiveCounters, Receiver};
use crate::rtp::{DigitSender, Sender};
use crate::settings::{LegSettings, SpeakerTimes, ticks};
use crate::speaker::Speaker;
use crate::tap::Tap;
use crate::transport::Transport;

pub(crate) use outbound::Desk;

/// How long nothing may arrive before the caller must be gone.
const SILENT_AFTER: Duration = Duration::from_secs(60);

/// The same for a caller who is on hold, and may rightly send nothing.
const SILENT_ON_HOLD_AFTER: Duration = Duration::from_secs(1_800);

/// The names a leg gives itself in RTP (RFC 3550 §5.1), drawn by whoever builds it.
#[derive(Debug, Clone, Copy)]
pub struct RtpIdentity {
    pub ssrc: u32,
    pub first_sequence: u16,
    pub first_timestamp: u32,
}

/// What depends on the negotiated format: built elsewhere, exchanged whole by a re-INVITE.
///
/// What every tick needs comes first, as in a [`Leg`].
#[repr(C)]
pub struct LegMedia {
    sender: Sender,
    description: MediaDescription,
    receiver: Receiver,
}

impl LegMedia {
    /// Builds both directions of a leg's audio.
    ///
    /// # Errors
    /// When a codec cannot be set up.
    pub fn new(
        description: MediaDescription,
        settings: &LegSettings,
        identity: RtpIdentity,
    ) -> Result<LegMedia, CodecError> {
        Ok(LegMedia {
            receiver: Receiver::with_bounds(&description, settings.delay)?,
            sender: Sender::new(
                identity.ssrc,
                identity.first_sequence,
                identity.first_timestamp,
                description.payload_type,
                description.format.codec,
            ),
            description,
        })
    }
}

/// How a leg gets what it hears encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outbound {
    /// From its mix class.
    Shared,
    /// By an encoder of its own.
    Private,
}

/// A recording of a leg's own voice, as late as the limiter makes the mix.
struct Track {
    tap: Box<dyn Tap>,
    /// What comes first in the next frame.
    held: [f32; LOOK_AHEAD_SAMPLES],
}

impl Track {
    fn push(&mut self, position: u64, own: &Frame) {
        let mut late = [0.0; FRAME_SAMPLES];
        let (first, rest) = late.split_at_mut(LOOK_AHEAD_SAMPLES);
        let (now, next) = own.split_at(rest.len());
        first.copy_from_slice(&self.held);
        rest.copy_from_slice(now);
        self.held.copy_from_slice(next);
        self.tap.push(position, &late);
    }
}

/// A packet source's misdeeds, counted, and what could not be done for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct LegCounters {
    /// Datagrams from an address that is not this leg's peer.
    pub foreign: u64,
    /// Datagrams that are no RTP or RTCP.
    pub malformed: u64,
    /// Frames that could not be encoded.
    pub unencodable: u64,
    /// Frames for which no encoder was left.
    pub without_encoder: u64,
}

/// A call's media half. It allocates nothing after construction, and moves between threads whole.
///
/// What a tick needs of a leg that only listens comes first, in a few cache lines side by side:
/// thousands of legs are touched in every tick, and each line that is not there costs as much as a
/// hundred additions.
#[repr(C)]
pub struct Leg<T> {
    media: Box<LegMedia>,
    outlet: Option<Box<Outlet>>,
    outbound: Outbound,
    contributes: bool,
    /// Its voice is in the mix of this tick.
    sounds: bool,
    /// The peer hears early media.
    early: bool,
    /// The peer reports losses, so that FEC is worth its bits.
    lossy: bool,
    gains: Gains,
    listen: Ramp,
    /// When the latest answer went out; the caller's silence counts from there.
    answered: Option<Timestamp>,
    recordings: [Option<Box<CallRecording>>; MOST_CALL_RECORDINGS],
    prompt: Option<Prompt>,
    latch: Latch,
    transport: T,
    digits: DigitSender,
    call: CallId,
    silence_reported: bool,
    counters: LegCounters,
    turn: Turn,
    /// Ticks since this leg was last audible.
    inaudible_for: u32,
    /// Ticks since a voice was last heard here, or since this leg began to be listened to.
    no_voice_for: u32,
    /// Ticks since a voice was last heard here.
    since_voice: u32,
    /// The level of the noise in which nobody speaks here, in −dBov.
    noise_minus_dbov: f32,
    /// After how many inaudible ticks a mix of its own may end, and after how many it must.
    private_least: u32,
    private_most: u32,
    talk: Ramp,
    /// Who speaks in its conference, and who speaks at all.
    speaker: Speaker,
    voice: Speaker,
    /// The voice is told of.
    watched: bool,
    /// It was told that somebody speaks in its conference, and that there is a voice.
    told_speaking: bool,
    told_voice: bool,
    cname: String,
    track: Option<Track>,
    input: InputChain,
    limiter: Limiter,
}

impl<T: Transport> Leg<T> {
    /// A leg that is in no conference and has not been answered.
    pub fn new(
        call: CallId,
        transport: T,
        media: Box<LegMedia>,
        signalling: IpAddr,
        cname: String,
        settings: &LegSettings,
    ) -> Leg<T> {
        Leg {
            call,
            transport,
            latch: Latch::new(media.description.remote_rtp, signalling),
            media,
            cname,
            input: InputChain::new(settings.input),
            speaker: Speaker::new(settings.speaker),
            voice: Speaker::new(SpeakerTimes::WATCHED),
            watched: false,
            told_speaking: false,
            told_voice: false,
            contributes: false,
            sounds: false,
            turn: Turn::Absent,
            inaudible_for: u32::MAX,
            no_voice_for: 0,
            since_voice: u32::MAX,
            noise_minus_dbov: 0.0,
            private_least: ticks(settings.private.least),
            private_most: ticks(settings.private.most),
            talk: Ramp::resting_at(0.0),
            listen: Ramp::resting_at(0.0),
            gains: Gains::default(),
            outbound: Outbound::Private,
            outlet: None,
            limiter: Limiter::default(),
            lossy: false,
            prompt: None,
            digits: DigitSender::default(),
            track: None,
            recordings: Default::default(),
            early: false,
            answered: None,
            silence_reported: false,
            counters: LegCounters::default(),
        }
    }

    /// Whose leg this is.
    pub fn call(&self) -> CallId {
        self.call
    }

    /// What was received, and what became of it.
    pub fn receive_counters(&self) -> &ReceiveCounters {
        self.media.receiver.counters()
    }

    /// How long a packet that is exactly on time waits until it is heard.
    pub fn playout_delay(&self) -> Duration {
        self.media.receiver.playout_delay()
    }

    /// What was refused.
    pub fn counters(&self) -> LegCounters {
        self.counters
    }

    /// Its way to the network.
    pub(crate) fn transport(&self) -> &T {
        &self.transport
    }

    /// The codec of its peer's voice, if it has nothing to decode that with and is lent it when it
    /// wakes.
    pub(crate) fn lacks_decoding(&self) -> Option<Codec> {
        self.media.receiver.lacks_decoding()
    }

    /// Tells the transport whom it may forget about.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        self.transport.settle(self.latch.only_source(now));
    }

    /// Lets the stream's time go on over ticks in which nothing was sent.
    pub(crate) fn skip(&mut self, ticks: u32) {
        for _ in 0..ticks {
            self.media.sender.skip();
        }
        for recording in self.recordings.iter_mut().flatten() {
            recording.skip(ticks);
        }
    }

    /// Comes from another thread, or for the first time.
    pub(crate) fn arrive(&mut self, now: Timestamp) {
        for recording in self.recordings.iter_mut().flatten() {
            recording.arrive(now);
        }
    }

    /// The source that others find in a packet that holds this leg's voice.
    pub(crate) fn remote_ssrc(&self) -> Option<u32> {
        self.media.receiver.remote_ssrc()
    }

    /// How audio is sent to this leg now: with FEC only while the peer reports losses.
    pub(crate) fn format(&self) -> Format {
        let format = self.media.description.format;
        Format {
            fec: format.fec && self.lossy,
            ..format
        }
    }

    /// What legs must share with this one to share its encoder.
    pub(crate) fn class_key(&self) -> ClassKey {
        ClassKey {
            format: self.format(),
            output_db: self.gains.output_db,
        }
    }

    /// Sends before the answer, to where the description says.
    pub(crate) fn early(&mut self) {
        self.early = true;
    }

    /// Whether anything is sent, if the description allows it.
    fn has_begun(&self) -> bool {
        self.early || self.answered.is_some()
    }

    pub(crate) fn answered(&mut self, now: Timestamp) {
        self.answered = Some(now);
        self.latch.answered(now);
    }

    pub(crate) fn enter(&mut self, privileges: Privileges) {
        self.talk = Ramp::resting_at(0.0);
        self.listen = Ramp::resting_at(0.0);
        self.gains = Gains::default();
        self.input.set_gain_db(0);
        self.outbound = Outbound::Private;
        self.set_privileges(privileges);
    }

    pub(crate) fn set_privileges(&mut self, privileges: Privileges) {
        if privileges.talk && self.talk.is_closed() {
            // What it has been saying unheard is listened to before it may rest.
            self.no_voice_for = 0;
        }
        self.talk.turn(privileges.talk);
        self.listen.turn(privileges.listen);
    }

    pub(crate) fn set_gains(&mut self, gains: Gains) {
        self.gains = gains;
        self.input.set_gain_db(gains.input_db);
    }

    /// Whether it hears its conference.
    pub(crate) fn listens(&self) -> bool {
        !self.listen.is_closed()
    }

    /// Presses a key towards the peer; one too many is forgotten.
    pub(crate) fn press(&mut self, digit: Digit) {
        self.digits.press(digit);
    }

    /// Tells of this leg's voice, or no longer. Each watch tells of a voice anew, and of no end when
    /// it is ended itself.
    pub(crate) fn watch_voice(&mut self, on: bool) {
        self.watched = on;
        self.told_voice = false;
    }

    /// What is new about a voice that is watched, in the tick that is over.
    pub(crate) fn poll_voice(&mut self) -> Option<bool> {
        let speaking = self.watched && self.voice.is_speaking();
        let told = std::mem::replace(&mut self.told_voice, speaking);
        (told != speaking).then_some(speaking)
    }

    /// Comes to a conference or leaves: with that, whoever speaks in one has stopped. The voice
    /// itself goes on.
    pub(crate) fn hush(&mut self) -> Option<bool> {
        self.speaker.stop();
        std::mem::take(&mut self.told_speaking).then_some(false)
    }

    /// Leaves the conference: what the others still hear of this leg is faded out.
    pub(crate) fn exit(&mut self, conference: &mut Conference) {
        if self.contributes && conference.is_mixing() {
            // What it says next belongs to wherever it goes: the end goes on as what was heard last,
            // turned around its last sample, so that neither the sound nor its slope has a step.
            let mut end = self.own().copied().unwrap_or([0.0; FRAME_SAMPLES]);
            let last = end.last().copied().unwrap_or(0.0);
            end.reverse();
            for sample in &mut end {
                *sample = 2.0 * last - *sample;
            }
            let mut fade = Ramp::resting_at(1.0);
            fade.turn(false);
            fade.apply(&mut end);
            conference.add_tail(&end);
        }
        self.contributes = false;
        self.turn = Turn::Absent;
        self.inaudible_for = u32::MAX;
        self.since_voice = u32::MAX;
        self.outbound = Outbound::Private;
    }

    /// Applies a new offer's description, with new media where the format changes.
    pub(crate) fn reconfigure(
        &mut self,
        now: Timestamp,
        description: MediaDescription,
        media: Option<Box<LegMedia>>,
    ) -> Option<Box<LegMedia>> {
        self.latch.announce(now, description.remote_rtp);
        // Whoever was on hold, or changes its codec, has its time anew.
        self.answered = self.answered.map(|_| now);
        self.silence_reported = false;
        match media {
            Some(media) => {
                self.outbound = Outbound::Private;
                self.lossy = false;
                Some(std::mem::replace(&mut self.media, media))
            }
            None => {
                self.media.receiver.describe(&description);
                self.media.description = description;
                None
            }
        }
    }

    pub(crate) fn play(&mut self, prompt: Prompt) -> Option<Prompt> {
        self.prompt.replace(prompt)
    }

    pub(crate) fn stop_prompt(&mut self, id: PromptId) -> Option<Prompt> {
        self.prompt.take_if(|prompt| prompt.id() == id)
    }

    pub(crate) fn start_track(&mut self, tap: Box<dyn Tap>) -> Option<Box<dyn Tap>> {
        let held = [0.0; LOOK_AHEAD_SAMPLES];
        let replaced = self.track.replace(Track { tap, held });
        replaced.map(|track| track.tap)
    }

    pub(crate) fn stop_track(&mut self) -> Option<Box<dyn Tap>> {
        self.track.take().map(|track| track.tap)
    }

    /// Whether it has an encoder of its own.
    pub(crate) fn has_outlet(&self) -> bool {
        self.outlet.is_some()
    }

    /// Gives up the encoder of its own, for somebody else.
    pub(crate) fn take_outlet(&mut self) -> Option<Box<Outlet>> {
        self.outbound = Outbound::Private;
        self.outlet.take()
    }

    /// The next key that was pressed.
    pub(crate) fn poll_digit(&mut self) -> Option<Digit> {
        self.media.receiver.poll_digit()
    }

    /// Says once that nothing has arrived for too long.
    pub(crate) fn poll_silent(&mut self, now: Timestamp) -> bool {
        let Some(answered) = self.answered else {
            return false;
        };
        let last = self
            .media
            .receiver
            .last_heard()
            .unwrap_or(answered)
            .max(answered);
        let patience = if self.media.description.flow.receive {
            SILENT_AFTER
        } else {
            SILENT_ON_HOLD_AFTER
        };
        let silent = now.since(last) > patience;
        let news = silent && !self.silence_reported;
        self.silence_reported = silent;
        news
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tutti_model::{ConferenceId, MediaFlow};

    use super::*;
    use crate::codec::Encoder;
    use crate::input::signals::{Signal, sine};
    use crate::spares::Decodings;
    use crate::transport::{Channel, Datagram};

    const T0: Timestamp = Timestamp::from_micros(0);

    #[test]
    fn whoever_comes_back_from_hold_is_not_taken_for_gone() {
        let mut leg = held_leg();
        let back = T0 + Duration::from_secs(600);
        assert!(!leg.poll_silent(back));
        leg.reconfigure(back, description(true), None);
        assert!(!leg.poll_silent(back + SILENT_AFTER));
        assert!(leg.poll_silent(back + SILENT_AFTER + Duration::from_millis(20)));
    }

    #[test]
    fn a_new_codec_has_its_time_to_be_heard() {
        let mut leg = held_leg();
        let changed = T0 + Duration::from_secs(600);
        leg.reconfigure(changed, description(true), Some(media(true)));
        assert!(!leg.poll_silent(changed));
    }

    #[test]
    fn a_muted_voice_that_is_watched_in_a_conference_is_told_of_and_nobody_is_said_to_speak() {
        let mut stage = Stage::new();
        assert_eq!(stage.told(25, true), [], "nobody listens");
        stage.leg.watch_voice(true);
        let begun = stage.told(25, true);
        assert!(matches!(begun[..], [(0..=8, true)]), "{begun:?}");
        let ended = stage.told(25, false);
        assert!(matches!(ended[..], [(0..=12, false)]), "{ended:?}");
        let again = stage.told(25, true);
        assert!(matches!(again[..], [(0..=12, true)]), "{again:?}");
        stage.leg.watch_voice(false);
        assert_eq!(stage.told(25, false), []);
    }

    #[test]
    fn a_voice_that_is_watched_goes_on_through_a_conference_and_out_of_it() {
        let mut stage = Stage::new();
        stage.leg.watch_voice(true);
        let begun = stage.told(50, true);
        assert!(matches!(begun[..], [(_, true)]), "{begun:?}");
        stage.leg.exit(&mut stage.conference);
        assert_eq!(stage.leg.hush(), None);
        stage.is_inside = false;
        assert_eq!(stage.told(50, true), []);
        assert_eq!(stage.leg.hush(), None);
        stage.leg.enter(MUTED);
        stage.is_inside = true;
        assert_eq!(stage.told(50, true), []);
    }

    const MUTED: Privileges = Privileges {
        talk: false,
        listen: true,
    };

    /// A conference, and a muted leg in it.
    struct Stage {
        leg: Leg<Line>,
        conference: Conference,
        decodings: Decodings,
        is_inside: bool,
        now: Timestamp,
    }

    impl Stage {
        fn new() -> Stage {
            let settings = LegSettings::default();
            let line = Line {
                voice: sine(440.0, -26.0),
                speaks: false,
                encoder: Encoder::new(&Format::plain(Codec::Pcmu), settings.encoder).unwrap(),
                sequence: 0,
                waiting: None,
            };
            let peer = IpAddr::from([10, 0, 0, 1]);
            let call = CallId::from_bytes([1; 20]);
            let mut leg = Leg::new(call, line, media(true), peer, String::new(), &settings);
            leg.answered(T0);
            leg.enter(MUTED);
            let mut conference = Conference::new(ConferenceId::from_bytes([2; 20]), 0, 1);
            conference.set_mixing(true);
            Stage {
                leg,
                conference,
                decodings: Decodings::new(),
                is_inside: true,
                now: T0,
            }
        }

        /// What is told of the voice in so many ticks, and in which of them.
        fn told(&mut self, ticks: usize, speaks: bool) -> Vec<(usize, bool)> {
            let mut told = Vec::new();
            let mut scratch = [0.0; FRAME_SAMPLES];
            self.leg.transport.speaks = speaks;
            for tick in 0..ticks {
                self.now = self.now + Duration::from_millis(20);
                self.leg.transport.waiting = Some(self.now);
                self.conference.begin_tick();
                self.leg.receive(Channel::Rtp, &mut [0; 1_500]);
                let conference = self.is_inside.then_some(&mut self.conference);
                let lender = &mut self.decodings;
                let speaking = self
                    .leg
                    .contribute(self.now, conference, lender, &mut scratch);
                assert_eq!(speaking, None, "a muted leg does not speak");
                told.extend(self.leg.poll_voice().map(|speaking| (tick, speaking)));
                self.conference.complete_mix();
                self.conference.end_tick();
            }
            told
        }
    }

    /// A phone that sends a packet for each tick.
    struct Line {
        voice: Signal,
        speaks: bool,
        encoder: Encoder,
        sequence: u16,
        waiting: Option<Timestamp>,
    }

    impl Transport for Line {
        fn receive(&mut self, channel: Channel, buffer: &mut [u8]) -> Option<Datagram> {
            assert_eq!(channel, Channel::Rtp);
            let arrived = self.waiting.take()?;
            let frame = match self.speaks {
                true => self.voice.frame(),
                false => [0.0; FRAME_SAMPLES],
            };
            let (header, payload) = buffer.split_at_mut(12);
            let len = self.encoder.encode(&frame, payload).unwrap();
            header[..2].copy_from_slice(&[0x80, 0]);
            header[2..4].copy_from_slice(&self.sequence.to_be_bytes());
            header[4..8].copy_from_slice(&(160 * u32::from(self.sequence)).to_be_bytes());
            header[8..].copy_from_slice(&[7; 4]);
            self.sequence += 1;
            Some(Datagram {
                channel: Channel::Rtp,
                len: 12 + len,
                from: SocketAddr::from(([10, 0, 0, 1], 4_000)),
                arrived,
            })
        }

        fn send(&mut self, _channel: Channel, _to: SocketAddr, _datagram: &[u8]) {}
    }

    fn held_leg() -> Leg<Nowhere> {
        let signalling = IpAddr::from([10, 0, 0, 1]);
        let call = CallId::from_bytes([1; 20]);
        let settings = LegSettings::default();
        let cname = String::new();
        let mut leg = Leg::new(call, Nowhere, media(false), signalling, cname, &settings);
        leg.answered(T0);
        leg
    }

    fn media(receive: bool) -> Box<LegMedia> {
        let identity = RtpIdentity {
            ssrc: 1,
            first_sequence: 0,
            first_timestamp: 0,
        };
        let settings = LegSettings::default();
        Box::new(LegMedia::new(description(receive), &settings, identity).unwrap())
    }

    fn description(receive: bool) -> MediaDescription {
        let peer = SocketAddr::from(([10, 0, 0, 1], 4_000));
        MediaDescription {
            format: Format::plain(Codec::Pcmu),
            payload_type: 0,
            telephone_event: None,
            comfort_noise: None,
            level_extension: None,
            mixer_levels_extension: None,
            remote_rtp: peer,
            remote_rtcp: peer,
            flow: MediaFlow {
                send: true,
                receive,
            },
        }
    }

    struct Nowhere;

    impl Transport for Nowhere {
        fn receive(&mut self, _channel: Channel, _buffer: &mut [u8]) -> Option<Datagram> {
            None
        }

        fn send(&mut self, _channel: Channel, _to: SocketAddr, _datagram: &[u8]) {}
    }
}
