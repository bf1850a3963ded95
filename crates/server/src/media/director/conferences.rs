//! Conferences, and the parts of those that one thread cannot carry.

use tutti_media::{Audio, ConferenceSlot, EngineCommand, FRAME_SAMPLES, SAMPLE_RATE_HZ};
use tutti_model::{Beep, CallId, ConferenceId, Digit, MediaEvent, RecordingId, Timestamp};

use super::super::tap::{NoTap, RecordingTap};
use super::super::trunk::trunk_pair;
use super::super::udp::UdpLeg;
use super::Director;
use super::legs::Membership;
use super::prompts::Playing;

/// The most parts of one conference: each part has a way to each other one.
const MOST_PARTS: usize = 16;

/// One thread's share of a conference.
pub(super) struct Part {
    thread: usize,
    slot: ConferenceSlot,
    phase: u8,
    /// Legs that are in it, or on their way.
    legs: usize,
    /// What its clock is behind the conference's, in samples.
    behind: u64,
}

/// A conference, and all that a part must know when it begins.
pub(super) struct ConferenceEntry {
    /// The first is home: it is recorded there, and it is there while the conference is.
    parts: Vec<Part>,
    mixing: bool,
    music: Option<Audio>,
    pub(super) prompts: Vec<Playing>,
    recording: Option<RecordingId>,
    /// When its clock began.
    began: Timestamp,
}

#[cfg(test)]
impl ConferenceEntry {
    pub(super) fn home(&self) -> usize {
        self.parts[0].thread
    }

    pub(super) fn home_place(&self) -> (usize, u8) {
        (self.parts[0].thread, self.parts[0].phase)
    }

    pub(super) fn legs_of_parts(&self) -> Vec<usize> {
        self.parts.iter().map(|part| part.legs).collect()
    }
}

impl Director {
    /// Makes a place for a conference on the thread with the least to do; until somebody is in it, it
    /// may go over to another one.
    pub fn open_conference(&mut self, conference: ConferenceId) {
        if self.conferences.contains_key(&conference) {
            return;
        }
        let home = self
            .quietest_lane(|lane| lane.has_conference_place())
            .and_then(|thread| {
                let (slot, phase) = self.lanes[thread].open_conference(conference, None)?;
                Some(Part {
                    thread,
                    slot,
                    phase,
                    legs: 0,
                    behind: 0,
                })
            });
        let Some(home) = home else {
            tracing::error!(%conference, "no media thread has a place for another conference");
            return;
        };
        let entry = ConferenceEntry {
            parts: vec![home],
            mixing: false,
            music: None,
            prompts: Vec::new(),
            recording: None,
            began: self.clock.now(),
        };
        self.conferences.insert(conference, entry);
    }

    /// Forgets a conference.
    pub fn close_conference(&mut self, conference: ConferenceId) {
        let Some(entry) = self.conferences.remove(&conference) else {
            return;
        };
        for part in entry.parts {
            self.lanes[part.thread].close_conference(part.slot, part.phase);
        }
        self.forget_memberships(conference);
    }

    /// Lets participants hear each other, or not.
    pub fn set_mixing(&mut self, conference: ConferenceId, on: bool) {
        if let Some(entry) = self.conferences.get_mut(&conference) {
            entry.mixing = on;
        }
        self.ask_parts(conference, |part, _| EngineCommand::SetMixing {
            conference: part,
            on,
        });
    }

    /// Plays wait music.
    pub fn play_music(&mut self, conference: ConferenceId, audio: Audio) {
        self.ask_parts(conference, |part, _| EngineCommand::PlayMusic {
            conference: part,
            audio: Audio::clone(&audio),
        });
        if let Some(entry) = self.conferences.get_mut(&conference) {
            entry.music = Some(audio);
        }
    }

    /// Ends wait music.
    pub fn stop_music(&mut self, conference: ConferenceId) {
        if let Some(entry) = self.conferences.get_mut(&conference) {
            entry.music = None;
        }
        self.ask_parts(conference, |part, _| EngineCommand::StopMusic {
            conference: part,
        });
    }

    /// Plays a beep.
    pub fn beep(&mut self, conference: ConferenceId, beep: Beep) {
        self.ask_parts(conference, |part, _| EngineCommand::Beep {
            conference: part,
            beep,
        });
    }

    /// Lets everybody else hear a key that one participant pressed.
    pub fn pass_digit(&mut self, conference: ConferenceId, from: CallId, digit: Digit) {
        let seat = self.seat_of(from);
        let Some(entry) = self.conferences.get(&conference) else {
            return;
        };
        for part in &entry.parts {
            self.lanes[part.thread].send(EngineCommand::PassDigit {
                conference: part.slot,
                from: seat
                    .filter(|(thread, _)| *thread == part.thread)
                    .map(|(_, slot)| slot),
                digit,
            });
        }
    }

    /// Records a conference's mix.
    pub fn start_recording(&mut self, conference: ConferenceId, recording: RecordingId) {
        let Some(tap) = self.open_recording(recording) else {
            return;
        };
        let began = self.clock.now();
        let Some(entry) = self.conferences.get_mut(&conference) else {
            return;
        };
        entry.recording = Some(recording);
        entry.began = began;
        let mut tap = Some(tap);
        for part in &mut entry.parts {
            part.behind = 0;
            let lane = &mut self.lanes[part.thread];
            match tap.take() {
                Some(tap) => lane.send(EngineCommand::StartRecording {
                    conference: part.slot,
                    tap: Box::new(tap),
                }),
                None => {
                    // Their clocks begin anew as well, for tracks that are recorded there.
                    lane.send(EngineCommand::StartRecording {
                        conference: part.slot,
                        tap: Box::new(NoTap),
                    });
                    lane.send(EngineCommand::StopRecording {
                        conference: part.slot,
                    });
                }
            }
        }
    }

    /// Ends a recording of any kind; the recorder tells when its file is complete.
    pub fn stop_recording(&mut self, recording: RecordingId) {
        let of_conference = self
            .conferences
            .values_mut()
            .find(|entry| entry.recording == Some(recording));
        let Some(entry) = of_conference else {
            self.stop_leg_recording(recording);
            return;
        };
        entry.recording = None;
        if let Some(home) = entry.parts.first() {
            self.lanes[home.thread].send(EngineCommand::StopRecording {
                conference: home.slot,
            });
        }
    }

    pub(super) fn open_recording(&mut self, recording: RecordingId) -> Option<RecordingTap> {
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

    /// Counts a leg, which is on this thread, into the part of a conference that has room for it; says
    /// where that is.
    pub(super) fn enter_part(
        &mut self,
        call: CallId,
        seated: usize,
        conference: ConferenceId,
    ) -> Option<(usize, ConferenceSlot)> {
        let member = self
            .membership(call)
            .filter(|member| member.conference == conference);
        if let Some(part) = member.and_then(|member| self.part(member)) {
            return Some((part.thread, part.slot));
        }
        self.leave_part(call);
        self.move_empty_home(conference, seated);
        let thread = self.part_with_room(conference)?;
        let member = Membership { conference, thread };
        self.set_membership(call, Some(member));
        let part = self.part(member)?;
        part.legs += 1;
        Some((thread, part.slot))
    }

    /// Counts a leg out of its part; a part that is not home ends with its last leg.
    pub(super) fn leave_part(&mut self, call: CallId) {
        let Some(member) = self.set_membership(call, None) else {
            return;
        };
        self.stop_prompts_of(call, member.conference);
        let Some(part) = self.part(member) else {
            return;
        };
        part.legs -= 1;
        if part.legs > 0 {
            return;
        }
        let Some(entry) = self.conferences.get_mut(&member.conference) else {
            return;
        };
        let empty = |part: &Part| part.thread == member.thread;
        if let Some(at) = entry.parts.iter().position(empty)
            && at > 0
        {
            // The other parts see for themselves that their trunks to it are over.
            let part = entry.parts.remove(at);
            self.lanes[part.thread].close_conference(part.slot, part.phase);
        }
    }

    /// What the clock of a leg's part is behind its conference's, in samples.
    pub(super) fn part_behind(&mut self, call: CallId) -> u64 {
        self.membership(call)
            .and_then(|member| self.part(member))
            .map_or(0, |part| part.behind)
    }

    fn part(&mut self, member: Membership) -> Option<&mut Part> {
        let entry = self.conferences.get_mut(&member.conference)?;
        entry
            .parts
            .iter_mut()
            .find(|part| part.thread == member.thread)
    }

    /// Moves the home of a conference in which nobody is to a thread that has less to do, before a leg
    /// comes that is on `seated` still.
    ///
    /// Where the conference was made tells little: those that are made one after the other fill up in
    /// any order, and the large ones may have come to the same thread.
    fn move_empty_home(&mut self, conference: ConferenceId, seated: usize) {
        let Some(entry) = self.conferences.get(&conference) else {
            return;
        };
        let [home] = entry.parts.as_slice() else {
            return;
        };
        let is_at_work = home.legs > 0 || entry.recording.is_some() || !entry.prompts.is_empty();
        let others = |thread: usize| {
            let joining = usize::from(thread == seated);
            self.lanes[thread].legs().saturating_sub(joining)
        };
        let quietest = (0..self.lanes.len())
            .filter(|&thread| self.lanes[thread].has_conference_place())
            .filter(|&thread| self.lanes[thread].admits())
            .min_by_key(|&thread| others(thread));
        let Some(thread) = quietest.filter(|&to| !is_at_work && others(to) < others(home.thread))
        else {
            return;
        };
        let Some((slot, phase)) = self.lanes[thread].open_conference(conference, None) else {
            return;
        };
        self.bring_up_to_date(conference, thread, slot);
        let part = Part {
            thread,
            slot,
            phase,
            legs: 0,
            behind: 0,
        };
        let Some(entry) = self.conferences.get_mut(&conference) else {
            return;
        };
        entry.began = self.clock.now();
        for left in std::mem::replace(&mut entry.parts, vec![part]) {
            self.lanes[left.thread].close_conference(left.slot, left.phase);
        }
    }

    /// The thread of the part that one more leg goes to: home, or the first that has room, or a new
    /// one; the smallest where nobody has.
    fn part_with_room(&mut self, conference: ConferenceId) -> Option<usize> {
        let most = usize::from(self.settings.part_legs);
        let parts = &self.conferences.get(&conference)?.parts;
        let has_room = |part: &&Part| part.legs < most && self.lanes[part.thread].admits();
        if let Some(part) = parts.iter().find(has_room) {
            return Some(part.thread);
        }
        let smallest = parts.iter().min_by_key(|part| part.legs)?.thread;
        if parts.len() == MOST_PARTS {
            return Some(smallest);
        }
        let taken: Vec<_> = parts.iter().map(|part| part.thread).collect();
        let another = (0..self.lanes.len())
            .filter(|thread| !taken.contains(thread))
            .filter(|&thread| self.lanes[thread].has_conference_place())
            .filter(|&thread| self.lanes[thread].admits())
            .min_by_key(|&thread| self.lanes[thread].load());
        let opened = another.and_then(|thread| self.open_part(conference, thread));
        Some(opened.unwrap_or(smallest))
    }

    /// Begins a part of a conference on another thread, with ways to all others.
    fn open_part(&mut self, conference: ConferenceId, thread: usize) -> Option<usize> {
        let entry = self.conferences.get_mut(&conference)?;
        // Parts that tick together hear each other a tick later, not more.
        let phase = entry.parts.first().map(|home| home.phase);
        let (slot, phase) = self.lanes[thread].open_conference(conference, phase)?;
        let part = Part {
            thread,
            slot,
            phase,
            legs: 0,
            behind: samples(entry.began, self.clock.now()),
        };
        for other in &entry.parts {
            let (here, there) = trunk_pair();
            self.lanes[thread].send(EngineCommand::AddTrunk {
                conference: slot,
                trunk: Box::new(here),
            });
            self.lanes[other.thread].send(EngineCommand::AddTrunk {
                conference: other.slot,
                trunk: Box::new(there),
            });
        }
        entry.parts.push(part);
        self.bring_up_to_date(conference, thread, slot);
        Some(thread)
    }

    /// Lets a place on a thread do what the conference does already.
    fn bring_up_to_date(&mut self, conference: ConferenceId, thread: usize, slot: ConferenceSlot) {
        let Some(entry) = self.conferences.get(&conference) else {
            return;
        };
        let lane = &mut self.lanes[thread];
        lane.send(EngineCommand::SetMixing {
            conference: slot,
            on: entry.mixing,
        });
        if let Some(audio) = &entry.music {
            lane.send(EngineCommand::PlayMusic {
                conference: slot,
                audio: audio.clone(),
            });
        }
        let now = self.clock.now();
        for playing in &entry.prompts {
            if let Some(command) = playing.join_in(slot, now) {
                lane.send(command);
            }
        }
    }

    /// Asks every part of a conference; the command learns the part's place, and whether it is home.
    pub(super) fn ask_parts(
        &mut self,
        conference: ConferenceId,
        command: impl Fn(ConferenceSlot, bool) -> EngineCommand<UdpLeg>,
    ) {
        let parts = self
            .conferences
            .get(&conference)
            .map_or(&[][..], |entry| &entry.parts);
        for (at, part) in parts.iter().enumerate() {
            self.lanes[part.thread].send(command(part.slot, at == 0));
        }
    }
}

/// The whole frames between two moments, in samples.
pub(super) fn samples(from: Timestamp, to: Timestamp) -> u64 {
    let micros = u64::try_from(to.since(from).as_micros()).unwrap_or(u64::MAX);
    let samples = micros / 1_000 * u64::from(SAMPLE_RATE_HZ) / 1_000;
    let frame = FRAME_SAMPLES as u64;
    samples / frame * frame
}
