//! Files of customers, in and out: both are streams, and neither is ever whole in memory.

#![expect(unused_qualifications, reason = "the macro that documents a query writes them")]

use std::convert::Infallible;

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tandem_switch::{
    customers::{Identity, csv, import},
    id::CustomerId,
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    clock,
    customers::import::{ImportReport, Importer, NoImport, RefusedRow},
    http::{
        Api,
        auth::Caller,
        problem::{Params, Problem},
    },
    store::StoreError,
};

/// Customers that are read at once.
const PAGE: u32 = 200;

/// How a file is read.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ImportQuery {
    /// Only say what would become of it.
    #[serde(default)]
    dry_run: bool,
    /// Between fields: `comma` unless said, `semicolon` or `tab`.
    #[param(inline)]
    separator: Option<Separator>,
}

/// What stands between fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Separator {
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// A tabulator.
    Tab,
}

/// One line of the answer to an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ImportLine {
    /// A row that was not taken.
    Refused(RefusedRow),
    /// What became of the whole: the last line of an import that came to its end.
    Report(ImportReport),
    /// Why the import ended before the file did: the last line of one that did not.
    Ended {
        /// Why.
        error: String,
    },
}

fn line(line: &ImportLine) -> Bytes {
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

/// Import customers from CSV
///
/// The body is the file, of any length: a head with `external_id`, `name`, `language`, `phone`, `email`, `whatsapp`, `chat_token`,
/// `attributes` or `attribute:NAME`, then a customer a row. The answer is one JSON document a line while the file is read: each row
/// that was not taken, and at last the report. The same file again changes nothing.
#[utoipa::path(post, path = "/api/v1/customers-import", tag = "customers", security(("token" = ["admin"])), params(ImportQuery),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = ImportLine, content_type = "application/x-ndjson"), (status = 400, body = Problem)))]
pub(in crate::http) async fn import(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<ImportQuery>,
    body: Body,
) -> Response {
    let separator = match query.separator {
        None | Some(Separator::Comma) => b',',
        Some(Separator::Semicolon) => b';',
        Some(Separator::Tab) => b'\t',
    };
    api.audit(&caller, if query.dry_run { "customers-import-tried" } else { "customers-imported" }, "");
    let importer = Importer::new(api.control.customers.clone(), caller.name(), separator, query.dry_run);
    let lines = stream::unfold(Some((importer, body.into_data_stream())), |under_way| async {
        let (mut importer, mut pieces) = under_way?;
        let now = clock::now().at;
        let ended = |error: String| Some((line(&ImportLine::Ended { error }), None));
        let told = |rows: Vec<RefusedRow>| rows.into_iter().flat_map(|row| line(&ImportLine::Refused(row))).collect::<Vec<u8>>();
        match pieces.next().await {
            Some(Ok(piece)) => match importer.push(&piece, now).await {
                Ok(refused) => Some((Bytes::from(told(refused)), Some((importer, pieces)))),
                Err(error) => ended(sentence(&error)),
            },
            Some(Err(_)) => {
                ended("the file did not come to its end; give it again: what was taken is not taken twice".to_owned())
            }
            None => match importer.end(now).await {
                Ok((refused, report)) => {
                    let mut last = told(refused);
                    last.extend_from_slice(&line(&ImportLine::Report(report)));
                    Some((Bytes::from(last), None))
                }
                Err(error) => ended(sentence(&error)),
            },
        }
    });
    let lines = lines.filter(|bytes| std::future::ready(!bytes.is_empty())).map(Ok::<_, Infallible>);
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

fn sentence(error: &NoImport) -> String {
    if let NoImport::Store(error) = error {
        tracing::warn!(%error, "an import of customers could not use the database");
    }
    error.to_string()
}

/// Export customers as CSV
///
/// The file can be imported again. Customers who were merged are one row.
#[utoipa::path(get, path = "/api/v1/customers-export", tag = "customers", security(("token" = ["admin"])),
    responses((status = 200, body = String, content_type = "text/csv")))]
pub(in crate::http) async fn export(State(api): State<Api>, Extension(caller): Extension<Caller>) -> Response {
    api.audit(&caller, "customers-exported", "");
    let head = stream::once(std::future::ready(Ok(Bytes::from(csv::written(&import::COLUMNS)))));
    let pages = stream::try_unfold((api, None), |(api, after)| async move {
        let (text, last) = page(&api, after).await?;
        Ok::<_, StoreError>(last.map(|last| (Bytes::from(text), (api, Some(last)))))
    });
    // A database that does not answer breaks the file off: a short one must not look like a whole one.
    let text = head.chain(pages);
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"customers.csv\""),
    ];
    (headers, Body::from_stream(text)).into_response()
}

/// The next customers, and the last of them.
async fn page(api: &Api, after: Option<CustomerId>) -> Result<(String, Option<CustomerId>), StoreError> {
    let store = &api.control.store;
    let mut text = String::new();
    let rows = store.customers_after(after, PAGE).await?;
    for row in &rows {
        let mut identities: Vec<Identity> =
            store.identities_of(row.customer).await?.into_iter().map(|row| row.identity).collect();
        identities.dedup();
        if !identities.is_empty() {
            text.push_str(&import::written(&row.name, &row.language, &identities, &row.attributes));
        }
    }
    Ok((text, rows.last().map(|row| row.customer)))
}
