//! Where does the name of each moment stand, so that none is in another's way?

use crate::svg::{Anchor, text_width};

/// The size of captions, in pixels.
pub(super) const CAPTION_SIZE: f64 = 11.0;

/// The room between a caption and what is beside it.
const SPACING: f64 = 10.0;

/// How far a caption stands from its moment's line.
const INDENT: f64 = 4.0;

/// A caption in its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Caption {
    /// Where its moment's line runs.
    pub(super) line_x: f64,
    pub(super) x: f64,
    pub(super) row: usize,
    pub(super) anchor: Anchor,
    pub(super) text: String,
}

/// Gives every moment's name a place: beside its line, in the first row where it fits. Moments come
/// from left to right; the second value is the number of rows.
pub(super) fn place(moments: &[(f64, &str)], right_edge: f64) -> (Vec<Caption>, usize) {
    let mut rows: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut captions = Vec::new();
    for (line_x, text) in moments {
        let width = text_width(text, CAPTION_SIZE) + SPACING;
        let (from, x, anchor) = if line_x + width > right_edge {
            (line_x - width, line_x - INDENT, Anchor::End)
        } else {
            (*line_x, line_x + INDENT, Anchor::Start)
        };
        let row = first_fit(&rows, *line_x, (from, from + width));
        if row == rows.len() {
            rows.push(Vec::new());
        }
        rows[row].push((from, from + width));
        captions.push(Caption {
            line_x: *line_x,
            x,
            row,
            anchor,
            text: (*text).to_owned(),
        });
    }
    (captions, rows.len())
}

/// The first row that is free, and whose rows below leave room for the line that runs down.
fn first_fit(rows: &[Vec<(f64, f64)>], line_x: f64, (from, to): (f64, f64)) -> usize {
    let is_free = |row: &[(f64, f64)]| row.iter().all(|(a, b)| from >= *b || to <= *a);
    let is_crossed = |row: &Vec<(f64, f64)>| row.iter().any(|(a, b)| (*a..*b).contains(&line_x));
    (0..rows.len())
        .find(|row| is_free(&rows[*row]) && !rows[row + 1..].iter().any(is_crossed))
        .unwrap_or(rows.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_far_apart_share_a_row_and_close_ones_do_not() {
        let moments = [
            (0.0, "Ada waits"),
            (30.0, "Ben starts it"),
            (400.0, "all leave"),
        ];
        let (captions, rows) = place(&moments, 1_000.0);
        let placed: Vec<usize> = captions.iter().map(|caption| caption.row).collect();
        assert_eq!((placed, rows), (vec![0, 1, 0], 2));
    }

    #[test]
    fn a_caption_at_the_edge_stands_left_of_its_moment() {
        let (captions, _) = place(&[(990.0, "terminated")], 1_000.0);
        assert_eq!(captions[0].anchor, Anchor::End);
        assert!(captions[0].x < 990.0);
    }
}
