//! Legs: built, seated, moved, asked and let go.

use std::net::IpAddr;

use tutti_media::{
    CallRecording, EngineCommand, Leg, LegMedia, LegSlot, MOST_CALL_RECORDINGS, Prompt, RtpIdentity,
};
use tutti_model::{
    CallId, ConferenceId, Digit, Format, Gains, MediaDescription, MediaEvent, Privileges, PromptId,
    RecordedSide, RecordingFailure, RecordingId,
};

use super::super::ports::NoFreePort;
use super::super::tap::RecordingTap;
use super::super::udp::UdpLeg;
use super::Director;

/// A leg's sockets before anything is agreed about it.
pub struct LegOffer {
    sockets: UdpLeg,
    pub rtp_port: u16,
}

/// Where a leg is.
enum LegPlace {
    /// Nothing is agreed yet (an INVITE without an offer): it waits with what was asked of it.
    Unbuilt {
        sockets: UdpLeg,
        signalling: IpAddr,
        waiting: Vec<LegCommand>,
    },
    /// On a thread.
    Seated { thread: usize, slot: LegSlot },
    /// On its way to another thread, with what was asked of it meanwhile.
    Moving { to: usize, waiting: Vec<LegCommand> },
}

/// The part of a conference that a leg is in, or on its way to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) conference: ConferenceId,
    pub(super) thread: usize,
}

pub(super) struct LegEntry {
    place: LegPlace,
    description: Option<MediaDescription>,
    tracks: Vec<RecordingId>,
    /// Recordings of the call itself.
    recordings: Vec<RecordingId>,
    membership: Option<Membership>,
}

/// What can be asked of a leg, wherever it is.
pub(super) enum LegCommand {
    Early,
    Answered,
    Reconfigure {
        description: MediaDescription,
        media: Option<Box<LegMedia>>,
    },
    Join {
        conference: ConferenceId,
        privileges: Privileges,
    },
    Leave,
    SetPrivileges(Privileges),
    SetGains(Gains),
    PressDigit(Digit),
    StartTrack(RecordingTap),
    StopTrack,
    RecordCall(Box<CallRecording>),
    StopCallRecording(RecordingId),
    WatchVoice(bool),
    PlayPrompt(Prompt),
    /// To everybody in the conference that it is in by then.
    PlayToConference(Prompt),
    StopPrompt(PromptId),
    Close,
}

impl Director {
    /// Binds a leg's sockets, so that an answer or an offer can name its port.
    ///
    /// # Errors
    /// When every port is in use.
    pub fn offer_leg(&mut self) -> Result<LegOffer, NoFreePort> {
        let (sockets, rtp_port) = self.ports.bind()?;
        Ok(LegOffer { sockets, rtp_port })
    }

    /// Takes on a leg; `description` is missing while the peer has not said what it wants.
    ///
    /// `signalling` is where the peer's signalling comes from: its media may come from there, too. For
    /// a call that we place this is where the request goes to. Such a leg is offered, then taken on
    /// without a description, described by the first answer that comes ([`early`](Director::early)
    /// follows where there is early media), described again if a later one says something else, and
    /// [`answered`](Director::answered) at last.
    pub fn add_leg(
        &mut self,
        call: CallId,
        offer: LegOffer,
        signalling: IpAddr,
        description: Option<MediaDescription>,
    ) {
        let entry = LegEntry {
            place: LegPlace::Unbuilt {
                sockets: offer.sockets,
                signalling,
                waiting: Vec::new(),
            },
            description: None,
            tracks: Vec::new(),
            recordings: Vec::new(),
            membership: None,
        };
        self.legs.insert(call, entry);
        if let Some(description) = description {
            self.describe_leg(call, description);
        }
    }

    /// Builds a leg whose audio has been agreed, or changes one that is there.
    pub fn describe_leg(&mut self, call: CallId, mut description: MediaDescription) {
        let settings = self.settings.leg;
        description.format = shareable(description.format, settings.encoder.bitrate_bps);
        let Some(entry) = self.legs.get_mut(&call) else {
            return;
        };
        let same_audio = entry
            .description
            .as_ref()
            .is_some_and(|known| is_same_audio(known, &description));
        let unbuilt = matches!(entry.place, LegPlace::Unbuilt { .. });
        let media = if same_audio && !unbuilt {
            None
        } else {
            match LegMedia::new(description.clone(), &settings, rtp_identity()) {
                Ok(media) => Some(Box::new(media)),
                Err(error) => {
                    tracing::error!(%call, %error, "a leg's codecs cannot be set up");
                    return;
                }
            }
        };
        entry.description = Some(description.clone());
        if !unbuilt {
            self.ask_leg(call, LegCommand::Reconfigure { description, media });
            return;
        }
        let Some(media) = media else { return };
        let Some(thread) = self.quietest_lane(|lane| lane.has_leg_place()) else {
            tracing::error!(%call, "no media thread has a place for another leg");
            return;
        };
        let Some(entry) = self.legs.get_mut(&call) else {
            return;
        };
        let place = LegPlace::Moving {
            to: thread,
            waiting: Vec::new(),
        };
        let LegPlace::Unbuilt {
            sockets,
            signalling,
            waiting,
        } = std::mem::replace(&mut entry.place, place)
        else {
            return;
        };
        let leg = Leg::new(call, sockets, media, signalling, cname(), &settings);
        self.seat_leg(call, Box::new(leg), thread, waiting);
    }

    /// Lets a leg send what it hears before there is an answer, to exactly where its description says
    /// (RFC 3960); what comes is still not believed.
    pub fn early(&mut self, call: CallId) {
        self.ask_leg(call, LegCommand::Early);
    }

    /// Lets a leg send and believe its peer: our answer is on its way, or the peer's has come.
    pub fn answered(&mut self, call: CallId) {
        self.ask_leg(call, LegCommand::Answered);
    }

    /// Ends a leg; its sockets close once its thread has let it go.
    pub fn close_leg(&mut self, call: CallId) {
        self.ask_leg(call, LegCommand::Close);
    }

    /// Bridges a leg into a conference.
    pub fn join(&mut self, call: CallId, conference: ConferenceId, privileges: Privileges) {
        self.ask_leg(
            call,
            LegCommand::Join {
                conference,
                privileges,
            },
        );
    }

    /// Takes a leg out of its conference.
    pub fn leave(&mut self, call: CallId) {
        self.ask_leg(call, LegCommand::Leave);
    }

    /// Changes what a participant may do.
    pub fn set_privileges(&mut self, call: CallId, privileges: Privileges) {
        self.ask_leg(call, LegCommand::SetPrivileges(privileges));
    }

    /// Changes how loud a participant is heard, and hears.
    pub fn set_gains(&mut self, call: CallId, gains: Gains) {
        self.ask_leg(call, LegCommand::SetGains(gains));
    }

    /// Presses a key towards one leg.
    pub fn press_digit(&mut self, call: CallId, digit: Digit) {
        self.ask_leg(call, LegCommand::PressDigit(digit));
    }

    /// Records one participant's own audio.
    pub fn start_track(&mut self, call: CallId, recording: RecordingId) {
        let Some(tap) = self.open_recording(recording) else {
            return;
        };
        if let Some(entry) = self.legs.get_mut(&call) {
            entry.tracks.push(recording);
            self.ask_leg(call, LegCommand::StartTrack(tap));
        }
    }

    /// Records one call from its leg's next tick on, wherever it is and goes; closing the leg ends
    /// that, too. A few recordings of one call may go on at the same time.
    pub fn record_call(&mut self, call: CallId, recording: RecordingId, side: RecordedSide) {
        let of_call = self.legs.get(&call).map_or(0, |leg| leg.recordings.len());
        if of_call == MOST_CALL_RECORDINGS {
            let failure = RecordingFailure::Io("too many recordings of one call".to_owned());
            self.news
                .push(MediaEvent::RecordingFailed { recording, failure });
            return;
        }
        // Without a leg it is dropped at once, and ready with nothing in it.
        let Some(tap) = self.open_recording(recording) else {
            return;
        };
        if let Some(entry) = self.legs.get_mut(&call) {
            entry.recordings.push(recording);
            let recording = CallRecording::new(recording, side, Box::new(tap));
            self.ask_leg(call, LegCommand::RecordCall(Box::new(recording)));
        }
    }

    /// Tells of a call's voice, or no longer, wherever the call is.
    pub fn watch_voice(&mut self, call: CallId, on: bool) {
        self.ask_leg(call, LegCommand::WatchVoice(on));
    }

    /// Ends a participant's track or a call's recording, if this is one.
    pub(super) fn stop_leg_recording(&mut self, recording: RecordingId) {
        let taken_from = |list: &mut Vec<RecordingId>| {
            let at = list.iter().position(|&known| known == recording);
            at.map(|at| list.swap_remove(at)).is_some()
        };
        let stopped = self.legs.iter_mut().find_map(|(&call, entry)| {
            if taken_from(&mut entry.tracks) {
                Some((call, LegCommand::StopTrack))
            } else if taken_from(&mut entry.recordings) {
                Some((call, LegCommand::StopCallRecording(recording)))
            } else {
                None
            }
        });
        if let Some((call, command)) = stopped {
            self.ask_leg(call, command);
        }
    }

    /// Where a leg sits, if it is not on its way.
    pub(super) fn seat_of(&self, call: CallId) -> Option<(usize, LegSlot)> {
        match self.legs.get(&call)?.place {
            LegPlace::Seated { thread, slot } => Some((thread, slot)),
            LegPlace::Unbuilt { .. } | LegPlace::Moving { .. } => None,
        }
    }

    /// The part of a conference that a leg is in, or on its way to.
    pub(super) fn membership(&self, call: CallId) -> Option<Membership> {
        self.legs.get(&call)?.membership
    }

    /// Notes the part of a conference that a leg is in from now on; returns the one it was in.
    pub(super) fn set_membership(
        &mut self,
        call: CallId,
        membership: Option<Membership>,
    ) -> Option<Membership> {
        let entry = self.legs.get_mut(&call)?;
        std::mem::replace(&mut entry.membership, membership)
    }

    /// Takes a conference that is no more out of the memory of all legs.
    pub(super) fn forget_memberships(&mut self, conference: ConferenceId) {
        for entry in self.legs.values_mut() {
            entry
                .membership
                .take_if(|member| member.conference == conference);
        }
    }

    /// A thread has let a leg go: it is closed, or goes on to where it moves.
    pub(super) fn leg_retired(&mut self, leg: Box<Leg<UdpLeg>>) {
        let call = leg.call();
        if self.leaving.remove(&call) {
            log_leg(&leg);
            return;
        }
        let Some(entry) = self.legs.get_mut(&call) else {
            return;
        };
        if let LegPlace::Moving { to, waiting } = &mut entry.place {
            let (to, waiting) = (*to, std::mem::take(waiting));
            self.lanes[to].leg_came();
            self.seat_leg(call, leg, to, waiting);
        }
    }

    /// Gives a leg a place on a thread, and then all that was asked of it meanwhile.
    fn seat_leg(
        &mut self,
        call: CallId,
        leg: Box<Leg<UdpLeg>>,
        to: usize,
        waiting: Vec<LegCommand>,
    ) {
        let Some(slot) = self.lanes[to].add_leg(leg) else {
            tracing::error!(%call, "a media thread has no place for a leg that moves there");
            // The leg is no more, so its call ends as one whose caller is gone.
            self.forget_leg(call);
            self.news.push(MediaEvent::LegSilent { call });
            return;
        };
        if let Some(entry) = self.legs.get_mut(&call) {
            entry.place = LegPlace::Seated { thread: to, slot };
        }
        for command in waiting {
            self.ask_leg(call, command);
        }
    }

    pub(super) fn ask_leg(&mut self, call: CallId, command: LegCommand) {
        let Some(entry) = self.legs.get_mut(&call) else {
            return;
        };
        let (thread, slot) = match &mut entry.place {
            LegPlace::Seated { thread, slot } => (*thread, *slot),
            LegPlace::Unbuilt { .. } if matches!(command, LegCommand::Close) => {
                self.forget_leg(call);
                return;
            }
            LegPlace::Unbuilt { waiting, .. } | LegPlace::Moving { waiting, .. } => {
                waiting.push(command);
                return;
            }
        };
        let command = match command {
            LegCommand::Early => EngineCommand::Early { slot },
            LegCommand::Answered => EngineCommand::Answered { slot },
            LegCommand::Reconfigure { description, media } => EngineCommand::Reconfigure {
                slot,
                description,
                media,
            },
            LegCommand::Join {
                conference,
                privileges,
            } => {
                self.join_from(call, thread, slot, conference, privileges);
                return;
            }
            LegCommand::Leave => {
                self.lanes[thread].send(EngineCommand::Leave { slot });
                self.leave_part(call);
                return;
            }
            LegCommand::SetPrivileges(privileges) => {
                EngineCommand::SetPrivileges { slot, privileges }
            }
            LegCommand::SetGains(gains) => EngineCommand::SetGains { slot, gains },
            LegCommand::PressDigit(digit) => EngineCommand::PressDigit { slot, digit },
            LegCommand::StartTrack(tap) => {
                let tap = Box::new(tap.behind(self.part_behind(call)));
                EngineCommand::StartTrack { slot, tap }
            }
            LegCommand::StopTrack => EngineCommand::StopTrack { slot },
            LegCommand::RecordCall(recording) => EngineCommand::RecordCall { slot, recording },
            LegCommand::StopCallRecording(recording) => {
                EngineCommand::StopCallRecording { slot, recording }
            }
            LegCommand::WatchVoice(on) => EngineCommand::WatchVoice { slot, on },
            LegCommand::PlayPrompt(prompt) => EngineCommand::PlayPrompt { slot, prompt },
            LegCommand::PlayToConference(prompt) => {
                self.play_to_conference(call, &prompt);
                return;
            }
            LegCommand::StopPrompt(prompt) => {
                self.stop_in_conference(call, prompt);
                EngineCommand::StopPrompt { slot, prompt }
            }
            LegCommand::Close => {
                self.lanes[thread].remove_leg(slot);
                self.forget_leg(call);
                self.leaving.insert(call);
                return;
            }
        };
        self.lanes[thread].send(command);
    }

    /// Joins a leg where it is, or sets it on its way to where its conference has room for it.
    fn join_from(
        &mut self,
        call: CallId,
        thread: usize,
        slot: LegSlot,
        conference: ConferenceId,
        privileges: Privileges,
    ) {
        // Whoever is heard elsewhere fades out there, before a part that is left empty goes.
        if self
            .membership(call)
            .is_some_and(|member| member.conference != conference)
        {
            self.lanes[thread].send(EngineCommand::Leave { slot });
        }
        let Some((to, place)) = self.enter_part(call, thread, conference) else {
            return;
        };
        if to == thread {
            self.lanes[thread].send(EngineCommand::Join {
                slot,
                conference: place,
                privileges,
            });
            return;
        }
        let waiting = vec![LegCommand::Join {
            conference,
            privileges,
        }];
        if let Some(entry) = self.legs.get_mut(&call) {
            entry.place = LegPlace::Moving { to, waiting };
            self.lanes[thread].remove_leg(slot);
            self.lanes[to].expect_leg();
        }
    }

    fn forget_leg(&mut self, call: CallId) {
        self.leave_part(call);
        self.legs.remove(&call);
    }
}

/// Whether nothing changes but where audio goes, and in which directions.
fn is_same_audio(known: &MediaDescription, new: &MediaDescription) -> bool {
    let MediaDescription {
        remote_rtp,
        remote_rtcp,
        flow,
        ..
    } = *new;
    let known = MediaDescription {
        remote_rtp,
        remote_rtcp,
        flow,
        ..known.clone()
    };
    known == *new
}

/// The format with its bitrate lowered to one of a few, so that legs share encoders, and no peer
/// can take them all by asking for odd ones.
fn shareable(format: Format, ours_bps: u32) -> Format {
    let wanted = format.max_bitrate_bps.filter(|&wanted| wanted < ours_bps);
    let max_bitrate_bps = wanted.map(|wanted| match wanted {
        24_000.. => 24_000,
        16_000..24_000 => 16_000,
        8_000..16_000 => 8_000,
        0..8_000 => 6_000,
    });
    Format {
        max_bitrate_bps,
        ..format
    }
}

/// Draws the names that RTP wants unguessable (RFC 3550 §5.1).
fn rtp_identity() -> RtpIdentity {
    RtpIdentity {
        ssrc: rand::random(),
        // Away from the wrap, so that SRTP's rollover counter starts alike on both sides.
        first_sequence: rand::random::<u16>() & 0x7fff,
        first_timestamp: rand::random(),
    }
}

/// A name for a leg's SSRCs that tells nothing (RFC 7022 §4.2).
fn cname() -> String {
    format!("{:016x}@tutti", rand::random::<u64>())
}

/// Says once how a leg fared.
fn log_leg(leg: &Leg<UdpLeg>) {
    let (received, refused) = (leg.receive_counters(), leg.counters());
    tracing::debug!(call = %leg.call(), ?received, ?refused, "leg closed");
}
