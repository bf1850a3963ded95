//! What happens in a simulation: a seed, unfolded into actions.

use std::fmt;
use std::time::Duration;

use tutti_control_plane::PlayBeep;
use tutti_model::Codec;

use crate::network::Impairments;
use crate::random::Random;
use crate::voice::Voice;

/// One scenario in this many has callers with Opus, which costs more than all the rest.
const OPUS_EVERY: u64 = 25;

/// Conferences, callers, and what they do.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    pub seed: u64,
    pub conferences: Vec<ConferencePlan>,
    /// What each caller's phone speaks.
    pub codecs: Vec<Codec>,
    /// What is done one after another; after each round everybody listens.
    pub rounds: Vec<Vec<Action>>,
}

/// What a conference is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConferencePlan {
    pub play_beep: PlayBeep,
    pub record: bool,
}

/// One thing that somebody does. Callers and conferences are numbered from 0; an action that makes
/// no sense where it stands does nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    Dial {
        caller: usize,
        conference: usize,
        how: How,
    },
    HangUp {
        caller: usize,
    },
    SetTalk {
        caller: usize,
        on: bool,
    },
    SetListen {
        caller: usize,
        on: bool,
    },
    Remove {
        caller: usize,
    },
    Empty {
        conference: usize,
    },
    Terminate {
        conference: usize,
    },
    Impair {
        caller: usize,
        impairments: Impairments,
    },
}

/// How a caller comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By the conference's own address.
    Directly,
    /// Through an application's script.
    ByScript {
        starts: bool,
        talk: bool,
        listen: bool,
        /// The application wants to know.
        notified: bool,
        afterwards: Afterwards,
    },
}

/// What becomes of a call that is taken out of its conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    Ends,
    /// It stays on the line, alone.
    Waits,
    /// It joins a conference as one who talks, listens and starts; after that it ends.
    GoesTo(usize),
}

impl Scenario {
    /// The scenario of a seed.
    pub fn random(seed: u64) -> Scenario {
        let mut random = Random::new(seed);
        let conferences = 1 + random.below(2);
        let callers = 2 + random.below(Voice::CALLERS - 2);
        let opus = seed.is_multiple_of(OPUS_EVERY);
        let mut scenario = Scenario {
            seed,
            conferences: (0..conferences)
                .map(|_| conference_plan(&mut random))
                .collect(),
            codecs: (0..callers)
                .map(|n| codec(&mut random, opus && n < 2))
                .collect(),
            rounds: Vec::new(),
        };
        for round in 0..3 + random.below(3) {
            let actions = if round == 0 {
                callers
            } else {
                1 + random.below(3)
            };
            let actions = (0..actions)
                .map(|n| match round {
                    0 => dial(&mut random, n, conferences),
                    _ => action(&mut random, callers, conferences),
                })
                .collect();
            scenario.rounds.push(actions);
        }
        scenario
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        writeln!(f, "conferences: {:?}", self.conferences)?;
        writeln!(f, "callers: {:?}", self.codecs)?;
        for (number, round) in self.rounds.iter().enumerate() {
            writeln!(f, "round {number}:")?;
            for action in round {
                writeln!(f, "    {action:?}")?;
            }
        }
        Ok(())
    }
}

fn conference_plan(random: &mut Random) -> ConferencePlan {
    let play_beep = match random.below(4) {
        0 => PlayBeep::Always,
        1 => PlayBeep::EntryOnly,
        2 => PlayBeep::ExitOnly,
        _ => PlayBeep::Never,
    };
    ConferencePlan {
        play_beep,
        record: random.chance(0.2),
    }
}

fn codec(random: &mut Random, opus: bool) -> Codec {
    match (opus, random.chance(0.2)) {
        (true, _) => Codec::Opus,
        (false, true) => Codec::Pcma,
        (false, false) => Codec::Pcmu,
    }
}

fn dial(random: &mut Random, caller: usize, conferences: usize) -> Action {
    let conference = random.below(conferences);
    let how = if random.chance(0.2) {
        How::Directly
    } else {
        How::ByScript {
            starts: random.chance(0.5),
            talk: random.chance(0.8),
            listen: random.chance(0.8),
            notified: random.chance(0.3),
            afterwards: match random.below(4) {
                0 => Afterwards::Waits,
                1 => Afterwards::GoesTo(random.below(conferences)),
                _ => Afterwards::Ends,
            },
        }
    };
    Action::Dial {
        caller,
        conference,
        how,
    }
}

fn action(random: &mut Random, callers: usize, conferences: usize) -> Action {
    let caller = random.below(callers);
    let conference = random.below(conferences);
    match random.below(20) {
        0..=4 => dial(random, caller, conferences),
        5..=7 => Action::HangUp { caller },
        8..=11 => Action::SetTalk {
            caller,
            on: random.chance(0.5),
        },
        12..=14 => Action::SetListen {
            caller,
            on: random.chance(0.5),
        },
        15..=16 => Action::Remove { caller },
        17 => Action::Empty { conference },
        18 => Action::Impair {
            caller,
            impairments: impairments(random),
        },
        _ if random.chance(0.5) => Action::Terminate { conference },
        _ => Action::Empty { conference },
    }
}

/// What a bad but usable network does.
fn impairments(random: &mut Random) -> Impairments {
    Impairments {
        loss: random.fraction() * 0.05,
        duplicates: random.fraction() * 0.05,
        reordering: random.fraction() * 0.05,
        delay: Duration::from_millis(5 + random.below(40) as u64),
        jitter: Duration::from_millis(random.below(30) as u64),
        ..Impairments::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_unfolds_alike_and_no_two_do() {
        assert_eq!(Scenario::random(5), Scenario::random(5));
        assert_ne!(Scenario::random(5).rounds, Scenario::random(6).rounds);
    }
}
