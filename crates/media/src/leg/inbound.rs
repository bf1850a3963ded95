//! From datagrams to a voice in the mix.

use std::hint::black_box;

use tutti_model::{AudioLevel, Timestamp};

use super::Leg;
use crate::conference::Conference;
use crate::floor::Floor;
use crate::frame::Frame;
use crate::ramp::Ramp;
use crate::receiver::{Pulled, Rest};
use crate::rtp::{Contributor, RtpPacket, is_rtcp};
use crate::spares::Decodings;
use crate::transport::{Channel, Transport};

/// The quietest frame that counts as contributing: anything that could be heard at all.
const AUDIBLE: u8 = 66;

/// The noise of a room up to this does not count while nobody speaks there, so that a crowd of open
/// microphones does not cost an encoder each.
const LOUD: u8 = 50;

/// The noise of a quiet room, in −dBov. It is expected of whoever was silent: a microphone that is
/// turned on is no word that begins.
const QUIET_ROOM: f32 = 62.0;

/// What is louder than the noise by so many decibels is the soft beginning of something else.
const ONSET_DB: f32 = 4.0;

/// How fast the estimate of a room's noise rises, in decibels a tick.
const FLOOR_RISES_DB: f32 = 0.1;

/// Ticks after a voice in which its soft end is still its own: 1 s.
const SPOKE_LATELY: u32 = 50;

/// Ticks without a voice after which a leg need not be decoded: 1 s.
const REST_AFTER: u32 = 50;

/// The most datagrams that one leg is given time for in one tick.
const DATAGRAMS_PER_TICK: usize = 64;

impl<T: Transport> Leg<T> {
    /// Looks at what receiving needs of a leg, so that it is in the cache when its turn comes.
    pub(crate) fn fetch_for_receiving(&self) {
        black_box((self.is_recorded(), self.latch.destination()));
        black_box((self.talk.is_at_rest(), self.input.is_at_rest()));
        self.media.receiver.fetch();
    }

    /// Takes what arrived through a channel; says whether anything did.
    pub(crate) fn receive(&mut self, channel: Channel, buffer: &mut [u8]) -> bool {
        for count in 0..DATAGRAMS_PER_TICK {
            let Some(datagram) = self.transport.receive(channel, buffer) else {
                return count > 0;
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
        true
    }

    /// Decodes this tick's frame if anybody may hear it, records it, and adds it to the conference
    /// while it contributes; says whether somebody began or stopped to speak in the conference.
    pub(crate) fn contribute(
        &mut self,
        now: Timestamp,
        conference: Option<&mut Conference>,
        lender: &mut Decodings,
        scratch: &mut Frame,
    ) -> Option<bool> {
        let Some(conference) = conference else {
            return self.go_on_alone(now, lender, scratch);
        };
        self.take_turn(conference);
        let rest = self.rest(Some(conference.floor()));
        self.media.receiver.set_rest(rest);
        let pulled = self.pull(now, lender, scratch);
        let nothing_is_said = pulled == Pulled::Silence && self.input.is_at_rest();
        let heard = self.input.process(scratch, pulled);
        self.follow_voice(now, heard.sounds);
        if nothing_is_said {
            return self.stay_silent(heard.voice, conference, scratch);
        }

        let mut level = heard.level;
        if self.media.receiver.is_pressing(now) {
            // Some phones send the key's tone beside its event.
            scratch.fill(0.0);
            level = AudioLevel::SILENCE;
        }
        if self.talk.is_closed() {
            level = AudioLevel::SILENCE;
        }
        self.talk.apply(scratch);
        let voice = heard.voice && level != AudioLevel::SILENCE;
        if voice {
            (self.no_voice_for, self.since_voice) = (0, 0);
        } else {
            self.no_voice_for = self.no_voice_for.saturating_add(1);
            self.since_voice = self.since_voice.saturating_add(1);
        }
        self.inaudible_for = if self.is_audible(level) {
            0
        } else {
            self.inaudible_for.saturating_add(1)
        };
        self.contributes = self.keeps_contributing(conference);
        // What could not be taken out of its own mix is not put into the others'.
        self.sounds = self.contributes && self.media.receiver.keep_voice(scratch);
        if self.sounds {
            let contributor = self
                .remote_ssrc()
                .filter(|_| self.inaudible_for == 0)
                .map(|ssrc| Contributor { ssrc, level });
            conference.add(scratch, contributor);
        }
        if let Some(track) = &mut self.track {
            track.push(conference.session_position(), scratch);
        }
        self.speaker.follow(voice);
        self.tell_of(self.speaker.is_speaking())
    }

    /// Whether it most likely says nothing in the next tick, and nobody asks for every frame.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.contributes
            && self.media.receiver.is_resting()
            && self.track.is_none()
            && !self.is_followed()
            && !self.told_speaking
    }

    /// Whether it certainly says nothing in the next tick, whatever still comes before it: what comes
    /// is taken in the tick after that.
    pub(crate) fn stays_quiet(&mut self, conference: Option<&Conference>) -> bool {
        let floor = conference.map(Conference::floor);
        let waits_on = |floor| self.turn.waits_on(floor, self.quiet_for());
        if self.turn.waits() && !floor.is_some_and(waits_on) {
            return false;
        }
        self.media.receiver.set_rest(self.rest(floor));
        self.is_quiet() && self.media.receiver.rests_on() && self.input.is_at_rest()
    }

    /// Whether ticks may pass this leg by until something comes: it says nothing, nobody asks it
    /// anything, and a silence more would leave everything as it is.
    pub(crate) fn may_sleep(&self, now: Timestamp) -> bool {
        !self.contributes
            && self.turn.is_absent()
            && self.media.receiver.is_asleep()
            && self.track.is_none()
            && !self.is_followed()
            && !self.told_speaking
            && self.no_voice_for >= REST_AFTER
            && self.since_voice >= SPOKE_LATELY
            && self.inaudible_for >= self.private_most
            && self.input.is_at_rest()
            && self.talk.is_at_rest()
            && self.speaker.is_at_rest()
            && self.voice.is_at_rest()
            && self.latch.only_source(now).is_some()
    }

    /// Makes up for ticks that have passed it by.
    pub(crate) fn wake(&mut self, ticks: u32) {
        self.media.receiver.pass(ticks);
    }

    /// Begins a tick in a conference whose places in the mix may all be taken.
    fn take_turn(&mut self, conference: &mut Conference) {
        let (waited, quiet_for) = (self.turn.waits(), self.quiet_for());
        self.turn
            .begin_tick(conference.floor_mut(), self.inaudible_for, quiet_for);
        if self.turn.is_absent() {
            self.contributes = false;
        } else if waited && !self.turn.waits() && self.talk.is_open() {
            // It comes in the middle of a word.
            self.talk = Ramp::resting_at(0.0);
            self.talk.turn(true);
        }
    }

    /// For how many ticks nothing has come that looks like a voice and that others are to hear.
    fn quiet_for(&self) -> u32 {
        match self.talk.is_closed() {
            true => u32::MAX,
            false => self.media.receiver.quiet_for(),
        }
    }

    /// A tick in no conference: nobody hears this leg, but it may be recorded or watched.
    fn go_on_alone(
        &mut self,
        now: Timestamp,
        lender: &mut Decodings,
        scratch: &mut Frame,
    ) -> Option<bool> {
        self.contributes = false;
        if !self.is_followed() {
            self.media.receiver.set_rest(Rest::Always);
            self.media.receiver.pull_lent(now, lender, scratch);
            self.voice.stop();
            return self.tell_of(false);
        }
        self.media.receiver.set_rest(Rest::Never);
        let pulled = self.pull(now, lender, scratch);
        let heard = self.input.process(scratch, pulled);
        self.follow_voice(now, heard.sounds);
        self.tell_of(false)
    }

    /// Fills a frame with what is said in this tick, and records it. A silence is only filled in where
    /// somebody asks for its samples: almost nobody does, and thousands are silent.
    fn pull(&mut self, now: Timestamp, lender: &mut Decodings, frame: &mut Frame) -> Pulled {
        let pulled = self.media.receiver.pull_lent(now, lender, frame);
        let is_asked_for = !self.input.is_at_rest() || self.track.is_some() || self.is_recorded();
        if pulled == Pulled::Silence && is_asked_for {
            frame.fill(0.0);
        }
        self.keep_said(now, frame);
        pulled
    }

    /// Whether every frame is needed, wherever this leg is.
    fn is_followed(&self) -> bool {
        self.watched || self.is_recorded()
    }

    /// Follows the voice itself, wherever it is and whether or not anybody may hear it.
    fn follow_voice(&mut self, now: Timestamp, sounds: bool) {
        let is_key = self.media.receiver.is_pressing(now);
        self.voice.follow(sounds && !is_key);
    }

    /// What is new about who speaks in the conference.
    fn tell_of(&mut self, speaking: bool) -> Option<bool> {
        let told = std::mem::replace(&mut self.told_speaking, speaking);
        (told != speaking).then_some(speaking)
    }

    /// A tick in which nothing was said here: almost all ticks of almost all legs.
    fn stay_silent(
        &mut self,
        voice: bool,
        conference: &mut Conference,
        silence: &Frame,
    ) -> Option<bool> {
        self.talk.pass();
        self.noise_minus_dbov = QUIET_ROOM;
        self.no_voice_for = self.no_voice_for.saturating_add(1);
        self.since_voice = self.since_voice.saturating_add(1);
        self.inaudible_for = self.inaudible_for.saturating_add(1);
        self.contributes = self.keeps_contributing(conference);
        self.sounds = false;
        if let Some(track) = &mut self.track {
            track.push(conference.session_position(), silence);
        }
        self.speaker.follow(voice);
        self.tell_of(self.speaker.is_speaking())
    }

    /// What it has added to the mix in this tick.
    pub(super) fn own(&self) -> Option<&Frame> {
        let voice = self.media.receiver.voice();
        voice.filter(|_| self.contributes && self.sounds)
    }

    /// Whether a frame belongs into the mix: not the mere noise of a room in which nobody speaks.
    fn is_audible(&mut self, level: AudioLevel) -> bool {
        let minus_dbov = f32::from(level.minus_dbov());
        let above_noise = self.noise_minus_dbov - minus_dbov;
        self.noise_minus_dbov = minus_dbov.max(self.noise_minus_dbov - FLOOR_RISES_DB);
        let spoke_lately = self.since_voice < SPOKE_LATELY;
        let counts = spoke_lately || level.minus_dbov() < LOUD || above_noise > ONSET_DB;
        counts && level.minus_dbov() < AUDIBLE
    }

    /// Whether the receiver may leave packets undecoded.
    fn rest(&self, floor: Option<&Floor>) -> Rest {
        // Where others wait for a place, what this one says next could not be heard at once.
        let is_late = self.turn.is_absent() && floor.is_some_and(Floor::is_crowded);
        if self.track.is_some() || self.is_followed() {
            Rest::Never
        } else if self.talk.is_closed() || self.turn.waits() || is_late {
            Rest::Always
        } else if self.no_voice_for >= REST_AFTER {
            Rest::WhileQuiet
        } else {
            Rest::Never
        }
    }

    /// A leg that is heard has a mix of its own. It keeps that for a while, and then until a moment at
    /// which nobody hears that its encoder changes; without a place in the mix it is not heard at all.
    fn keeps_contributing(&mut self, conference: &mut Conference) -> bool {
        let stays = self.inaudible_for < self.private_least || !conference.hides_a_change();
        let lingers = self.contributes && self.inaudible_for < self.private_most && stays;
        let wants = conference.is_mixing() && (self.inaudible_for == 0 || lingers);
        self.turn.end_tick(conference.floor_mut(), wants)
    }
}
