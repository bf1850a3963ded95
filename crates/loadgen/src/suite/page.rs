//! How are the figures told? `docs/performance.md`

use std::fmt::Write as _;

use super::Results;
use super::goals::GOALS;
use super::row::{Goal, Row, Wanted};

/// The whole page.
pub(super) fn page(results: &Results) -> String {
    let machine = &results.machine;
    let kind = match machine.virtual_machine {
        true => "virtual cores; what its neighbours do is in the figures",
        false => "cores",
    };
    let mut page = format!(
        "# Performance\n\n\
         This page is written by `scripts/bench`, which measures everything again: the bridge on one \
         core, the callers on another, over real SIP and RTP on loopback. Figures are medians; the \
         range is that of the runs. `performance.json` has the figures.\n\n\
         ![Measured figures against their goals and the best of the peers](performance.svg)\n\n\
         Machine: {}, {} {kind}; {}; {}; {}; Tutti {}.\n\n",
        machine.processor,
        machine.cores,
        machine.kernel,
        machine.rustc,
        machine.libopus,
        machine.tutti,
    );
    page.push_str(&summary(results));
    page.push_str(&table(results));
    page.push_str(
        "\n*Peers' best* was measured on another machine of the same size (2 virtual cores, Intel \
         Xeon): Asterisk 22.10.1, FreeSWITCH 1.10.12 and Janus 1.1.2, one of them on one core. \
         *Per core* is where the measured slope fills the core; what was really there is among the \
         notes. *Machine alone* is what a bridge would reach here that costs nothing: the kernel only \
         sends, finds and reads the row's datagrams, libopus only encodes and decodes, a thread only \
         encodes; it is measured beside each run.\n\n## How\n\n",
    );
    for goal in GOALS {
        // Writing to a String does not fail.
        let _ = writeln!(page, "**{}**: {}.", goal.name, goal.how);
        match results.row(goal.name) {
            Some(row) => describe(&mut page, &goal, row),
            None => page.push_str("Not measured yet.\n\n"),
        }
    }
    more(&mut page, results);
    page.push_str(
        "## Against other bridges\n\n\
         `tutti load` calls any SIP bridge, so any can be measured the same way:\n\n\
         ```\n\
         tutti load --target sip:1000@127.0.0.1:5080 --speech --codec opus --find-limit \\\n    \
         --pid \"$(pidof asterisk)\" --name asterisk --json >asterisk.json\n\
         tutti load --compare asterisk.json tutti.json\n\
         ```\n",
    );
    page
}

/// How many goals are met.
fn summary(results: &Results) -> String {
    let is_met = |goal: &Goal| {
        let value = results.row(goal.name).and_then(Row::median)?;
        Some(goal.is_met_by(value))
    };
    let measured: Vec<bool> = GOALS.iter().filter_map(is_met).collect();
    let met = measured.iter().filter(|met| **met).count();
    let (missed, open) = (measured.len() - met, GOALS.len() - measured.len());
    let open = match open {
        0 => String::new(),
        _ => format!(", {open} not measured yet"),
    };
    format!(
        "{met} of {} goals are met and {missed} are missed{open}. What would close each gap is told \
         below the table.\n\n",
        GOALS.len()
    )
}

/// What was measured besides, in the order of the alphabet.
fn more(page: &mut String, results: &Results) {
    let is_no_goal = |row: &&Row| GOALS.iter().all(|goal| goal.name != row.name);
    let mut others: Vec<&Row> = results.rows.iter().filter(is_no_goal).collect();
    if others.is_empty() {
        return;
    }
    others.sort_by(|a, b| a.name.cmp(&b.name));
    page.push_str("## Besides\n\n| what | measured | command |\n|---|---|---|\n");
    for row in others {
        let value = row.median().map_or_else(|| "–".to_owned(), number);
        let Row {
            name,
            unit,
            command,
            ..
        } = row;
        let _ = writeln!(page, "| {name} | {value} {unit} | `{command}` |");
    }
    page.push('\n');
}

/// The table of goals.
pub(super) fn table(results: &Results) -> String {
    let mut table =
        "| what | peers' best | goal | measured | range | runs | met | machine alone |\n\
                     |---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for goal in GOALS {
        let row = results.row(goal.name);
        let value = row.and_then(Row::median);
        let sign = match goal.wanted {
            Wanted::AtLeast => "≥",
            Wanted::AtMost => "≤",
        };
        let range = row.and_then(|row| Some((row.least()?, row.most()?)));
        let _ = writeln!(
            table,
            "| {} | {} | {sign} {} | {} | {} | {} | {} | {} |",
            goal.name,
            goal.peers,
            with_unit(&goal, goal.goal),
            value.map_or_else(|| "–".to_owned(), |value| with_unit(&goal, value)),
            range.map_or_else(
                || "–".to_owned(),
                |(least, most)| format!("{} to {}", number(least), number(most)),
            ),
            row.map_or(0, |row| row.values.len()),
            match value {
                Some(value) if goal.is_met_by(value) => "yes".to_owned(),
                Some(value) => match goal.times(value) {
                    Some(times) => format!("no, {:.0} %", (100.0 * times).floor()),
                    None => "no".to_owned(),
                },
                None => "–".to_owned(),
            },
            row.and_then(Row::floor)
                .map_or_else(|| "–".to_owned(), |floor| with_unit(&goal, floor)),
        );
    }
    table
}

fn describe(page: &mut String, goal: &Goal, row: &Row) {
    for note in &row.notes {
        let _ = writeln!(page, "{note}.");
    }
    if row.median().is_some_and(|value| !goal.is_met_by(value)) {
        let _ = writeln!(page, "*What would close the gap*: {}.", goal.closed_by);
    }
    if let Some(measured) = &row.measured {
        let _ = writeln!(page, "Measured: {measured}.");
    }
    if !row.command.is_empty() {
        let _ = write!(page, "\n```\n{}\n```\n", row.command);
    }
    page.push('\n');
}

fn with_unit(goal: &Goal, value: f64) -> String {
    format!("{} {}", number(value), goal.unit)
        .trim_end()
        .to_owned()
}

/// A number with as many digits as mean something.
pub(super) fn number(value: f64) -> String {
    let text = match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}").trim_end_matches(".0").to_owned(),
        _ => format!("{value:.2}")
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
    };
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("−", digits),
        None => ("", text.as_str()),
    };
    // Thousands are told apart.
    match (digits.len(), digits.contains('.')) {
        (4.., false) => {
            let (thousands, rest) = digits.split_at(digits.len() - 3);
            format!("{sign}{thousands},{rest}")
        }
        _ => format!("{sign}{digits}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::goals;
    use super::*;

    #[test]
    fn a_measured_goal_stands_in_the_table_with_its_range() {
        let mut row = Row {
            name: goals::SILENCE.to_owned(),
            ..Row::default()
        };
        for value in [2_210.4, 1_980.0, 2_100.0] {
            row.add(value, Some(value * 2.0), "a note".to_owned());
        }
        let results = Results {
            rows: vec![row],
            ..Results::default()
        };
        let line =
            "| ≥ 1,500 per core | 2,100 per core | 1,980 to 2,210 | 3 | yes | 4,200 per core |";
        assert!(table(&results).contains(line), "{}", table(&results));
        let page = page(&results);
        assert!(page.contains("a note.") && page.contains("Not measured yet."));
        assert!(page.contains("1 of 18 goals are met and 0 are missed, 17 not measured yet."));
        assert!(!page.contains("What would close the gap"));
    }

    #[test]
    fn a_missed_goal_says_how_near_it_came_and_what_would_close_the_gap() {
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
                row(goals::RECEIVE_ONLY, 3_036.0),
                row(goals::DELAY_P50, 25.0),
                row(goals::LATE_TICKS, 12.0),
            ],
            ..Results::default()
        };
        let table = table(&results);
        for end in ["| no, 60 % | – |", "| no, 80 % | – |", "| no | – |"] {
            assert!(table.contains(end), "{end} in {table}");
        }
        let page = page(&results);
        let closes = |name| {
            let goal = GOALS.into_iter().find(|goal| goal.name == name).unwrap();
            page.contains(&format!("*What would close the gap*: {}.", goal.closed_by))
        };
        assert!(closes(goals::RECEIVE_ONLY) && closes(goals::LATE_TICKS));
        assert!(!closes(goals::TURNS), "it is not measured");
    }

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        let numbers = [5_000.0, 12.34, 20.0, 1.1, 0.05, -60.0, 0.0].map(number);
        assert_eq!(numbers, ["5,000", "12.3", "20", "1.1", "0.05", "−60", "0"]);
    }
}
