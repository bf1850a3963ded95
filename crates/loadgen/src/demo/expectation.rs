//! What must be heard in each phase of the demo, and was it?

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::cast::{Role, beeps};
use crate::ear::{Audible, Vocabulary};
use crate::timeline::{Cell, Timeline, longest_run};

/// What happens in this time after a change is not judged: the change is on its way to the ears.
const GUARD: Duration = Duration::from_millis(400);

/// This many wrong cells in a row are a wrong; a single one may be a lost packet.
const WRONG_CELLS: usize = 2;

/// A stretch of the demo in which nothing changes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Phase {
    pub(super) title: String,
    /// When that was asked for which leads to the phase.
    pub(super) asked_at: Instant,
    /// When the bridge said that it is so.
    pub(super) from: Instant,
    pub(super) to: Instant,
    pub(super) expectations: Vec<Expectation>,
}

/// What one caller must hear.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Expectation {
    /// Exactly these sounds, all the time; beeps are not judged.
    Throughout { listener: Role, hears: Audible },
    /// This sound, at some time since the phase was asked for.
    Once { listener: Role, sound: usize },
}

/// Whether one expectation held.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Where it belongs: a phase of the demo, or the recordings, or the webhooks.
    pub phase: String,
    /// What was expected.
    pub expected: String,
    /// What was wrong with it; `None` when it held.
    pub wrong: Option<String>,
}

/// Judges a phase by what the callers heard.
pub(super) fn judge(
    phase: &Phase,
    timelines: &BTreeMap<Role, Timeline>,
    vocabulary: &Vocabulary,
) -> Vec<Finding> {
    let nothing = Timeline::default();
    let judged = phase.expectations.iter().map(|expectation| {
        let (listener, expected, wrong) = match expectation {
            Expectation::Throughout { listener, hears } => {
                let heard = timelines.get(listener).unwrap_or(&nothing);
                let cells = heard.between(phase.from + GUARD, phase.to);
                (
                    listener,
                    list(vocabulary, *hears),
                    wrong_throughout(cells, *hears, vocabulary),
                )
            }
            Expectation::Once { listener, sound } => {
                let heard = timelines.get(listener).unwrap_or(&nothing);
                let cells = heard.between(phase.asked_at, phase.to);
                let name = list(vocabulary, Audible::NONE.with(*sound));
                let is_heard = cells.iter().any(|cell| cell.audible.has(*sound));
                let wrong = (!is_heard).then(|| format!("never heard {name}"));
                (listener, name, wrong)
            }
        };
        Finding {
            phase: phase.title.clone(),
            expected: format!("{} hears {expected}", listener.name()),
            wrong,
        }
    });
    judged.collect()
}

fn wrong_throughout(cells: &[Cell], hears: Audible, vocabulary: &Vocabulary) -> Option<String> {
    if cells.len() < WRONG_CELLS {
        return Some("no sound was received".to_owned());
    }
    let is_wrong = |sound: usize| {
        let wanted = hears.has(sound);
        longest_run(cells, |cell| cell.audible.has(sound) != wanted) >= WRONG_CELLS
    };
    let wrong: Audible = (0..vocabulary.sounds().len())
        .filter(|sound| is_wrong(*sound))
        .collect();
    let wrong = wrong.without(beeps());
    let (missed, overheard) = (wrong.both(hears), wrong.without(hears));
    match (missed.is_empty(), overheard.is_empty()) {
        (true, true) => None,
        (false, true) => Some(format!("missed {}", list(vocabulary, missed))),
        (true, false) => Some(format!("also heard {}", list(vocabulary, overheard))),
        (false, false) => Some(format!(
            "missed {}, and also heard {}",
            list(vocabulary, missed),
            list(vocabulary, overheard)
        )),
    }
}

/// Names of sounds as one reads them.
pub(super) fn list(vocabulary: &Vocabulary, sounds: Audible) -> String {
    let names = vocabulary.names(sounds);
    match names.split_last() {
        None => "nobody".to_owned(),
        Some((only, [])) => (*only).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::cast::{DemoSound, set, vocabulary};
    use super::*;
    use crate::ear::CELL;

    const ADA: DemoSound = DemoSound::Voice(Role::Ada);
    const BEN: DemoSound = DemoSound::Voice(Role::Ben);

    /// What is wrong when Ada must hear Ben for two seconds, and hears this in each cell.
    fn wrong_with(heard: impl Fn(u32) -> Audible) -> Option<String> {
        let start = Instant::now();
        let mut timeline = Timeline::default();
        for at in 0..20 {
            let cell = Cell {
                ends_at: start + CELL * (at + 1),
                audible: heard(at),
            };
            timeline.push(cell);
        }
        let phase = Phase {
            title: "both talk".to_owned(),
            asked_at: start,
            from: start,
            to: start + CELL * 20,
            expectations: vec![Expectation::Throughout {
                listener: Role::Ada,
                hears: set(&[BEN]),
            }],
        };
        let findings = judge(
            &phase,
            &BTreeMap::from([(Role::Ada, timeline)]),
            &vocabulary(),
        );
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].expected, "Ada hears Ben");
        findings[0].wrong.clone()
    }

    #[test]
    fn the_expected_sound_alone_is_right() {
        assert_eq!(wrong_with(|_| set(&[BEN])), None);
    }

    #[test]
    fn a_planted_echo_of_oneself_is_found() {
        let wrong = wrong_with(|at| {
            if (10..12).contains(&at) {
                set(&[ADA, BEN])
            } else {
                set(&[BEN])
            }
        });
        assert_eq!(wrong.as_deref(), Some("also heard Ada"));
    }

    #[test]
    fn a_planted_gap_is_found() {
        let wrong = wrong_with(|at| {
            if (15..17).contains(&at) {
                Audible::NONE
            } else {
                set(&[BEN])
            }
        });
        assert_eq!(wrong.as_deref(), Some("missed Ben"));
    }

    #[test]
    fn planted_music_in_place_of_a_voice_is_found() {
        let wrong = wrong_with(|_| set(&[DemoSound::WaitMusic]));
        assert_eq!(
            wrong.as_deref(),
            Some("missed Ben, and also heard wait music")
        );
    }

    #[test]
    fn what_happens_within_the_guard_is_not_judged() {
        assert_eq!(
            wrong_with(|at| if at < 3 { set(&[ADA]) } else { set(&[BEN]) }),
            None
        );
    }

    #[test]
    fn a_beep_is_no_wrong_and_one_odd_cell_neither() {
        let beep = DemoSound::EntryBeep;
        assert_eq!(
            wrong_with(|at| if at > 9 {
                set(&[BEN, beep])
            } else {
                set(&[BEN])
            }),
            None
        );
        assert_eq!(
            wrong_with(|at| if at == 9 { Audible::NONE } else { set(&[BEN]) }),
            None
        );
    }

    #[test]
    fn hearing_no_sound_at_all_is_not_hearing_nobody() {
        let phase = Phase {
            title: "deaf".to_owned(),
            asked_at: Instant::now(),
            from: Instant::now(),
            to: Instant::now() + CELL * 20,
            expectations: vec![
                Expectation::Throughout {
                    listener: Role::Ada,
                    hears: Audible::NONE,
                },
                Expectation::Once {
                    listener: Role::Ben,
                    sound: DemoSound::ExitBeep.index(),
                },
            ],
        };
        let findings = judge(&phase, &BTreeMap::new(), &vocabulary());
        let wrongs: Vec<_> = findings
            .iter()
            .map(|finding| finding.wrong.as_deref())
            .collect();
        assert_eq!(
            wrongs,
            [Some("no sound was received"), Some("never heard exit beep")]
        );
    }
}
