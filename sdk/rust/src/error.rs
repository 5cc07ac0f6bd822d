//! Failures: what went wrong, and where in the author's code.

use crate::host;
use serde_json::{json, Map, Value};
use std::{fmt, panic::Location};

pub type Result<T> = std::result::Result<T, Error>;

/// A failure. `?` makes one of any error and keeps the file and line that it stands on.
#[derive(Debug)]
pub struct Error {
    /// denied, invalid_input, invalid_config, not_found, unsupported_op, timeout, unavailable, limit or internal.
    pub code: String, pub message: String, pub retryable: bool, pub details: Map<String, Value>,
    /// `src/lib.rs` and the line.
    pub at: (String, u32),
}

impl Error {
    /// The plugin's own failure (`internal`).
    #[track_caller]
    pub fn new(message: impl fmt::Display) -> Self {
        let place = Location::caller();
        let at = (place.file().into(), place.line());
        Self { code: "internal".into(), message: message.to_string(), retryable: false, details: Map::new(), at }
    }

    /// The same with another code.
    pub fn code(mut self, code: &str) -> Self {
        self.code = code.into();
        self
    }

    /// The same with a detail for the operator.
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.into(), value.into());
        self
    }

    /// The error envelope of the contract.
    pub fn envelope(&self) -> Value {
        let (file, line) = &self.at;
        let mut details = self.details.clone();
        details.insert("file".into(), json!(file));
        details.insert("line".into(), json!(line));
        details.insert("traceback".into(), json!(format!("  {file}:{line}: {}", self.message)));
        json!({"error": {"code": self.code, "message": self.message, "retryable": self.retryable, "details": details}})
    }

    /// The failure that a door's envelope tells of, at the author's call.
    #[track_caller]
    pub(crate) fn told(envelope: &Value) -> Self {
        let mut error = Error::new(envelope["message"].as_str().unwrap_or("a door failed"));
        error.code = envelope["code"].as_str().unwrap_or("internal").into();
        error.retryable = envelope["retryable"] == true;
        error.details = envelope["details"].as_object().cloned().unwrap_or_default();
        error
    }
}

impl<E: std::error::Error> From<E> for Error {
    #[track_caller]
    fn from(error: E) -> Self { Error::new(error) }
}

/// Tells the host of panics, with their file and line, before they end the instance.
pub fn tell_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let said = panic.payload();
        let words = said.downcast_ref::<&str>().copied().or(said.downcast_ref::<String>().map(String::as_str));
        let mut error = Error::new(format!("panicked: {}", words.unwrap_or("without words")));
        if let Some(place) = panic.location() {
            error.at = (place.file().into(), place.line());
        }
        host::fail(&error.envelope());
    }));
}
