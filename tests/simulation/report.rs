//! What tests measure, for whoever documents it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

/// Two tests at a time must not write what neither has read.
static WRITING: Mutex<()> = Mutex::new(());

/// Writes what one command has measured to `target/quality.json`, in place of what it did before; what
/// others have measured stays. Each figure has a name and a unit.
pub(crate) fn write(command: &str, figures: &[(&str, f64, &str)]) {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = target().join("quality.json");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let known: Value = serde_json::from_str(&text).unwrap_or_default();
    let mut rows: Vec<Value> = known["rows"].as_array().cloned().unwrap_or_default();
    rows.retain(|row| row["command"] != command);
    rows.extend(figures.iter().map(|(name, value, unit)| {
        json!({
            "name": name,
            "value": (value * 100.0).round() / 100.0,
            "unit": unit,
            "command": command,
        })
    }));
    let file = File::create(path).unwrap();
    serde_json::to_writer_pretty(file, &json!({ "rows": rows })).unwrap();
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap()
        .to_owned()
}
