//! Knows which media thread has which leg and conference, and speaks to it.
//!
//! Calls and conferences have names; places on a media thread have numbers. The director gives the
//! places out, builds what moves in, drops what moves out, and carries a leg from one thread to
//! another when its conference lives there. It never waits for a media thread.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use tutti_media::{
    Audio, Conference, ConferenceSlot, Encoder, EncoderSettings, EngineCommand, EngineEvent, Leg,
    LegMedia, LegSlot, MixClass, Prompt, PromptAudio, Retired, RtpIdentity,
};
use tutti_model::{
    Beep, CallId, ConferenceId, Format, MediaDescription, MediaEvent, Privileges, PromptId,
    PromptOutcome, RecordingId, Repeat,
};
use tutti_recording::Recorder;

use super::tap::RecordingTap;
use super::thread::{ThreadCounters, ThreadHandle};
use super::udp::{NoFreePort, PortPool, UdpLeg};
use crate::clock::Clock;

/// How a media plane is laid out.
#[derive(Debug, Clone, Copy)]
pub struct MediaSettings {
    pub threads: u16,
    /// Legs at the same time, on all threads together.
    pub legs: u16,
    /// Conferences at the same time, on all threads together.
    pub conferences: u16,
    pub encoder: EncoderSettings,
}

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

struct LegEntry {
    place: LegPlace,
    description: Option<MediaDescription>,
    tracks: Vec<RecordingId>,
}

struct ConferenceEntry {
    thread: usize,
    slot: ConferenceSlot,
    /// The formats for which the conference has been given a shared encoder.
    classes: Vec<Format>,
    recording: Option<RecordingId>,
}

/// What can be asked of a leg, wherever it is.
enum LegCommand {
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
    StartTrack(RecordingTap),
    StopTrack,
    PlayPrompt(Prompt),
    StopPrompt(PromptId),
    Close,
}

/// One media thread as the director sees it.
struct Lane {
    handle: ThreadHandle,
    /// Commands that found the ring full, in order.
    backlog: VecDeque<EngineCommand<UdpLeg>>,
    free_legs: Vec<LegSlot>,
    free_conferences: Vec<ConferenceSlot>,
    legs: usize,
}

/// Speaks to the media threads.
pub struct Director {
    settings: MediaSettings,
    ports: PortPool,
    recorder: Recorder,
    lanes: Vec<Lane>,
    legs: BTreeMap<CallId, LegEntry>,
    /// Legs that were closed while their thread still has them.
    leaving: BTreeSet<CallId>,
    conferences: BTreeMap<ConferenceId, ConferenceEntry>,
    /// What became known here rather than on a media thread.
    news: Vec<MediaEvent>,
}

impl Director {
    /// Starts the media threads.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(
        clock: Clock,
        settings: MediaSettings,
        ports: PortPool,
        recorder: Recorder,
    ) -> std::io::Result<Director> {
        let lanes = (0..usize::from(settings.threads))
            .map(|index| {
                let (legs, conferences) = (settings.legs, settings.conferences);
                Ok(Lane {
                    handle: ThreadHandle::spawn(index, clock, legs, conferences)?,
                    backlog: VecDeque::new(),
                    free_legs: (0..legs).rev().map(LegSlot).collect(),
                    free_conferences: (0..conferences).rev().map(ConferenceSlot).collect(),
                    legs: 0,
                })
            })
            .collect::<std::io::Result<Vec<Lane>>>()?;
        Ok(Director {
            settings,
            ports,
            recorder,
            lanes,
            legs: BTreeMap::new(),
            leaving: BTreeSet::new(),
            conferences: BTreeMap::new(),
            news: Vec::new(),
        })
    }

    /// Whether another leg may come.
    pub fn has_room(&self) -> bool {
        self.legs.len() < usize::from(self.settings.legs)
    }

    /// How many legs there are.
    pub fn leg_count(&self) -> usize {
        self.legs.len()
    }

    /// What each media thread did so far.
    pub fn counters(&self) -> Vec<Arc<ThreadCounters>> {
        self.lanes
            .iter()
            .map(|lane| Arc::clone(&lane.handle.counters))
            .collect()
    }

    /// Binds a leg's sockets, so that an answer or an offer can name its port.
    ///
    /// # Errors
    /// When every port is in use.
    pub fn offer_leg(&mut self) -> Result<LegOffer, NoFreePort> {
        let (sockets, rtp_port) = self.ports.bind()?;
        Ok(LegOffer { sockets, rtp_port })
    }

    /// Takes on a leg; `description` is missing while the peer has not said what it wants.
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
        };
        self.legs.insert(call, entry);
        if let Some(description) = description {
            self.describe_leg(call, description);
        }
    }

    /// Builds a leg whose audio has been agreed, or changes one that is there.
    pub fn describe_leg(&mut self, call: CallId, mut description: MediaDescription) {
        description.format = shareable(description.format, self.settings.encoder.bitrate_bps);
        let Some(entry) = self.legs.get_mut(&call) else {
            return;
        };
        let same_format = entry.description.as_ref().is_some_and(|known| {
            known.format == description.format
                && known.payload_type == description.payload_type
                && known.telephone_event == description.telephone_event
        });
        let unbuilt = matches!(entry.place, LegPlace::Unbuilt { .. });
        let media = if same_format && !unbuilt {
            None
        } else {
            match LegMedia::new(description.clone(), self.settings.encoder, rtp_identity()) {
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
        let Some(thread) = self.quietest_lane_with_leg_place() else {
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
        let leg = Box::new(Leg::new(call, sockets, media, signalling, cname()));
        self.seat_leg(call, leg, thread, waiting);
    }

    /// Lets a leg send and believe its peer: our answer is on its way.
    pub fn answered(&mut self, call: CallId) {
        self.ask_leg(call, LegCommand::Answered);
    }

    /// Ends a leg; its sockets close once its thread has let it go.
    pub fn close_leg(&mut self, call: CallId) {
        self.ask_leg(call, LegCommand::Close);
    }

    /// Makes a place for a conference on the thread with the least to do.
    pub fn open_conference(&mut self, conference: ConferenceId) {
        if self.conferences.contains_key(&conference) {
            return;
        }
        let quietest = (0..self.lanes.len())
            .filter(|&index| !self.lanes[index].free_conferences.is_empty())
            .min_by_key(|&index| (self.lanes[index].legs, self.conferences_on(index)));
        let Some(thread) = quietest else {
            tracing::error!(%conference, "no media thread has a place for another conference");
            return;
        };
        let Some(slot) = self.lanes[thread].free_conferences.pop() else {
            return;
        };
        let entry = ConferenceEntry {
            thread,
            slot,
            classes: Vec::new(),
            recording: None,
        };
        self.conferences.insert(conference, entry);
        let conference = Box::new(Conference::new(conference));
        self.lanes[thread].send(EngineCommand::OpenConference { slot, conference });
    }

    /// Forgets a conference.
    pub fn close_conference(&mut self, conference: ConferenceId) {
        if let Some(entry) = self.conferences.remove(&conference) {
            self.lanes[entry.thread].close_conference(entry.slot);
        }
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

    /// Lets participants hear each other, or not.
    pub fn set_mixing(&mut self, conference: ConferenceId, on: bool) {
        self.ask_conference(conference, |slot| EngineCommand::SetMixing {
            conference: slot,
            on,
        });
    }

    /// Plays wait music.
    pub fn play_music(&mut self, conference: ConferenceId, audio: Audio) {
        self.ask_conference(conference, |slot| EngineCommand::PlayMusic {
            conference: slot,
            audio,
        });
    }

    /// Ends wait music.
    pub fn stop_music(&mut self, conference: ConferenceId) {
        self.ask_conference(conference, |slot| EngineCommand::StopMusic {
            conference: slot,
        });
    }

    /// Plays a beep.
    pub fn beep(&mut self, conference: ConferenceId, beep: Beep) {
        self.ask_conference(conference, |slot| EngineCommand::Beep {
            conference: slot,
            beep,
        });
    }

    /// Records a conference's mix.
    pub fn start_recording(&mut self, conference: ConferenceId, recording: RecordingId) {
        let Some(tap) = self.open_recording(recording) else {
            return;
        };
        if let Some(entry) = self.conferences.get_mut(&conference) {
            entry.recording = Some(recording);
        }
        self.ask_conference(conference, |slot| EngineCommand::StartRecording {
            conference: slot,
            tap: Box::new(tap),
        });
    }

    /// Records one participant's own audio.
    pub fn start_track(&mut self, call: CallId, recording: RecordingId) {
        let Some(tap) = self.open_recording(recording) else {
            return;
        };
        if let Some(entry) = self.legs.get_mut(&call) {
            entry.tracks.push(recording);
        }
        self.ask_leg(call, LegCommand::StartTrack(tap));
    }

    /// Ends a recording of either kind; the recorder tells when its file is complete.
    pub fn stop_recording(&mut self, recording: RecordingId) {
        let of_conference = self
            .conferences
            .iter_mut()
            .find(|(_, entry)| entry.recording == Some(recording))
            .map(|(&conference, entry)| {
                entry.recording = None;
                conference
            });
        if let Some(conference) = of_conference {
            self.ask_conference(conference, |slot| EngineCommand::StopRecording {
                conference: slot,
            });
            return;
        }
        let of_call = self.legs.iter_mut().find_map(|(&call, entry)| {
            let at = entry.tracks.iter().position(|&track| track == recording)?;
            entry.tracks.swap_remove(at);
            Some(call)
        });
        if let Some(call) = of_call {
            self.ask_leg(call, LegCommand::StopTrack);
        }
    }

    /// Plays a prompt to one leg.
    pub fn play_prompt(&mut self, call: CallId, id: PromptId, audio: PromptAudio, repeat: Repeat) {
        self.ask_leg(call, LegCommand::PlayPrompt(Prompt::new(id, audio, repeat)));
    }

    /// Ends a prompt early.
    pub fn stop_prompt(&mut self, call: CallId, prompt: PromptId) {
        self.ask_leg(call, LegCommand::StopPrompt(prompt));
    }

    /// Carries on what the media threads have done since the last look, and returns what they
    /// learnt. To be called every few milliseconds while there are legs.
    pub fn poll(&mut self) -> Vec<MediaEvent> {
        let mut news = std::mem::take(&mut self.news);
        for thread in 0..self.lanes.len() {
            self.lanes[thread].flush();
            while let Ok(event) = self.lanes[thread].handle.events.pop() {
                match event {
                    EngineEvent::PromptFinished { call, prompt } => {
                        let outcome = PromptOutcome::Played;
                        news.push(MediaEvent::PromptFinished {
                            call,
                            prompt,
                            outcome,
                        });
                    }
                    EngineEvent::DigitPressed { call, digit } => {
                        news.push(MediaEvent::DigitPressed { call, digit });
                    }
                    EngineEvent::LegSilent { call } => news.push(MediaEvent::LegSilent { call }),
                    EngineEvent::Retired(retired) => self.retire(retired),
                }
            }
        }
        news
    }

    /// Whether nothing is left that a poll could bring on.
    pub fn is_idle(&self) -> bool {
        self.legs.is_empty()
            && self.leaving.is_empty()
            && self.news.is_empty()
            && self.lanes.iter().all(|lane| lane.backlog.is_empty())
    }

    fn retire(&mut self, retired: Retired<UdpLeg>) {
        match retired {
            Retired::Leg { leg, .. } => {
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
                    self.seat_leg(call, leg, to, waiting);
                }
            }
            Retired::Refused(_) => {
                tracing::error!("a media thread was given a place that it does not have");
            }
            // Dropped here, where it may take its time.
            Retired::Conference { .. }
            | Retired::Media(_)
            | Retired::Class(_)
            | Retired::Audio(_)
            | Retired::Tap(_) => {}
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
        let Some(slot) = self.lanes[to].free_legs.pop() else {
            tracing::error!(%call, "a media thread has no place for a leg that moves there");
            // The leg is no more, so its call ends as one whose caller is gone.
            self.legs.remove(&call);
            self.news.push(MediaEvent::LegSilent { call });
            return;
        };
        self.lanes[to].legs += 1;
        self.lanes[to].send(EngineCommand::AddLeg { slot, leg });
        if let Some(entry) = self.legs.get_mut(&call) {
            entry.place = LegPlace::Seated { thread: to, slot };
        }
        for command in waiting {
            self.ask_leg(call, command);
        }
    }

    fn ask_leg(&mut self, call: CallId, command: LegCommand) {
        let Some(entry) = self.legs.get_mut(&call) else {
            return;
        };
        let (thread, slot) = match &mut entry.place {
            LegPlace::Seated { thread, slot } => (*thread, *slot),
            LegPlace::Unbuilt { .. } if matches!(command, LegCommand::Close) => {
                self.legs.remove(&call);
                return;
            }
            LegPlace::Unbuilt { waiting, .. } | LegPlace::Moving { waiting, .. } => {
                waiting.push(command);
                return;
            }
        };
        let command = match command {
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
            LegCommand::Leave => EngineCommand::Leave { slot },
            LegCommand::SetPrivileges(privileges) => {
                EngineCommand::SetPrivileges { slot, privileges }
            }
            LegCommand::StartTrack(tap) => EngineCommand::StartTrack {
                slot,
                tap: Box::new(tap),
            },
            LegCommand::StopTrack => EngineCommand::StopTrack { slot },
            LegCommand::PlayPrompt(prompt) => EngineCommand::PlayPrompt { slot, prompt },
            LegCommand::StopPrompt(prompt) => EngineCommand::StopPrompt { slot, prompt },
            LegCommand::Close => {
                self.legs.remove(&call);
                self.leaving.insert(call);
                self.lanes[thread].remove_leg(slot);
                return;
            }
        };
        self.lanes[thread].send(command);
    }

    /// Joins a leg where it is, or sets it on its way to its conference's thread.
    fn join_from(
        &mut self,
        call: CallId,
        thread: usize,
        slot: LegSlot,
        conference: ConferenceId,
        privileges: Privileges,
    ) {
        let Some(target) = self.conferences.get_mut(&conference) else {
            return;
        };
        let Some(entry) = self.legs.get_mut(&call) else {
            return;
        };
        if target.thread != thread {
            let waiting = vec![LegCommand::Join {
                conference,
                privileges,
            }];
            entry.place = LegPlace::Moving {
                to: target.thread,
                waiting,
            };
            self.lanes[thread].remove_leg(slot);
            return;
        }
        let class = entry.description.as_ref().and_then(|description| {
            let format = description.format;
            if target.classes.contains(&format) {
                return None;
            }
            target.classes.push(format);
            let encoder = Encoder::new(&format, self.settings.encoder).ok()?;
            Some(Box::new(MixClass::new(format, encoder)))
        });
        let conference = target.slot;
        self.lanes[thread].send(EngineCommand::Join {
            slot,
            conference,
            privileges,
            class,
        });
    }

    fn ask_conference(
        &mut self,
        conference: ConferenceId,
        command: impl FnOnce(ConferenceSlot) -> EngineCommand<UdpLeg>,
    ) {
        if let Some(entry) = self.conferences.get(&conference) {
            self.lanes[entry.thread].send(command(entry.slot));
        }
    }

    fn open_recording(&mut self, recording: RecordingId) -> Option<RecordingTap> {
        match self.recorder.open(recording) {
            Ok(ring) => Some(RecordingTap::new(ring)),
            Err(error) => {
                let failure = error.into_failure();
                self.news
                    .push(MediaEvent::RecordingFailed { recording, failure });
                None
            }
        }
    }

    fn quietest_lane_with_leg_place(&self) -> Option<usize> {
        (0..self.lanes.len())
            .filter(|&index| !self.lanes[index].free_legs.is_empty())
            .min_by_key(|&index| self.lanes[index].legs)
    }

    fn conferences_on(&self, thread: usize) -> usize {
        self.conferences
            .values()
            .filter(|entry| entry.thread == thread)
            .count()
    }
}

impl Lane {
    /// Takes a leg out. Commands come in order, so whoever gets its place next finds it empty.
    fn remove_leg(&mut self, slot: LegSlot) {
        self.send(EngineCommand::RemoveLeg { slot });
        self.free_legs.push(slot);
        self.legs -= 1;
    }

    /// Closes a conference, whose place is free for the next command.
    fn close_conference(&mut self, slot: ConferenceSlot) {
        self.send(EngineCommand::CloseConference { slot });
        self.free_conferences.push(slot);
    }

    /// Sends a command after all that wait already.
    fn send(&mut self, command: EngineCommand<UdpLeg>) {
        self.backlog.push_back(command);
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(command) = self.backlog.pop_front() {
            if let Err(rtrb::PushError::Full(command)) = self.handle.commands.push(command) {
                self.backlog.push_front(command);
                return;
            }
        }
    }
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
