//! What the documents of the contract can do.

use crate::*;
use base64::{engine::general_purpose::STANDARD, Engine};
use subtle::ConstantTimeEq;

impl Body {
    /// Text where the bytes are UTF-8, else base64.
    pub fn of(bytes: impl Into<Vec<u8>>) -> Self {
        String::from_utf8(bytes.into()).map(Body::Text).unwrap_or_else(|odd| Body::Base64(STANDARD.encode(odd.as_bytes())))
    }

    pub(crate) fn is_at_the_host(&self) -> bool { matches!(self, Body::Available(_) | Body::Empty) }

    #[track_caller]
    pub(crate) fn read(&self, of: &str) -> Result<Vec<u8>> {
        let mut whole = match self {
            Body::Text(text) => return Ok(text.clone().into()),
            Body::Base64(text) => return Ok(STANDARD.decode(text)?),
            Body::Empty | Body::Available(0) => return Ok(vec![]),
            Body::Available(_) => vec![],
        };
        loop {
            let (part, total) = read_body(of, whole.len(), None)?;
            whole.extend_from_slice(&part);
            if part.is_empty() || whole.len() >= total {
                return Ok(whole);
            }
        }
    }
}

/// The text of a JSON body: UTF-16 is known by its zeros, since JSON begins with ASCII; else by the rules that the host reads by, its
/// byte order mark, then the declared charset, then UTF-8.
#[track_caller]
pub(crate) fn decoded_json(bytes: Vec<u8>, content_type: &str) -> Result<Vec<u8>> {
    match bytes[..] {
        [0xef, 0xbb, 0xbf, ref rest @ ..] => return Ok(rest.to_vec()),
        [0xff, 0xfe, ref rest @ ..] => return utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, ref rest @ ..] => return utf16(rest, u16::from_be_bytes),
        [0, ..] => return utf16(&bytes, u16::from_be_bytes),
        [_, 0, ..] => return utf16(&bytes, u16::from_le_bytes),
        _ if bytes.is_ascii() => return Ok(bytes),
        _ => {}
    }
    let told = content_type.to_lowercase();
    let charset = told.split(';').skip(1).filter_map(|part| part.split_once('=')).find(|(name, _)| name.trim() == "charset");
    match charset.map_or("", |(_, value)| value.trim().trim_matches('"')) {
        "" | "utf-8" | "utf8" => Ok(bytes),
        "iso-8859-1" | "latin1" => Ok(bytes.iter().map(|&byte| byte as char).collect::<String>().into()),
        "us-ascii" | "ascii" => Err(Error::new("the 'ascii' codec cannot decode the body")),
        "utf-16" | "utf-16be" => utf16(&bytes, u16::from_be_bytes),
        "utf-16le" => utf16(&bytes, u16::from_le_bytes),
        other => Err(Error::new(format!("the body is in the charset '{other:.40}', which is not read here"))),
    }
}

#[track_caller]
fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Vec<u8>> {
    let units: Vec<u16> = bytes.chunks(2).map(|pair| unit([pair[0], *pair.get(1).unwrap_or(&0)])).collect();
    match String::from_utf16(&units) {
        Ok(text) if bytes.len() % 2 == 0 => Ok(text.into()),
        _ => Err(Error::new("the 'utf-16' codec cannot decode the body")),
    }
}

impl Request {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> { first(&self.headers, &name.to_lowercase()) }

    /// The first value of a query parameter.
    pub fn query_param(&self, name: &str) -> Option<&str> { first(&self.query, name) }

    /// A text from the path: `{name}` of the route.
    pub fn path_param(&self, name: &str) -> Option<&str> { self.path_params.get(name).and_then(Value::as_str) }

    /// The whole body.
    #[track_caller]
    pub fn read(&self) -> Result<Vec<u8>> { self.body.read("request") }

    /// The whole body in its content coding: the bytes as they came, over which signatures are made.
    #[track_caller]
    pub fn read_raw(&self) -> Result<Vec<u8>> {
        match self.body {
            Body::Empty | Body::Available(0) => Ok(vec![]),
            _ => Body::Available(-1).read("request.raw"),
        }
    }

    /// The body as `application/x-www-form-urlencoded` pairs; fails for `multipart/form-data`.
    #[track_caller]
    pub fn form(&self) -> Result<Pairs> {
        let body = self.read()?;
        if body.starts_with(b"--") && body.windows(2).any(|two| two == b"\r\n") {
            let why = "the body is multipart/form-data, and form() reads application/x-www-form-urlencoded: take its parts from read()";
            return Err(Error::new(why));
        }
        let text = String::from_utf8(body)?;
        let fields = text.split('&').filter(|field| !field.is_empty()).map(|field| field.split_once('=').unwrap_or((field, "")));
        Ok(fields.map(|(name, value)| (unquoted(name), unquoted(value))).collect())
    }

    /// A cookie's value; of a repeated name the first counts.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let lines = self.headers.iter().filter(|(key, _)| key == "cookie");
        let mut crumbs = lines.flat_map(|(_, line)| line.split(';')).filter_map(|crumb| crumb.trim().split_once('='));
        crumbs.find(|(key, _)| *key == name).map(|(_, value)| value.trim_matches('"'))
    }

    /// The body as JSON, in the charset of its byte order mark or `content-type` (where that is granted), else UTF-8.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> { Ok(from_slice(&decoded_json(self.read()?, self.header("content-type").unwrap_or(""))?)?) }
}

impl Response {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let bare = Self { status, body: Body::of(body), ..Self::default() };
        bare.header("content-type", Some(content_type).filter(|named| !named.is_empty()))
    }

    #[track_caller]
    pub fn json(value: &impl Serialize) -> Self { Self::new(200, "application/json", json_text(value)) }

    pub fn text(text: impl Into<String>) -> Self { Self::new(200, "text/plain; charset=utf-8", text.into()) }

    pub fn html(text: impl Into<String>) -> Self { Self::new(200, "text/html; charset=utf-8", text.into()) }

    /// Sends the client to another address, with status 302 (RFC 9110 §15.4).
    pub fn redirect(url: &str) -> Self { Self::new(302, "", "").header("location", url) }

    /// One of the operator's templates, rendered by the host with these values.
    pub fn template(name: &str, vars: Value) -> Self { Self { status: 200, template: Some(name.into()), vars: Some(vars), ..Self::default() } }

    pub fn status(self, status: u16) -> Self { Self { status, ..self } }

    /// The same with a header set anew; `None` takes it out.
    pub fn header<'a>(mut self, name: &str, value: impl Into<Option<&'a str>>) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.extend(value.into().map(|value| (name.into(), value.into())));
        self
    }

    /// The same with one more cookie set, which needs the grant `response.set_headers: [set-cookie]`. Fails for characters that must be encoded
    /// first, for more than 4096 bytes, and for attributes that browsers refuse together.
    #[track_caller]
    pub fn cookie(mut self, cookie: Cookie) -> Result<Self> {
        self.headers.push(("set-cookie".into(), cookie.line()?));
        Ok(self)
    }

    /// The same with another body.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self { Self { body: Body::of(body), ..self } }

    /// Bytes of the body that is to be modified; -1 for one that streams past.
    pub fn size(&self) -> i64 { if let Body::Available(n) = self.body { n } else { 0 } }

    /// The whole body that is to be modified.
    #[track_caller]
    pub fn read(&self) -> Result<Vec<u8>> { self.body.read("response") }
}

impl Cookie {
    pub fn new(name: &str, value: &str) -> Self {
        let secure = ["__host-", "__secure-"].iter().any(|prefix| name.to_ascii_lowercase().starts_with(prefix));
        let (name, value, path) = (name.into(), value.into(), "/".into());
        Self { name, value, path, same_site: SameSite::Lax, max_age_s: None, secure, http_only: true }
    }

    /// One that has the browser forget the cookie of that name and path.
    pub fn gone(name: &str) -> Self { Self::new(name, "").max_age(0) }

    pub fn max_age(self, seconds: u64) -> Self { Self { max_age_s: Some(seconds), ..self } }

    pub fn path(self, path: &str) -> Self { Self { path: path.into(), ..self } }

    pub fn secure(self, secure: bool) -> Self { Self { secure, ..self } }

    pub fn http_only(self, http_only: bool) -> Self { Self { http_only, ..self } }

    pub fn same_site(self, same_site: SameSite) -> Self { Self { same_site, ..self } }

    #[track_caller]
    fn line(self) -> Result<String> {
        let Self { name, value, path, same_site, .. } = &self;
        let refuse = |why: &str| Err(Error::new(format!("cookie '{name}'{why}")));
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let is_value = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
        let is_sound = !name.is_empty() && name.bytes().all(is_token) && value.bytes().all(is_value);
        if !is_sound || !path.starts_with('/') || !path.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b';') {
            return refuse(": its name, value or path must be percent-encoded first");
        }
        let prefix = name.to_ascii_lowercase();
        let (is_host, is_secure) = (prefix.starts_with("__host-"), prefix.starts_with("__secure-"));
        if (is_host || is_secure || *same_site == SameSite::None) && !self.secure {
            return refuse(" must be secure: browsers refuse it otherwise");
        }
        if is_host && path != "/" {
            return refuse(" must have the path /: browsers refuse it otherwise");
        }
        if name.len() + value.len() > 4096 {
            return refuse(" has more than 4096 bytes, which browsers do not keep");
        }
        let age = self.max_age_s.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        let (http_only, secure) = (if self.http_only { "; HttpOnly" } else { "" }, if self.secure { "; Secure" } else { "" });
        Ok(format!("{name}={value}; Path={path}{age}{http_only}{secure}; SameSite={same_site:?}"))
    }
}

impl Decision {
    pub fn allow(principal: Principal) -> Self { Decision::Allow { principal, claims: Map::new(), set_headers: vec![] } }

    pub fn deny(status: u16, reason: &str, challenge: Option<&str>) -> Self {
        Decision::Deny { status, reason: reason.into(), challenge: challenge.map(String::from) }
    }
}

impl Column {
    pub fn new(name: &str, kind: &str) -> Self { Self { name: name.into(), kind: kind.into(), nullable: true } }

    pub(crate) fn nullable() -> bool { true }

    pub(crate) fn text() -> String { "text".into() }

    /// What is wrong with it.
    fn fault(&self) -> Option<String> {
        let item = self.kind.strip_suffix("[]").filter(|item| *item != "json").unwrap_or(&self.kind);
        let known = || format!("{}, and lists such as integer[]", TYPES.join(", "));
        (!TYPES.contains(&item)).then(|| format!("query: column '{}' has type '{}'; known: {}", self.name, self.kind, known()))
    }
}

const TYPES: [&str; 13] =
    ["text", "integer", "float", "boolean", "decimal", "date", "time", "datetime", "interval", "binary", "json", "uuid", "objectid"];

/// A float's cell: NaN and the infinities are text, since JSON has no number for them.
pub fn float_cell(value: f64) -> Value {
    match value.is_finite() {
        true => json!(value),
        false => json!(if value.is_nan() { "NaN" } else if value > 0.0 { "Infinity" } else { "-Infinity" }),
    }
}

/// The cell of bytes: base64.
pub fn binary_cell(value: &[u8]) -> Value { STANDARD.encode(value).into() }

impl Query {
    /// The text of the query; empty for one that is no text.
    pub fn text(&self) -> &str { if let Asking::Text(text) = &self.query { text } else { "" } }

    /// A parameter in the author's type: `asked.param::<i64>("id")?`.
    #[track_caller]
    pub fn param<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let given = self.params.get(name).cloned().unwrap_or(Value::Null);
        from_value(given).map_err(|odd| Error::new(format!("the parameter '{name}': {odd}")).code("invalid_input"))
    }
}

impl DataResult {
    /// What a write changed, without rows.
    pub fn affected(rows: u64) -> Self { Self { affected: Some(rows), ..Self::default() } }

    pub(crate) fn checked(mut self) -> Result<Self> {
        if let Some(fault) = self.columns.iter().find_map(Column::fault) {
            return Err(Error::new(fault));
        }
        if let Some(i) = self.rows.iter().position(|row| row.len() != self.columns.len()) {
            return Err(Error::new(format!("query: row {i} has {} cells for {} columns", self.rows[i].len(), self.columns.len())));
        }
        let large = |cell: &Value| cell.as_u64().is_some_and(|number| number > i64::MAX as u64);
        self.rows.iter_mut().flatten().filter(|cell| large(cell)).for_each(|cell| *cell = cell.to_string().into());
        Ok(self)
    }
}

impl From<Found> for DataResult {
    fn from(found: Found) -> Self {
        let Found { columns, rows, truncated, next, total, affected, waited_ms, documents } = found;
        let kept = |row: Value| if let Value::Object(fields) = row { fields } else { Map::new() };
        let cells = |row: Value| if let Value::Array(cells) = row { cells } else { vec![] };
        let (rows, documents) = match documents {
            true => (vec![], Some(rows.into_iter().map(kept).collect())),
            false => (rows.into_iter().map(cells).collect(), None),
        };
        Self { columns, rows, documents, truncated, next, total, affected, waited_ms }
    }
}

impl From<DataResult> for Found {
    fn from(result: DataResult) -> Self {
        let DataResult { columns, rows, documents, truncated, next, total, affected, waited_ms } = result;
        let is_documents = documents.is_some();
        let rows = match documents {
            Some(all) => all.into_iter().map(Value::from).collect(),
            None => rows.into_iter().map(Value::from).collect(),
        };
        Self { columns, rows, truncated, next, total, affected, waited_ms, documents: is_documents }
    }
}

impl Fake {
    /// A number from 0 up to, but not, 1.
    pub fn float(&mut self) -> f64 {
        self.draws += 1;
        let state = self.seed.wrapping_add(self.draws.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of the whole numbers from `low` to `high`, both among them.
    pub fn integer(&mut self, low: i64, high: i64) -> i64 { low + (self.float() * (high - low + 1) as f64) as i64 }

    /// One of the items. Panics without any.
    pub fn choice<'a, T>(&mut self, items: &'a [T]) -> &'a T { &items[self.integer(0, items.len() as i64 - 1) as usize] }
}

impl HttpRequest {
    pub fn new(method: &str, url: &str) -> Self { Self { method: method.into(), url: url.into(), ..Self::default() } }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn body(self, body: impl Into<Vec<u8>>) -> Self { Self { body: Body::of(body), ..self } }

    #[track_caller]
    pub fn json(self, value: &impl Serialize) -> Self { self.body(json_text(value)).header("content-type", "application/json") }
}

impl HttpAnswer {
    pub fn header(&self, name: &str) -> Option<&str> { first(&self.headers, &name.to_lowercase()) }

    #[track_caller]
    pub fn read(&self) -> Result<Vec<u8>> { self.body.read("") }

    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> { Ok(from_slice(&decoded_json(self.read()?, self.header("content-type").unwrap_or(""))?)?) }
}

#[track_caller]
fn json_text(value: &impl Serialize) -> String { serde_json::to_string(value).expect("a value that JSON can carry") }

/// Percent-encoding and `+` decoded; what is not UTF-8 then has replacement characters.
fn unquoted(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok()).filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
        match (bytes[at], hex.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(byte)) => {
                plain.push(byte);
                at += 2;
            }
            (b'+', _) => plain.push(b' '),
            (byte, _) => plain.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&plain).into_owned()
}

fn first<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> { pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()) }

/// Whether a secret is the one given, in a time that tells nothing of where they differ.
pub fn same(given: impl AsRef<[u8]>, secret: impl AsRef<[u8]>) -> bool { given.as_ref().ct_eq(secret.as_ref()).into() }
