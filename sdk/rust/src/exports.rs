//! What `plugin!` makes: an export for each operation, which reads its input, runs the plugin and tells its answer or its error.

use crate::functions::{called, typed, Operation};
use crate::{types::Asked, *};
use std::{cell::RefCell, thread::LocalKey};

/// The exports of a plugin: `plugin!(Hello: auth, response)`. Kinds: auth, response, can_handle, modifier, template, data_source,
/// endpoint, lifecycle.
#[macro_export]
macro_rules! plugin {
    ($type:ty: $($kind:ident),+ $(,)?) => {
        ::std::thread_local! {
            static EXPORTS: ::std::cell::RefCell<$crate::exports::Exports<$type>> = $crate::exports::Exports::new(&[$($crate::exports::$kind),+]);
        }
        $crate::exports! {
            describe plugin_validate_config plugin_init plugin_start plugin_stop plugin_destroy plugin_health auth_authenticate
            response_can_handle response_generate response_modify template_call data_query data_schema endpoint_call
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! exports {
    ($($name:ident)+) => {$(
        #[cfg_attr(target_arch = "wasm32", no_mangle)]
        pub extern "C-unwind" fn $name() -> i32 { $crate::exports::serve(&EXPORTS, stringify!($name)) }
    )+};
}

/// Reads the input, runs the operation, tells the answer or the error.
pub fn serve<T: Plugin>(exports: &'static LocalKey<RefCell<Exports<T>>>, name: &str) -> i32 {
    host::tell_panics();
    let asked = from_slice(&host::input()).unwrap_or_default(); // `describe` is asked with nothing
    match exports.with_borrow_mut(|all| all.run(&name.replacen('_', ".", 1), asked)) {
        Ok(answer) => host::answer(answer.to_string()),
        Err(error) => host::fail(error.envelope()),
    }
}

/// What the module can do, and its plugin once `plugin.init` has made it.
pub struct Exports<T> {
    said: Value,
    operations: Vec<(&'static str, Operation<T>)>,
    plugin: Option<T>,
}

impl<T: Plugin> Exports<T> {
    pub fn new(kinds: &[fn(&mut Self)]) -> RefCell<Self> {
        let kit = concat!("rust ", env!("CARGO_PKG_VERSION"));
        let said = json!({"contract": "0.1", "kit": kit, "functions": [], "endpoints": [], "capabilities": T::capabilities()});
        let mut all = Self { said, operations: vec![], plugin: None };
        kinds.iter().for_each(|add| add(&mut all));
        let ops = ["plugin.init", "plugin.validate_config"].into_iter().chain(all.operations.iter().map(|(name, _)| *name));
        all.said["ops"] = ops.collect();
        all.into()
    }

    fn add<I: DeserializeOwned, O: Serialize>(&mut self, name: &'static str, run: impl Fn(&mut T, I) -> Result<O> + 'static) {
        self.operations.push((name, typed(name, run)));
    }

    fn run(&mut self, name: &str, mut asked: Value) -> Result<Value> {
        match name {
            "describe" => Ok(self.said.clone()),
            "plugin.validate_config" => Ok(match from_value(asked["config"].take()) {
                Ok(config) => T::validate_config(config),
                Err(odd) => json!([{"path": "", "message": odd.to_string()}]),
            }),
            "plugin.init" => {
                self.plugin = Some(T::new(from_value(asked).map_err(|odd| Error::new(odd).code("invalid_config"))?)?);
                Ok(Value::Null)
            }
            _ => {
                let known = self.operations.iter().find(|(known, _)| *known == name);
                let (_, run) = known.ok_or_else(|| Error::new(format!("plugin! makes no {name}: add its kind")).code("unsupported_op"))?;
                run(self.plugin.as_mut().ok_or_else(|| Error::new("called before plugin.init"))?, asked)
            }
        }
    }
}

impl Asked {
    fn request(self) -> Request { Request { fingerprint: self.fingerprint, ..self.request } }
}

pub fn auth<T: AuthPlugin>(all: &mut Exports<T>) { all.add("auth.authenticate", T::authenticate); }

pub fn response<T: ResponsePlugin>(all: &mut Exports<T>) { all.add("response.generate", |p, asked: Asked| p.generate(asked.request())); }

pub fn can_handle<T: ResponsePlugin>(all: &mut Exports<T>) { all.add("response.can_handle", |p, asked: Asked| p.can_handle(asked.request())); }

pub fn modifier<T: ModifierPlugin>(all: &mut Exports<T>) { all.add("response.modify", |p, asked: Asked| p.modify(asked.request, asked.response)); }

pub fn template<T: TemplatePlugin>(all: &mut Exports<T>) {
    let functions = T::functions();
    all.said["functions"] = functions.iter().map(|function| function.metadata.clone()).collect();
    all.add("template.call", move |p, call| called(p, &functions, call));
}

pub fn data_source<T: DataSourcePlugin>(all: &mut Exports<T>) {
    all.add("data.query", |p, asked| p.query(asked)?.checked());
    all.add("data.schema", |p, _: Value| Ok(json!({"tables": p.schema()?})));
}

pub fn endpoint<T: EndpointPlugin>(all: &mut Exports<T>) {
    all.said["endpoints"] = json!(T::NAMES);
    all.add("endpoint.call", |p, asked: Asked| p.endpoint(&asked.endpoint, asked.request));
}

pub fn lifecycle<T: Lifecycle>(all: &mut Exports<T>) {
    all.add("plugin.start", |p, _: Value| p.start());
    all.add("plugin.stop", |p, _: Value| p.stop());
    all.add("plugin.destroy", |p, _: Value| p.destroy());
    all.add("plugin.health", |p, _: Value| p.health());
}
