//! What the APIs are like, in OpenAPI, beside the APIs themselves.
//!
//! Paths, codes and what is answered are told by the handlers, filters by the filters. What holds
//! for every request is added here: the account and the other names in its path, credentials,
//! refusals.

mod page;
mod parameters;

use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use bytes::Bytes;
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::Shared;

pub(super) use self::page::PageOf;
pub(super) use self::parameters::ListQuery;

/// The schema of a refusal.
const ERROR: &str = "PlatformError";

/// The schema of a refusal of our own API.
const PROBLEM: &str = "Problem";

/// FreeClimb's API, and its description at `/openapi.json`.
pub(super) fn with_freeclimb(api: OpenApiRouter<Arc<Shared>>) -> Router<Arc<Shared>> {
    let (router, description) = api.split_for_parts();
    serving(router, &of_freeclimb(description))
}

/// Our own API, and its description at `/openapi.json`.
pub(super) fn with_own(api: OpenApiRouter<Arc<Shared>>) -> Router<Arc<Shared>> {
    let (router, description) = api.split_for_parts();
    serving(router, &of_own(description))
}

fn of_freeclimb(description: OpenApi) -> Value {
    let about = "Conferences, calls, recordings and everything around them, as FreeClimb's API \
                 has them. Bodies are JSON, whatever their Content-Type.";
    let mut document = described(description, "FreeClimb's API", about, "/apiserver");
    refusals(&mut document, ERROR, error(), "application/json");
    document
}

fn of_own(description: OpenApi) -> Value {
    let about = "What FreeClimb's API has no words for, with the same accounts and keys.";
    let mut document = described(description, "Tutti's own API", about, "/api/v1");
    refusals(
        &mut document,
        PROBLEM,
        problem(),
        "application/problem+json",
    );
    document
}

/// Serves a document that says nothing about anybody, so that it needs no credentials.
fn serving(router: Router<Arc<Shared>>, document: &Value) -> Router<Arc<Shared>> {
    let text = Bytes::from(document.to_string());
    let answer = async move || ([(CONTENT_TYPE, "application/json")], text);
    router.route("/openapi.json", get(answer))
}

/// What the handlers tell, with everything that holds for all of them but their refusals.
fn described(description: OpenApi, title: &str, about: &str, place: &str) -> Value {
    // It is made of strings, lists and maps, all of which JSON has.
    let mut document = serde_json::to_value(description).unwrap_or_default();
    document["info"] = json!({
        "title": title,
        "description": about,
        "version": env!("CARGO_PKG_VERSION"),
        "license": {"name": "MIT or Apache 2.0", "identifier": "MIT OR Apache-2.0"},
    });
    document["servers"] = json!([{ "url": place }]);
    document["components"]["securitySchemes"]["account"] = json!({
        "type": "http",
        "scheme": "basic",
        "description": "The account's id and its API key.",
    });
    document["security"] = json!([{ "account": [] }]);
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, operations) in paths {
            operations["parameters"] = parameters::in_path(path);
            parameters::may_be_empty(operations);
        }
    }
    document
}

/// Adds what every request may get instead of what it asks for.
fn refusals(document: &mut Value, name: &str, schema: Value, content_type: &str) {
    document["components"]["schemas"][name] = schema;
    let refusal = json!({
        "description": "The request is refused, and nothing has changed",
        "content": {content_type: {"schema": {"$ref": format!("#/components/schemas/{name}")}}},
    });
    let Some(paths) = document["paths"].as_object_mut() else {
        return;
    };
    for operations in paths.values_mut() {
        let operations = operations.as_object_mut().into_iter().flatten();
        for (_, operation) in operations.filter(|(method, _)| *method != "parameters") {
            operation["responses"]["default"] = refusal.clone();
        }
    }
}

/// The body of a refusal: what SDKs of all generations read.
fn error() -> Value {
    json!({
        "type": "object",
        "required": ["status", "code", "message", "call", "details", "url", "info"],
        "properties": {
            "status": {"type": "integer", "description": "The HTTP status"},
            "code": {"type": "integer", "description": "FreeClimb's number for it"},
            "message": {"type": "string"},
            "call": {"type": "string", "description": "The message once more"},
            "details": {"type": "object"},
            "url": {"type": "string", "format": "uri"},
            "info": {"type": "string", "format": "uri"},
        },
    })
}

/// A problem document (RFC 9457).
fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["title", "status"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
        },
    })
}

#[cfg(test)]
mod tests;
