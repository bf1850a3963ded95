//! How a world carries out what its control plane asks of the media plane, and learns back.

use std::time::Duration;

use tutti_control_plane::Input;
use tutti_media::{
    Audio, CodecError, Conference, ConferenceSlot, EngineCommand, EngineEvent, LegSlot, Prompt,
    PromptAudio, Retired, SAMPLE_RATE_HZ,
};
use tutti_model::{
    CallId, ConferenceId, MediaCommand, MediaEvent, PromptOutcome, PromptSource, RecordingId,
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
    Call(CallId),
}

impl World {
    /// Carries a command out as the server's media half does.
    pub(crate) fn sound(&mut self, command: MediaCommand) -> Result<(), CodecError> {
        match command {
            MediaCommand::OpenConference { conference } => {
                if let Some(slot) = self.free.pop() {
                    self.places.insert(conference, slot);
                    let conference = Box::new(Conference::new(conference, 0));
                    self.studio
                        .handle(EngineCommand::OpenConference { slot, conference });
                }
            }
            MediaCommand::CloseConference { conference } => {
                if let Some(slot) = self.places.remove(&conference) {
                    self.studio.handle(EngineCommand::CloseConference { slot });
                }
            }
            MediaCommand::Join {
                conference,
                call,
                privileges,
            } => {
                if let (Some(slot), Some(place)) = (self.slot_of(call), self.place_of(conference)) {
                    self.studio.join(slot, place, privileges);
                }
            }
            MediaCommand::Leave { call } => {
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
                let tap = self.record(recording, Recorded::Call(call));
                self.ask_leg(call, |slot| EngineCommand::StartTrack { slot, tap });
            }
            MediaCommand::StopRecording { recording } => self.stop_recording(recording),
            MediaCommand::PlayPrompt {
                call,
                prompt,
                source,
                repeat,
            } => {
                let audio = match source {
                    PromptSource::Silence(length) => PromptAudio::Silence(samples_in(length)),
                    PromptSource::Url(_) | PromptSource::Speech { .. } => {
                        PromptAudio::Sound(Audio::clone(&self.prompt))
                    }
                };
                let prompt = Prompt::new(prompt, audio, repeat);
                self.ask_leg(call, |slot| EngineCommand::PlayPrompt { slot, prompt });
            }
            MediaCommand::StopPrompt { call, prompt } => {
                self.ask_leg(call, |slot| EngineCommand::StopPrompt { slot, prompt });
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
        match of {
            Recorded::Conference(conference) => {
                self.ask(conference, |conference| EngineCommand::StopRecording {
                    conference,
                });
            }
            Recorded::Call(call) => self.ask_leg(call, |slot| EngineCommand::StopTrack { slot }),
        }
        let samples = tape.samples().len() as u64;
        self.consequences
            .push_back(Input::Media(MediaEvent::RecordingReady {
                recording,
                duration: Duration::from_micros(samples * 1_000_000 / u64::from(SAMPLE_RATE_HZ)),
                size_bytes: 44 + 2 * samples,
            }));
    }

    pub(crate) fn close(&mut self, call: CallId) {
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
            EngineEvent::PromptFinished { call, prompt } => MediaEvent::PromptFinished {
                call,
                prompt,
                outcome: PromptOutcome::Played,
            },
            EngineEvent::DigitPressed { call, digit } => MediaEvent::DigitPressed { call, digit },
            EngineEvent::LegSilent { call } => MediaEvent::LegSilent { call },
            EngineEvent::Speaking { call, speaking } => MediaEvent::Speaking { call, speaking },
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
