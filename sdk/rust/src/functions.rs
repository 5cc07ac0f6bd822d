//! Template functions: their signatures for the host, and arguments by position and by name made into the author's type.

use crate::{types::Call, *};

/// What runs with a document and answers one.
pub(crate) type Operation<T> = Box<dyn Fn(&mut T, Value) -> Result<Value>>;

pub(crate) fn typed<T, I: DeserializeOwned, O: Serialize>(name: &str, run: impl Fn(&mut T, I) -> Result<O> + 'static) -> Operation<T> {
    let name = name.to_string();
    Box::new(move |plugin, asked| {
        let asked = from_value(asked).map_err(|odd| Error::new(format!("{name}: {odd}")).code("invalid_input"))?;
        Ok(to_value(run(plugin, asked)?)?)
    })
}

/// One function: `Function::new("initials", "string", |names: &mut Names, args: Initials| …)`, then its parameters in order.
pub struct Function<T> {
    pub(crate) metadata: Value,
    body: Operation<T>,
}

impl<T> Function<T> {
    pub fn new<A: DeserializeOwned, R: Serialize>(name: &str, returns: &str, body: impl Fn(&mut T, A) -> Result<R> + 'static) -> Self {
        let metadata = json!({"name": name, "description": "", "parameters": [], "returns": returns, "examples": [], "category": null, "pure": false});
        Self { metadata, body: typed(name, body) }
    }

    /// The same with a description, or another part of its metadata: `pure`, `category`, `examples`.
    pub fn with(mut self, part: &str, value: impl Into<Value>) -> Self {
        self.metadata[part] = value.into();
        self
    }

    pub fn required(self, name: &str, kind: &str) -> Self { self.parameter(name, kind, true, Value::Null, false) }

    pub fn optional(self, name: &str, kind: &str, default: impl Into<Value>) -> Self {
        self.parameter(name, kind, false, default.into(), false)
    }

    /// Takes all further arguments by position, as a list.
    pub fn var_args(self, name: &str, kind: &str) -> Self { self.parameter(name, kind, false, Value::Null, true) }

    /// A provider of fake data, which templates call as `faker.<plugin>.<name>()`. Said last; its arguments have a field `fake: Fake`.
    pub fn provider(self) -> Self { self.with("category", "faker").required("fake", "any") }

    fn parameter(mut self, name: &str, kind: &str, required: bool, default: Value, var_args: bool) -> Self {
        let made = json!({"name": name, "type": kind, "description": "", "required": required, "default": default, "var_args": var_args});
        self.metadata["parameters"].as_array_mut().expect("a list, from the first").push(made);
        self
    }

    fn arguments(&self, call: Call) -> std::result::Result<Value, String> {
        let (name, mut by_name, mut by_position) = (call.function, call.kwargs, call.args.into_iter());
        let mut whole = Map::new();
        for parameter in self.metadata["parameters"].as_array().into_iter().flatten() {
            let key = parameter["name"].as_str().unwrap_or_default();
            let given = match parameter["var_args"] == true {
                true => Some(by_position.by_ref().collect()),
                false => by_position.next().or_else(|| by_name.remove(key)),
            };
            if given.is_none() && parameter["required"] == true {
                return Err(format!("{name} lacks the argument '{key}'"));
            }
            whole.insert(key.into(), given.unwrap_or_else(|| parameter["default"].clone()));
        }
        match (by_name.keys().next(), by_position.next()) {
            (Some(key), _) => Err(format!("{name} has no argument '{key}', or was given it twice")),
            (_, Some(_)) => Err(format!("{name} has too many arguments")),
            _ => Ok(whole.into()),
        }
    }
}

pub(crate) fn called<T>(plugin: &mut T, functions: &[Function<T>], call: Call) -> Result<Value> {
    let found = functions.iter().find(|function| function.metadata["name"] == call.function);
    let function = found.ok_or_else(|| Error::new(format!("this plugin has no template function '{}'", call.function)).code("not_found"))?;
    let arguments = function.arguments(call).map_err(|odd| Error::new(odd).code("invalid_input"))?;
    (function.body)(plugin, arguments)
}
