//! What authors write and are given: the kinds of plugins as traits, the documents of the contract as structs. Nothing of this runs.

use crate::*;
use std::collections::BTreeMap;

/// A plugin without settings.
#[derive(Deserialize)]
pub struct NoConfig {}

/// What an instance is made with; `isolation` is `reused` or `per_request`, `development` whether it runs in development mode.
#[derive(Deserialize)]
pub struct Init<C> {
    pub config: C, pub plugin: About, pub isolation: String,
    #[serde(default)] pub development: bool,
}

/// The name and version under which the plugin runs.
#[derive(Deserialize)]
pub struct About {
    pub id: String, pub version: String,
}

/// What every plugin has. An instance is made before its first call.
pub trait Plugin: Sized + 'static {
    type Config: DeserializeOwned;
    fn new(init: Init<Self::Config>) -> Result<Self>;
    /// What is wrong with a configuration beyond its types: `[{"path", "message"}]`.
    fn validate_config(_config: Self::Config) -> Value { Value::Null }
    fn capabilities() -> Value { json!({}) }
}

/// `lifecycle` in `plugin!`: once per load (`start`, `stop`), at an instance's end (`destroy`), on demand (`health`).
pub trait Lifecycle: Plugin {
    fn start(&mut self) -> Result<()> { Ok(()) }
    fn stop(&mut self) -> Result<()> { Ok(()) }
    fn destroy(&mut self) -> Result<()> { Ok(()) }
    /// `{"status": "ok"|"degraded"|"down", "detail"}`.
    fn health(&mut self) -> Result<Value> { Ok(json!({"status": "ok"})) }
}

pub trait AuthPlugin: Plugin {
    /// Who sends this? `None`: not mine.
    fn authenticate(&mut self, request: Request) -> Result<Option<Decision>>;
}

pub trait ResponsePlugin: Plugin {
    /// Whether `generate` is asked; only with `can_handle` in `plugin!`.
    fn can_handle(&mut self, _request: Request) -> Result<bool> { Ok(true) }
    /// The answer. `None`: not mine.
    fn generate(&mut self, request: Request) -> Result<Option<Response>>;
}

pub trait ModifierPlugin: Plugin {
    /// The answer changed; one whose body was left alone keeps it. `None`: unchanged.
    fn modify(&mut self, request: Request, response: Response) -> Result<Option<Response>>;
}

pub trait TemplatePlugin: Plugin {
    fn functions() -> Vec<Function<Self>>;
}

pub trait DataSourcePlugin: Plugin {
    fn query(&mut self, query: Query) -> Result<DataResult>;
    /// `[{"name", "columns", "primary_keys"}]`.
    fn schema(&mut self) -> Result<Value> { Ok(json!([])) }
}

pub trait EndpointPlugin: Plugin {
    const NAMES: &'static [&'static str];
    fn endpoint(&mut self, name: &str, request: Request) -> Result<Response>;
}

/// Names and values in order; a name may come twice.
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
    /// What auth found said of the caller, such as the claims of its token.
    pub claims: Map<String, Value>,
    /// The query as sent, percent-encoded; None where not all of it may be seen.
    pub query_string: Option<String>,
    /// SHA-256 over the request's canonical form; empty in `authenticate` and at endpoints.
    pub fingerprint: String,
}

/// A finished answer, or the name of one of the operator's templates and its values. A modifier's keeps its body unless it gets another.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Response {
    pub status: u16, pub headers: Pairs,
    #[serde(default, skip_serializing_if = "Body::is_at_the_host")] pub body: Body,
    #[serde(skip_serializing_if = "Option::is_none")] pub template: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")] pub vars: Option<Value>,
}

/// A cookie to set, for this host alone: `Cookie::new("a", "b").max_age(60)`. HttpOnly, SameSite=Lax and the path / unless told otherwise; secure
/// where its name begins with `__Host-` or `__Secure-`; without `max_age` it lasts until the browser is closed.
#[derive(Clone, Debug)]
pub struct Cookie {
    pub(crate) name: String, pub(crate) value: String, pub(crate) path: String, pub(crate) same_site: SameSite,
    pub(crate) max_age_s: Option<u64>, pub(crate) secure: bool, pub(crate) http_only: bool,
}

/// Whether a browser sends a cookie with requests that pages of other sites make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SameSite {
    Lax, Strict, None,
}

/// What an auth plugin says. `None` in its place: not mine.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    Allow { principal: Principal, claims: Map<String, Value>, set_headers: Pairs },
    Deny { status: u16, reason: String, challenge: Option<String> },
    Reply(Response),
}

/// A column; `kind` is one of the contract's types: text, integer, decimal, date, json, … or a list, such as `integer[]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Column {
    pub name: String,
    #[serde(rename = "type", default = "Column::text")] pub kind: String,
    #[serde(default = "Column::nullable")] pub nullable: bool,
}

/// Rows of a query, one value for each column; with `documents` each is an object instead, in which a field may be missing.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(from = "Found", into = "Found")]
pub struct DataResult {
    pub columns: Vec<Column>, pub rows: Vec<Vec<Value>>, pub documents: Option<Vec<Map<String, Value>>>,
    pub truncated: bool, pub next: Option<String>,
    /// Rows of all pages; rows that a write changed.
    pub total: Option<u64>, pub affected: Option<u64>,
    /// How long a connection was waited for.
    pub waited_ms: Option<f64>,
}

/// A `DataResult` as the contract has it.
#[derive(Deserialize, Serialize)]
pub(crate) struct Found {
    #[serde(default)] pub columns: Vec<Column>,
    pub rows: Vec<Value>,
    #[serde(default)] pub truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")] pub next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")] pub total: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")] pub affected: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")] pub waited_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")] pub documents: bool,
}

/// What is asked of a data source. `types`: of each parameter; `order`: columns, `-name` descending; `write`: it may change data.
#[derive(Deserialize)]
pub struct Query {
    pub query: Asking,
    #[serde(default)] pub params: Map<String, Value>,
    #[serde(default)] pub types: BTreeMap<String, String>,
    #[serde(default)] pub name: String,
    pub limit: Option<usize>, pub cursor: Option<String>,
    #[serde(default)] pub order: Vec<String>,
    #[serde(default)] pub write: bool,
    /// `total` is asked for.
    #[serde(default)] pub count: bool,
    pub max_bytes: Option<u64>, pub timeout_ms: Option<u64>,
}

/// What the operator wrote: a text, the statements of one transaction, a portable query, or an object of the source's own.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Asking {
    Text(String), Statements(Vec<String>), Portable(Portable), Object(Map<String, Value>),
}

/// A query in no language of its source. Each column of `condition` equals the parameter of its name; `insert` and `update`: column to parameter.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Portable {
    #[serde(rename = "from")] pub table: String,
    #[serde(default)] pub columns: Option<Vec<String>>,
    #[serde(default, rename = "where")] pub condition: Vec<String>,
    #[serde(default)] pub insert: Option<Map<String, Value>>,
    #[serde(default)] pub update: Option<Map<String, Value>>,
    #[serde(default)] pub delete: bool,
}

/// An HTTP request: `HttpRequest::new("POST", url).header("x-a", "1").json(&value)`.
#[derive(Default, Serialize)]
pub struct HttpRequest {
    pub method: String, pub url: String, pub headers: Pairs, pub follow_redirects: bool,
    #[serde(skip_serializing_if = "Body::is_at_the_host")] pub body: Body,
}

/// What another server answered.
#[derive(Debug, Deserialize)]
pub struct HttpAnswer {
    pub status: u16, pub headers: Pairs, pub(crate) body: Body,
}

/// What a provider of fake data draws from, a field `fake` of its arguments: the same values for the same seed, in every kit (SplitMix64).
#[derive(Clone, Debug, Deserialize)]
pub struct Fake {
    pub seed: u64, pub locale: String,
    #[serde(skip)] pub(crate) draws: u64,
}

/// What an operation about a request is sent.
#[derive(Deserialize)]
pub(crate) struct Asked {
    pub request: Request,
    #[serde(default)] pub fingerprint: String,
    #[serde(default)] pub response: Response,
    #[serde(default)] pub endpoint: String,
}

/// What `template.call` is sent.
#[derive(Deserialize)]
pub(crate) struct Call {
    pub function: String,
    #[serde(default)] pub args: Vec<Value>,
    #[serde(default)] pub kwargs: Map<String, Value>,
}
