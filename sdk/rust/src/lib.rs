//! Typed kit for MockForge plugins in Rust. A plugin is a type with `Plugin` and the traits of its kinds; `plugin!` makes its exports.
//!
//! Contract: docs/reference/contract.md. A failure carries the author's file and line, also of a panic.

mod doors;
mod error;
mod functions;
#[doc(hidden)]
pub mod host;
mod values;

pub use doors::{door, http, kv, log, now, query, random, read_body, resource, secret, sleep};
pub use error::{Error, Result};
pub use functions::{described, Call, Function};
pub use serde;
pub use serde_json::{self, json, Map, Value};
pub use values::*;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing {
    //! For `cargo test`: exports called as the host does, doors answered by the test.
    pub use crate::host::{call, set_doors};
}

use serde::{de::DeserializeOwned, Deserialize, Serialize};
use std::cell::RefCell;

/// A plugin without settings.
#[derive(Deserialize)]
pub struct NoConfig {}

/// What an instance is made with.
#[derive(Deserialize)]
pub struct Init<C> {
    pub config: C, pub plugin: About,
    /// `reused` or `per_request`.
    pub isolation: String,
}

/// The name and version under which the plugin runs.
#[derive(Deserialize)]
pub struct About {
    pub id: String, pub version: String,
}

/// What every plugin has. An instance is made before its first call.
pub trait Plugin: Sized + 'static {
    type Config: DeserializeOwned;
    fn new(init: Init<Self::Config>) -> Result<Self>;
    /// What is wrong with a configuration beyond its types: `[{"path", "message"}]`.
    fn validate_config(_config: Self::Config) -> Value { Value::Null }
    fn capabilities() -> Value { json!({}) }
}

/// `lifecycle` in `plugin!`: once per load (`start`, `stop`), at an instance's end (`destroy`), on demand (`health`).
pub trait Lifecycle: Plugin {
    fn start(&mut self) -> Result<()> { Ok(()) }
    fn stop(&mut self) -> Result<()> { Ok(()) }
    fn destroy(&mut self) -> Result<()> { Ok(()) }
    /// `{"status": "ok"|"degraded"|"down", "detail"}`.
    fn health(&mut self) -> Result<Value> { Ok(json!({"status": "ok"})) }
}

pub trait AuthPlugin: Plugin {
    /// Who sends this? `None`: not mine.
    fn authenticate(&mut self, request: Request) -> Result<Option<Decision>>;
}

pub trait ResponsePlugin: Plugin {
    /// Whether `generate` is asked; only with `can_handle` in `plugin!`.
    fn can_handle(&mut self, _request: Request) -> Result<bool> { Ok(true) }
    /// The answer. `None`: not mine.
    fn generate(&mut self, request: Request) -> Result<Option<Response>>;
}

pub trait ModifierPlugin: Plugin {
    /// The answer changed; one whose body was left alone keeps it. `None`: unchanged.
    fn modify(&mut self, request: Request, response: Response) -> Result<Option<Response>>;
}

pub trait TemplatePlugin: Plugin {
    fn functions() -> Vec<Function<Self>>;
}

pub trait DataSourcePlugin: Plugin {
    fn query(&mut self, query: Query) -> Result<DataResult>;
    /// `[{"name", "columns", "primary_keys"}]`.
    fn schema(&mut self) -> Result<Value> { Ok(json!([])) }
}

pub trait EndpointPlugin: Plugin {
    const NAMES: &'static [&'static str];
    fn endpoint(&mut self, name: &str, request: Request) -> Result<Response>;
}

/// The exports of a plugin: `plugin!(Hello: auth, response)`. Kinds: auth, response, can_handle, modifier, template, data_source,
/// endpoint, lifecycle.
#[macro_export]
macro_rules! plugin {
    ($type:ty: $($kind:ident),+) => {
        ::std::thread_local! { static PLUGIN: ::std::cell::RefCell<Option<$type>> = const { ::std::cell::RefCell::new(None) }; }
        $crate::export!(describe(_asked: $crate::Value) {
            let mut said = $crate::description::<$type>();
            $($crate::kind!(@describe $kind, $type, said);)+
            Ok(said)
        });
        $crate::export!(plugin_validate_config(asked: $crate::Value) { Ok($crate::validate::<$type>(asked)) });
        $crate::export!(plugin_init(init: $crate::Init<<$type as $crate::Plugin>::Config>) {
            let made = <$type as $crate::Plugin>::new(init)?;
            PLUGIN.with(|cell| cell.replace(Some(made)));
            Ok(())
        });
        $($crate::kind!($kind, $type);)+
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! export {
    ($name:ident($asked:ident: $in:ty) $body:block) => {
        #[cfg_attr(target_arch = "wasm32", no_mangle)]
        pub extern "C" fn $name() -> i32 { $crate::serve(|$asked: $in| $body) }
    };
    ($type:ty, $name:ident, |$plugin:ident, $asked:ident: $in:ty| $body:expr) => {
        $crate::export!($name($asked: $in) { $crate::instance(&PLUGIN, |$plugin: &mut $type| $body) });
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! kind {
    (auth, $t:ty) => { $crate::export!($t, auth_authenticate, |p, request: $crate::Request| $crate::AuthPlugin::authenticate(p, request)); };
    (response, $t:ty) => { $crate::export!($t, response_generate, |p, asked: $crate::Asked| $crate::ResponsePlugin::generate(p, asked.request())); };
    (can_handle, $t:ty) => { $crate::export!($t, response_can_handle, |p, asked: $crate::Asked| $crate::ResponsePlugin::can_handle(p, asked.request())); };
    (modifier, $t:ty) => { $crate::export!($t, response_modify, |p, asked: $crate::Asked| $crate::modified(p, asked)); };
    (template, $t:ty) => { $crate::export!($t, template_call, |p, call: $crate::Call| $crate::called(p, call)); };
    (data_source, $t:ty) => {
        $crate::export!($t, data_query, |p, query: $crate::Query| $crate::check_rows($crate::DataSourcePlugin::query(p, query)?));
        $crate::export!($t, data_schema, |p, _asked: $crate::Value| Ok($crate::json!({"tables": $crate::DataSourcePlugin::schema(p)?})));
    };
    (endpoint, $t:ty) => {
        $crate::export!($t, endpoint_call, |p, asked: $crate::Asked| $crate::EndpointPlugin::endpoint(p, &asked.endpoint, asked.request));
    };
    (lifecycle, $t:ty) => {
        $crate::export!($t, plugin_start, |p, _asked: $crate::Value| $crate::Lifecycle::start(p));
        $crate::export!($t, plugin_stop, |p, _asked: $crate::Value| $crate::Lifecycle::stop(p));
        $crate::export!($t, plugin_destroy, |p, _asked: $crate::Value| $crate::Lifecycle::destroy(p));
        $crate::export!($t, plugin_health, |p, _asked: $crate::Value| $crate::Lifecycle::health(p));
    };
    (@describe template, $t:ty, $said:ident) => {
        $crate::implements(&mut $said, "template.call");
        $said["functions"] = $crate::described(&<$t as $crate::TemplatePlugin>::functions());
    };
    (@describe endpoint, $t:ty, $said:ident) => {
        $crate::implements(&mut $said, "endpoint.call");
        $said["endpoints"] = $crate::json!(<$t as $crate::EndpointPlugin>::NAMES);
    };
    (@describe $kind:ident, $t:ty, $said:ident) => { $crate::implements(&mut $said, stringify!($kind)); };
}

/// What an operation about a request is sent.
#[doc(hidden)]
#[derive(Deserialize)]
pub struct Asked {
    pub request: Request,
    #[serde(default)]
    fingerprint: String, response: Option<Response>,
    #[serde(default)] pub endpoint: String,
}

impl Asked {
    pub fn request(self) -> Request { Request { fingerprint: self.fingerprint, ..self.request } }
}

/// Reads the input, runs the operation, sets the output or the error.
#[doc(hidden)]
pub fn serve<I: DeserializeOwned, O: Serialize>(operation: impl FnOnce(I) -> Result<O>) -> i32 {
    error::tell_panics();
    let input = host::input();
    let asked = serde_json::from_slice(if input.is_empty() { b"null" } else { &input }).map_err(|odd| Error::new(odd).code("invalid_input"));
    match asked.and_then(operation).and_then(|answer| Ok(serde_json::to_vec(&answer)?)) {
        Ok(json) => host::answer(&json),
        Err(error) => {
            host::fail(&error.envelope());
            return 1;
        }
    }
    0
}

#[doc(hidden)]
pub fn instance<T, O>(cell: &'static std::thread::LocalKey<RefCell<Option<T>>>, operation: impl FnOnce(&mut T) -> Result<O>) -> Result<O> {
    cell.with_borrow_mut(|plugin| operation(plugin.as_mut().ok_or_else(|| Error::new("called before plugin.init"))?))
}

#[doc(hidden)]
pub fn description<T: Plugin>() -> Value {
    let kit = concat!("rust ", env!("CARGO_PKG_VERSION"));
    let ops = ["plugin.init", "plugin.validate_config"];
    json!({"contract": "0.1", "kit": kit, "ops": ops, "functions": [], "endpoints": [], "capabilities": T::capabilities()})
}

#[doc(hidden)]
pub fn implements(description: &mut Value, kind: &str) {
    let ops: &[&str] = match kind {
        "auth" => &["auth.authenticate"],
        "response" => &["response.generate"],
        "can_handle" => &["response.can_handle"],
        "modifier" => &["response.modify"],
        "data_source" => &["data.query", "data.schema"],
        "lifecycle" => &["plugin.start", "plugin.stop", "plugin.destroy", "plugin.health"],
        op => &[op],
    };
    description["ops"].as_array_mut().into_iter().for_each(|known| known.extend(ops.iter().map(|op| json!(op))));
}

#[doc(hidden)]
pub fn validate<T: Plugin>(mut asked: Value) -> Value {
    match serde_json::from_value(asked["config"].take()) {
        Ok(config) => T::validate_config(config),
        Err(odd) => json!([{"path": "", "message": odd.to_string()}]),
    }
}

#[doc(hidden)]
pub fn modified<T: ModifierPlugin>(plugin: &mut T, asked: Asked) -> Result<Option<Response>> {
    let response = asked.response.clone().ok_or_else(|| Error::new("no response to modify").code("invalid_input"))?;
    let changed = plugin.modify(asked.request(), response)?;
    Ok(changed.map(|answer| Response { body: answer.body.filter(|body| !matches!(body, Body::Available(_))), ..answer }))
}

#[doc(hidden)]
pub fn called<T: TemplatePlugin>(plugin: &mut T, call: Call) -> Result<Value> { functions::call(plugin, &T::functions(), call) }
