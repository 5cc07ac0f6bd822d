//! The documents of the contract as types.

use crate::{doors, Error, Result};
use base64::{engine::general_purpose::STANDARD, Engine};
use serde::{de::DeserializeOwned, Deserialize, Serialize};
use serde_json::{json, Map, Value};

pub type Pairs = Vec<(String, String)>;

/// A body: shown, or `available` bytes at the host.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    Text(String),
    Base64(String),
    Available(i64),
    #[default]
    Empty,
}

impl Body {
    /// Text where the bytes are UTF-8, else base64.
    pub fn of(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map(Body::Text).unwrap_or_else(|odd| Body::Base64(STANDARD.encode(odd.as_bytes())))
    }

    pub fn json(value: &impl Serialize) -> Self { Body::Text(serde_json::to_string(value).expect("a value that JSON can carry")) }

    #[track_caller]
    fn read(&self, of: &str) -> Result<Vec<u8>> {
        let mut whole = match self {
            Body::Text(text) => return Ok(text.clone().into()),
            Body::Base64(text) => return Ok(STANDARD.decode(text)?),
            Body::Empty | Body::Available(0) => return Ok(vec![]),
            Body::Available(_) => vec![],
        };
        loop {
            let (part, total) = doors::read_body(of, whole.len(), None)?;
            whole.extend_from_slice(&part);
            if part.is_empty() || whole.len() >= total {
                return Ok(whole);
            }
        }
    }
}

pub(crate) fn bytes_of(text: &Value) -> Result<Vec<u8>> { Ok(STANDARD.decode(text.as_str().unwrap_or_default())?) }

/// Who the caller is.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Principal {
    pub id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")] pub roles: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")] pub groups: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")] pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")] pub email: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")] pub attributes: Map<String, Value>,
}

/// A request, as far as the plugin's grants let it see. Header names are lower-case.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Request {
    pub method: String, pub scheme: String, pub host: String, pub path: String, pub raw_path: String,
    pub query: Pairs, pub headers: Pairs, pub client: Option<String>, pub route: Option<String>,
    pub path_params: Map<String, Value>, pub principal: Option<Principal>, pub body: Body,
    /// SHA-256 over the request's canonical form; empty in `authenticate` and at endpoints.
    pub fingerprint: String,
}

impl Request {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> { first(&self.headers, &name.to_lowercase()) }

    /// The first value of a query parameter.
    pub fn param(&self, name: &str) -> Option<&str> { first(&self.query, name) }

    /// A text from the path: `{name}` of the route.
    pub fn path_param(&self, name: &str) -> Option<&str> { self.path_params.get(name).and_then(Value::as_str) }

    /// The whole body.
    #[track_caller]
    pub fn read(&self) -> Result<Vec<u8>> { self.body.read("request") }

    /// The body as JSON.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> { Ok(serde_json::from_slice(&self.read()?)?) }
}

/// A finished answer, or the name of one of the operator's templates and its values. A modifier's without a body leaves the body as it is.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Response {
    pub status: u16, pub headers: Pairs,
    #[serde(skip_serializing_if = "Option::is_none")] pub body: Option<Body>,
    #[serde(skip_serializing_if = "Option::is_none")] pub template: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")] pub vars: Option<Value>,
}

impl Response {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = if content_type.is_empty() { vec![] } else { vec![("content-type".into(), content_type.into())] };
        Self { status, headers, body: Some(Body::of(body.into())), template: None, vars: None }
    }

    pub fn json(value: &impl Serialize) -> Self { Self { body: Some(Body::json(value)), ..Self::new(200, "application/json", "") } }

    pub fn text(text: impl Into<String>) -> Self { Self::new(200, "text/plain; charset=utf-8", text.into()) }

    /// One of the operator's templates, rendered by the host with these values.
    pub fn template(name: &str, vars: Value) -> Self {
        Self { body: None, template: Some(name.into()), vars: Some(vars), ..Self::new(200, "", "") }
    }

    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same with a header set anew; `None` takes it out.
    pub fn header<'a>(mut self, name: &str, value: impl Into<Option<&'a str>>) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.extend(value.into().map(|value| (name.to_string(), value.to_string())));
        self
    }
}

/// What an answer of `Response` says of its body while a modifier looks at it.
impl Response {
    /// Bytes of the body that is to be modified; -1 for one that streams past.
    pub fn size(&self) -> i64 { if let Some(Body::Available(n)) = self.body { n } else { 0 } }

    /// The whole body that is to be modified.
    #[track_caller]
    pub fn read(&self) -> Result<Vec<u8>> { self.body.clone().unwrap_or_default().read("response") }
}

/// What an auth plugin says. `None` in its place: not mine.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    Allow { principal: Principal, claims: Map<String, Value>, set_headers: Pairs },
    Deny { status: u16, reason: String, #[serde(skip_serializing_if = "Option::is_none")] challenge: Option<String> },
    Reply(Response),
}

impl Decision {
    pub fn allow(principal: Principal) -> Self { Decision::Allow { principal, claims: Map::new(), set_headers: vec![] } }

    pub fn deny(status: u16, reason: &str, challenge: Option<&str>) -> Self {
        Decision::Deny { status, reason: reason.into(), challenge: challenge.map(String::from) }
    }
}

/// A column; `type` is text, integer, number, boolean, datetime, uuid, json, binary, ...
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Column {
    pub name: String,
    #[serde(rename = "type")] pub kind: String,
    #[serde(default = "yes")] pub nullable: bool,
}

impl Column {
    pub fn new(name: &str, kind: &str) -> Self { Self { name: name.into(), kind: kind.into(), nullable: true } }
}

/// Rows of a query, one value for each column.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct DataResult {
    pub columns: Vec<Column>, pub rows: Vec<Vec<Value>>,
    #[serde(default)] pub truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")] pub next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")] pub total: Option<u64>,
}

/// What is asked of a data source.
#[derive(Deserialize)]
pub struct Query {
    pub query: String, pub params: Map<String, Value>, pub limit: Option<usize>, pub cursor: Option<String>,
}

#[derive(Default, Serialize)]
pub struct HttpRequest {
    pub method: String, pub url: String, pub headers: Pairs,
    #[serde(skip_serializing_if = "Option::is_none")] pub body: Option<Body>,
    pub follow_redirects: bool,
}

#[derive(Deserialize)]
pub struct HttpAnswer {
    pub status: u16, pub headers: Pairs, body: Body,
}

impl HttpAnswer {
    pub fn header(&self, name: &str) -> Option<&str> { first(&self.headers, &name.to_lowercase()) }

    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> { Ok(serde_json::from_slice(&self.body.read("")?)?) }
}

fn first<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> { pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()) }

fn yes() -> bool { true }

/// An error for rows that do not fit their columns.
#[track_caller]
#[doc(hidden)]
pub fn check_rows(result: DataResult) -> Result<Value> {
    match result.rows.iter().enumerate().find(|(_, row)| row.len() != result.columns.len()) {
        Some((i, row)) => Err(Error::new(format!("query: row {i} has {} cells for {} columns", row.len(), result.columns.len()))),
        None => Ok(json!(result)),
    }
}
