//! Lists: from a request to a page of the store's, and back to an envelope.

use axum::http::StatusCode;
use serde::Serialize;
use tutti_freeclimb::page::{Filter, ListRequest, PAGE_SIZE, Position};
use tutti_freeclimb::query::Span;
use tutti_store::{Listing, Page, TimeRange};

use super::answer::{Answer, json};

/// The part of the store's list that a request asks for, and one element more: whether there is
/// one decides whether there is a next page.
pub(super) fn wanted<F>(request: &ListRequest<F>) -> Page {
    let after = request.after.clone().map(|position| tutti_store::Position {
        created: position.created,
        id: position.id,
    });
    Page {
        after,
        limit: PAGE_SIZE + 1,
    }
}

/// The envelope of what `wanted` brought.
pub(super) fn answer<F: Filter, R, T: Serialize>(
    request: &ListRequest<F>,
    path: &str,
    listing: Listing<R>,
    place: impl Fn(&R) -> Position,
    show: impl Fn(&R) -> T,
) -> Answer {
    let Listing { mut items, total } = listing;
    let size = PAGE_SIZE as usize;
    let has_more = items.len() > size;
    items.truncate(size);
    let last = items.last().filter(|_| has_more).map(place);
    let shown = items.iter().map(show).collect();
    json(StatusCode::OK, &request.page(path, shown, total, last))
}

/// A span of time in the store's words.
pub(super) fn during(span: Span) -> TimeRange {
    TimeRange {
        from: span.from,
        until: span.until,
    }
}
