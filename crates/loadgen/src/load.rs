//! How does a bridge bear many callers? `tutti load`

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tutti_model::Codec;
use tutti_sip::Dial;

use crate::comparison;
use crate::crowd::Crowd;
use crate::impairment::Impairments;
use crate::limit::{LimitReport, find_limit};
use crate::load_report::LoadReport;
use crate::recital::Quiet;
use crate::suite;
use crate::voice::Manner;

/// How many callers there can be.
pub(crate) const MOST_CALLERS: u32 = 20_000;

/// What a target looks like.
const EXAMPLE_TARGET: &str = "sip:1000@192.0.2.7:5060";

/// Synthetic callers on a SIP bridge, who check whom they hear.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  tutti load --target sip:CF0123...@127.0.0.1:5060 --callers 100 --talkers 3
  tutti load --target sip:1000@192.0.2.7 --speech --listeners-send dtx --find-limit --pid 4711
  tutti load --name ours ... --json >a.json; tutti load --compare a.json b.json

The delay is what the bridge adds: a forwarder that only hands packets on would measure 0.
Exit status 0 only when every call came about and everybody heard exactly whom they must.")]
pub struct LoadArgs {
    /// Whom to call; repeated, callers are spread over conferences
    #[arg(long, value_name = "URI", required_unless_present_any = ["targets", "compare", "suite"])]
    pub target: Vec<String>,
    /// More of them, one a line
    #[arg(long, value_name = "FILE")]
    pub targets: Option<PathBuf>,
    /// Fill conferences with so many callers each, one by one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub per_conference: Option<u32>,
    /// How many callers in all
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub callers: u32,
    /// How many callers of each conference talk
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=64))]
    pub talkers: u32,
    /// What callers offer: pcmu, pcma, opus, g722, l16
    #[arg(long, value_name = "CODEC", value_enum, default_value_t = LoadCodec::Pcmu, hide_possible_values = true)]
    pub codec: LoadCodec,
    /// How they talk: steady, syllables, talkspurts, turns
    #[arg(long, value_name = "MANNER", value_enum, default_value_t = Manner::Syllables, hide_possible_values = true)]
    pub manner: Manner,
    /// Talk as people do, or as a WAV file, not in tones
    #[arg(long, value_name = "FILE")]
    pub speech: Option<Option<PathBuf>>,
    /// Or voice, noise, dtx, nothing, while not talking
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Quiet::Silence, hide_possible_values = true)]
    pub listeners_send: Quiet,
    /// How long to judge, once everybody is there
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub duration: u64,
    /// New calls a second
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub ramp: u32,
    /// The local address of callers
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub ip: IpAddr,
    /// How many callers decode what they hear; the others count
    #[arg(long, default_value_t = 60, value_name = "N")]
    pub ears: u32,
    /// Percent of callers' packets that are lost
    #[arg(long, default_value_t = 0.0, value_name = "PERCENT")]
    pub loss: f64,
    /// How many packets a loss takes on average
    #[arg(long, default_value_t = 1.0, value_name = "PACKETS")]
    pub burst: f64,
    /// Callers' packets come up to so much later
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub jitter: u32,
    /// How much too fast callers' clocks run
    #[arg(
        long,
        value_name = "PPM",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    pub skew_ppm: f64,
    /// Leave the delay unmeasured: no pips among the voices
    #[arg(long)]
    pub no_delay: bool,
    /// The bridge's process, whose CPU time and memory are measured
    #[arg(long)]
    pub pid: Option<u32>,
    /// Where a Tutti bridge tells its late ticks
    #[arg(long, value_name = "URL")]
    pub metrics: Option<String>,
    /// Raise --callers until something is wrong
    #[arg(long)]
    pub find_limit: bool,
    /// What the result is called in a comparison
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Put results of --json side by side
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub compare: Vec<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// Start a bridge and measure every goal; the page, its chart and the figures go there
    #[arg(long, hide = true, value_name = "DIR")]
    pub suite: Option<PathBuf>,
    /// How often the suite measures each goal
    #[arg(long, hide = true, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub runs: u32,
    /// Which rows of the suite are measured: those whose names hold this
    #[arg(long, hide = true)]
    pub only: Option<String>,
}

/// The codecs that callers can offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LoadCodec {
    Pcmu,
    Pcma,
    Opus,
    G722,
    L16,
}

impl LoadCodec {
    pub(crate) fn codec(self) -> Codec {
        match self {
            LoadCodec::Pcmu => Codec::Pcmu,
            LoadCodec::Pcma => Codec::Pcma,
            LoadCodec::Opus => Codec::Opus,
            LoadCodec::G722 => Codec::G722,
            LoadCodec::L16 => Codec::L16At16,
        }
    }
}

impl LoadArgs {
    /// Everything as it is by default, for these targets.
    pub(crate) fn plain(target: Vec<String>) -> LoadArgs {
        LoadArgs {
            target,
            targets: None,
            per_conference: None,
            callers: 10,
            talkers: 3,
            codec: LoadCodec::Pcmu,
            manner: Manner::Syllables,
            speech: None,
            listeners_send: Quiet::Silence,
            duration: 10,
            ramp: 15,
            ip: [127, 0, 0, 1].into(),
            ears: 60,
            loss: 0.0,
            burst: 1.0,
            jitter: 0,
            skew_ppm: 0.0,
            no_delay: false,
            pid: None,
            metrics: None,
            find_limit: false,
            name: None,
            compare: Vec::new(),
            json: false,
            suite: None,
            runs: 5,
            only: None,
        }
    }

    pub(crate) fn impairments(&self) -> Impairments {
        Impairments {
            loss: (self.loss / 100.0).clamp(0.0, 1.0),
            burst: self.burst.max(1.0),
            jitter: Duration::from_millis(self.jitter.into()),
            skew_ppm: self.skew_ppm.clamp(-100_000.0, 100_000.0),
        }
    }

    /// How many callers there may come to be.
    pub(crate) fn most_callers(&self) -> usize {
        match self.find_limit || self.suite.is_some() {
            true => MOST_CALLERS as usize,
            false => self.callers as usize,
        }
    }
}

/// Does what the arguments ask for, and prints what was found.
///
/// # Errors
/// When something could not be measured, or somebody heard wrongly.
pub async fn run(args: LoadArgs) -> anyhow::Result<()> {
    if let Some(folder) = &args.suite {
        return suite::run(&args, folder).await;
    }
    if !args.compare.is_empty() {
        println!("{}", comparison::compare(&args.compare)?);
        return Ok(());
    }
    if args.find_limit {
        let report = limit(args).await?;
        anyhow::ensure!(
            report.largest > 0,
            "it did not bear the first {} callers",
            report.first
        );
        return Ok(());
    }
    anyhow::ensure!(
        load(args).await?.is_good(),
        "somebody heard what they must not, or missed what they must hear"
    );
    Ok(())
}

/// Calls, lets everybody talk and listen, hangs up, and prints what was found.
///
/// # Errors
/// When there is nobody to call with, or nothing to say.
pub async fn load(args: LoadArgs) -> anyhow::Result<LoadReport> {
    allow_many_sockets();
    let callers = args.callers as usize;
    let mut crowd = Crowd::gather(&args, targets(&args)?).await?;
    eprintln!("placing {callers} calls, {} a second", args.ramp);
    crowd.become_of(callers).await?;
    eprintln!("listening for {} s", args.duration);
    let report = crowd.judge(Duration::from_secs(args.duration)).await?;
    crowd.go().await;
    print(&args, &report)?;
    Ok(report)
}

/// Raises the number of callers until the bridge does not bear them, and prints the largest.
async fn limit(args: LoadArgs) -> anyhow::Result<LimitReport> {
    allow_many_sockets();
    let mut crowd = Crowd::gather(&args, targets(&args)?).await?;
    let duration = Duration::from_secs(args.duration);
    let report = find_limit(&mut crowd, args.callers as usize, duration).await?;
    crowd.go().await;
    print(&args, &report)?;
    Ok(report)
}

fn print(
    args: &LoadArgs,
    report: &(impl serde::Serialize + std::fmt::Display),
) -> anyhow::Result<()> {
    if args.json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        println!("{report}");
    }
    Ok(())
}

fn targets(args: &LoadArgs) -> anyhow::Result<Vec<String>> {
    let mut targets = args.target.clone();
    if let Some(path) = &args.targets {
        targets.extend(lines_of(path)?);
    }
    anyhow::ensure!(!targets.is_empty(), "there is nobody to call");
    for target in &targets {
        // Now, not when every call has failed.
        Dial::new(target, "", String::new())
            .check_target()
            .map_err(|error| anyhow::anyhow!("{error}; one is written as {EXAMPLE_TARGET}"))?;
    }
    Ok(targets)
}

fn lines_of(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.map(str::to_owned).collect())
}

/// Each caller needs a socket; the usual soft limit is 1,024.
pub(crate) fn allow_many_sockets() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // Without it, callers beyond the limit fail and say why.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::naive_bridge::{Fault, NaiveBridge};

    /// Arguments for so many callers, of whom so many talk, on so many conferences.
    pub(crate) fn args(targets: usize, callers: u32, talkers: u32) -> LoadArgs {
        LoadArgs {
            callers,
            talkers,
            duration: 1,
            ..LoadArgs::plain(vec!["sip:x@127.0.0.1".to_owned(); targets])
        }
    }

    async fn load_with(fault: Fault, change: impl FnOnce(&mut LoadArgs)) -> LoadReport {
        let bridge = NaiveBridge::start(fault).await;
        let mut args = LoadArgs {
            target: vec![bridge.target()],
            ramp: 20,
            duration: 4,
            ..args(1, 4, 3)
        };
        change(&mut args);
        let report = load(args).await.unwrap();
        assert_eq!(
            (report.calls_answered, report.calls_dropped),
            (4, 0),
            "{report}"
        );
        report
    }

    #[tokio::test]
    async fn a_target_that_cannot_be_called_is_named_before_anybody_calls() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("targets");
        for wrong in [
            "1000@192.0.2.7",
            "192.0.2.7:5060",
            "http://192.0.2.7/",
            "sip:",
            "sip:1000@192.0.2.7;transport=sctp",
        ] {
            let named = |error: anyhow::Error| {
                let said = error.to_string();
                assert!(
                    said.contains(wrong) && said.contains(EXAMPLE_TARGET),
                    "{said}"
                );
            };
            let mut args = args(1, 1, 1);
            args.target.push(wrong.to_owned());
            named(load(args.clone()).await.unwrap_err());
            args.target.clear();
            std::fs::write(&file, format!("{EXAMPLE_TARGET}\n{wrong}\n")).unwrap();
            args.targets = Some(file.clone());
            args.find_limit = true;
            named(run(args).await.unwrap_err());
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn callers_of_a_right_bridge_hear_each_other_and_not_themselves() {
        let report = load_with(Fault::None, |_| {}).await;
        assert!(report.is_good(), "{report}");
        assert!(
            report.own_residue_db.is_some_and(|residue| residue < -55.0),
            "{report}"
        );
        assert!(
            report.delay_ms.is_some_and(|delay| delay.samples > 0),
            "{report}"
        );
        assert!(report.packets.received > 300, "{report}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_echoing_bridge_is_found_out() {
        let report = load_with(Fault::Echo, |_| {}).await;
        assert!(!report.is_good());
        let echoes = report
            .wrongs
            .iter()
            .filter(|wrong| wrong.overheard == ["itself"])
            .count();
        assert_eq!(echoes, 3, "{report}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_bridge_that_leaves_somebody_out_is_found_out() {
        let report = load_with(Fault::SecondIsUnheard, |_| {}).await;
        assert!(
            !report.is_good() && report.wrongs.iter().all(|wrong| wrong.missed.len() == 1),
            "{report}"
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn speech_is_heard_by_ears_and_counted_by_those_who_only_count() {
        let report = load_with(Fault::None, |args| {
            args.speech = Some(None);
            args.ears = 2;
            args.listeners_send = Quiet::Noise;
        })
        .await;
        assert!(report.is_good(), "{report}");
        assert!((1..4).contains(&report.ears), "{report}");
        assert!(
            report.delay_ms.is_some_and(|delay| delay.samples > 0),
            "{report}"
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_listener_that_sends_nothing_still_counts_what_it_hears() {
        let report = load_with(Fault::None, |args| {
            args.speech = Some(None);
            args.manner = Manner::Turns;
            args.listeners_send = Quiet::Nothing;
            args.ears = 0;
            args.no_delay = true;
        })
        .await;
        assert!(report.is_good(), "{report}");
        assert_eq!((report.ears, report.delay_ms), (0, None));
        // One of three talks at a time.
        assert!(
            report.packets.sent * 3 < report.packets.received,
            "{report}"
        );
    }
}
