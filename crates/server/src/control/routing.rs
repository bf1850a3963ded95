//! Where does an incoming call lead? Asked of the store, beside the control loop.

use tutti_control_plane::{ApplicationRoute, NumberRecord, Route};
use tutti_model::AccountId;
use tutti_store::{Store, StoreError};

/// Where an incoming call leads, if anywhere.
pub(super) enum Routed {
    To {
        account: AccountId,
        route: Route,
    },
    /// Nobody has this number.
    Nowhere,
    /// The store could not be asked.
    Unknown(StoreError),
}

/// Looks up the application that answers for a dialled number, with or without its plus sign.
pub(super) async fn route(store: &Store, dialled: &str) -> Routed {
    match find_number(store, dialled).await {
        Ok(Some(number)) => match application_route(store, &number).await {
            Ok(route) => Routed::To {
                account: number.account,
                route: Route::Application(route),
            },
            Err(error) => Routed::Unknown(error),
        },
        Ok(None) => Routed::Nowhere,
        Err(error) => Routed::Unknown(error),
    }
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
