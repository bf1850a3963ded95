//! Who was heard when?

use std::time::{Duration, Instant};

use crate::ear::{Audible, CELL};

/// What was heard in one 100 ms, ending at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    pub ends_at: Instant,
    pub audible: Audible,
}

/// Cells one after another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timeline {
    cells: Vec<Cell>,
}

/// A stretch of time during which a sound was heard without a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    pub from: Instant,
    pub to: Instant,
}

impl Timeline {
    /// Appends what was heard up to now.
    pub fn push(&mut self, cell: Cell) {
        self.cells.push(cell);
    }

    /// All cells, oldest first.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The cells that end within a stretch of time.
    pub fn between(&self, from: Instant, to: Instant) -> &[Cell] {
        let start = self.cells.partition_point(|cell| cell.ends_at < from);
        let end = self.cells.partition_point(|cell| cell.ends_at <= to);
        &self.cells[start..end.max(start)]
    }

    /// When a sound was heard; gaps shorter than `bridged` are closed.
    pub fn stretches(&self, sound: usize, bridged: Duration) -> Vec<Stretch> {
        let mut stretches: Vec<Stretch> = Vec::new();
        for cell in self.cells.iter().filter(|cell| cell.audible.has(sound)) {
            let from = cell.ends_at.checked_sub(CELL).unwrap_or(cell.ends_at);
            match stretches.last_mut() {
                Some(last) if from.saturating_duration_since(last.to) <= bridged => {
                    last.to = cell.ends_at;
                }
                Some(_) | None => stretches.push(Stretch {
                    from,
                    to: cell.ends_at,
                }),
            }
        }
        stretches
    }
}

/// The longest run of cells for which something holds.
pub fn longest_run(cells: &[Cell], holds: impl Fn(&Cell) -> bool) -> usize {
    let (mut longest, mut run) = (0, 0);
    for cell in cells {
        run = if holds(cell) { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A timeline from a picture: one letter a cell, `x` where sound 0 is heard.
    fn drawn(start: Instant, picture: &str) -> Timeline {
        let mut timeline = Timeline::default();
        for (at, letter) in picture.chars().enumerate() {
            let audible = if letter == 'x' {
                Audible::NONE.with(0)
            } else {
                Audible::NONE
            };
            timeline.push(Cell {
                ends_at: start + CELL * (at as u32 + 1),
                audible,
            });
        }
        timeline
    }

    #[test]
    fn stretches_begin_and_end_where_the_sound_does() {
        let start = Instant::now();
        let stretches = drawn(start, "..xxx...xx").stretches(0, Duration::ZERO);
        let spans: Vec<(u128, u128)> = stretches
            .iter()
            .map(|stretch| {
                (
                    (stretch.from - start).as_millis(),
                    (stretch.to - start).as_millis(),
                )
            })
            .collect();
        assert_eq!(spans, [(200, 500), (800, 1_000)]);
    }

    #[test]
    fn a_short_gap_is_bridged_when_asked() {
        let start = Instant::now();
        assert_eq!(drawn(start, "xx.xx...x").stretches(0, CELL).len(), 2);
    }

    #[test]
    fn between_takes_only_cells_that_end_inside() {
        let start = Instant::now();
        let timeline = drawn(start, "xxxxxxxxxx");
        assert_eq!(
            timeline.between(start + CELL * 3, start + CELL * 5).len(),
            3
        );
        assert_eq!(
            timeline.between(start + CELL * 5, start + CELL * 3).len(),
            0
        );
    }

    #[test]
    fn the_longest_run_is_counted_not_the_sum() {
        let timeline = drawn(Instant::now(), "x.xx.xxx.x");
        assert_eq!(longest_run(timeline.cells(), |cell| cell.audible.has(0)), 3);
    }
}
