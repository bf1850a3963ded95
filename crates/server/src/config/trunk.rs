//! What an operator says of a trunk: where numbers are dialled, and which.

use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tutti_model::AccountId;
use tutti_sip::{Credentials, Secret, Transport};

use crate::dialling::{E164, HostPort, Prefix};

/// A SIP provider or gateway that takes calls to telephone numbers.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Written")]
pub struct Trunk {
    /// What the log calls it.
    pub name: String,
    /// Where INVITEs go. The operator's word: no egress policy judges it.
    pub host: HostPort,
    pub transport: Transport,
    /// What a challenge of this trunk is answered with.
    pub credentials: Option<Credentials>,
    /// Beginnings of the numbers that it may be asked for; without one, it takes no call.
    pub allowed_prefixes: Vec<Prefix>,
    /// Exceptions to them; the longest match decides.
    pub refused_prefixes: Vec<Prefix>,
    /// What the callee sees, whatever the application says.
    pub caller_id: Option<E164>,
    /// The host part of From; the bridge's own address where it is missing.
    pub from_domain: Option<HostPort>,
    /// Who may use it; everybody where it is empty.
    pub accounts: Vec<AccountId>,
    /// Whether numbers are written without their plus sign.
    pub strip_plus: bool,
}

impl Trunk {
    /// Whether an account may use it.
    pub fn serves(&self, account: AccountId) -> bool {
        self.accounts.is_empty() || self.accounts.contains(&account)
    }

    /// The length of the longest prefix that allows a number, unless a longer one refuses it.
    pub fn allows(&self, number: &E164) -> Option<usize> {
        let longest = |prefixes: &[Prefix]| {
            let matching = prefixes.iter().filter(|prefix| prefix.begins(number));
            matching.map(Prefix::len).max()
        };
        let allowed = longest(&self.allowed_prefixes)?;
        let refused = longest(&self.refused_prefixes);
        refused
            .is_none_or(|refused| allowed > refused)
            .then_some(allowed)
    }
}

/// A trunk as it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    host: Parsed<HostPort>,
    #[serde(default)]
    transport: Carried,
    username: Option<String>,
    password: Option<Password>,
    realm: Option<String>,
    #[serde(default)]
    allowed_prefixes: Vec<Prefix>,
    #[serde(default)]
    refused_prefixes: Vec<Prefix>,
    caller_id: Option<E164>,
    from_domain: Option<Parsed<HostPort>>,
    #[serde(default)]
    accounts: Vec<AccountId>,
    #[serde(default)]
    strip_plus: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Carried {
    #[default]
    Udp,
    Tcp,
}

struct Parsed<T>(T);

struct Password(Secret);

impl TryFrom<Written> for Trunk {
    type Error = String;

    fn try_from(written: Written) -> Result<Trunk, String> {
        let name = written.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || !name.chars().all(plain) {
            return Err(format!(
                "name: {name:?} is not made of letters, digits, -, _ and ."
            ));
        }
        let credentials = match (written.username, written.password, written.realm) {
            (None, None, None) => None,
            (Some(username), Some(Password(password)), Some(realm)) => Some(Credentials {
                username,
                password,
                realm,
            }),
            (username, password, realm) => {
                let missing = [
                    ("username", username.is_none()),
                    ("password", password.is_none()),
                    ("realm", realm.is_none()),
                ];
                let missing = missing.into_iter().filter(|(_, is_missing)| *is_missing);
                let missing: Vec<_> = missing.map(|(key, _)| key).collect();
                return Err(format!(
                    "trunk {name:?} has no {}: username, password and realm belong together, since \
                     only the trunk's own realm is answered",
                    missing.join(" and no ")
                ));
            }
        };
        if let Some(Credentials {
            username, realm, ..
        }) = &credentials
            && (username.is_empty() || realm.is_empty())
        {
            return Err(format!("trunk {name:?}: username or realm is empty"));
        }
        Ok(Trunk {
            name,
            host: written.host.0,
            transport: match written.transport {
                Carried::Udp => Transport::Udp,
                Carried::Tcp => Transport::Tcp,
            },
            credentials,
            allowed_prefixes: written.allowed_prefixes,
            refused_prefixes: written.refused_prefixes,
            caller_id: written.caller_id,
            from_domain: written.from_domain.map(|domain| domain.0),
            accounts: written.accounts,
            strip_plus: written.strip_plus,
        })
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Parsed<T>
where
    T::Err: std::fmt::Display,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Parsed<T>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = text.parse().map(Parsed);
        parsed.map_err(|error| D::Error::custom(format!("{text:?}: {error}")))
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Password, D::Error> {
        // Text is asked for in a way that no error repeats what stands there instead.
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(password) if !password.is_empty() => {
                Ok(Password(Secret::new(password)))
            }
            _ => Err(D::Error::custom(
                "a password is text in quotes, and not empty",
            )),
        }
    }
}
