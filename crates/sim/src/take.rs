//! What an engine was given, kept to be given to another: the same must come out, bit by bit.

use std::net::SocketAddr;

use tutti_media::{Audio, Channel, ConferenceSlot, LegSlot, PromptAudio, RtpIdentity};
use tutti_model::{
    Beep, CallId, ConferenceId, Gains, MediaDescription, Privileges, PromptId, Repeat, Timestamp,
};

use crate::wire::{Reader, Wire};

/// What every take begins with.
const MAGIC: &[u8; 8] = b"tuttitk1";

/// One thing that an engine is given.
#[derive(Debug, Clone)]
pub enum Cue {
    /// It is this late now.
    Now(Timestamp),
    Tick,
    /// A datagram reached the machine.
    Datagram {
        slot: LegSlot,
        channel: Channel,
        from: SocketAddr,
        arrived: Timestamp,
        bytes: Vec<u8>,
    },
    OpenConference {
        conference: ConferenceSlot,
        id: ConferenceId,
    },
    CloseConference {
        conference: ConferenceSlot,
    },
    AddLeg {
        slot: LegSlot,
        call: CallId,
        description: MediaDescription,
        identity: RtpIdentity,
    },
    RemoveLeg {
        slot: LegSlot,
    },
    Answered {
        slot: LegSlot,
    },
    /// A new offer was answered; with an identity, everything is built anew.
    Reconfigure {
        slot: LegSlot,
        description: MediaDescription,
        identity: Option<RtpIdentity>,
    },
    Join {
        slot: LegSlot,
        conference: ConferenceSlot,
        privileges: Privileges,
    },
    Leave {
        slot: LegSlot,
    },
    SetPrivileges {
        slot: LegSlot,
        privileges: Privileges,
    },
    SetGains {
        slot: LegSlot,
        gains: Gains,
    },
    SetMixing {
        conference: ConferenceSlot,
        on: bool,
    },
    PlayMusic {
        conference: ConferenceSlot,
        audio: Audio,
    },
    StopMusic {
        conference: ConferenceSlot,
    },
    Beep {
        conference: ConferenceSlot,
        beep: Beep,
    },
    PlayPrompt {
        slot: LegSlot,
        prompt: PromptId,
        audio: PromptAudio,
        repeat: Repeat,
    },
    StopPrompt {
        slot: LegSlot,
        prompt: PromptId,
    },
}

/// Everything that an engine was given, in order.
#[derive(Debug, Clone, Default)]
pub struct Take {
    bytes: Vec<u8>,
}

/// A take that is none, or is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

impl Take {
    /// An empty take.
    pub fn new() -> Take {
        Take {
            bytes: MAGIC.to_vec(),
        }
    }

    /// Adds what comes next.
    pub fn add(&mut self, cue: &Cue) {
        cue.write(&mut self.bytes);
    }

    /// What a file of it holds.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes what a file holds.
    ///
    /// # Errors
    /// When it was not written by this version, or is cut.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Take, Unreadable> {
        let take = Take { bytes };
        take.cues().try_for_each(|cue| cue.map(drop))?;
        Ok(take)
    }

    /// Everything in it, in order; an error is the last.
    pub fn cues(&self) -> impl Iterator<Item = Result<Cue, Unreadable>> {
        let mut reader = self.bytes.strip_prefix(MAGIC).map(Reader::new);
        std::iter::from_fn(move || {
            let Some(left) = &mut reader else {
                return None;
            };
            if left.is_empty() {
                return None;
            }
            let cue = Cue::read(left);
            if cue.is_none() {
                reader = None;
            }
            Some(cue.ok_or(Unreadable))
        })
        .chain((!self.bytes.starts_with(MAGIC)).then_some(Err(Unreadable)))
    }
}

impl Wire for Cue {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Cue::Now(now) => (0_u8, *now).write(out),
            Cue::Tick => 1_u8.write(out),
            Cue::Datagram {
                slot,
                channel,
                from,
                arrived,
                bytes,
            } => {
                (2_u8, *slot).write(out);
                (*channel == Channel::Rtcp, *from).write(out);
                (*arrived, bytes.clone()).write(out);
            }
            Cue::OpenConference { conference, id } => {
                (3_u8, *conference).write(out);
                id.as_bytes().write(out);
            }
            Cue::CloseConference { conference } => (4_u8, *conference).write(out),
            Cue::AddLeg {
                slot,
                call,
                description,
                identity,
            } => {
                (5_u8, *slot).write(out);
                call.as_bytes().write(out);
                (description.clone(), *identity).write(out);
            }
            Cue::RemoveLeg { slot } => (6_u8, *slot).write(out),
            Cue::Answered { slot } => (7_u8, *slot).write(out),
            Cue::Reconfigure {
                slot,
                description,
                identity,
            } => {
                (8_u8, *slot).write(out);
                (description.clone(), *identity).write(out);
            }
            Cue::Join {
                slot,
                conference,
                privileges,
            } => {
                (9_u8, *slot).write(out);
                (*conference, *privileges).write(out);
            }
            Cue::Leave { slot } => (10_u8, *slot).write(out),
            Cue::SetPrivileges { slot, privileges } => {
                (11_u8, *slot).write(out);
                privileges.write(out);
            }
            Cue::SetGains { slot, gains } => {
                (12_u8, *slot).write(out);
                (gains.input_db as u8, gains.output_db as u8).write(out);
            }
            Cue::SetMixing { conference, on } => {
                (13_u8, *conference).write(out);
                on.write(out);
            }
            Cue::PlayMusic { conference, audio } => {
                (14_u8, *conference).write(out);
                audio.write(out);
            }
            Cue::StopMusic { conference } => (15_u8, *conference).write(out),
            Cue::Beep { conference, beep } => {
                (16_u8, *conference).write(out);
                (*beep == Beep::Exit).write(out);
            }
            Cue::PlayPrompt {
                slot,
                prompt,
                audio,
                repeat,
            } => {
                (17_u8, *slot).write(out);
                prompt.0.write(out);
                match audio {
                    PromptAudio::Sound(audio) => (true, Audio::clone(audio)).write(out),
                    PromptAudio::Silence(samples) => (false, *samples).write(out),
                }
                match repeat {
                    Repeat::Times(times) => Some(*times).write(out),
                    Repeat::Forever => None::<u32>.write(out),
                }
            }
            Cue::StopPrompt { slot, prompt } => {
                (18_u8, *slot).write(out);
                prompt.0.write(out);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Cue> {
        Some(match u8::read(from)? {
            0 => Cue::Now(Wire::read(from)?),
            1 => Cue::Tick,
            2 => Cue::Datagram {
                slot: Wire::read(from)?,
                channel: if bool::read(from)? {
                    Channel::Rtcp
                } else {
                    Channel::Rtp
                },
                from: Wire::read(from)?,
                arrived: Wire::read(from)?,
                bytes: Wire::read(from)?,
            },
            3 => Cue::OpenConference {
                conference: Wire::read(from)?,
                id: ConferenceId::from_bytes(Wire::read(from)?),
            },
            4 => Cue::CloseConference {
                conference: Wire::read(from)?,
            },
            5 => Cue::AddLeg {
                slot: Wire::read(from)?,
                call: CallId::from_bytes(Wire::read(from)?),
                description: Wire::read(from)?,
                identity: Wire::read(from)?,
            },
            6 => Cue::RemoveLeg {
                slot: Wire::read(from)?,
            },
            7 => Cue::Answered {
                slot: Wire::read(from)?,
            },
            8 => Cue::Reconfigure {
                slot: Wire::read(from)?,
                description: Wire::read(from)?,
                identity: Wire::read(from)?,
            },
            9 => Cue::Join {
                slot: Wire::read(from)?,
                conference: Wire::read(from)?,
                privileges: Wire::read(from)?,
            },
            10 => Cue::Leave {
                slot: Wire::read(from)?,
            },
            11 => Cue::SetPrivileges {
                slot: Wire::read(from)?,
                privileges: Wire::read(from)?,
            },
            12 => Cue::SetGains {
                slot: Wire::read(from)?,
                gains: Gains {
                    input_db: u8::read(from)? as i8,
                    output_db: u8::read(from)? as i8,
                },
            },
            13 => Cue::SetMixing {
                conference: Wire::read(from)?,
                on: Wire::read(from)?,
            },
            14 => Cue::PlayMusic {
                conference: Wire::read(from)?,
                audio: Wire::read(from)?,
            },
            15 => Cue::StopMusic {
                conference: Wire::read(from)?,
            },
            16 => Cue::Beep {
                conference: Wire::read(from)?,
                beep: if bool::read(from)? {
                    Beep::Exit
                } else {
                    Beep::Entry
                },
            },
            17 => Cue::PlayPrompt {
                slot: Wire::read(from)?,
                prompt: PromptId(Wire::read(from)?),
                audio: if bool::read(from)? {
                    PromptAudio::Sound(Wire::read(from)?)
                } else {
                    PromptAudio::Silence(Wire::read(from)?)
                },
                repeat: match Wire::read(from)? {
                    Some(times) => Repeat::Times(times),
                    None => Repeat::Forever,
                },
            },
            18 => Cue::StopPrompt {
                slot: Wire::read(from)?,
                prompt: PromptId(Wire::read(from)?),
            },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_take_reads_as_it_was_written_and_a_cut_one_does_not() {
        let mut take = Take::new();
        let from = "[2001:db8::1]:4000".parse().unwrap();
        take.add(&Cue::Now(Timestamp::from_micros(-7)));
        take.add(&Cue::Datagram {
            slot: LegSlot(3),
            channel: Channel::Rtcp,
            from,
            arrived: Timestamp::from_micros(9),
            bytes: vec![1, 2, 3],
        });
        take.add(&Cue::PlayPrompt {
            slot: LegSlot(4),
            prompt: PromptId(5),
            audio: PromptAudio::Sound([0.5, -1.0].into()),
            repeat: Repeat::Forever,
        });
        take.add(&Cue::Tick);
        let read = Take::from_bytes(take.as_bytes().to_vec()).unwrap();
        let shown = |take: &Take| -> Vec<String> {
            take.cues()
                .map(|cue| format!("{:?}", cue.unwrap()))
                .collect()
        };
        assert_eq!(shown(&read), shown(&take));
        assert_eq!(shown(&read).len(), 4);
        for length in 0..take.as_bytes().len() - 1 {
            let cut = Take::from_bytes(take.as_bytes()[..length].to_vec());
            assert!(cut.map_or(0, |take| take.cues().count()) < 4, "{length}");
        }
        assert!(Take::from_bytes(b"something else".to_vec()).is_err());
    }
}
