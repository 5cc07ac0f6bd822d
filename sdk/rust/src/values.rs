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

    /// One of the operator's templates, rendered by the host with these values.
    pub fn template(name: &str, vars: Value) -> Self { Self { status: 200, template: Some(name.into()), vars: Some(vars), ..Self::default() } }

    pub fn status(self, status: u16) -> Self { Self { status, ..self } }

    /// The same with a header set anew; `None` takes it out.
    pub fn header<'a>(mut self, name: &str, value: impl Into<Option<&'a str>>) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.extend(value.into().map(|value| (name.into(), value.into())));
        self
    }

    /// The same with another body.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self { Self { body: Body::of(body), ..self } }

    /// Bytes of the body that is to be modified; -1 for one that streams past.
    pub fn size(&self) -> i64 { if let Body::Available(n) = self.body { n } else { 0 } }

    /// The whole body that is to be modified.
    #[track_caller]
    pub fn read(&self) -> Result<Vec<u8>> { self.body.read("response") }
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

fn first<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> { pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()) }

/// Whether a secret is the one given, in a time that tells nothing of where they differ.
pub fn same(given: impl AsRef<[u8]>, secret: impl AsRef<[u8]>) -> bool { given.as_ref().ct_eq(secret.as_ref()).into() }
