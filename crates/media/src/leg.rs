//! One call's media: what it sends into the mix and what it hears.

use std::net::IpAddr;
use std::time::Duration;

use tutti_model::{
    AudioLevel, CallId, Digit, Format, MediaDescription, Privileges, PromptId, Timestamp,
};

use crate::codec::{CodecError, Encoder, EncoderSettings};
use crate::conference::{Conference, MAX_PAYLOAD};
use crate::frame::{FRAME_SAMPLES, Frame, rms};
use crate::latch::Latch;
use crate::limiter::{LOOK_AHEAD_SAMPLES, Limiter};
use crate::prompt::Prompt;
use crate::ramp::Ramp;
use crate::receiver::{Pulled, ReceiveCounters, Receiver};
use crate::rtp::{RtpPacket, Sender, is_rtcp};
use crate::tap::Tap;
use crate::transport::{Channel, Transport};

/// The quietest frame that counts as contributing: anything that could be heard at all.
const CONTRIBUTING: u8 = 66;

/// How long a leg stays a contributor after its last audible frame.
const HOLD_FRAMES: u32 = 250;

/// How long nothing may arrive before the caller must be gone.
const SILENT_AFTER: Duration = Duration::from_secs(60);

/// The same for a caller who is on hold, and may rightly send nothing.
const SILENT_ON_HOLD_AFTER: Duration = Duration::from_secs(1_800);

/// The most datagrams that one leg is given time for in one tick.
const DATAGRAMS_PER_TICK: usize = 64;

/// The room for any datagram that we send.
const MAX_DATAGRAM: usize = 12 + MAX_PAYLOAD;

/// The names a leg gives itself in RTP (RFC 3550 §5.1), drawn by whoever builds it.
#[derive(Debug, Clone, Copy)]
pub struct RtpIdentity {
    pub ssrc: u32,
    pub first_sequence: u16,
    pub first_timestamp: u32,
}

/// What depends on the negotiated format: built elsewhere, exchanged whole by a re-INVITE.
pub struct LegMedia {
    receiver: Receiver,
    encoder: Encoder,
    sender: Sender,
    description: MediaDescription,
}

impl LegMedia {
    /// Builds both directions of a leg's audio.
    ///
    /// # Errors
    /// When a codec cannot be set up.
    pub fn new(
        description: MediaDescription,
        settings: EncoderSettings,
        identity: RtpIdentity,
    ) -> Result<LegMedia, CodecError> {
        Ok(LegMedia {
            receiver: Receiver::new(&description)?,
            encoder: Encoder::new(&description.format, settings)?,
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
    /// By its own encoder, from the full mix or from one without its own voice.
    Private { minus: bool },
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

/// A packet source's misdeeds, counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct LegCounters {
    /// Datagrams from an address that is not this leg's peer.
    pub foreign: u64,
    /// Datagrams that are no RTP or RTCP.
    pub malformed: u64,
    /// Frames that could not be encoded.
    pub unencodable: u64,
}

/// A call's media half. It allocates nothing after construction, and moves between threads whole.
pub struct Leg<T> {
    call: CallId,
    transport: T,
    latch: Latch,
    media: Box<LegMedia>,
    cname: String,
    /// This leg's voice in this tick.
    own: Frame,
    contributes: bool,
    /// Frames for which this leg stays a contributor.
    hold: u32,
    talk: Ramp,
    listen: Ramp,
    outbound: Outbound,
    limiter: Limiter,
    prompt: Option<Prompt>,
    track: Option<Track>,
    /// When the latest answer went out; the caller's silence counts from there.
    answered: Option<Timestamp>,
    silence_reported: bool,
    counters: LegCounters,
}

impl<T: Transport> Leg<T> {
    /// A leg that is in no conference and has not been answered.
    pub fn new(
        call: CallId,
        transport: T,
        media: Box<LegMedia>,
        signalling: IpAddr,
        cname: String,
    ) -> Leg<T> {
        Leg {
            call,
            transport,
            latch: Latch::new(media.description.remote_rtp, signalling),
            media,
            cname,
            own: [0.0; FRAME_SAMPLES],
            contributes: false,
            hold: 0,
            talk: Ramp::resting_at(0.0),
            listen: Ramp::resting_at(0.0),
            outbound: Outbound::Private { minus: false },
            limiter: Limiter::default(),
            prompt: None,
            track: None,
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

    /// What was refused.
    pub fn counters(&self) -> LegCounters {
        self.counters
    }

    pub(crate) fn format(&self) -> Format {
        self.media.description.format
    }

    pub(crate) fn answered(&mut self, now: Timestamp) {
        self.answered = Some(now);
        self.latch.answered(now);
    }

    pub(crate) fn enter(&mut self, privileges: Privileges) {
        self.talk = Ramp::resting_at(0.0);
        self.listen = Ramp::resting_at(0.0);
        self.outbound = Outbound::Private { minus: false };
        self.set_privileges(privileges);
    }

    pub(crate) fn set_privileges(&mut self, privileges: Privileges) {
        self.talk.turn(privileges.talk);
        self.listen.turn(privileges.listen);
    }

    /// Leaves the conference: what the others still hear of this leg is faded out.
    pub(crate) fn exit(&mut self, now: Timestamp, conference: &mut Conference) {
        if self.contributes && conference.is_mixing() {
            self.talk.turn(false);
            let mut end = [0.0; FRAME_SAMPLES];
            self.media.receiver.pull(now, &mut end);
            self.talk.apply(&mut end);
            conference.add_tail(&end);
        }
        self.contributes = false;
        self.hold = 0;
        self.outbound = Outbound::Private { minus: false };
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
                self.outbound = Outbound::Private { minus: false };
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

    /// Takes what arrived since the last tick.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) {
        for _ in 0..DATAGRAMS_PER_TICK {
            let Some(datagram) = self.transport.receive(buffer) else {
                return;
            };
            let bytes = buffer.get(..datagram.len).unwrap_or_default();
            // With rtcp-mux both kinds come through one flow (RFC 5761 §4).
            let result = if datagram.channel == Channel::Rtcp || is_rtcp(bytes) {
                if !self.latch.accepts_rtcp(datagram.from) {
                    self.counters.foreign += 1;
                    continue;
                }
                self.media.receiver.handle_rtcp(datagram.arrived, bytes)
            } else {
                match RtpPacket::parse(bytes) {
                    Ok(packet) => {
                        let (ssrc, sequence) = (packet.ssrc(), packet.sequence_number());
                        if !self
                            .latch
                            .accepts(datagram.arrived, datagram.from, ssrc, sequence)
                        {
                            self.counters.foreign += 1;
                            continue;
                        }
                        self.media.receiver.handle_rtp(datagram.arrived, bytes)
                    }
                    Err(malformed) => Err(malformed),
                }
            };
            if result.is_err() {
                self.counters.malformed += 1;
            }
        }
    }

    /// Decodes this tick's frame, records it, and adds it to the conference while it contributes.
    pub(crate) fn contribute(&mut self, now: Timestamp, conference: Option<&mut Conference>) {
        let pulled = self.media.receiver.pull(now, &mut self.own);
        let Some(conference) = conference else {
            self.contributes = false;
            return;
        };
        self.talk.apply(&mut self.own);
        let audible = match pulled {
            Pulled::Silence => false,
            Pulled::Audio | Pulled::Concealed => {
                AudioLevel::from_rms(rms(&self.own)).minus_dbov() < CONTRIBUTING
            }
        };
        self.hold = if audible {
            HOLD_FRAMES
        } else {
            self.hold.saturating_sub(1)
        };
        self.contributes = conference.is_mixing() && self.hold > 0;
        if self.contributes {
            conference.add(&self.own);
        }
        if let Some(track) = &mut self.track {
            track.push(conference.session_position(), &self.own);
        }
    }

    /// Sends what this leg hears in this tick; returns a prompt that ended with it.
    pub(crate) fn hear(&mut self, conference: Option<&mut Conference>) -> Option<Prompt> {
        let mut heard = [0.0; FRAME_SAMPLES];
        let sends = self.answered.is_some() && self.media.description.flow.send;
        match conference {
            Some(conference) if sends => {
                let format = self.format();
                if self.hears_what_everybody_hears()
                    && let Some(payload) = conference.class_payload(format)
                {
                    self.outbound = Outbound::Shared;
                    transmit(
                        &mut self.media.sender,
                        &mut self.transport,
                        &self.latch,
                        payload,
                    );
                    return None;
                }
                self.mix(conference, &mut heard);
            }
            Some(_) | None => self.outbound = Outbound::Private { minus: false },
        }
        let goes_on = self
            .prompt
            .as_mut()
            .is_some_and(|prompt| prompt.add_to(&mut heard));
        let finished = if goes_on { None } else { self.prompt.take() };

        let mut payload = [0; MAX_PAYLOAD];
        let mut len = 0;
        if sends {
            match self.media.encoder.encode(&heard, &mut payload) {
                Ok(encoded) => len = encoded,
                Err(_) => self.counters.unencodable += 1,
            }
        }
        let payload = payload.get(..len).unwrap_or_default();
        transmit(
            &mut self.media.sender,
            &mut self.transport,
            &self.latch,
            payload,
        );
        finished
    }

    /// Whether the class's payload is right for this leg.
    fn hears_what_everybody_hears(&self) -> bool {
        !self.contributes && self.listen.is_open() && self.prompt.is_none()
    }

    /// Makes this leg's own mix: without its voice while it contributes.
    fn mix(&mut self, conference: &Conference, heard: &mut Frame) {
        if self.outbound == Outbound::Shared {
            self.media.encoder.prime(conference.recent().iter());
        }
        if self.contributes {
            // A mix of its own goes on from what the class has heard.
            if self.outbound != (Outbound::Private { minus: true }) {
                self.limiter = conference.limiter_before();
            }
            conference.minus(&self.own, heard);
            self.limiter.process(heard);
        } else {
            *heard = *conference.mix();
        }
        self.listen.apply(heard);
        self.outbound = Outbound::Private {
            minus: self.contributes,
        };
    }

    /// Sends a sender report (RFC 3550 §6.4.1).
    pub(crate) fn report(&mut self, now: Timestamp) {
        if self.answered.is_none() {
            return;
        }
        let report = self.media.receiver.report(now);
        let mut datagram = [0; MAX_DATAGRAM];
        let len = self
            .media
            .sender
            .sender_report(now, &self.cname, report, &mut datagram);
        let description = &self.media.description;
        let destination = if description.remote_rtcp == description.remote_rtp {
            (Channel::Rtp, self.latch.destination())
        } else {
            (Channel::Rtcp, description.remote_rtcp)
        };
        if let Some(datagram) = datagram.get(..len) {
            self.transport.send(destination.0, destination.1, datagram);
        }
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

/// Sends a payload, or lets the stream's time go on without one.
fn transmit<T: Transport>(sender: &mut Sender, transport: &mut T, latch: &Latch, payload: &[u8]) {
    if payload.is_empty() {
        sender.skip();
        return;
    }
    let mut datagram = [0; MAX_DATAGRAM];
    let len = sender.packetize(payload, false, &mut datagram);
    if let Some(datagram) = datagram.get(..len) {
        transport.send(Channel::Rtp, latch.destination(), datagram);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tutti_model::{Codec, MediaFlow};

    use super::*;
    use crate::transport::Datagram;

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

    fn held_leg() -> Leg<Nowhere> {
        let signalling = IpAddr::from([10, 0, 0, 1]);
        let call = CallId::from_bytes([1; 20]);
        let mut leg = Leg::new(call, Nowhere, media(false), signalling, String::new());
        leg.answered(T0);
        leg
    }

    fn media(receive: bool) -> Box<LegMedia> {
        let identity = RtpIdentity {
            ssrc: 1,
            first_sequence: 0,
            first_timestamp: 0,
        };
        let settings = EncoderSettings::default();
        Box::new(LegMedia::new(description(receive), settings, identity).unwrap())
    }

    fn description(receive: bool) -> MediaDescription {
        let peer = SocketAddr::from(([10, 0, 0, 1], 4_000));
        MediaDescription {
            format: Format::plain(Codec::Pcmu),
            payload_type: 0,
            telephone_event: None,
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
        fn receive(&mut self, _buffer: &mut [u8]) -> Option<Datagram> {
            None
        }

        fn send(&mut self, _channel: Channel, _to: SocketAddr, _datagram: &[u8]) {}
    }
}
