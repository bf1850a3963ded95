//! Does the source keep its own rules?
//!
//! What the compiler does not check: which crate may use which, what pure crates may not touch,
//! how long a file may be, what lies at the top level. Each test names the file and the line.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Who may use whom. A crate that is not listed has no place in the design yet.
const ALLOWED_EDGES: &[(&str, &[&str])] = &[
    ("cmake", &[]),
    ("tutti-model", &[]),
    ("tutti-media", &["tutti-model"]),
    ("tutti-control-plane", &["tutti-model"]),
    ("tutti-freeclimb", &["tutti-model", "tutti-control-plane"]),
    ("tutti-sip", &["tutti-model"]),
    ("tutti-store", &["tutti-model", "tutti-control-plane"]),
    ("tutti-recording", &["tutti-model"]),
    (
        "tutti-server",
        &[
            "tutti-model",
            "tutti-media",
            "tutti-control-plane",
            "tutti-freeclimb",
            "tutti-sip",
            "tutti-store",
            "tutti-recording",
        ],
    ),
    (
        "tutti-loadgen",
        &["tutti-model", "tutti-media", "tutti-sip"],
    ),
    (
        "tutti-sim",
        &["tutti-model", "tutti-media", "tutti-control-plane"],
    ),
    ("tutti-fuzz", &["tutti-control-plane", "tutti-freeclimb"]),
    ("tutti", &["tutti-server", "tutti-loadgen"]),
];

/// Crates that read no clock, open no socket or file, spawn nothing, and draw no randomness.
const PURE_CRATES: &[&str] = &["model", "media", "control-plane", "freeclimb", "sim"];

/// What a pure crate does not say outside its comments.
const IMPURE_WORDS: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "Mutex",
    "RwLock",
    "tokio",
    "thread_rng",
    "rand::rng",
    "println!",
    "eprintln!",
];

/// How a stranger is reached over HTTP or TCP, and how its name becomes an address.
const OUTWARD_WORDS: &[&str] = &[
    "reqwest",
    "hyper::client",
    "hyper_util::client",
    "TcpStream::connect",
    "TcpSocket",
    "lookup_host",
    "to_socket_addrs",
];

/// Where those may be said outside of egress, which asks its policy first.
const OUTWARD_FILES: &[&str] = &[
    // Trunks and proxies are the operator's words, and egress's policy is asked for all others.
    "crates/server/src/dialling/mod.rs",
    // SIP's own transport.
    "crates/sip/src/endpoint.rs",
];

/// Files that may hold the keyword at all, each with its reason beside it.
const DECLARED_UNSAFE: &[&str] = &[];

/// What nobody leaves behind.
const UNFINISHED: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("db", "g!("),
];

/// Where somebody's checkout happens to lie is nobody else's business.
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
];

/// Code, without the tests that follow it.
const LONGEST_FILE_LINES: usize = 700;

const TOP_LEVEL: &[&str] = &[
    ".cargo",
    ".ci",
    ".git",
    ".gitignore",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "assets",
    "benches",
    "crates",
    "data",
    "demo",
    "docs",
    "rust-toolchain.toml",
    "scripts",
    "target",
    "tests",
];

#[test]
fn crates_use_only_what_the_design_allows() {
    let allowed: BTreeMap<_, _> = ALLOWED_EDGES.iter().copied().collect();
    let mut offences = Vec::new();
    for manifest in manifests() {
        let name = manifest.name();
        let Some(allowed) = allowed.get(name.as_str()) else {
            offences.push(format!("{name} is not in the table of allowed edges"));
            continue;
        };
        offences.extend(
            manifest
                .our_dependencies("dependencies")
                .into_iter()
                .filter(|used| !allowed.contains(&used.as_str()))
                .map(|used| format!("{name} must not use {used}")),
        );
    }
    assert_none(&offences);
}

#[test]
fn tests_of_a_crate_reach_no_higher_than_the_crate() {
    let allowed: BTreeMap<_, _> = ALLOWED_EDGES.iter().copied().collect();
    let mut offences = Vec::new();
    for manifest in manifests().filter(|manifest| manifest.name() != "tutti") {
        let name = manifest.name();
        offences.extend(
            manifest
                .our_dependencies("dev-dependencies")
                .into_iter()
                .filter(|used| !allowed[name.as_str()].contains(&used.as_str()))
                .map(|used| format!("the tests of {name} must not use {used}")),
        );
    }
    assert_none(&offences);
}

#[test]
fn every_crate_obeys_the_workspace_lints() {
    let offences: Vec<_> = manifests()
        .filter(|manifest| {
            manifest
                .table
                .get("lints")
                .and_then(|lints| lints.get("workspace"))
                != Some(&toml::Value::Boolean(true))
        })
        .map(|manifest| format!("{} does not inherit the workspace lints", manifest.name()))
        .collect();
    assert_none(&offences);
}

#[test]
fn pure_crates_ban_the_outside_world_in_their_lints() {
    let offences: Vec<_> = PURE_CRATES
        .iter()
        .map(|name| repository().join("crates").join(name).join(".clippy.toml"))
        .filter(|lints| !fs::read_to_string(lints).is_ok_and(|text| text.contains("Instant::now")))
        .map(|lints| format!("{} does not ban Instant::now", shown(&lints)))
        .collect();
    assert_none(&offences);
}

#[test]
fn pure_crates_do_not_name_the_outside_world() {
    let mut offences = Vec::new();
    for name in PURE_CRATES {
        let source = repository().join("crates").join(name).join("src");
        let mut files = rust_files(&source);
        files.retain(|file| !is_for_tests(file));
        offences.extend(code_that_says(&files, IMPURE_WORDS, Part::BeforeTests));
    }
    assert_none(&offences);
}

#[test]
fn unsafe_code_is_only_where_it_is_declared() {
    let files: Vec<_> = all_rust_files()
        .into_iter()
        .filter(|file| !DECLARED_UNSAFE.contains(&shown(file).as_str()))
        .collect();
    let keyword = [
        concat!("uns", "afe {"),
        concat!("uns", "afe fn"),
        concat!("uns", "afe impl"),
    ];
    assert_none(&code_that_says(&files, &keyword, Part::Whole));
}

#[test]
fn nothing_is_left_unfinished() {
    assert_none(&code_that_says(&all_rust_files(), UNFINISHED, Part::Whole));
}

#[test]
fn every_file_fits_in_one_head() {
    let offences: Vec<_> = rust_files(&repository().join("crates"))
        .into_iter()
        .filter(|file| !file.ends_with("tests.rs"))
        .map(|file| (lines_of_code(&file), file))
        .filter(|(lines, _)| *lines > LONGEST_FILE_LINES)
        .map(|(lines, file)| {
            format!(
                "{} has {lines} lines, more than {LONGEST_FILE_LINES}",
                shown(&file)
            )
        })
        .collect();
    assert_none(&offences);
}

fn lines_of_code(file: &Path) -> usize {
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .take_while(|line| *line != concat!("#[cfg(", "test)]"))
        .count()
}

#[test]
fn every_crate_says_first_what_it_is() {
    let offences: Vec<_> = crate_folders()
        .map(|folder| folder.join("src/lib.rs"))
        .filter(|root| !fs::read_to_string(root).is_ok_and(|text| text.starts_with("//!")))
        .map(|root| format!("{} does not begin with //!", shown(&root)))
        .collect();
    assert_none(&offences);
}

#[test]
fn every_folder_of_crates_is_a_crate() {
    let offences: Vec<_> = fs::read_dir(repository().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() && !path.join("Cargo.toml").is_file())
        .map(|path| format!("{} has no Cargo.toml", shown(&path)))
        .collect();
    assert_none(&offences);
}

#[test]
fn the_top_level_stays_small() {
    let offences: Vec<_> = fs::read_dir(repository())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| !TOP_LEVEL.contains(&name.as_str()))
        .map(|name| format!("{name} has no place at the top level"))
        .collect();
    assert_none(&offences);
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    let mut offences = Vec::new();
    for file in text_files(&repository()) {
        let text = fs::read_to_string(&file).unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            if MACHINE_PATHS.iter().any(|path| line.contains(path)) {
                offences.push(format!("{}:{}: {line}", shown(&file), number + 1));
            }
        }
    }
    assert_none(&offences);
}

#[test]
fn only_egress_reaches_out_to_others() {
    let mut files = rust_files(&repository().join("crates"));
    files.retain(|file| {
        let name = shown(file);
        let says_what_it_likes = ["crates/server/src/egress/", "crates/loadgen/"];
        !is_for_tests(file) && !says_what_it_likes.iter().any(|part| name.starts_with(part))
    });
    let (declared, others): (Vec<_>, Vec<_>) = files
        .into_iter()
        .partition(|file| OUTWARD_FILES.contains(&shown(file).as_str()));
    let mut offences = code_that_says(&others, OUTWARD_WORDS, Part::BeforeTests);
    // An exception that is not needed any more waits for somebody to need it.
    let needed = |file: &PathBuf| {
        let said = code_that_says(std::slice::from_ref(file), OUTWARD_WORDS, Part::BeforeTests);
        !said.is_empty()
    };
    let needed: Vec<_> = declared.iter().filter(|file| needed(file)).collect();
    if needed.len() < OUTWARD_FILES.len() {
        offences.push(format!(
            "of the files that may reach out, only {needed:?} do"
        ));
    }
    assert_none(&offences);
}

#[test]
fn the_two_commands_of_the_readme_exist() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    assert!(
        readme.contains("cargo run --release"),
        "the README does not say how to run the bridge"
    );
    assert!(
        readme.contains("scripts/test"),
        "the README does not say how to test the bridge"
    );
    assert!(
        is_executable(&repository().join("scripts/test")),
        "scripts/test cannot be run"
    );
}

#[test]
fn what_a_reader_is_sent_to_exists() {
    let mut offences = Vec::new();
    for page in [
        "README.md",
        "docs/compatibility.md",
        "assets/README.md",
        "crates/ARCHITECTURE.md",
    ] {
        let page = repository().join(page);
        let Ok(text) = fs::read_to_string(&page) else {
            offences.push(format!("{} is missing", shown(&page)));
            continue;
        };
        offences.extend(
            local_links(&text)
                .filter(|link| !page.parent().unwrap().join(link).exists())
                .map(|link| format!("{} leads to {link}, which is not there", shown(&page))),
        );
    }
    assert_none(&offences);
}

/// A Cargo.toml, read.
struct Manifest {
    table: toml::Table,
}

impl Manifest {
    fn read(path: &Path) -> Manifest {
        let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", shown(path)));
        Manifest {
            table: text
                .parse()
                .unwrap_or_else(|e| panic!("{}: {e}", shown(path))),
        }
    }

    fn name(&self) -> String {
        self.table["package"]["name"].as_str().unwrap().to_owned()
    }

    fn our_dependencies(&self, section: &str) -> BTreeSet<String> {
        self.table
            .get(section)
            .and_then(|section| section.as_table())
            .into_iter()
            .flat_map(|section| section.keys())
            .filter(|name| name.starts_with("tutti"))
            .cloned()
            .collect()
    }
}

fn manifests() -> impl Iterator<Item = Manifest> {
    crate_folders()
        .chain([repository()])
        .map(|folder| Manifest::read(&folder.join("Cargo.toml")))
}

fn crate_folders() -> impl Iterator<Item = PathBuf> {
    fs::read_dir(repository().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("Cargo.toml").is_file())
}

fn all_rust_files() -> Vec<PathBuf> {
    ["crates", "tests", "benches"]
        .iter()
        .flat_map(|folder| rust_files(&repository().join(folder)))
        .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = text_files(folder);
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    files
}

/// Every file below a folder that is not made by a build or a run.
fn text_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", ".git", "data"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Whether a file holds nothing but a crate's own tests.
fn is_for_tests(file: &Path) -> bool {
    file.iter()
        .any(|part| part == "tests" || part == "tests.rs")
}

/// Which lines of a file count.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Whole,
    /// Everything above the test module at a file's end.
    BeforeTests,
}

/// Lines outside comments that contain one of the words.
fn code_that_says(files: &[PathBuf], words: &[&str], part: Part) -> Vec<String> {
    let this_file = repository().join("tests/tidy.rs");
    let mut offences = Vec::new();
    for file in files.iter().filter(|file| **file != this_file) {
        let text = fs::read_to_string(file).unwrap();
        let counts = |line: &&str| part == Part::Whole || !line.starts_with("mod tests {");
        for (number, line) in text.lines().take_while(counts).enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if let Some(word) = words.iter().find(|word| code.contains(**word)) {
                offences.push(format!("{}:{} says {word}", shown(file), number + 1));
            }
        }
    }
    offences
}

/// Targets of Markdown links that stay inside the repository.
fn local_links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#', ' ']).next())
        .filter(|link| !link.is_empty() && !link.contains("://"))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(repository())
        .unwrap_or(path)
        .display()
        .to_string()
}

fn assert_none(offences: &[String]) {
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}
