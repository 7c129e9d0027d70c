//! The HTTP API as the command line uses it.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{CliError, Common};
use crate::http::{Problem, view::PlanProblem};

/// A reload reads and checks every file of a plan.
const PATIENCE: Duration = Duration::from_secs(30);
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);
/// For files of any length.
const NO_HURRY: Duration = Duration::from_secs(24 * 3_600);

fn broken_off(error: reqwest::Error) -> CliError {
    CliError::unreachable(format!("the answer broke off: {error}")).todo("what is there is not all; begin again")
}

/// A server and the right to ask it.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    server: Url,
    token: String,
}

/// What `serve` leaves in its data folder.
#[derive(Deserialize)]
struct Access {
    server: String,
    token: String,
}

impl Client {
    /// The server that the command line, the environment or the data folder names.
    pub(super) fn find(common: &Common) -> Result<Self, CliError> {
        let path = common.data.join("cli.json");
        let left: Option<Access> = std::fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok());
        let (server, token) = match (&common.server, &common.token, left) {
            (Some(server), Some(token), _) => (server.clone(), token.clone()),
            (Some(_), None, _) => {
                return Err(
                    CliError::failed("a token is needed for that server").todo("set TANDEM_TOKEN; `tandem token add` makes one")
                );
            }
            // A token given by hand counts for the server of the data folder too.
            (None, token, Some(left)) => (left.server, token.clone().unwrap_or(left.token)),
            (None, _, None) => {
                let todo = "start it with `tandem serve`, or name one by --server and TANDEM_TOKEN, or its data folder by --data";
                return Err(CliError::unreachable(format!("no server has left its address in {}", path.display())).todo(todo));
            }
        };
        Self::new(&server, token)
    }

    fn new(server: &str, token: String) -> Result<Self, CliError> {
        let bad =
            || CliError::failed(format!("`{server}` is no address of a server")).todo("give one like http://127.0.0.1:8080");
        let server = Url::parse(server).map_err(|_| bad())?;
        if server.scheme() != "http" || server.host_str().is_none() {
            return Err(bad());
        }
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).connect_timeout(CONNECT_PATIENCE).build();
        Ok(Self { http: http.map_err(CliError::failed)?, server, token })
    }

    /// The address of a resource; each part of the path is escaped.
    fn url(&self, path: &[&str], query: &[(&str, String)]) -> Url {
        let mut url = self.server.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.clear().extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, CliError> {
        let response = self.answer(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        Err(refused(status, &text))
    }

    /// Whatever the server answers.
    async fn answer(&self, request: RequestBuilder) -> Result<Response, CliError> {
        request.bearer_auth(&self.token).send().await.map_err(|error| {
            let why = if error.is_timeout() { "did not answer in time" } else { "cannot be reached" };
            CliError::unreachable(format!("the server at {} {why}", self.server)).todo("is it running? see `tandem serve`")
        })
    }

    async fn read<T: DeserializeOwned>(response: Response) -> Result<T, CliError> {
        let other = |_| {
            CliError::failed("the server answered something else than this program expects").todo("are both of the same version?")
        };
        response.json().await.map_err(other)
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, CliError> {
        self.search(path, &[]).await
    }

    pub(super) async fn search<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, String)]) -> Result<T, CliError> {
        Self::read(self.send(self.http.get(self.url(path, query))).await?).await
    }

    /// A resource that is text and no JSON.
    pub(super) async fn text(&self, path: &[&str]) -> Result<String, CliError> {
        let response = self.send(self.http.get(self.url(path, &[]))).await?;
        response.text().await.map_err(CliError::unreachable)
    }

    /// Sends something long as it comes; the answer too is told as it comes. Neither has a time limit.
    pub(super) async fn upload(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        kind: &str,
        body: reqwest::Body,
    ) -> Result<impl Stream<Item = Result<Bytes, CliError>> + use<>, CliError> {
        let request = self.http.post(self.url(path, query)).header(reqwest::header::CONTENT_TYPE, kind);
        let response = self.send(request.timeout(NO_HURRY).body(body)).await?;
        Ok(response.bytes_stream().map_err(broken_off))
    }

    /// Reads something long as it comes.
    pub(super) async fn download(&self, path: &[&str]) -> Result<impl Stream<Item = Result<Bytes, CliError>> + use<>, CliError> {
        let response = self.send(self.http.get(self.url(path, &[])).timeout(NO_HURRY)).await?;
        Ok(response.bytes_stream().map_err(broken_off))
    }

    /// Writes a resource to somewhere as it comes; a reader who has enough is no error.
    pub(super) async fn copy(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        to: &mut impl std::io::Write,
    ) -> Result<(), CliError> {
        // An hour of rows is enough.
        let asked = self.http.get(self.url(path, query)).timeout(Duration::from_secs(3_600));
        let mut response = self.send(asked).await?;
        while let Some(piece) = response.chunk().await.map_err(CliError::unreachable)? {
            match to.write_all(&piece) {
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                outcome => outcome.map_err(CliError::failed)?,
            }
        }
        Ok(())
    }

    pub(super) async fn order<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        Self::read(self.send(self.http.request(method, self.url(path, &[])).json(body)).await?).await
    }

    /// An order to change the plan; `Ok(Err)`: what is wrong in the new one.
    pub(super) async fn order_plan<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<Result<T, Vec<PlanProblem>>, CliError> {
        let response = self.answer(self.http.post(self.url(path, &[])).json(body)).await?;
        match response.status() {
            status if status.is_success() => Self::read(response).await.map(Ok),
            status => {
                let text = response.text().await.unwrap_or_default();
                match serde_json::from_str::<Refused>(&text) {
                    Ok(told) => Ok(Err(told.problems)),
                    Err(_) => Err(refused(status, &text)),
                }
            }
        }
    }

    /// An order whose answer is read as it comes.
    pub(super) async fn stream(&self, path: &[&str], body: &impl Serialize) -> Result<Response, CliError> {
        // Its end may be far away; that it begins is waited for as always.
        self.send(self.http.post(self.url(path, &[])).json(body).timeout(Duration::from_secs(60 * 60))).await
    }

    pub(super) async fn delete<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, CliError> {
        self.delete_with(path, &[]).await
    }

    pub(super) async fn delete_with<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, String)]) -> Result<T, CliError> {
        Self::read(self.send(self.http.delete(self.url(path, query))).await?).await
    }

    /// The address of a WebSocket, and the header that asks for it.
    pub(super) fn socket(&self, path: &[&str], query: &[(&str, String)]) -> (String, String) {
        (self.url(path, query).to_string().replacen("http", "ws", 1), format!("Bearer {}", self.token))
    }
}

/// What a refusal means for the command line.
pub(super) fn refused(status: StatusCode, text: &str) -> CliError {
    let problem: Option<Problem> = serde_json::from_str(text).ok();
    let (sentence, todo) = match problem {
        Some(problem) => (problem.detail, problem.todo),
        None => (format!("the server answered {status}"), None),
    };
    let code = match status {
        StatusCode::NOT_FOUND => 4,
        StatusCode::SERVICE_UNAVAILABLE => 3,
        _ => 1,
    };
    CliError { sentence, todo, code }
}

/// A plan that was not taken comes with a list.
#[derive(Deserialize)]
struct Refused {
    problems: Vec<PlanProblem>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_path_are_escaped() {
        let client = Client::new("http://127.0.0.1:8080", "tdm_x".into()).unwrap();
        let url = client.url(&["queues", "../a b?c"], &[("number", "+39&x".into())]);
        assert_eq!(url.as_str(), "http://127.0.0.1:8080/api/v1/queues/..%2Fa%20b%3Fc?number=%2B39%26x");
        assert_eq!(client.socket(&["follow"], &[]).0, "ws://127.0.0.1:8080/api/v1/follow");
        for bad in ["127.0.0.1:8080", "https://x", "ftp://x", ""] {
            assert!(Client::new(bad, String::new()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_refusal_tells_what_the_server_told() {
        let text = r#"{"status":404,"title":"Not Found","detail":"there is no queue `x`","todo":"look"}"#;
        let error = refused(StatusCode::NOT_FOUND, text);
        assert_eq!((error.code, error.to_string().as_str()), (4, "there is no queue `x`\n        look"));
        assert_eq!(refused(StatusCode::BAD_GATEWAY, "<html>").to_string(), "the server answered 502 Bad Gateway");
    }
}
