//! Doors: what a plugin may ask of its host. Each needs a grant; a refusal is an `Error` that names the line that asked.

use crate::*;
use std::time::{Duration, SystemTime};

/// Any door by its name.
#[track_caller]
pub fn door(name: &str, payload: Value) -> Result<Value> {
    let mut said: Value = serde_json::from_str(&host::door(name, payload.to_string())?)?;
    match said.get("error") {
        Some(envelope) => Err(Error::told(envelope)),
        None => Ok(said["ok"].take()),
    }
}

/// A field of what a door answers.
#[track_caller]
fn ask<T: DeserializeOwned>(name: &str, payload: Value, field: &str) -> Result<T> { Ok(from_value(door(name, payload)?[field].take())?) }

/// A secret's value. Compare it with `same`.
#[track_caller]
pub fn secret(name: &str) -> Result<String> { ask("secret.get", json!({"name": name}), "value") }

/// Rows of a data source's named query.
#[track_caller]
pub fn query(source: &str, query: &str, params: Value, limit: Option<u32>, cursor: Option<&str>) -> Result<DataResult> {
    Ok(from_value(door("data.query", json!({"source": source, "query": query, "params": params, "limit": limit, "cursor": cursor}))?)?)
}

/// The same, with the `total` of all pages.
#[track_caller]
pub fn query_with_total(source: &str, query: &str, params: Value, limit: Option<u32>) -> Result<DataResult> {
    Ok(from_value(door("data.query", json!({"source": source, "query": query, "params": params, "limit": limit, "count": true}))?)?)
}

/// For data sources: the data are others now, so that no result that the host has cached of them is given again.
#[track_caller]
pub fn data_changed() -> Result<()> { door("data.changed", json!({})).map(drop) }

/// An HTTP request.
#[track_caller]
pub fn http(request: &HttpRequest) -> Result<HttpAnswer> { Ok(from_value(door("http.request", json!(request))?)?) }

/// A file of the plugin's own folder.
#[track_caller]
pub fn resource(path: &str) -> Result<Vec<u8>> { Body::Base64(ask("file.read", json!({"path": path}), "base64")?).read("") }

/// Part of the body of the `request` or the `response`, at most 256 KiB at once, and the length of the whole.
#[track_caller]
pub fn read_body(of: &str, offset: usize, length: Option<usize>) -> Result<(Vec<u8>, usize)> {
    let mut said = door("body.read", json!({"of": of, "offset": offset, "length": length}))?;
    Ok((Body::Base64(from_value(said["base64"].take())?).read("")?, from_value(said["total"].take())?))
}

/// The time.
#[track_caller]
pub fn now() -> Result<SystemTime> { Ok(SystemTime::UNIX_EPOCH + Duration::from_nanos(ask("clock.now", json!({}), "unix_ns")?)) }

/// Waits; the call's `timeout_ms` runs on.
#[track_caller]
pub fn sleep(time: Duration) -> Result<()> { door("clock.sleep", json!({"ns": time.as_nanos() as u64})).map(drop) }

/// Random bytes.
#[track_caller]
pub fn random(n: usize) -> Result<Vec<u8>> {
    let hex: String = ask("random.bytes", json!({"n": n}), "hex")?;
    Ok((0..n).map(|i| u8::from_str_radix(hex.get(2 * i..2 * i + 2).unwrap_or("few"), 16)).collect::<std::result::Result<_, _>>()?)
}

pub mod log {
    //! Lines in the operator's log; one that cannot be logged is left out.
    macro_rules! levels {
        ($($name:ident)*) => {$(
            pub fn $name(message: impl std::fmt::Display) {
                let _ = crate::door("log", crate::json!({"level": stringify!($name), "message": message.to_string()}));
            }
        )*};
    }
    levels!(debug info warning error);
}

pub mod kv {
    //! Key-value storage of the plugin's own. `ttl_s`: seconds to live.
    use super::*;

    #[track_caller]
    pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>> { ask("kv.get", json!({"key": key}), "value") }

    #[track_caller]
    pub fn set(key: &str, value: impl Serialize, ttl_s: Option<f64>) -> Result<()> {
        door("kv.set", json!({"key": key, "value": value, "ttl_s": ttl_s})).map(drop)
    }

    /// Whether there was one.
    #[track_caller]
    pub fn delete(key: &str) -> Result<bool> { ask("kv.delete", json!({"key": key}), "deleted") }

    /// Whether it was absent.
    #[track_caller]
    pub fn add_if_absent(key: &str, value: impl Serialize, ttl_s: Option<f64>) -> Result<bool> {
        ask("kv.add_if_absent", json!({"key": key, "value": value, "ttl_s": ttl_s}), "added")
    }

    /// The counter's new value.
    #[track_caller]
    pub fn incr(key: &str, by: i64, ttl_s: Option<f64>) -> Result<i64> {
        ask("kv.incr", json!({"key": key, "by": by, "ttl_s": ttl_s}), "value")
    }

    /// Whether the value was the expected one; null is the same as absent.
    #[track_caller]
    pub fn compare_and_set(key: &str, expected: impl Serialize, value: impl Serialize) -> Result<bool> {
        ask("kv.compare_and_set", json!({"key": key, "expected": expected, "value": value}), "swapped")
    }
}
