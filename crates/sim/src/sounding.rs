//! How a world carries out what its control plane asks of the media plane, and learns back.

use std::time::Duration;

use tutti_control_plane::Input;
use tutti_media::{
    Audio, CONTRIBUTORS, CallRecording, CodecError, Conference, ConferencePrompt, ConferenceSlot,
    EngineCommand, EngineEvent, LegSlot, Prompt, PromptAudio, Retired, SAMPLE_RATE_HZ,
};
use tutti_model::{
    Audience, CallId, ConferenceId, MediaCommand, MediaEvent, PromptId, PromptOutcome,
    PromptSource, RecordingId,
};

use crate::tape::{Tape, TapeHead, tape};
use crate::transport::SimTransport;
use crate::world::World;

/// A recording that goes on.
pub(crate) struct Recording {
    of: Recorded,
    tape: Tape,
}

#[derive(Debug, Clone, Copy)]
enum Recorded {
    Conference(ConferenceId),
    /// A participant's track.
    Track(CallId),
    Call(CallId),
}

impl Recorded {
    /// Whose leg's end is the end of the recording.
    fn call(self) -> Option<CallId> {
        match self {
            Recorded::Conference(_) => None,
            Recorded::Track(call) | Recorded::Call(call) => Some(call),
        }
    }
}

impl World {
    /// Carries a command out as the server's media half does.
    pub(crate) fn sound(&mut self, command: MediaCommand) -> Result<(), CodecError> {
        match command {
            MediaCommand::OpenConference { conference } => {
                if let Some(slot) = self.free.pop() {
                    self.places.insert(conference, slot);
                    let conference = Box::new(Conference::new(conference, 0, CONTRIBUTORS));
                    self.studio
                        .handle(EngineCommand::OpenConference { slot, conference });
                }
            }
            MediaCommand::CloseConference { conference } => {
                self.bridged.retain(|_, heard| *heard != conference);
                if let Some(slot) = self.places.remove(&conference) {
                    self.studio.handle(EngineCommand::CloseConference { slot });
                }
            }
            MediaCommand::Join {
                conference,
                call,
                privileges,
            } => {
                if self.bridged.get(&call) != Some(&conference) {
                    self.unbridge(call);
                }
                if let (Some(slot), Some(place)) = (self.slot_of(call), self.place_of(conference)) {
                    self.studio.join(slot, place, privileges);
                    self.bridged.insert(call, conference);
                }
            }
            MediaCommand::Leave { call } => {
                self.unbridge(call);
                self.ask_leg(call, |slot| EngineCommand::Leave { slot });
            }
            MediaCommand::SetPrivileges { call, privileges } => {
                self.ask_leg(call, |slot| EngineCommand::SetPrivileges {
                    slot,
                    privileges,
                });
            }
            MediaCommand::SetGains { call, gains } => {
                self.ask_leg(call, |slot| EngineCommand::SetGains { slot, gains });
            }
            MediaCommand::PressDigit { call, digit } => {
                self.ask_leg(call, |slot| EngineCommand::PressDigit { slot, digit });
            }
            MediaCommand::PassDigit {
                conference,
                from,
                digit,
            } => {
                let from = self.slot_of(from);
                self.ask(conference, |conference| EngineCommand::PassDigit {
                    conference,
                    from,
                    digit,
                });
            }
            MediaCommand::SetMixing { conference, on } => {
                self.ask(conference, |conference| EngineCommand::SetMixing {
                    conference,
                    on,
                });
            }
            MediaCommand::PlayMusic { conference, .. } => {
                let audio = Audio::clone(&self.music);
                self.ask(conference, |conference| EngineCommand::PlayMusic {
                    conference,
                    audio,
                });
            }
            MediaCommand::StopMusic { conference } => {
                self.ask(conference, |conference| EngineCommand::StopMusic {
                    conference,
                });
            }
            MediaCommand::Beep { conference, beep } => {
                self.beeps.push((self.studio.now(), conference, beep));
                self.ask(conference, |conference| EngineCommand::Beep {
                    conference,
                    beep,
                });
            }
            MediaCommand::StartRecording {
                conference,
                recording,
            } => {
                let tap = self.record(recording, Recorded::Conference(conference));
                self.ask(conference, |conference| EngineCommand::StartRecording {
                    conference,
                    tap,
                });
            }
            MediaCommand::StartTrack {
                call, recording, ..
            } => {
                let tap = self.record(recording, Recorded::Track(call));
                self.ask_leg(call, |slot| EngineCommand::StartTrack { slot, tap });
            }
            MediaCommand::StopRecording { recording } => self.stop_recording(recording),
            MediaCommand::PlayPrompt {
                call,
                prompt,
                source,
                repeat,
                audience,
            } => {
                let audio = match source {
                    PromptSource::Silence(length) => PromptAudio::Silence(samples_in(length)),
                    PromptSource::Beep => PromptAudio::Sound(Audio::clone(&self.record_beep)),
                    PromptSource::Url(_) | PromptSource::Speech { .. } => {
                        PromptAudio::Sound(Audio::clone(&self.prompt))
                    }
                };
                let prompt = Prompt::new(prompt, audio, repeat);
                match audience {
                    Audience::Call => {
                        self.ask_leg(call, |slot| EngineCommand::PlayPrompt { slot, prompt });
                    }
                    Audience::Conference => self.announce(call, prompt),
                }
            }
            MediaCommand::StopPrompt { call, prompt } => {
                self.fade_out(call, |playing| playing == prompt);
                self.ask_leg(call, |slot| EngineCommand::StopPrompt { slot, prompt });
            }
            MediaCommand::RecordCall {
                call,
                recording,
                side,
            } => {
                let tap = self.record(recording, Recorded::Call(call));
                let recording = Box::new(CallRecording::new(recording, side, tap));
                self.ask_leg(call, |slot| EngineCommand::RecordCall { slot, recording });
            }
            MediaCommand::WatchVoice { call, on } => {
                self.ask_leg(call, |slot| EngineCommand::WatchVoice { slot, on });
            }
            MediaCommand::CloseLeg { call } => self.close(call),
        }
        Ok(())
    }

    fn record(&mut self, recording: RecordingId, of: Recorded) -> Box<TapeHead> {
        let (head, tape) = tape();
        self.recordings.insert(recording, Recording { of, tape });
        Box::new(head)
    }

    fn stop_recording(&mut self, recording: RecordingId) {
        let Some(Recording { of, tape }) = self.recordings.remove(&recording) else {
            return;
        };
        let sound = tape.samples();
        let samples = sound.len() as u64;
        match of {
            Recorded::Conference(conference) => {
                self.ask(conference, |conference| EngineCommand::StopRecording {
                    conference,
                });
            }
            Recorded::Track(call) => self.ask_leg(call, |slot| EngineCommand::StopTrack { slot }),
            Recorded::Call(call) => {
                self.call_recordings.push(sound);
                self.ask_leg(call, |slot| EngineCommand::StopCallRecording {
                    slot,
                    recording,
                });
            }
        }
        self.consequences
            .push_back(Input::Media(MediaEvent::RecordingReady {
                recording,
                duration: Duration::from_micros(samples * 1_000_000 / u64::from(SAMPLE_RATE_HZ)),
                size_bytes: 44 + 2 * samples,
            }));
    }

    /// Plays a prompt to the conference that a call is in.
    fn announce(&mut self, call: CallId, prompt: Prompt) {
        let id = prompt.id();
        let Some(&conference) = self.bridged.get(&call) else {
            let outcome = PromptOutcome::Failed("the call is not in a conference".into());
            self.consequences
                .push_back(Input::Media(MediaEvent::PromptFinished {
                    call,
                    prompt: id,
                    outcome,
                }));
            return;
        };
        self.announced.insert((call, id));
        self.ask(conference, |conference| EngineCommand::PlayToConference {
            conference,
            prompt: ConferencePrompt::new(call, prompt, true),
        });
    }

    /// A call leaves its conference, and its prompts there end.
    fn unbridge(&mut self, call: CallId) {
        self.fade_out(call, |_| true);
        self.bridged.remove(&call);
    }

    fn fade_out(&mut self, call: CallId, which: impl Fn(PromptId) -> bool) {
        let is_meant = |(of, prompt): &(CallId, PromptId)| *of == call && which(*prompt);
        let stopped: Vec<_> = self.announced.extract_if(.., is_meant).collect();
        let Some(&conference) = self.bridged.get(&call) else {
            return;
        };
        for (call, prompt) in stopped {
            self.ask(conference, |conference| {
                EngineCommand::StopConferencePrompt {
                    conference,
                    call,
                    prompt,
                }
            });
        }
    }

    pub(crate) fn close(&mut self, call: CallId) {
        self.unbridge(call);
        let ended: Vec<_> = self
            .recordings
            .iter()
            .filter(|(_, recording)| recording.of.call() == Some(call))
            .map(|(id, _)| *id)
            .collect();
        for recording in ended {
            self.stop_recording(recording);
        }
        let of_call =
            |(_, (id, slot)): (&usize, &(CallId, LegSlot))| (*id == call).then_some(*slot);
        let slot = self.on_the_line.iter().find_map(of_call);
        self.on_the_line.retain(|_, (id, _)| *id != call);
        if let Some((caller, _)) = slot.and_then(|slot| self.studio.release(slot)) {
            self.digests.insert(call, caller.digest());
        }
    }

    pub(crate) fn learn(&mut self, event: &EngineEvent<SimTransport>) -> Result<(), CodecError> {
        let news = match *event {
            EngineEvent::PromptFinished { call, prompt } => {
                self.announced.remove(&(call, prompt));
                MediaEvent::PromptFinished {
                    call,
                    prompt,
                    outcome: PromptOutcome::Played,
                }
            }
            EngineEvent::DigitPressed { call, digit } => MediaEvent::DigitPressed { call, digit },
            EngineEvent::LegSilent { call } => MediaEvent::LegSilent { call },
            EngineEvent::Speaking { call, speaking } => MediaEvent::Speaking { call, speaking },
            EngineEvent::Voice { call, speaking } => MediaEvent::Voice { call, speaking },
            EngineEvent::Wanted(_) => return Ok(()),
            EngineEvent::Retired(Retired::Conference { slot, .. }) => {
                self.free.push(slot);
                return Ok(());
            }
            EngineEvent::Retired(_) => return Ok(()),
        };
        self.feed(Input::Media(news)).map(|_| ())
    }

    fn ask(
        &mut self,
        conference: ConferenceId,
        command: impl FnOnce(ConferenceSlot) -> EngineCommand<SimTransport>,
    ) {
        if let Some(place) = self.place_of(conference) {
            self.studio.handle(command(place));
        }
    }

    fn ask_leg(
        &mut self,
        call: CallId,
        command: impl FnOnce(LegSlot) -> EngineCommand<SimTransport>,
    ) {
        if let Some(slot) = self.slot_of(call) {
            self.studio.handle(command(slot));
        }
    }

    fn place_of(&self, conference: ConferenceId) -> Option<ConferenceSlot> {
        self.places.get(&conference).copied()
    }

    pub(crate) fn slot_of(&self, call: CallId) -> Option<LegSlot> {
        self.studio.slot_of(call)
    }
}

fn samples_in(length: Duration) -> u64 {
    (length.as_micros() as u64).saturating_mul(u64::from(SAMPLE_RATE_HZ)) / 1_000_000
}

#[cfg(test)]
mod tests {
    use tutti_control_plane::PlayBeep;
    use tutti_model::{Codec, RecordedSide, Repeat};

    use super::*;
    use crate::repertoire::Repertoire;
    use crate::scenario::{ConferencePlan, How};

    const PLAN: ConferencePlan = ConferencePlan {
        play_beep: PlayBeep::Never,
        record: false,
    };

    #[test]
    fn a_calls_recording_ends_with_its_leg_and_its_prompt_with_its_stay() {
        let mut world = World::new(1, &Repertoire::default());
        world.create(PLAN).unwrap();
        world.dial(0, Codec::Pcmu, 0, How::Directly).unwrap();
        let (call, _) = world.on_the_line[&0];
        let recording = RecordingId::from_bytes([1; 20]);
        let prompt = PromptId(7);
        let commands = [
            MediaCommand::RecordCall {
                call,
                recording,
                side: RecordedSide::Both,
            },
            MediaCommand::PlayPrompt {
                call,
                prompt,
                source: PromptSource::Beep,
                repeat: Repeat::Forever,
                audience: Audience::Conference,
            },
        ];
        for command in commands {
            world.sound(command).unwrap();
        }
        assert!(world.announced.contains(&(call, prompt)));
        world.ticks(20).unwrap();
        world.sound(MediaCommand::Leave { call }).unwrap();
        assert!(world.announced.is_empty());
        world.ticks(5).unwrap();
        world.sound(MediaCommand::CloseLeg { call }).unwrap();
        let ready = Input::Media(MediaEvent::RecordingReady {
            recording,
            duration: Duration::from_millis(500),
            size_bytes: 44 + 2 * 24_000,
        });
        assert_eq!(world.consequences, [ready]);
    }
}
