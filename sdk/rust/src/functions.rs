//! Template functions: their signatures for the host, and arguments by position and by name made into the author's type.

use crate::{Error, Result};
use serde::{de::DeserializeOwned, Deserialize, Serialize};
use serde_json::{json, Map, Value};

type Body<T> = Box<dyn Fn(&mut T, Value) -> Result<Value>>;

/// One function: `Function::new("initials", "string", |names: &mut Names, args: Initials| …)`, then its parameters in order.
pub struct Function<T> {
    metadata: Value,
    body: Body<T>,
}

#[doc(hidden)]
#[derive(Deserialize)]
pub struct Call {
    function: String,
    #[serde(default)]
    args: Vec<Value>,
    #[serde(default)]
    kwargs: Map<String, Value>,
}

impl<T: 'static> Function<T> {
    pub fn new<A: DeserializeOwned, R: Serialize>(name: &str, returns: &str, body: impl Fn(&mut T, A) -> Result<R> + 'static) -> Self {
        let metadata = json!({"name": name, "description": "", "parameters": [], "returns": returns, "examples": [], "category": null, "pure": false});
        let body: Body<T> = Box::new(move |plugin, args| {
            let args = serde_json::from_value(args).map_err(|error| Error::new(error).code("invalid_input"))?;
            Ok(serde_json::to_value(body(plugin, args)?)?)
        });
        Self { metadata, body }
    }

    /// The same with a description, or another part of its metadata: `pure`, `category`, `examples`.
    pub fn with(mut self, part: &str, value: impl Into<Value>) -> Self {
        self.metadata[part] = value.into();
        self
    }

    fn parameter(mut self, name: &str, kind: &str, required: bool, default: Value, var_args: bool) -> Self {
        let made = json!({"name": name, "type": kind, "description": "", "required": required, "default": default, "var_args": var_args});
        self.metadata["parameters"].as_array_mut().into_iter().for_each(|all| all.push(made.clone()));
        self
    }

    pub fn required(self, name: &str, kind: &str) -> Self { self.parameter(name, kind, true, Value::Null, false) }

    pub fn optional(self, name: &str, kind: &str, default: impl Into<Value>) -> Self {
        self.parameter(name, kind, false, default.into(), false)
    }

    /// Takes all further arguments by position, as a list.
    pub fn var_args(self, name: &str, kind: &str) -> Self { self.parameter(name, kind, false, Value::Null, true) }

    fn arguments(&self, call: Call) -> Result<Value> {
        let (name, mut given, mut positions) = (call.function, call.kwargs, call.args.into_iter());
        let wrong = |what: String| Error::new(format!("{name} {what}")).code("invalid_input");
        let (mut whole, mut by_name) = (Map::new(), false);
        for parameter in self.metadata["parameters"].as_array().into_iter().flatten() {
            let key = parameter["name"].as_str().unwrap_or_default();
            let value = match given.remove(key) {
                None if parameter["var_args"] == true => Some(positions.by_ref().collect()),
                None if !by_name => positions.next(),
                named => named,
            };
            by_name |= parameter["var_args"] == true; // as in Python: what follows is given by name
            match value {
                None if parameter["required"] == true => return Err(wrong(format!("lacks the argument '{key}'"))),
                value => whole.insert(key.into(), value.unwrap_or_else(|| parameter["default"].clone())),
            };
        }
        match (given.keys().next(), positions.next()) {
            (Some(key), _) => Err(wrong(format!("has no argument '{key}'"))),
            (_, Some(_)) => Err(wrong("has too many arguments".into())),
            _ => Ok(Value::Object(whole)),
        }
    }
}

#[doc(hidden)]
pub fn described<T>(functions: &[Function<T>]) -> Value { functions.iter().map(|function| function.metadata.clone()).collect() }

pub(crate) fn call<T: 'static>(plugin: &mut T, functions: &[Function<T>], call: Call) -> Result<Value> {
    match functions.iter().find(|function| function.metadata["name"] == call.function) {
        Some(function) => (function.body)(plugin, function.arguments(call)?),
        None => Err(Error::new(format!("this plugin has no template function '{}'", call.function)).code("not_found")),
    }
}
