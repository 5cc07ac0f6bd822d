//! Failures: what went wrong, and where in the author's code.

use crate::*;
use std::{fmt::Display, panic::Location};

pub type Result<T> = std::result::Result<T, Error>;

/// A failure. `?` makes one of any error and keeps the file and line that it stands on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Error {
    /// denied, invalid_input, invalid_config, not_found, conflict, bad_data, unsupported_op, timeout, unavailable, limit or internal.
    pub code: String,
    pub message: String,
    pub retryable: bool,
    /// For the operator's log, with the author's `file` and `line`.
    pub details: Map<String, Value>,
}

impl Error {
    /// The plugin's own failure (`internal`).
    #[track_caller]
    pub fn new(message: impl Display) -> Self {
        Self { code: "internal".into(), message: message.to_string(), ..Self::default() }.at(Location::caller())
    }

    /// The same with another code.
    pub fn code(self, code: &str) -> Self { Self { code: code.into(), ..self } }

    /// The same, and whoever asked may ask again.
    pub fn retryable(self) -> Self { Self { retryable: true, ..self } }

    /// The same with a detail for the operator.
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.into(), value.into());
        self
    }

    /// What the host is told. No `Serialize`, so that the compiler sees where a `?` was forgotten in `json!`.
    pub(crate) fn envelope(&self) -> String {
        json!({"error": {"code": self.code, "message": self.message, "retryable": self.retryable, "details": self.details}}).to_string()
    }

    /// The failure that a door tells of, at the author's call.
    #[track_caller]
    pub(crate) fn told(envelope: &Value) -> Self { from_value::<Self>(envelope.clone()).unwrap_or_else(Self::from).at(Location::caller()) }

    pub(crate) fn at(self, place: &Location) -> Self {
        let (file, line) = (place.file(), place.line());
        let traceback = format!("{}\n    at {file}:{line}", self.message);
        self.detail("file", file).detail("line", line).detail("traceback", traceback)
    }
}

impl<E: std::error::Error> From<E> for Error {
    #[track_caller]
    fn from(error: E) -> Self { Self::new(error) }
}
