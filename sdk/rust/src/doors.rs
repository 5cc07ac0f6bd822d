//! Doors: what a plugin may ask of its host. Each needs a grant; a refusal is an `Error` that names the line that asked.

use crate::{host, values::bytes_of, Body, DataResult, Error, HttpAnswer, HttpRequest, Result};
use serde::{de::DeserializeOwned, Serialize};
use serde_json::{from_value, json, to_value, Value};
use std::time::{Duration, SystemTime};

/// Any door by its name.
#[track_caller]
pub fn door(name: &str, payload: Value) -> Result<Value> {
    let mut said: Value = serde_json::from_str(&host::door(name, &payload))?;
    match said.get("error") {
        Some(envelope) => Err(Error::told(envelope)),
        None => Ok(said["ok"].take()),
    }
}

macro_rules! doors {
    ($($(#[$doc:meta])* $name:ident $(<$T:ident: $bound:path>)? ($($arg:ident: $type:ty),*) -> $out:ty = $body:expr;)*) => {
        $($(#[$doc])* #[track_caller] pub fn $name $(<$T: $bound>)? ($($arg: $type),*) -> Result<$out> { $body })*
    };
}

doors! {
    /// A secret's value.
    secret(name: &str) -> String = Ok(from_value(door("secret.get", json!({"name": name}))?["value"].take())?);
    /// The time.
    now() -> SystemTime = Ok(SystemTime::UNIX_EPOCH + Duration::from_nanos(from_value(door("clock.now", json!({}))?["unix_ns"].take())?));
    /// Waits; the call's `timeout_ms` runs on.
    sleep(time: Duration) -> () = door("clock.sleep", json!({"ns": time.as_nanos() as u64})).map(drop);
    /// A file of the plugin's own folder.
    resource(path: &str) -> Vec<u8> = bytes_of(&door("file.read", json!({"path": path}))?["base64"]);
    /// An HTTP request.
    http(request: &HttpRequest) -> HttpAnswer = Ok(from_value(door("http.request", to_value(request)?)?)?);
    /// Random bytes.
    random(n: usize) -> Vec<u8> = {
        let said = door("random.bytes", json!({"n": n}))?;
        let hex = said["hex"].as_str().unwrap_or_default();
        Ok((0..hex.len() / 2).filter_map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()).collect())
    };
    /// Part of the body of the `request` or the `response`, at most 256 KiB at once, and the length of the whole.
    read_body(of: &str, offset: usize, length: Option<usize>) -> (Vec<u8>, usize) = {
        let said = door("body.read", json!({"of": of, "offset": offset, "length": length.unwrap_or(usize::MAX >> 1)}))?;
        Ok((bytes_of(&said["base64"])?, from_value(said["total"].clone())?))
    };
    /// Rows of a data source's named query.
    query(source: &str, query: &str, params: Value, limit: Option<u32>, cursor: Option<&str>) -> DataResult = {
        let asked = json!({"source": source, "query": query, "params": params, "limit": limit, "cursor": cursor});
        Ok(from_value(door("data.query", given(asked))?)?)
    };
}

/// The payload without what is null.
fn given(mut payload: Value) -> Value {
    payload.as_object_mut().into_iter().for_each(|p| p.retain(|_, value| !value.is_null()));
    payload
}

pub mod log {
    //! Lines in the operator's log; one that cannot be logged is left out.
    macro_rules! levels {
        ($($name:ident),*) => { $(pub fn $name(message: impl std::fmt::Display) {
            let _ = super::door("log", serde_json::json!({"level": stringify!($name), "message": message.to_string()}));
        })* };
    }
    levels!(debug, info, warning, error);
}

pub mod kv {
    //! Key-value storage of the plugin's own. `ttl_s`: seconds to live.
    use super::*;

    doors! {
        get<T: DeserializeOwned>(key: &str) -> Option<T> = Ok(from_value(door("kv.get", json!({"key": key}))?["value"].take())?);
        set<T: Serialize>(key: &str, value: T, ttl_s: Option<f64>) -> () =
            door("kv.set", given(json!({"key": key, "value": value, "ttl_s": ttl_s}))).map(drop);
        /// Whether there was one.
        delete(key: &str) -> bool = Ok(door("kv.delete", json!({"key": key}))?["deleted"] == true);
        /// Whether it was absent.
        add_if_absent<T: Serialize>(key: &str, value: T, ttl_s: Option<f64>) -> bool =
            Ok(door("kv.add_if_absent", given(json!({"key": key, "value": value, "ttl_s": ttl_s})))?["added"] == true);
        /// The counter's new value.
        incr(key: &str, by: i64, ttl_s: Option<f64>) -> i64 =
            Ok(from_value(door("kv.incr", given(json!({"key": key, "by": by, "ttl_s": ttl_s})))?["value"].take())?);
        /// Whether the value was the expected one; null is the same as absent.
        compare_and_set<T: Serialize>(key: &str, expected: T, value: T) -> bool =
            Ok(door("kv.compare_and_set", json!({"key": key, "expected": expected, "value": value}))?["swapped"] == true);
    }
}

impl HttpRequest {
    /// A request without a body.
    pub fn new(method: &str, url: &str) -> Self { Self { method: method.into(), url: url.into(), ..Self::default() } }

    /// The same with a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with a JSON body.
    pub fn json(mut self, value: &impl Serialize) -> Self {
        self.body = Some(Body::json(value));
        self.header("content-type", "application/json")
    }
}
