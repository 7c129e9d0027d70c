//! What goes wrong, told as RFC 9457 says: what, where, and what to do.

use std::any::Any;

use axum::{
    body::Body,
    extract::{
        FromRequest, FromRequestParts,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::control::NoAnswer;
use crate::store::StoreError;

/// A problem (RFC 9457), sent as `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What went wrong, in general.
    pub title: String,
    /// What went wrong, in this case.
    pub detail: String,
    /// Which part of the request: a path, a field, a header.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub todo: Option<String>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Problem").to_owned();
        Self { status: status.as_u16(), title, detail: detail.into(), place: None, todo: None }
    }

    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
            .at("header authorization")
            .todo("ask an admin for the scope or role that it takes")
    }

    pub(super) fn not_found(what: &str, name: &str) -> Self {
        // What was asked for comes back, so keep it short.
        let name: String = name.chars().take(64).collect();
        Self::new(StatusCode::NOT_FOUND, format!("there is no {what} `{name}`"))
    }

    pub(super) fn at(mut self, place: &str) -> Self {
        self.place = Some(place.into());
        self
    }

    pub(crate) fn todo(mut self, todo: impl Into<String>) -> Self {
        self.todo = Some(todo.into());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        let more = match status {
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer realm=\"tandem\"")),
            StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, "2")),
            _ => None,
        };
        if let Some((name, value)) = more {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl From<NoAnswer> for Problem {
    fn from(error: NoAnswer) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()).todo("try again in a moment; see /readyz if it stays so")
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        // Its cause may hold values; it goes to the log without them, and not to the client.
        tracing::warn!(%error, "the API could not use the database");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the database could not be used")
            .todo("try again in a moment; see /readyz and the log if it stays so")
    }
}

macro_rules! rejections {
    ($($rejection:ty => $place:literal),*) => {
        $(impl From<$rejection> for Problem {
            fn from(rejection: $rejection) -> Self {
                Self::new(rejection.status(), rejection.body_text()).at($place).todo("see /api/v1/openapi.json for what is expected")
            }
        })*
    };
}
rejections!(JsonRejection => "body", QueryRejection => "query", PathRejection => "path");

/// A JSON body; what cannot be read becomes a [`Problem`].
#[derive(Debug, FromRequest)]
#[from_request(via(axum::Json), rejection(Problem))]
pub(super) struct JsonBody<T>(pub(super) T);

/// The query; what cannot be read becomes a [`Problem`].
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub(super) struct Params<T>(pub(super) T);

/// Parts of the path; what cannot be read becomes a [`Problem`].
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub(super) struct Path<T>(pub(super) T);

/// An identifier out of a path.
pub(super) fn id<T: std::str::FromStr<Err = tandem_switch::id::BadId>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error: tandem_switch::id::BadId| Problem::bad(error.to_string()).at("path"))
}

pub(super) async fn no_such_route(uri: Uri) -> Problem {
    Problem::not_found("resource", uri.path()).todo("see /api/v1/openapi.json for what there is")
}

pub(super) async fn no_such_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this resource does not take this method")
        .todo("see /api/v1/openapi.json for what it takes")
}

/// A panic in a handler ends that request only. What it said may hold personal data: it is not told.
pub(super) fn of_panic(_: Box<dyn Any + Send>) -> Response<Body> {
    tracing::error!("a request ended by a fault of ours");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "a fault of the switch ended this request").into_response()
}
