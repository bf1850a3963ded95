//! What is a line of the table? A goal, what peers reach, and what was measured.

/// A goal that is promised.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goal {
    /// Names the row for good; results of an earlier run are found by it.
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    /// The best that a peer reached.
    pub(super) peers: &'static str,
    /// The same as a number, where it is one, for the chart.
    pub(super) peers_value: Option<f64>,
    pub(super) goal: f64,
    pub(super) wanted: Wanted,
    /// How it is measured.
    pub(super) how: &'static str,
    /// What would close the gap where it is missed.
    pub(super) closed_by: &'static str,
}

/// Which side of its goal a figure must be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    AtLeast,
    AtMost,
}

impl Goal {
    pub(super) fn is_met_by(&self, value: f64) -> bool {
        match self.wanted {
            Wanted::AtLeast => value >= self.goal,
            Wanted::AtMost => value <= self.goal,
        }
    }

    /// How many times as good as the goal a figure is; `None` where a goal of nought has no ratio.
    pub(super) fn times(&self, value: f64) -> Option<f64> {
        if self.goal <= 0.0 {
            return None;
        }
        Some(match self.wanted {
            Wanted::AtLeast => value / self.goal,
            Wanted::AtMost => self.goal / value.max(f64::MIN_POSITIVE),
        })
    }
}

/// What was measured for a goal.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Row {
    pub(super) name: String,
    /// Of a row that is no goal's; goals have theirs.
    pub(super) unit: String,
    /// One value a run.
    pub(super) values: Vec<f64>,
    /// What the machine alone reached beside each, where that is measured.
    pub(super) floors: Vec<f64>,
    pub(super) command: String,
    /// What the value does not tell: what was run and what is extrapolated.
    pub(super) notes: Vec<String>,
    /// When and with what, as `--name` says.
    pub(super) measured: Option<String>,
}

impl Row {
    pub(super) fn median(&self) -> Option<f64> {
        median(&self.values)
    }

    /// What a bridge without any cost would reach.
    pub(super) fn floor(&self) -> Option<f64> {
        median(&self.floors)
    }

    pub(super) fn least(&self) -> Option<f64> {
        self.values.iter().copied().min_by(f64::total_cmp)
    }

    pub(super) fn most(&self) -> Option<f64> {
        self.values.iter().copied().max_by(f64::total_cmp)
    }

    /// Adds a run's value and replaces the notes by the newest.
    pub(super) fn add(&mut self, value: f64, floor: Option<f64>, note: String) {
        self.values.push(value);
        self.floors.extend(floor);
        self.notes = if note.is_empty() {
            Vec::new()
        } else {
            vec![note]
        };
    }
}

/// The value in the middle, or between the two in the middle.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some((lower + upper) / 2.0)
}

/// A straight line through points, by least squares: where it is at 0, and how steep it is.
pub(super) fn line_through(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let count = points.len() as f64;
    let (mean_x, mean_y) = points.iter().fold((0.0, 0.0), |(x, y), point| {
        (x + point.0 / count, y + point.1 / count)
    });
    let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if spread <= 0.0 {
        return None;
    }
    let slope = points
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum::<f64>()
        / spread;
    Some((mean_y - slope * mean_x, slope))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_of_what_was_measured() {
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_figure_is_so_many_times_as_good_as_its_goal() {
        let goal = |goal, wanted| Goal {
            name: "",
            unit: "",
            peers: "",
            peers_value: None,
            goal,
            wanted,
            how: "",
            closed_by: "",
        };
        assert_eq!(goal(5_000.0, Wanted::AtLeast).times(2_500.0), Some(0.5));
        assert_eq!(goal(20.0, Wanted::AtMost).times(25.0), Some(0.8));
        assert_eq!(goal(0.0, Wanted::AtMost).times(7.0), None);
        assert_eq!(goal(-60.0, Wanted::AtMost).times(-70.0), None);
    }

    #[test]
    fn a_line_goes_through_its_points() {
        let (at_zero, slope) = line_through(&[(100.0, 7.0), (200.0, 9.0), (400.0, 13.0)]).unwrap();
        assert!((at_zero - 5.0).abs() < 1e-9 && (slope - 0.02).abs() < 1e-9);
        assert_eq!(line_through(&[(1.0, 1.0)]), None);
    }
}
