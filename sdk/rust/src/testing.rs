//! For `cargo test`, which has no host: exports called as the host does, doors answered by the test.

use crate::{Result, Value};
use std::cell::RefCell;

thread_local! {
    static DOORS: RefCell<Box<dyn Fn(&str, &Value) -> Value>> =
        RefCell::new(Box::new(|name, _| panic!("the door '{name}' has no answer: call mockforge_plugin::testing::set_doors first")));
    /// What is asked of the export; afterwards what it answered.
    static SAID: RefCell<String> = RefCell::default();
}

/// Answer doors, with `{"ok": …}` or `{"error": …}`, on this thread from now on.
pub fn set_doors(answer: impl Fn(&str, &Value) -> Value + 'static) { DOORS.set(Box::new(answer)); }

/// Call an export of the plugin, such as `response_generate`, as the host does.
pub fn call(export: extern "C-unwind" fn() -> i32, input: &Value) -> Value {
    SAID.set(input.to_string());
    export();
    serde_json::from_str(&SAID.take()).unwrap_or_default()
}

pub(crate) fn input() -> Vec<u8> { SAID.take().into() }

pub(crate) fn answer(json: String) -> i32 {
    SAID.set(json);
    0
}

pub(crate) fn fail(envelope: String) -> i32 { answer(envelope) + 1 }

pub(crate) fn door(name: &str, payload: String) -> Result<String> {
    Ok(DOORS.with_borrow(|answer| answer(name, &serde_json::from_str(&payload).unwrap_or_default())).to_string())
}

/// The test tells of them.
pub(crate) fn tell_panics() {}
