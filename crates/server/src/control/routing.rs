//! Where does an incoming call lead? Asked of the store, beside the control loop.

use tutti_control_plane::{AccountStatus, ApplicationRoute, NumberRecord, Route};
use tutti_model::{AccountId, ConferenceId};
use tutti_store::{Store, StoreError};

/// What an incoming call dialled.
pub(super) enum Destination {
    /// A conference that there is, of this account.
    Conference(ConferenceId, AccountId),
    /// What may be a telephone number.
    Number(String),
}

/// Where an incoming call leads, if anywhere.
pub(super) enum Routed {
    To {
        account: AccountId,
        route: Route,
    },
    /// Nobody has this number.
    Nowhere,
    /// The account whose call it would be is suspended or closed.
    AccountInactive,
    /// The store could not be asked.
    Unknown(StoreError),
}

/// Looks up whose call it is and what answers for it; a number comes with or without its plus sign.
pub(super) async fn route(store: &Store, destination: Destination) -> Routed {
    match find(store, destination).await {
        Ok(routed) => routed,
        Err(error) => Routed::Unknown(error),
    }
}

async fn find(store: &Store, destination: Destination) -> Result<Routed, StoreError> {
    let (account, route) = match destination {
        Destination::Conference(conference, account) => (account, Route::Conference(conference)),
        Destination::Number(dialled) => {
            let Some(number) = find_number(store, &dialled).await? else {
                return Ok(Routed::Nowhere);
            };
            let route = application_route(store, &number).await?;
            (number.account, Route::Application(route))
        }
    };
    let status = store.account(account).await?.map(|record| record.status);
    Ok(match status {
        Some(AccountStatus::Active) => Routed::To { account, route },
        Some(AccountStatus::Suspended | AccountStatus::Closed) | None => Routed::AccountInactive,
    })
}

async fn find_number(store: &Store, dialled: &str) -> Result<Option<NumberRecord>, StoreError> {
    let digits = dialled.strip_prefix('+').unwrap_or(dialled);
    if digits.is_empty() || digits.len() > 15 || !digits.bytes().all(|digit| digit.is_ascii_digit())
    {
        return Ok(None);
    }
    store.dialled_number(&format!("+{digits}")).await
}

async fn application_route(
    store: &Store,
    number: &NumberRecord,
) -> Result<ApplicationRoute, StoreError> {
    let application = match number.application {
        Some(application) => store.application(number.account, application).await?,
        None => None,
    };
    Ok(ApplicationRoute {
        number: number.id,
        application: application.as_ref().map(|application| application.id),
        voice_url: application
            .as_ref()
            .and_then(|application| application.voice_url.clone()),
        voice_fallback_url: application
            .as_ref()
            .and_then(|application| application.voice_fallback_url.clone()),
        status_callback_url: application
            .as_ref()
            .and_then(|application| application.status_callback_url.clone()),
    })
}
