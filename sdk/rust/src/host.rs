//! The boundary: what goes in and out of the module.

use crate::*;
pub use extism_pdk::input_bytes as input;
use extism_pdk::{extism, output, Memory};

#[extism_pdk::host_fn("extism:host/user")]
extern "ExtismHost" {
    fn mockforge_door(name: String, payload: String) -> String;
}

pub fn answer(json: String) -> i32 {
    output(json).expect("the answer fits the plugin's memory");
    0
}

pub fn fail(envelope: String) -> i32 {
    if let Ok(memory) = Memory::from_bytes(envelope) {
        unsafe { extism::error_set(memory.offset()) };
    }
    1
}

#[track_caller]
pub fn door(name: &str, payload: String) -> Result<String> { unsafe { mockforge_door(name.into(), payload) }.map_err(Error::new) }

/// Tells the host of panics, with their file and line, before they end the instance.
pub fn tell_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.to_string(); // "panicked at src/lib.rs:1:2:", and the words in lines of their own
        let error = Error::new(format!("panicked: {}", text.split_once('\n').map_or("", |(_, words)| words)));
        fail(error.at(panic.location().expect("a panic has a place")).envelope());
    }));
}
