//! `/Queues`, and who waits in one.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use tutti_control_plane::{Input, QueueMember, QueueRecord, Reply, Waiting};
use tutti_freeclimb::error::ApiError;
use tutti_freeclimb::page::Position;
use tutti_freeclimb::request::{QueueFilter, QueueMemberFilter, QueueRequest, queue_options};
use tutti_freeclimb::resource::{QueueMemberResource, QueueResource, account_uri};
use tutti_model::{CallId, QueueId};
use tutti_store::Listing;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Answer, Failure, json};
use super::auth::Caller;
use super::documentation::{ListQuery, PageOf};
use super::lists::{self, wanted};
use super::request::{Members, Names, QueryString};

type QueueMembers = PageOf<QueueMemberFilter, QueueMemberResource>;
type Queues = PageOf<QueueFilter, QueueResource>;

pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update))
        .routes(routes!(members))
        .routes(routes!(front, dequeue_front))
        .routes(routes!(member, dequeue))
}

#[utoipa::path(
    get,
    path = "/Queues",
    operation_id = "list_active_queues",
    params(ListQuery<QueueFilter>),
    responses((status = 200, description = "A page of the account's queues", body = Queues))
)]
async fn list(State(shared): State<Arc<Shared>>, caller: Caller, query: QueryString) -> Answer {
    let request = query.page::<QueueFilter>()?;
    let filter = tutti_store::QueueFilter {
        alias: request.filter.alias.clone(),
    };
    let store = &shared.api.store;
    let listing = store
        .queues(caller.id(), &filter, &wanted(&request))
        .await?;
    let path = format!("{}/Queues", account_uri(caller.id()));
    let place = |record: &QueueRecord| Position {
        created: record.created,
        id: record.id.to_string(),
    };
    lists::answer(&request, &path, listing, place, |record| {
        QueueResource::from(record)
    })
}

#[utoipa::path(
    post,
    path = "/Queues",
    operation_id = "create_a_queue",
    request_body = Option<QueueRequest>,
    responses((status = 201, description = "The new queue", body = QueueResource))
)]
async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Members(attributes): Members,
) -> Answer {
    let input = Input::CreateQueue {
        account: caller.id(),
        options: queue_options(&attributes)?,
    };
    let Reply::Queue(record) = shared.api.control.request(caller.request, input).await? else {
        return Err(ApiError::Internal.into());
    };
    json(StatusCode::CREATED, &QueueResource::from(&record))
}

#[utoipa::path(
    get,
    path = "/Queues/{queue}",
    operation_id = "get_a_queue",
    responses((status = 200, description = "The queue", body = QueueResource))
)]
async fn show(State(shared): State<Arc<Shared>>, caller: Caller, names: Names) -> Answer {
    let record = shared.api.store.queue(caller.id(), named(&names)?).await?;
    let record = record.ok_or(ApiError::NoSuchQueue)?;
    json(StatusCode::OK, &QueueResource::from(&record))
}

#[utoipa::path(
    post,
    path = "/Queues/{queue}",
    operation_id = "update_a_queue",
    request_body = Option<QueueRequest>,
    responses((status = 200, description = "The queue as it is now", body = QueueResource))
)]
async fn update(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    names: Names,
    Members(attributes): Members,
) -> Answer {
    let input = Input::UpdateQueue {
        account: caller.id(),
        queue: named(&names)?,
        options: queue_options(&attributes)?,
    };
    let Reply::Queue(record) = shared.api.control.request(caller.request, input).await? else {
        return Err(ApiError::Internal.into());
    };
    json(StatusCode::OK, &QueueResource::from(&record))
}

#[utoipa::path(
    get,
    path = "/Queues/{queue}/Members",
    operation_id = "list_members",
    params(ListQuery<QueueMemberFilter>),
    responses((status = 200, description = "A page of the calls that wait, the longest waiting first", body = QueueMembers))
)]
async fn members(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    names: Names,
    query: QueryString,
) -> Answer {
    let queue = named(&names)?;
    let waiting = waiting(&shared, &caller, queue).await?;
    let request = query.page::<QueueMemberFilter>()?;
    let listing = Listing {
        total: waiting.len() as u64,
        items: after(waiting, request.after.as_ref()),
    };
    let path = format!("{}/Queues/{queue}/Members", account_uri(caller.id()));
    let place = |member: &QueueMember| Position {
        created: member.since,
        id: member.call.to_string(),
    };
    let now = shared.api.clock.now();
    lists::answer(&request, &path, listing, place, |member| {
        QueueMemberResource::new(caller.id(), queue, member, now)
    })
}

#[utoipa::path(
    get,
    path = "/Queues/{queue}/Members/Front",
    operation_id = "get_head_member",
    responses((status = 200, description = "The call that has waited longest", body = QueueMemberResource))
)]
async fn front(State(shared): State<Arc<Shared>>, caller: Caller, names: Names) -> Answer {
    let queue = named(&names)?;
    let waiting = waiting(&shared, &caller, queue).await?;
    let member = waiting.first().ok_or(ApiError::QueueEmpty)?;
    shown(&shared, &caller, StatusCode::OK, queue, member)
}

#[utoipa::path(
    post,
    path = "/Queues/{queue}/Members/Front",
    operation_id = "dequeue_head_member",
    responses((status = 202, description = "The call that is taken out", body = QueueMemberResource))
)]
async fn dequeue_front(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    names: Names,
    _: Members,
) -> Answer {
    take_out(&shared, &caller, named(&names)?, Waiting::Front).await
}

#[utoipa::path(
    get,
    path = "/Queues/{queue}/Members/{call}",
    operation_id = "get_a_member",
    responses((status = 200, description = "The call that waits", body = QueueMemberResource))
)]
async fn member(State(shared): State<Arc<Shared>>, caller: Caller, names: Names) -> Answer {
    let queue = named(&names)?;
    let call: CallId = names.id("call").ok_or(ApiError::NoSuchMember)?;
    let waiting = waiting(&shared, &caller, queue).await?;
    let member = waiting.iter().find(|member| member.call == call);
    let member = member.ok_or(ApiError::NoSuchMember)?;
    shown(&shared, &caller, StatusCode::OK, queue, member)
}

#[utoipa::path(
    post,
    path = "/Queues/{queue}/Members/{call}",
    operation_id = "dequeue_a_member",
    responses((status = 202, description = "The call that is taken out", body = QueueMemberResource))
)]
async fn dequeue(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    names: Names,
    _: Members,
) -> Answer {
    let queue = named(&names)?;
    let call = names.id("call").ok_or(ApiError::NoSuchMember)?;
    take_out(&shared, &caller, queue, Waiting::Call(call)).await
}

async fn take_out(shared: &Shared, caller: &Caller, queue: QueueId, who: Waiting) -> Answer {
    let input = Input::Dequeue {
        account: caller.id(),
        queue,
        who,
    };
    let Reply::QueueMember(member) = shared.api.control.request(caller.request, input).await?
    else {
        return Err(ApiError::Internal.into());
    };
    shown(shared, caller, StatusCode::ACCEPTED, queue, &member)
}

/// Who waits, the one that has waited longest first.
async fn waiting(
    shared: &Shared,
    caller: &Caller,
    queue: QueueId,
) -> Result<Vec<QueueMember>, Failure> {
    let input = Input::LookAtQueue {
        account: caller.id(),
        queue,
    };
    let Reply::QueueMembers(members) = shared.api.control.request(caller.request, input).await?
    else {
        return Err(ApiError::Internal.into());
    };
    Ok(members)
}

/// Those behind a place in the queue; whoever had the place may have left meanwhile.
fn after(mut waiting: Vec<QueueMember>, place: Option<&Position>) -> Vec<QueueMember> {
    let Some(place) = place else {
        return waiting;
    };
    let holder = waiting
        .iter()
        .position(|member| member.call.to_string() == place.id);
    let seen = match holder {
        Some(index) => index + 1,
        None => waiting
            .iter()
            .take_while(|member| member.since <= place.created)
            .count(),
    };
    waiting.split_off(seen)
}

fn shown(
    shared: &Shared,
    caller: &Caller,
    status: StatusCode,
    queue: QueueId,
    member: &QueueMember,
) -> Answer {
    let now = shared.api.clock.now();
    let resource = QueueMemberResource::new(caller.id(), queue, member, now);
    json(status, &resource)
}

fn named(names: &Names) -> Result<QueueId, ApiError> {
    names.id("queue").ok_or(ApiError::NoSuchQueue)
}

#[cfg(test)]
mod tests {
    use tutti_model::Timestamp;

    use super::*;

    #[test]
    fn a_page_of_members_goes_on_behind_the_last_one() {
        let waiting = || vec![member(1, 10), member(2, 20), member(3, 20), member(4, 30)];
        let calls = |place: &Position| -> Vec<u32> {
            let behind = after(waiting(), Some(place));
            behind.iter().map(|member| member.position).collect()
        };
        assert_eq!(after(waiting(), None), waiting());
        assert_eq!(calls(&place(1, 10)), [2, 3, 4]);
        assert_eq!(calls(&place(2, 20)), [3, 4]);
        // Gone meanwhile: nobody is shown twice.
        assert_eq!(calls(&place(9, 20)), [4]);
        assert_eq!(calls(&place(4, 30)), [0; 0]);
    }

    fn member(number: u8, since: i64) -> QueueMember {
        QueueMember {
            call: CallId::from_bytes([number; 20]),
            position: number.into(),
            since: Timestamp::from_micros(since),
        }
    }

    fn place(number: u8, since: i64) -> Position {
        Position {
            created: Timestamp::from_micros(since),
            id: CallId::from_bytes([number; 20]).to_string(),
        }
    }
}
