//! `tutti account`: makes, shows and changes accounts, whether the bridge runs or not.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use tutti_control_plane::{AccountRecord, AccountStatus};
use tutti_model::{AccountId, Timestamp};

use crate::accounts::Accounts;
use crate::config::Config;

/// What to do with which account, and where the storage is.
#[derive(Args)]
#[command(after_help = "Examples:
  tutti account create --alias acme --label 'Acme Ltd, test'
  tutti account list --config tutti.toml
  tutti account add-secret AC…      then let the application know the new secret, then
  tutti account drop-secret AC…")]
pub struct AccountArgs {
    #[command(subcommand)]
    command: AccountCommand,
    /// The file that the bridge is started with; it says where the storage is.
    #[arg(long, global = true)]
    pub config: Option<PathBuf>,
    /// Sets any key, as in --set storage.url=sqlite://data/tutti.db (may be repeated).
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
}

#[derive(Subcommand)]
enum AccountCommand {
    /// Make an account; its key and its signing secret are shown only now.
    Create {
        /// What the account is called, up to 64 characters.
        #[arg(long, value_parser = short_name)]
        alias: Option<String>,
        /// What you want to know about it, up to 64 characters.
        #[arg(long, value_parser = short_name)]
        label: Option<String>,
    },
    /// List all accounts, oldest first.
    List,
    /// Show an account, without its secrets.
    Show { id: AccountId },
    /// Give an account a new key; the old one is refused at once.
    RotateKey { id: AccountId },
    /// Let a second secret sign webhooks beside the first.
    #[command(visible_alias = "rotate-secret")]
    AddSecret { id: AccountId },
    /// Forget the older of two secrets.
    DropSecret { id: AccountId },
    /// Refuse an account's requests and its incoming calls for now.
    Suspend { id: AccountId },
    /// End a suspension.
    Activate { id: AccountId },
    /// Refuse an account's requests and its incoming calls for good.
    Close { id: AccountId },
}

/// Does what was asked for, and tells on standard output what came of it.
pub async fn run(command: AccountArgs, config: &Config) -> anyhow::Result<()> {
    let accounts = Accounts::open(config).await?;
    match command.command {
        AccountCommand::Create { alias, label } => {
            let made = accounts.create(alias, label).await?;
            println!("account         {}", made.id);
            println!("API key         {} (shown this once)", made.api_key);
            println!("signing secret  {} (shown this once)", made.signing_secret);
        }
        AccountCommand::List => {
            for record in accounts.list().await? {
                println!("{}", line(&record));
            }
        }
        AccountCommand::Show { id } => print!("{}", page(&accounts.show(id).await?)),
        AccountCommand::RotateKey { id } => {
            let key = accounts.rotate_key(id).await?;
            println!("API key         {key} (shown this once; the old one is refused now)");
        }
        AccountCommand::AddSecret { id } => {
            let secret = accounts.add_secret(id).await?;
            println!("signing secret  {secret} (shown this once; the old one signs too)");
        }
        AccountCommand::DropSecret { id } => {
            accounts.drop_secret(id).await?;
            println!("{id} signs with its newer secret alone");
        }
        AccountCommand::Suspend { id } => {
            accounts.set_status(id, AccountStatus::Suspended).await?;
            println!("{id} is suspended; calls that are under way go on");
        }
        AccountCommand::Activate { id } => {
            accounts.set_status(id, AccountStatus::Active).await?;
            println!("{id} is active");
        }
        AccountCommand::Close { id } => {
            accounts.set_status(id, AccountStatus::Closed).await?;
            println!("{id} is closed; calls that are under way go on");
        }
    }
    Ok(())
}

/// An account in one line.
fn line(record: &AccountRecord) -> String {
    let alias = record.alias.as_deref().unwrap_or("-");
    let status = word(record.status);
    format!("{}  {status:9}  {alias}", record.id)
}

/// Everything about an account that is no secret.
fn page(record: &AccountRecord) -> String {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    format!(
        "account          {}\nstatus           {}\nalias            {}\nlabel            {}\n\
         signing secrets  {}\ncreated          {}\nupdated          {}\nrevision         {}\n",
        record.id,
        word(record.status),
        or_none(&record.alias),
        or_none(&record.label),
        record.signing_secrets.len(),
        moment(record.created),
        moment(record.updated),
        record.revision,
    )
}

fn word(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Active => "active",
        AccountStatus::Suspended => "suspended",
        AccountStatus::Closed => "closed",
    }
}

/// To the second, in UTC.
fn moment(at: Timestamp) -> String {
    let format =
        time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    let moment = time::OffsetDateTime::from_unix_timestamp(at.as_secs()).ok();
    let text = moment.and_then(|moment| moment.format(format).ok());
    text.unwrap_or_else(|| "-".to_owned())
}

/// A name as the API takes it.
fn short_name(text: &str) -> Result<String, String> {
    if text.chars().count() > 64 {
        return Err("it is longer than 64 characters".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("it holds characters that cannot be shown".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_shown_without_its_secrets() {
        let record = AccountRecord {
            id: AccountId::from_bytes([1; 20]),
            api_key_hash: [0x5a; 32],
            signing_secrets: vec!["sigsec_1".to_owned(), "sigsec_2".to_owned()],
            status: AccountStatus::Suspended,
            alias: Some("acme".to_owned()),
            label: None,
            revision: 7,
            created: Timestamp::from_micros(0),
            updated: Timestamp::from_micros(1_000_000_000_000_000),
        };
        let page = page(&record);
        for shown in [
            "suspended",
            "acme",
            "signing secrets  2",
            "1970-01-01 00:00:00Z",
            "2001-09-09 01:46:40Z",
        ] {
            assert!(page.contains(shown), "{page}");
        }
        assert!(!page.contains("sigsec_"), "{page}");
        assert!(!page.contains("5a5a"), "{page}");
        let line = line(&record);
        assert!(line.contains("suspended  acme"), "{line}");
    }

    #[test]
    fn a_name_that_the_api_would_not_take_is_refused() {
        assert!(short_name(&"é".repeat(64)).is_ok());
        assert!(short_name(&"é".repeat(65)).is_err());
        assert!(short_name("a\u{1b}[31m").is_err());
    }
}
