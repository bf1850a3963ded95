//! `/Recordings`, also of one conference or one call, and the sound itself.

use std::io::{ErrorKind, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE,
};
use axum::http::{HeaderMap, Response, StatusCode};
use bytes::BytesMut;
use futures_util::stream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tutti_control_plane::{RecordingRecord, RecordingStatus};
use tutti_freeclimb::error::ApiError;
use tutti_freeclimb::page::{ListRequest, Position};
use tutti_freeclimb::request::RecordingFilter;
use tutti_freeclimb::resource::{RecordingResource, account_uri};
use tutti_model::{AccountId, RecordingId};
use tutti_recording::recording_path;
use tutti_store::Store;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, Failure, PAUSE_SECS, empty, json};
use super::auth::Caller;
use super::documentation::{ListQuery, PageOf};
use super::lists::{self, during, wanted};
use super::range::ByteRange;
use super::request::{Names, QueryString};
use super::{Shared, calls, conferences};

type Recordings = PageOf<RecordingFilter, RecordingResource>;

pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(list_of_conference))
        .routes(routes!(list_of_call))
        .routes(routes!(show, delete))
        .routes(routes!(download))
        .routes(routes!(stream))
}

/// How much of a file is read at once.
const CHUNK_BYTES: usize = 64 * 1024;

#[utoipa::path(
    get,
    path = "/Recordings",
    operation_id = "list_recordings",
    params(ListQuery<RecordingFilter>),
    responses((status = 200, description = "A page of finished recordings", body = Recordings)),
)]
async fn list(State(shared): State<Arc<Shared>>, caller: Caller, query: QueryString) -> Answer {
    let path = format!("{}/Recordings", account_uri(caller.id()));
    page(&shared, &caller, query.page()?, &path).await
}

#[utoipa::path(
    get,
    path = "/Conferences/{conference}/Recordings",
    operation_id = "list_conference_recordings",
    params(ListQuery<RecordingFilter>),
    responses((status = 200, description = "A page of finished recordings", body = Recordings)),
)]
async fn list_of_conference(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    names: Names,
    query: QueryString,
) -> Answer {
    let conference = conferences::find(&shared, &caller, &names).await?.id;
    let mut request = query.page::<RecordingFilter>()?;
    request.filter.conference = Some(conference);
    let account = account_uri(caller.id());
    let path = format!("{account}/Conferences/{conference}/Recordings");
    page(&shared, &caller, request, &path).await
}

#[utoipa::path(
    get,
    path = "/Calls/{call}/Recordings",
    operation_id = "list_call_recordings",
    params(ListQuery<RecordingFilter>),
    responses((status = 200, description = "A page of finished recordings", body = Recordings)),
)]
async fn list_of_call(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    names: Names,
    query: QueryString,
) -> Answer {
    let call = calls::find(&shared, &caller, &names).await?.id;
    let mut request = query.page::<RecordingFilter>()?;
    request.filter.call = Some(call);
    let path = format!("{}/Calls/{call}/Recordings", account_uri(caller.id()));
    page(&shared, &caller, request, &path).await
}

#[utoipa::path(
    get,
    path = "/Recordings/{recording}",
    operation_id = "get_a_recording",
    responses((status = 200, description = "The recording", body = RecordingResource)),
)]
async fn show(State(shared): State<Arc<Shared>>, caller: Caller, names: Names) -> Answer {
    let record = find(&shared, &caller, &names).await?;
    json(StatusCode::OK, &RecordingResource::from(&record))
}

#[utoipa::path(
    delete,
    path = "/Recordings/{recording}",
    operation_id = "delete_a_recording",
    responses((status = 204, description = "The recording and its file are gone")),
)]
async fn delete(State(shared): State<Arc<Shared>>, caller: Caller, names: Names) -> Answer {
    let recording = find(&shared, &caller, &names).await?.id;
    let api = &shared.api;
    erase(&api.store, &api.recordings_dir, caller.id(), recording).await?;
    empty(StatusCode::NO_CONTENT)
}

#[utoipa::path(
    get,
    path = "/Recordings/{recording}/Download",
    operation_id = "download_a_recording_file",
    responses(
        (status = 200, description = "The file, to be saved", body = WavFile, content_type = "audio/wav"),
        (status = 206, description = "The part of it that the request asks for", body = WavFile, content_type = "audio/wav"),
    ),
)]
async fn download(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    names: Names,
    headers: HeaderMap,
) -> Answer {
    let recording = find(&shared, &caller, &names).await?;
    let mut response = sound(&shared, &recording, &headers).await?;
    let disposition = format!("attachment; filename=\"{}.wav\"", recording.id);
    if let Ok(value) = disposition.parse() {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

#[utoipa::path(
    get,
    path = "/Recordings/{recording}/Stream",
    operation_id = "stream_a_recording_file",
    responses(
        (status = 200, description = "The file, to be played", body = WavFile, content_type = "audio/wav"),
        (status = 206, description = "The part of it that the request asks for", body = WavFile, content_type = "audio/wav"),
    ),
)]
async fn stream(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    names: Names,
    headers: HeaderMap,
) -> Answer {
    let recording = find(&shared, &caller, &names).await?;
    sound(&shared, &recording, &headers).await
}

/// A file, as the API's description tells it.
struct WavFile;

impl ToSchema for WavFile {}

impl PartialSchema for WavFile {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .into()
    }
}

async fn page(
    shared: &Shared,
    caller: &Caller,
    request: ListRequest<RecordingFilter>,
    path: &str,
) -> Answer {
    let filter = tutti_store::RecordingFilter {
        call: request.filter.call,
        conference: request.filter.conference,
        date_created: during(request.filter.created),
        finished: true,
    };
    let store = &shared.api.store;
    let listing = store
        .recordings(caller.id(), &filter, &wanted(&request))
        .await?;
    let place = |record: &RecordingRecord| Position {
        created: record.created,
        id: record.id.to_string(),
    };
    lists::answer(&request, path, listing, place, |record| {
        RecordingResource::from(record)
    })
}

/// The recording in the path. One that is still being written is not there yet.
async fn find(shared: &Shared, caller: &Caller, names: &Names) -> Result<RecordingRecord, Failure> {
    let recording = names.id("recording").ok_or(ApiError::NoSuchRecording)?;
    let record = shared.api.store.recording(caller.id(), recording).await?;
    let record = record.ok_or(ApiError::NoSuchRecording)?;
    // Its file may still be there for a moment.
    let now = shared.api.clock.now();
    if record.kept_until.is_some_and(|until| until <= now) {
        return Err(ApiError::NoSuchRecording.into());
    }
    match &record.status {
        RecordingStatus::Ready { .. } | RecordingStatus::Failed { .. } => Ok(record),
        RecordingStatus::Open => Err(ApiError::NoSuchRecording.into()),
    }
}

/// Deletes a recording, its file first: as long as there is sound, there is a record to ask again
/// with.
async fn erase(
    store: &Store,
    recordings_dir: &Path,
    account: AccountId,
    recording: RecordingId,
) -> Result<(), Failure> {
    match tokio::fs::remove_file(recording_path(recordings_dir, recording)).await {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => {
            tracing::error!(%recording, %error, "a recording's file cannot be deleted");
            let retry_after_secs = PAUSE_SECS;
            return Err(ApiError::Unavailable { retry_after_secs }.into());
        }
    }
    if store.delete_recording(account, recording).await? {
        Ok(())
    } else {
        Err(ApiError::NoSuchRecording.into())
    }
}

/// The file, or the part of it that the request asks for.
async fn sound(shared: &Shared, recording: &RecordingRecord, headers: &HeaderMap) -> Answer {
    let path = recording_path(&shared.api.recordings_dir, recording.id);
    let opened = async {
        let file = File::open(&path).await?;
        let size_bytes = file.metadata().await?.len();
        Ok::<_, std::io::Error>((file, size_bytes))
    };
    let (mut file, size_bytes) = opened.await.map_err(|error| {
        tracing::warn!(recording = %recording.id, %error, "a recording has no readable file");
        ApiError::NoSuchRecording
    })?;
    let range = match headers.get(RANGE) {
        Some(header) => ByteRange::parse(header.as_bytes(), size_bytes)?,
        None => None,
    };
    let (status, first, length) = match range {
        Some(range) => (StatusCode::PARTIAL_CONTENT, range.first, range.length()),
        None => (StatusCode::OK, 0, size_bytes),
    };
    let sought = file.seek(SeekFrom::Start(first)).await;
    sought.map_err(|_| ApiError::Internal)?;
    let mut response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "audio/wav")
        .header(CONTENT_LENGTH, length)
        .header(ACCEPT_RANGES, "bytes");
    if let Some(range) = range {
        let ByteRange { first, last } = range;
        response = response.header(CONTENT_RANGE, format!("bytes {first}-{last}/{size_bytes}"));
    }
    let body = Body::from_stream(stream::try_unfold(file.take(length), read_chunk));
    Ok(response.body(body).map_err(|_| ApiError::Internal)?)
}

async fn read_chunk(
    mut file: tokio::io::Take<File>,
) -> std::io::Result<Option<(bytes::Bytes, tokio::io::Take<File>)>> {
    let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
    let read = file.read_buf(&mut chunk).await?;
    Ok((read > 0).then(|| (chunk.freeze(), file)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tutti_control_plane::Fact;
    use tutti_model::Timestamp;

    use super::*;

    const ACCOUNT: AccountId = AccountId::from_bytes([1; 20]);
    const RECORDING: RecordingId = RecordingId::from_bytes([2; 20]);

    #[tokio::test]
    async fn a_recording_goes_with_its_file_or_without_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = recording_path(dir.path(), RECORDING);
        for has_file in [true, false] {
            let store = one_recording().await;
            if has_file {
                std::fs::write(&path, b"RIFF").unwrap();
            }
            let erased = erase(&store, dir.path(), ACCOUNT, RECORDING).await;
            assert_eq!(erased, Ok(()), "a file: {has_file}");
            assert!(!path.exists());
            assert_eq!(store.recording(ACCOUNT, RECORDING).await.unwrap(), None);
            let again = erase(&store, dir.path(), ACCOUNT, RECORDING).await;
            assert_eq!(again, Err(ApiError::NoSuchRecording.into()));
        }
    }

    #[tokio::test]
    async fn a_recording_whose_file_cannot_be_deleted_stays_to_be_asked_for_again() {
        let (store, dir) = (one_recording().await, tempfile::tempdir().unwrap());
        // A directory is no file that could be deleted, whoever asks.
        std::fs::create_dir(recording_path(dir.path(), RECORDING)).unwrap();
        let failure = erase(&store, dir.path(), ACCOUNT, RECORDING).await;
        assert_eq!(failure.unwrap_err().into_error().status(), 503);
        assert!(store.recording(ACCOUNT, RECORDING).await.unwrap().is_some());
    }

    async fn one_recording() -> Store {
        let store = Store::open("sqlite::memory:").await.unwrap();
        let record = RecordingRecord {
            id: RECORDING,
            account: ACCOUNT,
            call: None,
            conference: None,
            status: RecordingStatus::Ready {
                duration: Duration::from_secs(1),
                size_bytes: 4,
            },
            kept_until: None,
            revision: 1,
            created: Timestamp::from_micros(0),
            updated: Timestamp::from_micros(0),
        };
        store
            .commit(&[Fact::Recording(record)], &[], &[])
            .await
            .unwrap();
        store
    }
}
