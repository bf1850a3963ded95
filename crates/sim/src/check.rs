//! Does the bridge do what the reference says?

use std::collections::BTreeSet;
use std::fmt;

use tutti_media::CodecError;
use tutti_model::Codec;

use crate::ear::Clarity;
use crate::reference::Reference;
use crate::repertoire::Repertoire;
use crate::scenario::{Action, Scenario};
use crate::voice::{Voice, Voices};
use crate::world::World;

/// Ticks between two actions of a round.
const BETWEEN_ACTIONS: u32 = 2;

/// Ticks after a round until everybody must hear what they must: 320 ms.
const SETTLING: u32 = 16;

/// Ticks for which everybody listens: 160 ms.
const LISTENING: u32 = 8;

/// How a bridge and its reference differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    pub scenario: Scenario,
    pub round: usize,
    pub what: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "after round {}: {}", self.round, self.what)?;
        write!(f, "{}", self.scenario)
    }
}

/// Runs the scenario of a seed; returns a checksum of what each call heard.
///
/// # Errors
/// When the bridge does not do what the reference says.
pub fn check(seed: u64, repertoire: &Repertoire) -> Result<Vec<u64>, Box<Mismatch>> {
    replay(&Scenario::random(seed), repertoire)
}

/// Runs a scenario; returns a checksum of what each call heard.
///
/// # Errors
/// When the bridge does not do what the reference says.
pub fn replay(scenario: &Scenario, repertoire: &Repertoire) -> Result<Vec<u64>, Box<Mismatch>> {
    let mut run = Run {
        world: World::new(scenario.seed, repertoire),
        reference: Reference::new(scenario),
        codecs: &scenario.codecs,
        impaired: BTreeSet::new(),
    };
    let mismatch = |round, what| {
        let scenario = scenario.clone();
        Box::new(Mismatch {
            scenario,
            round,
            what,
        })
    };
    for plan in &scenario.conferences {
        run.world
            .create(*plan)
            .map_err(|error| mismatch(0, error.to_string()))?;
    }
    for (number, actions) in scenario.rounds.iter().enumerate() {
        run.play(actions)
            .map_err(|error| mismatch(number, error.to_string()))?;
        run.compare().map_err(|what| mismatch(number, what))?;
    }
    Ok(run.world.digests())
}

/// A bridge and its reference, side by side.
struct Run<'a> {
    world: World,
    reference: Reference,
    codecs: &'a [Codec],
    /// Callers whose network is bad.
    impaired: BTreeSet<usize>,
}

impl Run<'_> {
    fn play(&mut self, actions: &[Action]) -> Result<(), CodecError> {
        for action in actions {
            if let Action::Impair { caller, .. } = action {
                self.impaired.insert(*caller);
            }
            self.reference.apply(action);
            self.world.act(action, self.codecs)?;
            self.world.ticks(BETWEEN_ACTIONS)?;
        }
        self.world.ticks(SETTLING)?;
        self.world.start_listening();
        self.world.ticks(LISTENING)
    }

    fn compare(&mut self) -> Result<(), String> {
        let (is, must) = (self.world.statuses(), self.reference.statuses());
        differ("the conferences' statuses", &is, &must)?;
        differ(
            "what applications were told",
            self.world.told(),
            self.reference.told(),
        )?;
        let on_the_line = (0..self.codecs.len()).filter(|n| self.reference.hears(*n).is_some());
        differ(
            "who is on the line",
            &self.world.callers(),
            &on_the_line.collect::<Vec<_>>(),
        )?;
        for caller in self.world.callers() {
            let must = self.reference.hears(caller).unwrap_or_default();
            let clarity = self.clarity(caller, must);
            let Some(phone) = self.world.caller(caller) else {
                continue;
            };
            match phone.voices(clarity) {
                Ok(is) => differ(&format!("what caller {caller} hears"), &is, &must)?,
                Err(unclear) => {
                    return Err(format!(
                        "caller {caller}, who must hear {must:?}: {unclear}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// How clearly a caller must hear: as clearly as the worst codec and network on the way allow.
    fn clarity(&self, listener: usize, voices: Voices) -> Clarity {
        let opus = |caller: usize| self.codecs.get(caller) == Some(&Codec::Opus);
        let speakers = (0..self.codecs.len()).filter(|n| voices.has(Voice::of_caller(*n)));
        let rough = |n: usize| opus(n) || self.impaired.contains(&n);
        if opus(listener) || speakers.into_iter().any(rough) {
            Clarity::Rough
        } else {
            Clarity::Clear
        }
    }
}

fn differ<T: fmt::Debug + PartialEq>(what: &str, is: &T, must: &T) -> Result<(), String> {
    if is == must {
        Ok(())
    } else {
        Err(format!("{what}: {is:?} instead of {must:?}"))
    }
}
