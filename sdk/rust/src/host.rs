//! The boundary: what goes in and out of the module. Natively, for `cargo test`, doors answer what the test says.

#[cfg(target_arch = "wasm32")]
mod boundary {
    use extism_pdk::{extism, input_bytes, output, Memory};
    use serde_json::Value;

    #[extism_pdk::host_fn("extism:host/user")]
    extern "ExtismHost" {
        fn mockforge_door(name: String, payload: String) -> String;
    }

    pub fn input() -> Vec<u8> { input_bytes() }

    pub fn answer(json: &[u8]) { output(json).expect("the answer fits the plugin's memory"); }

    pub fn fail(envelope: &Value) {
        if let Ok(memory) = Memory::from_bytes(envelope.to_string()) {
            unsafe { extism::error_set(memory.offset()) };
        }
    }

    pub fn door(name: &str, payload: &Value) -> String {
        unsafe { mockforge_door(name.into(), payload.to_string()) }.unwrap_or_else(|error| format!("{{\"error\":{{\"message\":{:?}}}}}", error.to_string()))
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod boundary {
    use serde_json::Value;
    use std::cell::RefCell;

    type Doors = Box<dyn Fn(&str, &Value) -> Value>;
    thread_local! {
        static DOORS: RefCell<Option<Doors>> = const { RefCell::new(None) };
        static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }

    /// For tests: answer doors, with `{"ok": …}` or `{"error": …}`, on this thread from now on.
    pub fn set_doors(answer: impl Fn(&str, &Value) -> Value + 'static) { DOORS.with(|doors| *doors.borrow_mut() = Some(Box::new(answer))); }

    /// For tests: call an export of the plugin, such as `response_generate`, as the host does.
    pub fn call(export: extern "C" fn() -> i32, input: &Value) -> Value {
        INPUT.with(|cell| *cell.borrow_mut() = input.to_string().into());
        OUTPUT.with(|cell| cell.borrow_mut().clear());
        export();
        OUTPUT.with(|cell| serde_json::from_slice(&cell.borrow()).unwrap_or(Value::Null))
    }

    pub fn input() -> Vec<u8> { INPUT.with(|cell| cell.borrow().clone()) }

    pub fn answer(json: &[u8]) { OUTPUT.with(|cell| *cell.borrow_mut() = json.to_vec()); }

    pub fn fail(envelope: &Value) { answer(envelope.to_string().as_bytes()); }

    pub fn door(name: &str, payload: &Value) -> String {
        DOORS.with(|doors| match &*doors.borrow() {
            Some(answer) => answer(name, payload).to_string(),
            None => panic!("the door '{name}' has no answer: call mockforge_plugin::testing::set_doors first"),
        })
    }
}

pub use boundary::*;
