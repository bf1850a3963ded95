//! From the mix to datagrams.

use std::hint::black_box;

use tutti_model::Timestamp;

use super::{Leg, LegMedia, Outbound};
use crate::codec::CodecError;
use crate::conference::Conference;
use crate::contributors::Contributors;
use crate::frame::{FRAME_SAMPLES, Frame};
use crate::mix_class::{ClassKey, amplify, gain};
use crate::outlet::{Encoded, Outlet};
use crate::prompt::Prompt;
use crate::rtp::{Contributor, PacketExtras, Press};
use crate::spares::Spares;
use crate::tone::add_key_tone;
use crate::transport::{Channel, Transport};

/// A peer that loses more than this many 256ths of our packets is sent FEC: 2 %.
const LOSSY_FROM: u8 = 5;

/// FEC ends when no more than this is lost: 0.4 %.
const LOSSLESS_UP_TO: u8 = 1;

/// What the engine lends every leg while it sends.
pub(crate) struct Desk<'a> {
    pub(crate) spares: &'a mut Spares,
    /// How hard encoders may try, 0 to 10; as hard as they were made to where nothing is said.
    pub(crate) complexity: Option<u8>,
    /// Frames that were encoded so far.
    pub(crate) encodes: &'a mut u64,
    /// Room for a datagram.
    pub(crate) datagram: &'a mut [u8],
    /// A class that has legs and no encoder.
    pub(crate) class_wanted: Option<ClassKey>,
    /// An encoder that is one too many.
    pub(crate) surplus: Option<Box<Outlet>>,
}

impl<T: Transport> Leg<T> {
    /// Looks at what sending needs of a leg, so that it is in the cache when it is sent to.
    pub(crate) fn fetch_for_sending(&self) {
        let LegMedia {
            sender,
            description,
            ..
        } = &*self.media;
        black_box((self.early, self.is_recorded(), self.prompt.is_some()));
        black_box((self.latch.destination(), self.digits.is_idle()));
        black_box((sender.ssrc(), description.flow));
        self.transport.fetch();
    }

    /// Sends what this leg hears in this tick; returns a prompt that ended with it.
    pub(crate) fn hear(
        &mut self,
        conference: Option<&mut Conference>,
        desk: &mut Desk<'_>,
    ) -> Option<Prompt> {
        let sends = self.has_begun() && self.media.description.flow.send;
        let press = if sends { self.digits.tick() } else { None };
        let tone = press.filter(|_| self.media.description.telephone_event.is_none());
        let Some(conference) = conference else {
            return self.hear_privately(None, sends, press, desk);
        };
        if sends && tone.is_none() && self.hears_what_everybody_hears() {
            let key = self.class_key();
            if conference.shares(key) {
                self.hear_class(conference, key, press, desk);
                return None;
            }
            desk.class_wanted = Some(key);
        }
        self.hear_privately(Some(conference), sends, press, desk)
    }

    /// Sends what the leg's class hears.
    fn hear_class(
        &mut self,
        conference: &mut Conference,
        key: ClassKey,
        press: Option<Press>,
        desk: &mut Desk<'_>,
    ) {
        if let Some(outlet) = self.outlet.take() {
            desk.surplus = desk.spares.give(outlet);
        }
        self.outbound = Outbound::Shared;
        self.keep_mix(conference);
        let mut named = Contributors::nobody();
        let extension = self.media.description.mixer_levels_extension;
        let count = match extension {
            Some(_) => conference.contributors().without(None, &mut named),
            None => 0,
        };
        let encoded = conference.class_encoded(key, desk.complexity, desk.encodes);
        let named = named.get(..count).unwrap_or_default();
        let encoded = match encoded {
            Some(Ok(encoded)) => encoded,
            Some(Err(_)) | None => {
                self.counters.unencodable += 1;
                Encoded::Nothing
            }
        };
        transmit(self, press, encoded, named, desk.datagram);
    }

    /// Encodes and sends what only this leg hears.
    fn hear_privately(
        &mut self,
        conference: Option<&Conference>,
        sends: bool,
        press: Option<Press>,
        desk: &mut Desk<'_>,
    ) -> Option<Prompt> {
        let mut heard = [0.0; FRAME_SAMPLES];
        let comes_from_class = self.outbound == Outbound::Shared;
        if let Some(conference) = conference {
            self.mix(conference, comes_from_class, &mut heard);
        }
        let goes_on = self
            .prompt
            .as_mut()
            .is_some_and(|prompt| prompt.add_to(&mut heard));
        let finished = if goes_on { None } else { self.prompt.take() };
        if let Some(press) = press
            && self.media.description.telephone_event.is_none()
        {
            add_key_tone(press, &mut heard);
        }

        if !sends {
            self.keep_heard(&[0.0; FRAME_SAMPLES]);
            if let Some(outlet) = self.outlet.take() {
                desk.surplus = desk.spares.give(outlet);
            }
            self.media.sender.skip();
            return finished;
        }
        self.keep_heard(&heard);
        let recent = conference
            .filter(|_| comes_from_class)
            .map(Conference::recent);
        let (mut named, mut count) = (Contributors::nobody(), 0);
        if let Some(conference) = conference
            && self.media.description.mixer_levels_extension.is_some()
        {
            let own = self.remote_ssrc().filter(|_| self.contributes);
            count = conference.contributors().without(own, &mut named);
        }
        let named = named.get(..count).unwrap_or_default();

        let Some(mut outlet) = self.private_outlet(recent, desk) else {
            self.counters.without_encoder += 1;
            self.media.sender.skip();
            return finished;
        };
        self.outbound = Outbound::Private;
        let encoded = match encode(&mut outlet, &heard, desk) {
            Ok(()) => outlet.encoded(),
            Err(_) => {
                self.counters.unencodable += 1;
                Encoded::Nothing
            }
        };
        transmit(self, press, encoded, named, desk.datagram);
        self.outlet = Some(outlet);
        finished
    }

    /// Whether the class's payload is right for this leg.
    fn hears_what_everybody_hears(&self) -> bool {
        !self.contributes && self.listen.is_open() && self.prompt.is_none()
    }

    /// Makes this leg's own mix: without its voice while it contributes.
    fn mix(&mut self, conference: &Conference, comes_from_class: bool, heard: &mut Frame) {
        // A mix of its own goes on from what the class has heard.
        if comes_from_class {
            self.limiter = conference.limiter_before();
        }
        conference.minus(self.own(), heard);
        if self.gains.output_db != 0 {
            amplify(heard, gain(self.gains.output_db));
        }
        self.limiter.process(heard);
        self.listen.apply(heard);
    }

    /// The encoder of this leg's own mix: the one it has, or one that goes on from its class.
    fn private_outlet(
        &mut self,
        recent: Option<&[Frame; crate::mix_class::RECENT_FRAMES]>,
        desk: &mut Desk<'_>,
    ) -> Option<Box<Outlet>> {
        let format = self.format();
        if let Some(mut outlet) = self.outlet.take() {
            if outlet.codec() == format.codec && outlet.serve(format).is_ok() {
                return Some(outlet);
            }
            // A new offer changed the codec.
            desk.surplus = desk.spares.give(outlet);
        }
        let mut outlet = desk.spares.take(format)?;
        if outlet.set_complexity(desk.complexity).is_err() {
            desk.surplus = desk.spares.give(outlet);
            return None;
        }
        outlet.prime(recent.map_or([].as_slice(), |recent| recent).iter());
        Some(outlet)
    }

    /// Sends a sender report (RFC 3550 §6.4.1), and learns from the peer's.
    pub(crate) fn report(&mut self, now: Timestamp, datagram: &mut [u8]) {
        if !self.has_begun() {
            return;
        }
        if let Some(report) = self.media.receiver.remote_report() {
            match report.fraction_lost {
                LOSSY_FROM.. => self.lossy = true,
                ..=LOSSLESS_UP_TO => self.lossy = false,
                _ => {}
            }
        }
        let report = self.media.receiver.report(now);
        let len = self
            .media
            .sender
            .sender_report(now, &self.cname, report, datagram);
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
}

fn encode(outlet: &mut Outlet, frame: &Frame, desk: &mut Desk<'_>) -> Result<(), CodecError> {
    outlet.set_complexity(desk.complexity)?;
    outlet.encode(frame, desk.encodes)
}

/// Sends a frame, or lets the stream's time go on without it; a key that is pressed goes first.
fn transmit<T: Transport>(
    leg: &mut Leg<T>,
    press: Option<Press>,
    encoded: Encoded<'_>,
    contributors: &[Contributor],
    datagram: &mut [u8],
) {
    let description = &leg.media.description;
    let sender = &mut leg.media.sender;
    let extras = PacketExtras {
        contributors,
        mixer_levels_extension: description.mixer_levels_extension,
    };
    let event = description.telephone_event.zip(press);
    let len = match (event, encoded) {
        (Some((payload_type, press)), _) => sender.packetize_press(payload_type, press, datagram),
        (None, Encoded::Audio(payload)) if contributors.is_empty() => {
            sender.packetize(payload, false, datagram)
        }
        (None, Encoded::Audio(payload)) => {
            sender.packetize_mixed(payload, false, &extras, datagram)
        }
        (None, Encoded::ComfortNoise(payload)) => {
            let payload_type = description
                .comfort_noise
                .unwrap_or(description.payload_type);
            sender.packetize_as(payload_type, payload, false, &extras, datagram)
        }
        (None, Encoded::Nothing) => {
            sender.skip();
            0
        }
    };
    if let Some(datagram) = datagram.get(..len).filter(|datagram| !datagram.is_empty()) {
        leg.transport
            .send(Channel::Rtp, leg.latch.destination(), datagram);
    }
}
