//! Does the bridge keep its promises on this machine? `scripts/bench`
//!
//! Starts bridges on the first core, is on another one itself, measures every goal a few times, and
//! writes the figures, a page and a chart. What is not measured this time stays as it was.

mod bridge;
mod chart;
mod floor_of_kernel;
mod floor_of_machine;
mod goals;
mod machine;
mod measuring;
mod page;
mod row;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use nix::sys::resource::{Resource, setrlimit};

use crate::load::{LoadArgs, allow_many_sockets};
use machine::Machine;
use measuring::{Pace, Scenario};
use row::Row;

/// The core that bridges are measured on.
const CORE: usize = 0;

/// Sockets of the largest load, on either side.
const SOCKETS: u64 = 65_536;

/// Where simulations leave what they measured.
const QUALITY_FILE: &str = "target/quality.json";

/// Everything that was measured.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Results {
    machine: Machine,
    rows: Vec<Row>,
}

/// What simulations measured.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Quality {
    rows: Vec<QualityRow>,
}

#[derive(Debug, serde::Deserialize)]
struct QualityRow {
    name: String,
    value: f64,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    command: String,
}

/// Measures, and writes `performance.json`, `performance.md` and `performance.svg` into a folder.
///
/// # Errors
/// When there is no second core, or nothing can be written. What cannot be measured is said, and the
/// rest is measured.
pub(crate) async fn run(args: &LoadArgs, folder: &Path) -> anyhow::Result<()> {
    let here = Machine::here();
    anyhow::ensure!(
        here.cores >= 2,
        "the suite needs a core for the bridge and one for callers"
    );
    // Where that is not allowed, the hard limit must do.
    let _ = setrlimit(Resource::RLIMIT_NOFILE, SOCKETS, SOCKETS);
    allow_many_sockets();
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut results = fs::read_to_string(folder.join("performance.json"))
        .ok()
        .and_then(|text| serde_json::from_str::<Results>(&text).ok())
        .unwrap_or_default();
    results.machine = here;
    let pace = Pace {
        step: Duration::from_secs(args.duration.min(60)),
        punctuality: Duration::from_secs((args.duration * 6).min(300)),
    };
    for row in quality(args.name.as_deref()) {
        results.replace(row);
    }
    let failures = measure(args, pace, &mut results, folder).await?;
    for failure in &failures {
        eprintln!("not measured: {failure}");
    }
    print!("{}", page::table(&results));
    anyhow::ensure!(
        failures.is_empty(),
        "{} of the rows could not be measured",
        failures.len()
    );
    Ok(())
}

/// Writes the figures, the page and the chart; whoever interrupts this finds the old figures or the new.
fn write(folder: &Path, results: &Results) -> anyhow::Result<()> {
    let new = folder.join("performance.json.new");
    fs::write(&new, serde_json::to_string_pretty(results)? + "\n")?;
    fs::rename(new, folder.join("performance.json"))?;
    fs::write(folder.join("performance.md"), page::page(results))?;
    fs::write(folder.join("performance.svg"), chart::chart(results))?;
    Ok(())
}

impl Results {
    fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    fn replace(&mut self, row: Row) {
        self.rows.retain(|other| other.name != row.name);
        self.rows.push(row);
    }
}

/// Runs every wanted scenario so many times, in turn, so that a bad quarter of an hour spoils no row.
/// After each run everything measured so far is written, so that who interrupts it keeps whole runs.
/// Says what could not be measured.
async fn measure(
    args: &LoadArgs,
    pace: Pace,
    results: &mut Results,
    folder: &Path,
) -> anyhow::Result<Vec<String>> {
    let is_wanted = |scenario: &Scenario| {
        let wanted = args.only.as_deref().unwrap_or_default().to_lowercase();
        scenario
            .rows()
            .iter()
            .any(|row| row.to_lowercase().contains(&wanted))
    };
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let mut failures: BTreeMap<String, String> = BTreeMap::new();
    for run in 1..=args.runs {
        for scenario in Scenario::ALL.into_iter().filter(is_wanted) {
            let title = scenario.rows().first().copied().unwrap_or_default();
            eprintln!("run {run} of {}: {title}", args.runs);
            match scenario.measure(CORE, pace).await {
                Ok(found) => {
                    for found in found {
                        let row = rows.entry(found.row).or_insert_with(|| Row {
                            name: found.row.to_owned(),
                            command: scenario.command(),
                            measured: args.name.clone(),
                            ..Row::default()
                        });
                        row.add(found.value, found.floor, found.note);
                    }
                }
                Err(error) => {
                    let failure = format!("{title}: {error:#}");
                    eprintln!("not measured: {failure}");
                    failures.insert(title.to_owned(), failure);
                }
            }
        }
        for row in rows.values() {
            results.replace(row.clone());
        }
        write(folder, results)?;
    }
    Ok(failures.into_values().collect())
}

/// What simulations left, if they did, and what follows from it.
fn quality(measured: Option<&str>) -> Vec<Row> {
    let text = fs::read_to_string(QUALITY_FILE).unwrap_or_default();
    let quality: Quality = serde_json::from_str(&text).unwrap_or_default();
    let row = |row: &QualityRow| Row {
        name: row.name.clone(),
        unit: row.unit.clone(),
        values: vec![row.value],
        floors: Vec::new(),
        command: row.command.clone(),
        notes: Vec::new(),
        measured: measured.map(str::to_owned),
    };
    let mut rows: Vec<Row> = quality.rows.iter().map(row).collect();
    let of = |name: &str| quality.rows.iter().find(|row| row.name == name);
    if let Some((one, switched)) = of(goals::ONE_ENCODER).zip(of(goals::SWITCHED_ENCODER)) {
        rows.push(Row {
            name: goals::SWITCHING.to_owned(),
            values: vec![one.value - switched.value],
            notes: vec![format!(
                "{:.2} with one encoder, {:.2} with others",
                one.value, switched.value
            )],
            ..row(one)
        });
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_a_later_run_goes_on_from() {
        let folder = tempfile::tempdir().unwrap();
        let mut results = Results::default();
        for values in [vec![4_000.0], vec![4_000.0, 4_100.0]] {
            results.replace(Row {
                name: goals::DTX.to_owned(),
                floors: values.clone(),
                values,
                ..Row::default()
            });
            write(folder.path(), &results).unwrap();
        }
        let text = fs::read_to_string(folder.path().join("performance.json")).unwrap();
        let found: Results = serde_json::from_str(&text).unwrap();
        assert_eq!(found.rows.len(), 1);
        assert_eq!(found.row(goals::DTX).and_then(Row::median), Some(4_050.0));
        assert_eq!(found.row(goals::DTX).and_then(Row::floor), Some(4_050.0));
        let mut files: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        assert_eq!(
            files,
            ["performance.json", "performance.md", "performance.svg"]
        );
    }
}
