//! The quickstart's response plugin: greets the caller named in the path.
//!
//! `response_generate` takes `{"request": {…}, "fingerprint": "…"}` and answers a response document. With the setting
//! `template` it names one of the operator's templates and leaves the rendering to the host.

use extism_pdk::{config, plugin_fn, Error, FnResult, Json};
use serde::Deserialize;
use serde_json::{json, Value};

#[derive(Deserialize)]
struct Call {
    request: Request,
}

#[derive(Deserialize)]
struct Request {
    path: String,
    #[serde(default)]
    path_params: PathParams,
    principal: Option<Principal>,
}

#[derive(Default, Deserialize)]
struct PathParams {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Principal {
    id: String,
}

#[plugin_fn]
pub fn response_generate(Json(call): Json<Call>) -> FnResult<Json<Value>> {
    let Some(name) = call.request.path_params.name else {
        return Ok(Json(Value::Null)); // not a route of ours
    };
    let mut facts = json!({"hello": name, "path": call.request.path});
    if let Some(principal) = call.request.principal {
        facts["caller"] = principal.id.into();
    }
    let headers = json!([["content-type", "application/json"]]);
    Ok(Json(match config::get("template")? {
        Some(template) if !template.is_empty() => {
            facts["name"] = facts["hello"].take();
            facts.as_object_mut().ok_or(Error::msg("no facts"))?.remove("hello");
            json!({"status": 200, "headers": headers, "template": template, "vars": facts})
        }
        _ => json!({"status": 200, "headers": headers, "body": {"text": facts.to_string()}}),
    }))
}
