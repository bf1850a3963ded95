//! What does the demo leave behind, and what does it say at the end?

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use serde_json::{Value, json};

use super::application::{Received, Signature};
use super::cast::{DemoSound, Role, set, vocabulary};
use super::expectation::{Finding, judge, list};
use super::picture::{BeepMark, Fill, Lane, Moment, Picture, Row, Span, WebhookRow, draw};
use super::tones::listen_to_wav;
use super::walk::{CallerStory, Story};
use crate::ear::{Audible, CELL};
use crate::timeline::Timeline;

/// What the demo found.
#[derive(Debug, Clone, serde::Serialize)]
pub struct DemoReport {
    /// How long it took.
    pub seconds: f64,
    /// Why it ended before its end.
    pub stopped: Option<String>,
    pub findings: Vec<Finding>,
    pub webhooks: usize,
    /// The directory with everything that it left behind.
    pub out: PathBuf,
    pub files: Vec<String>,
}

impl DemoReport {
    /// Whether everything was as it must be.
    pub fn is_good(&self) -> bool {
        self.stopped.is_none() && self.wrongs().next().is_none()
    }

    /// The expectations that did not hold.
    pub fn wrongs(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.wrong.is_some())
    }
}

impl fmt::Display for DemoReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut phases: Vec<(&str, usize, usize)> = Vec::new();
        for finding in &self.findings {
            let wrong = usize::from(finding.wrong.is_some());
            match phases
                .last_mut()
                .filter(|(phase, ..)| *phase == finding.phase)
            {
                Some((_, total, wrongs)) => (*total, *wrongs) = (*total + 1, *wrongs + wrong),
                None => phases.push((&finding.phase, 1, wrong)),
            }
        }
        writeln!(f, "  {:<28} {:>8} {:>7}", "phase", "checks", "wrong")?;
        for (phase, total, wrongs) in phases {
            let mark = if wrongs == 0 { "✓" } else { "✗" };
            writeln!(f, "{mark} {phase:<28} {total:>8} {wrongs:>7}")?;
        }
        writeln!(f)?;
        for wrong in self.wrongs() {
            let what = wrong.wrong.as_deref().unwrap_or_default();
            writeln!(
                f,
                "✗ {}: expected that {}, but {what}",
                wrong.phase, wrong.expected
            )?;
        }
        if let Some(reason) = &self.stopped {
            writeln!(f, "✗ the demo stopped early: {reason}")?;
        }
        let verdict = if self.is_good() {
            "All as it must be"
        } else {
            "Something is wrong"
        };
        writeln!(
            f,
            "{verdict}: {} checks, {} webhooks, {:.1} s.",
            self.findings.len(),
            self.webhooks,
            self.seconds
        )?;
        write!(f, "Look at {}", self.out.join("picture.svg").display())
    }
}

/// Judges the story and writes everything into a directory.
pub(super) fn report(
    story: &Story,
    checks_signatures: bool,
    out: &Path,
) -> anyhow::Result<DemoReport> {
    let mut findings = judge_phases(story);
    findings.extend(judge_recordings(story));
    findings.extend(judge_webhooks(
        &story.received,
        checks_signatures,
        story.conference.as_deref(),
    ));
    let mut report = DemoReport {
        seconds: story.ended_at.duration_since(story.began_at).as_secs_f64(),
        stopped: story.stopped.clone(),
        findings,
        webhooks: story.received.len(),
        out: out.to_owned(),
        files: Vec::new(),
    };
    let write = |name: &str, content: &str| {
        std::fs::write(out.join(name), content)
            .with_context(|| out.join(name).display().to_string())
    };
    write("picture.svg", &draw(&picture(story, &report)))?;
    write("timeline.txt", &timeline_text(story))?;
    write(
        "timeline.json",
        &serde_json::to_string_pretty(&timeline_json(story))?,
    )?;
    let heard = Role::ALL
        .into_iter()
        .filter(|role| story.callers.contains_key(role))
        .map(|role| format!("heard-{}.wav", role.name().to_lowercase()));
    let recordings = story
        .recordings
        .iter()
        .filter_map(|recording| Some(recording.path.file_name()?.to_string_lossy().into_owned()));
    report.files = [
        "picture.svg",
        "timeline.txt",
        "timeline.json",
        "report.json",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(heard)
    .chain(recordings)
    .collect();
    write("report.json", &serde_json::to_string_pretty(&report)?)?;
    Ok(report)
}

fn judge_phases(story: &Story) -> Vec<Finding> {
    let timelines: BTreeMap<Role, Timeline> = story
        .callers
        .iter()
        .map(|(role, caller)| (*role, caller.notes.timeline.clone()))
        .collect();
    let vocabulary = vocabulary();
    story
        .phases
        .iter()
        .flat_map(|phase| judge(phase, &timelines, &vocabulary))
        .collect()
}

/// The mix must hold everybody, and each track only its owner.
fn judge_recordings(story: &Story) -> Vec<Finding> {
    if story.stopped.is_some() && story.recordings.is_empty() {
        return Vec::new();
    }
    let wanted = [None].into_iter().chain(Role::ALL.map(Some));
    wanted.map(|track| judge_recording(story, track)).collect()
}

fn judge_recording(story: &Story, track: Option<Role>) -> Finding {
    let vocabulary = vocabulary();
    let voices = set(&Role::ALL.map(DemoSound::Voice));
    let (name, wanted) = match track {
        None => ("the mix".to_owned(), voices),
        Some(role) => (
            format!("{}'s track", role.name()),
            set(&[DemoSound::Voice(role)]),
        ),
    };
    let judged = voices_music_and_prompt();
    let wrong = match story
        .recordings
        .iter()
        .find(|recording| recording.track == track)
    {
        None => Some("there is no such recording".to_owned()),
        Some(recording) => match listen_to_wav(&recording.content, &vocabulary) {
            Err(error) => Some(format!("the file cannot be read: {error}")),
            Ok(content) if content.audible.both(judged) == wanted => None,
            Ok(content) => Some(format!(
                "it holds {} in {:.1} s",
                list(&vocabulary, content.audible.both(judged)),
                content.seconds
            )),
        },
    };
    Finding {
        phase: "recordings".to_owned(),
        expected: format!("{name} holds {}", list(&vocabulary, wanted)),
        wrong,
    }
}

fn voices_music_and_prompt() -> Audible {
    let voices = Role::ALL.into_iter().map(DemoSound::Voice);
    let sounds = voices.chain([DemoSound::WaitMusic, DemoSound::Prompt]);
    sounds.map(DemoSound::index).collect()
}

/// The conference's statuses as they must be told, each once.
const STATUSES: [&str; 5] = ["empty", "populated", "inProgress", "empty", "terminated"];

fn judge_webhooks(
    received: &[Received],
    checks_signatures: bool,
    conference: Option<&str>,
) -> Vec<Finding> {
    let statuses: Vec<&str> = received
        .iter()
        .filter(|one| {
            one.request_type == "conferenceStatus" && one.text("conferenceId") == conference
        })
        .filter_map(|one| one.text("status"))
        .collect();
    let in_order = Finding {
        phase: "webhooks".to_owned(),
        expected: format!(
            "the conference's statuses are told as {}",
            STATUSES.join(", ")
        ),
        wrong: (statuses != STATUSES).then(|| format!("they came as {}", statuses.join(", "))),
    };
    let unsigned = received
        .iter()
        .filter(|one| one.signature != Signature::Valid)
        .count();
    let signed = checks_signatures.then(|| Finding {
        phase: "webhooks".to_owned(),
        expected: "every webhook is signed".to_owned(),
        wrong: (unsigned > 0).then(|| format!("{unsigned} of {} are not", received.len())),
    });
    [in_order].into_iter().chain(signed).collect()
}

/// The webhooks as lines of text, in order of arrival.
fn timeline_text(story: &Story) -> String {
    let line = |one: &Received| {
        format!(
            "{:>9.3} s  {:<28} {:<11} {:<5} {:<12} {:?}\n",
            secs(story, one.at),
            one.request_type,
            one.text("status").or(one.text("callStatus")).unwrap_or("-"),
            one.role().map_or("-", Role::name),
            one.path,
            one.signature,
        )
    };
    let head = format!(
        "{:>11}  {:<28} {:<11} {:<5} {:<12} {}\n",
        "time", "requestType", "status", "who", "path", "signature"
    );
    [head]
        .into_iter()
        .chain(story.received.iter().map(line))
        .collect()
}

fn timeline_json(story: &Story) -> Value {
    let vocabulary = vocabulary();
    let webhooks: Vec<Value> = story
        .received
        .iter()
        .map(|one| {
            json!({
                "atSec": secs(story, one.at), "requestType": one.request_type, "path": one.path,
                "signature": one.signature, "body": one.body,
            })
        })
        .collect();
    let moments: Vec<Value> = story
        .moments
        .iter()
        .map(|(at, what)| json!({"atSec": secs(story, *at), "what": what}))
        .collect();
    let heard = story.callers.iter().map(|(role, caller)| {
        let stretches: Vec<Value> =
            vocabulary
                .sounds()
                .iter()
                .enumerate()
                .flat_map(|(sound, named)| {
                    caller.notes.timeline.stretches(sound, CELL).into_iter().map(|stretch| {
                    json!({
                        "sound": named.name,
                        "fromSec": secs(story, stretch.from), "toSec": secs(story, stretch.to),
                    })
                })
                })
                .collect();
        (role.name().to_owned(), Value::from(stretches))
    });
    json!({"webhooks": webhooks, "moments": moments, "heard": heard.collect::<serde_json::Map<_, _>>()})
}

fn picture(story: &Story, report: &DemoReport) -> Picture {
    let wrongs = report.wrongs().count() + usize::from(report.stopped.is_some());
    let verdict = if report.is_good() {
        "every check held".to_owned()
    } else {
        format!("{wrongs} checks failed")
    };
    let statuses = story
        .received
        .iter()
        .filter(|one| one.request_type == "conferenceStatus");
    let sounds = [ADA, BEN, CLEO, DemoSound::WaitMusic, DemoSound::Prompt];
    Picture {
        title: "Who spoke, and who heard whom".to_owned(),
        subtitle: format!(
            "One conference from empty to terminated, over real SIP and RTP: {:.1} s, {} webhooks, {}",
            report.seconds, report.webhooks, verdict
        ),
        // A termination is final: its label has room beyond the end.
        duration_secs: report.seconds + 2.5,
        moments: story
            .moments
            .iter()
            .map(|(at, what)| Moment {
                at: secs(story, *at),
                text: what.clone(),
            })
            .collect(),
        statuses: statuses
            .filter_map(|one| {
                Some(Moment {
                    at: secs(story, one.at),
                    text: one.text("status")?.to_owned(),
                })
            })
            .collect(),
        lanes: story
            .callers
            .iter()
            .map(|(role, caller)| lane(story, *role, caller))
            .collect(),
        webhooks: webhook_rows(story),
        legend: sounds
            .map(|sound| (sound.name().to_owned(), sound.fill()))
            .to_vec(),
    }
}

const ADA: DemoSound = DemoSound::Voice(Role::Ada);
const BEN: DemoSound = DemoSound::Voice(Role::Ben);
const CLEO: DemoSound = DemoSound::Voice(Role::Cleo);

fn lane(story: &Story, role: Role, caller: &CallerStory) -> Lane {
    let at = |moment: Instant| secs(story, moment);
    let spans = |sound: DemoSound| -> Vec<Span> {
        let stretches = caller.notes.timeline.stretches(sound.index(), CELL);
        stretches
            .into_iter()
            .map(|stretch| (at(stretch.from), at(stretch.to)))
            .collect()
    };
    let heard = |sound: DemoSound| Row {
        label: if sound == DemoSound::Voice(role) {
            format!("hears {} (itself)", role.name())
        } else {
            format!("hears {}", sound.name())
        },
        fill: sound.fill(),
        bars: spans(sound),
    };
    let speaks = Row {
        label: "speaks".to_owned(),
        fill: Fill::Tint(role.colour()),
        bars: caller
            .speech
            .iter()
            .map(|(from, to)| (at(*from), at(*to)))
            .collect(),
    };
    let others = [DemoSound::WaitMusic, DemoSound::Prompt]
        .into_iter()
        .filter(|sound| !spans(*sound).is_empty())
        .map(heard);
    let voices = [ADA, BEN, CLEO].map(heard);
    let mut beeps: Vec<(f64, BeepMark)> = Vec::new();
    for (sound, mark) in [
        (DemoSound::EntryBeep, BeepMark::Entry),
        (DemoSound::ExitBeep, BeepMark::Exit),
    ] {
        beeps.extend(spans(sound).into_iter().map(|(from, _)| (from, mark)));
    }
    let end = caller.left_at.unwrap_or(story.ended_at);
    Lane {
        name: role.name().to_owned(),
        note: role.codec().encoding_name().to_owned(),
        in_call: caller.answered_at.map(|from| (at(from), at(end))),
        rows: [speaks].into_iter().chain(voices).chain(others).collect(),
        beeps,
        withdrawn: caller
            .withdrawn
            .iter()
            .map(|(from, to, what)| ((at(*from), at(*to)), (*what).to_owned()))
            .collect(),
    }
}

fn webhook_rows(story: &Story) -> Vec<WebhookRow> {
    let mut rows: Vec<WebhookRow> = Vec::new();
    for one in &story.received {
        let tick = Moment {
            at: secs(story, one.at),
            text: one
                .text("status")
                .or(one.role().map(Role::name))
                .unwrap_or_default()
                .to_owned(),
        };
        match rows.iter_mut().find(|row| row.label == one.request_type) {
            Some(row) => row.ticks.push(tick),
            None => rows.push(WebhookRow {
                label: one.request_type.clone(),
                ticks: vec![tick],
            }),
        }
    }
    rows
}

/// Seconds since the demo began.
fn secs(story: &Story, at: Instant) -> f64 {
    at.saturating_duration_since(story.began_at).as_secs_f64()
}
