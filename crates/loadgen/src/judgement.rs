//! What did one caller hear wrongly?

use std::time::Duration;

use crate::arrivals::Counters;
use crate::casting::Part;
use crate::ear::{Audible, CELL, Vocabulary};
use crate::leg::PTIME;
use crate::load_report::Wrong;
use crate::timeline::{Cell, longest_run};

/// A talker may be unheard for this long, besides the pauses that it makes.
pub(crate) const LONGEST_GAP: Duration = Duration::from_millis(300);

/// Hearing a wrong voice in this many cells in a row is a wrong.
const OVERHEARD_CELLS: usize = 2;

/// What one caller heard wrongly, if anything.
pub(crate) fn judge(
    part: &Part,
    cells: &[Cell],
    expected: Audible,
    judged: Duration,
    patience: Duration,
    vocabulary: &Vocabulary,
) -> Option<Wrong> {
    let cells_of = |duration: Duration| (duration.as_millis() / CELL.as_millis()) as usize;
    let deaf = cells.len() < cells_of(judged) / 2;
    let is_missed = |sound: usize| {
        expected.has(sound)
            && longest_run(cells, |cell| !cell.audible.has(sound)) > cells_of(patience)
    };
    let is_overheard = |sound: usize| {
        !expected.has(sound)
            && longest_run(cells, |cell| cell.audible.has(sound)) >= OVERHEARD_CELLS
    };
    let name = |sound: usize| match &part.talker {
        Some(own) if *own == sound => "itself".to_owned(),
        Some(_) | None => vocabulary.sounds()[sound].name.clone(),
    };
    let sounds = 0..vocabulary.sounds().len();
    let wrong = Wrong {
        caller: name_of(part),
        missed: sounds
            .clone()
            .filter(|sound| is_missed(*sound))
            .map(name)
            .collect(),
        overheard: sounds
            .filter(|sound| is_overheard(*sound))
            .map(name)
            .collect(),
        deaf,
    };
    (deaf || !wrong.missed.is_empty() || !wrong.overheard.is_empty()).then_some(wrong)
}

/// What a caller that only counts can have heard wrongly: hardly anything, or silence while others
/// talk.
pub(crate) fn judge_counts(
    part: &Part,
    counters: &Counters,
    expected: Audible,
    judged: Duration,
) -> Option<Wrong> {
    let packets = (judged.as_millis() / PTIME.as_millis()) as u64;
    let unheard = counters.received < packets / 2 || counters.sounding == 0;
    let deaf = !expected.is_empty() && packets > 0 && unheard;
    deaf.then(|| Wrong {
        caller: name_of(part),
        missed: Vec::new(),
        overheard: Vec::new(),
        deaf,
    })
}

fn name_of(part: &Part) -> String {
    format!(
        "caller {} in conference {}",
        part.caller + 1,
        part.conference + 1
    )
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::casting::Casting;
    use crate::load::tests::args;

    fn cells(count: u32, heard: impl Fn(u32) -> Audible) -> Vec<Cell> {
        let start = Instant::now();
        let cell = |at| Cell {
            ends_at: start + CELL * at,
            audible: heard(at),
        };
        (0..count).map(cell).collect()
    }

    /// What is wrong with talker 0 of three, when it hears this.
    fn wrong(heard: impl Fn(u32) -> Audible) -> Option<Wrong> {
        let args = args(1, 5, 3);
        let casting = Casting::new(&args, args.target.clone()).unwrap();
        let parts: Vec<Part> = (0..5).map(|caller| casting.part(caller)).collect();
        let expected = casting.must_hear(&parts[0], &parts);
        assert_eq!(expected, [1, 2].into_iter().collect());
        let vocabulary = casting.vocabulary_of(&parts[0]);
        let second = Duration::from_secs(1);
        judge(
            &parts[0],
            &cells(10, heard),
            expected,
            second,
            LONGEST_GAP,
            &vocabulary,
        )
    }

    #[test]
    fn hearing_the_others_and_not_oneself_is_right() {
        let both: Audible = [1, 2].into_iter().collect();
        assert_eq!(wrong(|_| both), None);
        assert_eq!(wrong(|at| if at == 4 { Audible::NONE } else { both }), None);
    }

    #[test]
    fn planted_echo_gap_and_deafness_are_found() {
        let both: Audible = [1, 2].into_iter().collect();
        let echo = wrong(|at| if at < 2 { both.with(0) } else { both });
        assert_eq!(
            echo.map(|wrong| wrong.overheard),
            Some(vec!["itself".to_owned()])
        );
        let gap = wrong(|at| if at < 4 { Audible::NONE.with(1) } else { both });
        let missed = Some(vec!["talker 3 of conference 1".to_owned()]);
        assert_eq!(gap.map(|wrong| wrong.missed), missed);
        let vocabulary = Vocabulary::new(Vec::new());
        let (second, nothing) = (Duration::from_secs(1), Audible::NONE);
        let deaf = judge(&listener(), &[], nothing, second, LONGEST_GAP, &vocabulary);
        assert!(deaf.is_some_and(|wrong| wrong.deaf));
    }

    #[test]
    fn a_counting_listener_is_deaf_when_it_gets_little_or_only_silence() {
        let counted = |received, sounding| {
            let counters = Counters {
                received,
                sounding,
                ..Counters::default()
            };
            let talking = Audible::NONE.with(0);
            judge_counts(&listener(), &counters, talking, Duration::from_secs(2)).is_some()
        };
        assert!(!counted(100, 70));
        assert!(counted(40, 40));
        assert!(counted(100, 0));
    }

    fn listener() -> Part {
        Part {
            caller: 0,
            conference: 0,
            talker: None,
            has_ears: true,
        }
    }
}
