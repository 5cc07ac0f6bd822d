//! Typed kit for MockForge plugins in Rust. A plugin is a type with `Plugin` and the traits of its kinds; `plugin!` makes its exports.
//!
//! Contract: docs/reference/contract.md. A failure carries the author's file and line, also of a panic.

mod doors;
mod error;
#[doc(hidden)]
pub mod exports;
mod functions;
#[cfg(target_arch = "wasm32")]
mod host;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod types;
mod values;

pub use doors::{data_changed, door, http, kv, log, now, query, query_with_total, random, read_body, resource, secret, sleep};
pub use error::{Error, Result};
pub use functions::Function;
#[cfg(not(target_arch = "wasm32"))]
use testing as host;
pub use serde_json::{self, json, Map, Value};
pub use types::*;
pub use values::{binary_cell, float_cell, same};

pub use serde;
use serde::{de::DeserializeOwned, Deserialize, Serialize};
use serde_json::{from_slice, from_value, to_value};
