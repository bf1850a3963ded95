//! Where does a call go that an application wants placed, and may it?
//!
//! Pure: nothing is asked and nothing is resolved here. What no rule allows is refused.

use tutti_model::AccountId;
use tutti_sip::Transport;

use super::number::E164;
use super::sip_uri::{NotDiallable, SipHost, SipUri};
use crate::config::Trunk;
use crate::egress::destination;

/// Where the operator lets calls go.
#[derive(Debug, Clone, Default)]
pub struct DialPlan {
    trunks: Vec<Trunk>,
    sip_uris: bool,
}

/// Where a call goes.
#[derive(Debug)]
pub enum Route<'a> {
    /// To a number, over a trunk.
    Trunk { trunk: &'a Trunk, number: E164 },
    /// To a SIP URI, if the egress policy lets us reach its host.
    Direct(SipUri),
}

/// Which rule keeps a call from being placed. None repeats the number: logs are read by many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanRefusal {
    #[error(
        "what is dialled is neither a telephone number as E.164 with its plus sign nor a SIP URI"
    )]
    Unreadable,
    #[error("the SIP URI is not dialled: {0}")]
    Uri(NotDiallable),
    #[error("no trunk is configured (sip.trunks), so no number can be dialled")]
    NoTrunk,
    #[error(
        "no trunk that the account may use allows the number (sip.trunks: accounts, \
         allowed_prefixes, refused_prefixes)"
    )]
    NotAllowed,
    #[error("SIP URIs are not dialled (sip.sip_uris is false)")]
    SipUrisOff,
    #[error("the SIP URI leads to a trunk; over a trunk, numbers are dialled")]
    LeadsToTrunk,
    #[error("over a trunk without a caller_id, a SIP URI is not shown as the caller's number")]
    CallerIsUri,
}

impl DialPlan {
    /// The plan that these trunks make; `sip_uris` opens SIP URIs beside them.
    pub fn new(trunks: Vec<Trunk>, sip_uris: bool) -> DialPlan {
        DialPlan { trunks, sip_uris }
    }

    pub fn trunks(&self) -> &[Trunk] {
        &self.trunks
    }

    /// Finds the way to a number or a SIP URI.
    ///
    /// Among the trunks that the account may use, the one with the longest allowed prefix carries
    /// the call; of several alike, the first.
    ///
    /// # Errors
    /// The rule that keeps the call from being placed.
    pub fn route(&self, account: AccountId, to: &str) -> Result<Route<'_>, PlanRefusal> {
        if let Ok(number) = to.parse::<E164>() {
            let trunk = self.trunk_for(account, &number)?;
            return Ok(Route::Trunk { trunk, number });
        }
        match to.parse::<SipUri>() {
            Ok(_) if !self.sip_uris => Err(PlanRefusal::SipUrisOff),
            Ok(uri) if self.is_trunk(&uri) => Err(PlanRefusal::LeadsToTrunk),
            Ok(uri) => Ok(Route::Direct(uri)),
            Err(NotDiallable::Scheme | NotDiallable::Form) => Err(PlanRefusal::Unreadable),
            Err(reason @ (NotDiallable::User | NotDiallable::Host | NotDiallable::Parameter)) => {
                Err(PlanRefusal::Uri(reason))
            }
        }
    }

    fn trunk_for(&self, account: AccountId, number: &E164) -> Result<&Trunk, PlanRefusal> {
        if self.trunks.is_empty() {
            return Err(PlanRefusal::NoTrunk);
        }
        let mut best: Option<(usize, &Trunk)> = None;
        for trunk in self.trunks.iter().filter(|trunk| trunk.serves(account)) {
            let Some(length) = trunk.allows(number) else {
                continue;
            };
            if best.is_none_or(|(longest, _)| length > longest) {
                best = Some((length, trunk));
            }
        }
        best.map(|(_, trunk)| trunk).ok_or(PlanRefusal::NotAllowed)
    }

    /// A trunk may know us by our address alone: whoever could name its host would dial anything.
    fn is_trunk(&self, uri: &SipUri) -> bool {
        let mut trunks = self.trunks.iter();
        trunks.any(|trunk| is_same_place(&trunk.host.host, &uri.place.host))
    }
}

/// Whether two hosts are certainly one, however their addresses are written.
fn is_same_place(one: &SipHost, other: &SipHost) -> bool {
    match (one, other) {
        (SipHost::Ip(one), SipHost::Ip(other)) => destination(*one) == destination(*other),
        (SipHost::Name(one), SipHost::Name(other)) => one == other,
        (SipHost::Ip(_), SipHost::Name(_)) | (SipHost::Name(_), SipHost::Ip(_)) => false,
    }
}

/// The caller as From shows it: a SIP URI.
///
/// A number or a name gets the trunk's domain, or ours; a SIP URI is shown as it is. What is
/// strange in a name is escaped, so that it stays one.
///
/// # Errors
/// `CallerIsUri` over a trunk without a `caller_id`: a trunk may read a number out of a SIP URI, and
/// nobody has said whose it is.
pub fn caller_uri(
    from: &str,
    trunk: Option<&Trunk>,
    own_host: &str,
) -> Result<String, PlanRefusal> {
    let number = trunk.and_then(|trunk| trunk.caller_id.clone());
    let number = number.or_else(|| from.parse::<E164>().ok());
    let domain = trunk.and_then(|trunk| trunk.from_domain.clone());
    let domain = domain.map_or_else(|| own_host.to_owned(), |domain| domain.to_string());
    if let Some(number) = number {
        return Ok(format!("sip:{}@{domain}", written(&number, trunk)));
    }
    Ok(match from.parse::<SipUri>() {
        Ok(_) if trunk.is_some() => return Err(PlanRefusal::CallerIsUri),
        // How it is reached is not part of who calls.
        Ok(uri) => SipUri {
            transport: Transport::Udp,
            ..uri
        }
        .to_string(),
        Err(_) if from.is_empty() => format!("sip:anonymous@{domain}"),
        Err(_) => format!("sip:{}@{domain}", escaped(from)),
    })
}

/// What is called over a trunk: a SIP URI.
pub fn callee_uri(number: &E164, trunk: &Trunk) -> String {
    format!("sip:{}@{}", written(number, Some(trunk)), trunk.host)
}

/// A number as a trunk wants it.
fn written<'a>(number: &'a E164, trunk: Option<&Trunk>) -> &'a str {
    match trunk {
        Some(trunk) if trunk.strip_plus => number.digits(),
        Some(_) | None => number.as_str(),
    }
}

/// A user part: what may not stand in one is escaped (RFC 3261 §25.1).
fn escaped(name: &str) -> String {
    let mut user = String::new();
    for &byte in name.as_bytes().iter().take(64) {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'-'
            | b'_'
            | b'.'
            | b'!'
            | b'~'
            | b'*'
            | b'+' => user.push(char::from(byte)),
            _ => user.push_str(&format!("%{byte:02X}")),
        }
    }
    user
}
