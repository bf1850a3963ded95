//! How a call that an application wants placed finds its way, beside the control loop.
//!
//! Outbound is off until an operator opens it: numbers go where a trunk's prefixes allow them, SIP
//! URIs where the egress policy lets us go. What a call costs is somebody else's money, so every
//! doubt is a refusal.

#[cfg(test)]
mod forbidden;
#[cfg(test)]
mod fraud_tests;
mod number;
mod plan;
mod sip_uri;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tutti_control_plane::{AccountStatus, Dial};
use tutti_sip::{Credentials, Transport};
use tutti_store::{Store, StoreError};

pub use number::{E164, NotANumber, Prefix};
pub use plan::{DialPlan, PlanRefusal, Route};
pub use sip_uri::{HostPort, SipHost};

use crate::egress::{Egress, EgressError, destination};

/// How long names may take to become addresses.
const RESOLVING: Duration = Duration::from_secs(5);

/// Finds ways for calls. It reads the store and resolves names.
#[derive(Debug)]
pub struct Dialling {
    plan: DialPlan,
    store: Store,
    egress: Arc<Egress>,
    /// What callees know us by, where a trunk names no domain.
    own_ip: IpAddr,
}

/// The way to a callee.
#[derive(Debug, Clone)]
pub struct Way {
    /// The SIP URI that is called.
    pub target: String,
    /// The caller's SIP URI.
    pub from: String,
    /// Where the INVITE goes.
    pub via: SocketAddr,
    pub transport: Transport,
    pub credentials: Option<Credentials>,
    /// The application has named the callee, who may not send us elsewhere: no rule was asked
    /// whether we go there.
    pub stay_with_peer: bool,
}

/// Why a call is not placed.
#[derive(Debug, thiserror::Error)]
pub enum NotDialled {
    #[error(transparent)]
    Plan(#[from] PlanRefusal),
    #[error("the account is suspended or closed")]
    AccountInactive,
    #[error(
        "the calling number is none of the account's own, and no number of the call that dials"
    )]
    ForeignCaller,
    #[error(transparent)]
    Egress(#[from] EgressError),
    #[error("trunk {trunk}: {reason}")]
    TrunkUnknown { trunk: String, reason: String },
    #[error("the store does not answer: {0}")]
    Store(#[from] StoreError),
}

impl Dialling {
    /// Dials by this plan; `own_ip` is what peers are told to answer to.
    pub fn new(plan: DialPlan, store: Store, egress: Arc<Egress>, own_ip: IpAddr) -> Dialling {
        Dialling {
            plan,
            store,
            egress,
            own_ip,
        }
    }

    /// Finds the way of a call, if it may be placed.
    ///
    /// # Errors
    /// The rule that keeps it from being placed, in a sentence for the account's log.
    pub async fn find(&self, dial: &Dial) -> Result<Way, NotDialled> {
        let route = self.plan.route(dial.account, &dial.to)?;
        self.check_account(dial).await?;
        self.check_caller(dial).await?;
        let own_host = SipHost::Ip(self.own_ip).to_string();
        match route {
            Route::Trunk { trunk, number } => {
                let addresses = resolve(&trunk.host).await;
                let via = addresses.and_then(|addresses| self.of_our_kind(&addresses));
                let via = via.map_err(|reason| NotDialled::TrunkUnknown {
                    trunk: trunk.name.clone(),
                    reason,
                })?;
                Ok(Way {
                    target: plan::callee_uri(&number, trunk),
                    from: plan::caller_uri(&dial.from, Some(trunk), &own_host)?,
                    via,
                    transport: trunk.transport,
                    credentials: trunk.credentials.clone(),
                    stay_with_peer: false,
                })
            }
            Route::Direct(uri) => {
                let host = uri.place.host.to_string();
                let via = self.egress.resolve_sip(&host, uri.place.port()).await?;
                self.check_no_trunk(via.ip()).await?;
                Ok(Way {
                    target: uri.to_string(),
                    from: plan::caller_uri(&dial.from, None, &own_host)?,
                    via,
                    transport: uri.transport,
                    credentials: None,
                    stay_with_peer: true,
                })
            }
        }
    }

    async fn check_account(&self, dial: &Dial) -> Result<(), NotDialled> {
        let account = self.store.account(dial.account).await?;
        match account.map(|account| account.status) {
            Some(AccountStatus::Active) => Ok(()),
            Some(AccountStatus::Suspended | AccountStatus::Closed) | None => {
                Err(NotDialled::AccountInactive)
            }
        }
    }

    async fn check_caller(&self, dial: &Dial) -> Result<(), NotDialled> {
        if dial.from_is_known {
            return Ok(());
        }
        let number: Result<E164, NotANumber> = dial.from.parse();
        let number = number.map_err(|_| NotDialled::ForeignCaller)?;
        match self.store.dialled_number(number.as_str()).await? {
            Some(owned) if owned.account == dial.account => Ok(()),
            Some(_) | None => Err(NotDialled::ForeignCaller),
        }
    }

    /// A trunk by another name is a trunk; one whose address is not known might be any.
    async fn check_no_trunk(&self, ip: IpAddr) -> Result<(), NotDialled> {
        for trunk in self.plan.trunks() {
            let addresses = resolve(&trunk.host).await;
            let addresses = addresses.map_err(|reason| NotDialled::TrunkUnknown {
                trunk: trunk.name.clone(),
                reason: format!("{reason}, so a SIP URI cannot be told from it"),
            })?;
            let mut ips = addresses.iter().map(SocketAddr::ip);
            if ips.any(|trunk| destination(trunk) == destination(ip)) {
                return Err(PlanRefusal::LeadsToTrunk.into());
            }
        }
        Ok(())
    }

    /// The first address of the IP version that we speak.
    fn of_our_kind(&self, addresses: &[SocketAddr]) -> Result<SocketAddr, String> {
        let mut addresses = addresses.iter();
        let ours = addresses.find(|address| address.is_ipv4() == self.own_ip.is_ipv4());
        ours.copied()
            .ok_or_else(|| "none of its addresses is of the IP version of sip.listen".to_owned())
    }
}

/// Every address that an operator's word stands for, at this moment.
async fn resolve(place: &HostPort) -> Result<Vec<SocketAddr>, String> {
    let name = match &place.host {
        SipHost::Ip(ip) => return Ok(vec![SocketAddr::new(*ip, place.port())]),
        SipHost::Name(name) => name,
    };
    let looked_up = tokio::net::lookup_host((name.as_str(), place.port()));
    match tokio::time::timeout(RESOLVING, looked_up).await {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(error)) => Err(format!("{name} has no address: {error}")),
        Err(_) => Err(format!("{name} has no address: nobody said one in time")),
    }
}
