//! How do several bridges compare?

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;

use crate::limit::LimitReport;
use crate::load_report::{LoadReport, Quantiles};

/// One result in a comparison.
struct Column {
    name: String,
    report: LoadReport,
    largest: Option<usize>,
}

/// What is compared: its name, and how a result says it.
type Row = (&'static str, fn(&Column) -> Option<String>);

const ROWS: [Row; 14] = [
    ("callers borne at most", |column| {
        column.largest.map(|callers| callers.to_string())
    }),
    ("calls answered, placed", |column| {
        Some(format!(
            "{}, {}",
            column.report.calls_answered, column.report.calls_placed
        ))
    }),
    ("conferences, talkers", |column| {
        Some(format!(
            "{}, {}",
            column.report.conferences, column.report.talkers
        ))
    }),
    ("CPU, % of a core", |column| {
        let process = column.report.process.as_ref()?;
        Some(format!("{:.1}", process.cpu_percent))
    }),
    ("core busy, %", |column| {
        let percent = column.report.process.as_ref()?.core_percent?;
        Some(format!("{percent:.1}"))
    }),
    ("KiB per caller", |column| {
        let kib = column.report.process.as_ref()?.kib_per_caller?;
        Some(format!("{kib:.0}"))
    }),
    ("delay added p50, ms", |column| p50(column.report.delay_ms)),
    ("delay added p99, ms", |column| p99(column.report.delay_ms)),
    ("interarrival p99, ms", |column| {
        p99(column.report.interarrival_ms)
    }),
    ("lost, %", |column| {
        Some(share(column, column.report.packets.lost))
    }),
    ("late > 60 ms, %", |column| {
        Some(share(column, column.report.packets.late))
    }),
    ("own voice, dB", |column| {
        column
            .report
            .own_residue_db
            .map(|level| format!("{level:.1}"))
    }),
    ("heard wrongly", |column| {
        Some(column.report.wrongs.len().to_string())
    }),
    ("callers late p99, ms", |column| {
        p99(column.report.pacing_lateness_ms)
    }),
];

/// A table with a column for each file of results.
///
/// # Errors
/// When a file is not there, or no result of `tutti load --json`.
pub(crate) fn compare(files: &[PathBuf]) -> anyhow::Result<String> {
    let columns: Vec<Column> = files
        .iter()
        .map(|path| read(path))
        .collect::<Result<_, _>>()?;
    let mut table: Vec<Vec<String>> = Vec::new();
    let names = columns.iter().map(|column| column.name.clone());
    table.push(std::iter::once(String::new()).chain(names).collect());
    for (name, cell) in ROWS {
        let cells: Vec<Option<String>> = columns.iter().map(cell).collect();
        if cells.iter().any(Option::is_some) {
            let cells = cells
                .into_iter()
                .map(|cell| cell.unwrap_or_else(|| "–".to_owned()));
            table.push(std::iter::once(name.to_owned()).chain(cells).collect());
        }
    }
    Ok(lay_out(&table))
}

fn read(path: &Path) -> anyhow::Result<Column> {
    let name = path
        .file_stem()
        .map(|name| name.to_string_lossy().into_owned());
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let value: Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    let not_a_result = || format!("{} is no result of tutti load --json", path.display());
    let (report, largest, named) = if value.get("steps").is_some() {
        let found: LimitReport = serde_json::from_value(value).with_context(not_a_result)?;
        (
            found.at_largest.unwrap_or_default(),
            Some(found.largest),
            found.name,
        )
    } else {
        anyhow::ensure!(value.get("callsPlaced").is_some(), not_a_result());
        let report: LoadReport = serde_json::from_value(value).with_context(not_a_result)?;
        let named = report.name.clone();
        (report, None, named)
    };
    Ok(Column {
        name: named.or(name).unwrap_or_default(),
        report,
        largest,
    })
}

fn p50(quantiles: Option<Quantiles>) -> Option<String> {
    quantiles.map(|quantiles| format!("{:.1}", quantiles.p50))
}

fn p99(quantiles: Option<Quantiles>) -> Option<String> {
    quantiles.map(|quantiles| format!("{:.1}", quantiles.p99))
}

fn share(column: &Column, packets: u64) -> String {
    let counted = &column.report.packets;
    let all = (counted.received + counted.lost).max(1);
    format!("{:.3}", 100.0 * packets as f64 / all as f64)
}

/// Rows under a heading, the first column to the left and the others to the right.
fn lay_out(table: &[Vec<String>]) -> String {
    let columns = table.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = table.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    table.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::ProcessReport;

    #[test]
    fn results_stand_side_by_side_under_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let report = LoadReport {
            name: Some("ours".into()),
            calls_placed: 5,
            calls_answered: 5,
            delay_ms: Some(Quantiles {
                p50: 12.3,
                p99: 19.0,
                samples: 40,
            }),
            process: Some(ProcessReport {
                cpu_percent: 7.25,
                ..ProcessReport::default()
            }),
            ..LoadReport::default()
        };
        let limit = LimitReport {
            largest: 640,
            at_largest: Some(LoadReport::default()),
            ..LimitReport::default()
        };
        let files = [
            folder.path().join("a.json"),
            folder.path().join("theirs.json"),
        ];
        std::fs::write(&files[0], serde_json::to_string(&report).unwrap()).unwrap();
        std::fs::write(&files[1], serde_json::to_string(&limit).unwrap()).unwrap();
        let table = compare(&files).unwrap();
        let line = |name: &str| {
            let line = table.lines().find(|line| line.starts_with(name)).unwrap();
            line[name.len()..]
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(line(""), ["ours", "theirs"]);
        assert_eq!(line("callers borne at most"), ["–", "640"]);
        assert_eq!(line("delay added p50, ms"), ["12.3", "–"]);
        assert_eq!(line("CPU, % of a core"), ["7.2", "–"]);
        assert!(!table.contains("own voice"));
    }

    #[test]
    fn another_file_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("notes.json");
        std::fs::write(&file, "{}").unwrap();
        assert!(
            compare(&[file])
                .unwrap_err()
                .to_string()
                .contains("notes.json")
        );
    }
}
