//! The `tutti` binary: reads what it is told, starts what is asked for.

use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tutti_server::account_command::{self, AccountArgs};
use tutti_server::config::{Config, Listen};
use tutti_server::{Bridge, Credentials};

/// A conferencing bridge for phones, driven by HTTP.
#[derive(Parser)]
#[command(name = "tutti", version, args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  tutti                                run with embedded defaults, data under data/
  tutti serve --config tutti.toml      run as a file says
  TUTTI_SIP__LISTEN=10.0.0.5:5060 tutti
  tutti account create --alias acme    a second account beside the first
  tutti demo --out demo                see and hear a whole conference in under a minute
  tutti load --target sip:CF...@127.0.0.1:5060 --callers 50 --talkers 3")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Run the bridge (what `tutti` alone does).
    #[command(after_help = "Examples:
  tutti serve --config tutti.toml
  tutti serve --http-listen 10.0.0.5:8080 --sip-listen 10.0.0.5:5060 --set media.ip=10.0.0.5")]
    Serve(ServeArgs),
    /// Make accounts, rotate their keys and secrets, suspend them.
    Account(AccountArgs),
    /// Run a whole conference on this machine and draw who heard whom.
    #[command(after_help = "Examples:
  tutti demo
  tutti demo --out demo")]
    Demo {
        /// Where the picture, the timeline and the recordings go.
        #[arg(long, default_value = "demo")]
        out: PathBuf,
    },
    /// Put synthetic participants on this or another SIP bridge.
    Load(Box<tutti_loadgen::LoadArgs>),
    /// Say what is wrong with a configuration file, by line.
    #[command(after_help = "Examples:
  tutti check-config tutti.toml")]
    CheckConfig { file: PathBuf },
}

#[derive(clap::Args, Default)]
struct ServeArgs {
    /// A TOML file; variables like TUTTI_SIP__LISTEN and the flags below override it.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Where REST is served.
    #[arg(long)]
    http_listen: Option<SocketAddr>,
    /// Where SIP is served, on UDP and TCP.
    #[arg(long)]
    sip_listen: Option<SocketAddr>,
    /// Sets any key, as in --set media.ip=10.0.0.5 (may be repeated).
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime cannot start: {error}")),
    };
    start_logging();
    let result = runtime.block_on(async {
        match cli.command {
            None => serve(cli.serve).await,
            Some(Command::Serve(args)) => serve(args).await,
            Some(Command::Account(args)) => account(args).await,
            Some(Command::Demo { out }) => demo(&out).await,
            Some(Command::Load(args)) => tutti_loadgen::run(*args).await,
            Some(Command::CheckConfig { file }) => check_config(&file),
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // A start's error says everything itself; other errors say it together with their causes.
        Err(error) if error.is::<tutti_server::StartError>() => fail(&error.to_string()),
        Err(error) => fail(&format!("{error:#}")),
    }
}

fn fail(reason: &str) -> ExitCode {
    eprintln!("tutti: {reason}");
    ExitCode::FAILURE
}

/// Logs to standard error: text on a terminal, JSON otherwise; `TUTTI_LOG` filters.
fn start_logging() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("TUTTI_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        subscriber.init();
    } else {
        subscriber.json().init();
    }
}

async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let mut config = load_config(args.config.as_deref(), &args.set)?;
    config.http.listen = args.http_listen.unwrap_or(config.http.listen);
    config.sip.listen = args.sip_listen.unwrap_or(config.sip.listen);
    let loopback_only = config.is_loopback_only();
    let (storage, media_ip) = (config.storage.clone(), config.media.ip);
    let bridge = Bridge::start(config).await?;
    print_start(&bridge, loopback_only, media_ip, &storage);

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    eprintln!("tutti: stopping; a second signal stops at once");
    tokio::select! {
        () = bridge.drain() => Ok(()),
        _ = terminate.recv() => anyhow::bail!("stopped at once by a second signal; what was not sent yet is sent after the next start"),
        _ = interrupt.recv() => anyhow::bail!("stopped at once by a second signal; what was not sent yet is sent after the next start"),
    }
}

async fn account(args: AccountArgs) -> anyhow::Result<()> {
    let config = load_config(args.config.as_deref(), &args.set)?;
    account_command::run(args, &config).await
}

/// The file and the environment first, flags last.
fn load_config(file: Option<&Path>, flags: &[String]) -> anyhow::Result<Config> {
    let mut settings: Vec<(String, String)> = std::env::vars().collect();
    for setting in flags {
        let Some((key, value)) = setting.split_once('=') else {
            anyhow::bail!("--set {setting}: a setting is SECTION.KEY=VALUE");
        };
        settings.retain(|(name, _)| *name != variable(key));
        settings.push((variable(key), value.to_owned()));
    }
    Ok(Config::load(file, settings.into_iter())?)
}

/// The environment variable of a key.
fn variable(key: &str) -> String {
    format!("TUTTI_{}", key.to_uppercase().replace('.', "__"))
}

fn check_config(file: &Path) -> anyhow::Result<()> {
    Config::load(Some(file), std::iter::empty())?;
    println!("{}: nothing is wrong", file.display());
    Ok(())
}

/// A bridge on free loopback ports, its data in a folder that goes away, and the demo's callers.
async fn demo(out: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(out).with_context(|| format!("--out {}", out.display()))?;
    let data = out.join(".bridge");
    let mut config = Config::default();
    config.http.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.sip.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.metrics.listen = Listen(None);
    config.storage.url = "sqlite::memory:".to_owned();
    config.storage.recordings = data.join("recordings");
    config.storage.floor_bytes = 0;
    let bridge = Bridge::start(config).await?;
    let place = tutti_loadgen::DemoBridge {
        api_base: format!("http://{}/apiserver", bridge.http),
        account: bridge.credentials.account.to_string(),
        api_key: bridge.credentials.api_key.clone().unwrap_or_default(),
        signing_secret: Some(bridge.credentials.signing_secret.clone()),
        sip: bridge.sip,
    };
    let result = tutti_loadgen::demo(place, out).await;
    bridge.stop().await;
    std::fs::remove_dir_all(&data)?;
    let report = result?;
    anyhow::ensure!(
        report.is_good(),
        "the demo found faults; see {}",
        out.join("report.json").display()
    );
    Ok(())
}

/// Says where everything is; on a first start also the key, which is shown only now.
fn print_start(
    bridge: &Bridge,
    loopback_only: bool,
    media_ip: IpAddr,
    storage: &tutti_server::config::Storage,
) {
    let Credentials {
        account,
        api_key,
        signing_secret,
        is_new,
    } = &bridge.credentials;
    println!("Tutti {}", env!("CARGO_PKG_VERSION"));
    println!("  REST        http://{}/apiserver", bridge.http);
    println!("  SIP         sip:{} (UDP and TCP)", bridge.sip);
    if let Some(metrics) = bridge.metrics {
        println!("  metrics     http://{metrics}/metrics");
    }
    println!(
        "  storage     {}, recordings in {}",
        storage.url,
        storage.recordings.display()
    );
    println!("  account     {account}");
    if loopback_only {
        println!("  open to     this machine only; webhooks and sounds may come from loopback");
    } else {
        println!("  open to     the network; webhooks and sounds come from loopback only where");
        println!("              egress.allow names it");
        if media_ip.is_loopback() && !bridge.sip.ip().is_loopback() {
            println!(
                "  WARNING     media.ip is {media_ip}: phones elsewhere will hear nothing; name"
            );
            println!("              this machine's address");
        }
    }
    if let (true, Some(key)) = (is_new, api_key) {
        println!("  API key     {key} (shown this once)");
        println!("  signing     {signing_secret} (shown this once; checks that webhooks are ours)");
        println!("\nCreate a conference, and dial its conferenceId:");
        println!(
            "  curl -u {account}:{key} -d '{{\"alias\":\"first\"}}' http://{}/apiserver/Accounts/{account}/Conferences",
            bridge.http
        );
        println!("  baresip -e '/dial sip:<conferenceId>@{}'", bridge.sip);
    }
}
