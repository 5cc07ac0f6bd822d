//! Greets by name, and counts how often.

use mockforge_plugin::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Settings {
    greeting: String,
}

struct Hello {
    settings: Settings,
}

impl Plugin for Hello {
    type Config = Settings;

    fn new(init: Init<Settings>) -> Result<Self> {
        Ok(Hello { settings: init.config })
    }
}

impl ResponsePlugin for Hello {
    fn generate(&mut self, request: Request) -> Result<Option<Response>> {
        let Some(name) = request.path_param("name") else { return Ok(None) };
        let times = kv::incr(&format!("greeted/{name}"), 1, None)?;
        Ok(Some(Response::json(&json!({"greeting": format!("{}, {name}!", self.settings.greeting), "times": times}))))
    }
}

plugin!(Hello: response);

#[cfg(test)]
mod tests {
    use super::*;
    use mockforge_plugin::testing::{call, set_doors};

    #[test]
    fn it_greets_by_name() {
        set_doors(|door, payload| {
            assert_eq!((door, &payload["key"]), ("kv.incr", &json!("greeted/Ada")));
            json!({"ok": {"value": 7}})
        });
        call(plugin_init, &json!({"config": {"greeting": "Hello"}, "plugin": {"id": "hello", "version": "1.0.0"}, "isolation": "reused"}));
        let answer = call(response_generate, &json!({"request": {"path_params": {"name": "Ada"}}, "fingerprint": ""}));
        assert_eq!(answer["body"]["text"], r#"{"greeting":"Hello, Ada!","times":7}"#);
    }
}
