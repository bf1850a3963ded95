//! How do the figures compare with goals and peers, at a glance? `docs/performance.svg`

use crate::svg::{Anchor, Area, Svg, TextStyle};

use super::Results;
use super::goals::GOALS;
use super::page::number;
use super::row::{Goal, Row};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 430.0;
const RIGHT: f64 = 900.0;
const TOP: f64 = 84.0;
const ROW_HEIGHT: f64 = 44.0;
const BAR_HEIGHT: f64 = 13.0;

/// How many times as good as its goal a bar can show; better ones end there.
const MOST: f64 = 3.0;

const INK: &str = "#1f2933";
const FAINT: &str = "#7b8794";
const MET: &str = "#2f855a";
const MISSED: &str = "#c05621";
const PEERS: &str = "#a0aec0";

/// A bar for each goal, how many times as good as it, and one for the best of the peers.
pub(super) fn chart(results: &Results) -> String {
    let rows: Vec<(&Goal, f64)> = GOALS
        .iter()
        .filter(|goal| goal.goal > 0.0)
        .filter_map(|goal| Some((goal, results.row(goal.name).and_then(Row::median)?)))
        .collect();
    let height = TOP + ROW_HEIGHT * rows.len() as f64 + 40.0;
    let mut svg = Svg::new();
    let page = Area {
        x: 0.0,
        y: 0.0,
        width: WIDTH,
        height,
    };
    svg.rect(page, 0.0, "#ffffff", "");
    svg.text(
        (24.0, 36.0),
        style(20.0, INK, true, Anchor::Start),
        "Measured against the goal",
    );
    let legend = "each bar: how many times as good as the goal; grey: the best of the peers";
    svg.text(
        (24.0, 58.0),
        style(12.0, FAINT, false, Anchor::Start),
        legend,
    );
    for (at, (goal, value)) in rows.iter().enumerate() {
        let y = TOP + ROW_HEIGHT * at as f64;
        draw(&mut svg, goal, *value, y);
    }
    let bottom = TOP + ROW_HEIGHT * rows.len() as f64;
    for times in 0..=MOST as usize {
        let x = x_of(times as f64);
        let dashes = if times == 1 { "" } else { "2 4" };
        svg.line((x, TOP - 8.0), (x, bottom), FAINT, dashes);
        let label = match times {
            1 => "goal".to_owned(),
            _ => format!("{times} ×"),
        };
        let anchor = style(11.0, FAINT, false, Anchor::Middle);
        svg.text((x, bottom + 18.0), anchor, &label);
    }
    svg.document(WIDTH, height, "Measured against the goal", "")
}

fn draw(svg: &mut Svg, goal: &Goal, value: f64, y: f64) {
    let colour = if goal.is_met_by(value) { MET } else { MISSED };
    let name = style(12.0, INK, false, Anchor::End);
    svg.text((LEFT - 12.0, y + 11.0), name, goal.name);
    let says = format!("{} {}", number(value), goal.unit);
    bar(svg, goal, value, y, colour, says.trim_end());
    if let Some(peers) = goal.peers_value {
        bar(svg, goal, peers, y + BAR_HEIGHT + 3.0, PEERS, goal.peers);
    }
}

fn bar(svg: &mut Svg, goal: &Goal, value: f64, y: f64, colour: &str, says: &str) {
    let times = goal.times(value).unwrap_or_default();
    let end = x_of(times.clamp(0.0, MOST));
    let area = Area {
        x: LEFT,
        y,
        width: end - LEFT,
        height: BAR_HEIGHT,
    };
    svg.rect(area, 2.0, colour, &format!("{}: {says}", goal.name));
    // A long bar has room for its figure, a short one has room beside it.
    let inside = times > MOST / 2.0;
    let (x, text) = match inside {
        true => (end - 6.0, style(11.0, "#ffffff", true, Anchor::End)),
        false => (end + 6.0, style(11.0, INK, false, Anchor::Start)),
    };
    svg.text((x, y + 10.5), text, says);
}

fn x_of(times: f64) -> f64 {
    LEFT + (RIGHT - LEFT) * times / MOST
}

fn style(size: f64, colour: &'static str, bold: bool, anchor: Anchor) -> TextStyle {
    TextStyle {
        size,
        colour,
        bold,
        anchor,
    }
}

#[cfg(test)]
mod tests {
    use super::super::goals;
    use super::*;
    use crate::svg::tests::assert_well_formed;

    #[test]
    fn every_measured_goal_has_a_bar_and_no_label_hides_another() {
        let row = |name: &str, value| {
            let mut row = Row {
                name: name.to_owned(),
                ..Row::default()
            };
            row.add(value, None, String::new());
            row
        };
        let results = Results {
            rows: vec![
                row(goals::RECEIVE_ONLY, 7_100.0),
                row(goals::DELAY_P99, 44.0),
                row(goals::ALL_TALK, 1.05),
                row(goals::LATE_TICKS, 0.0),
            ],
            ..Results::default()
        };
        let chart = chart(&results);
        assert_well_formed(&chart);
        assert!(chart.contains("7,100 per core") && chart.contains(MET) && chart.contains(MISSED));
        // A goal of zero has no ratio to it.
        assert!(!chart.contains("Late ticks"));
    }
}
