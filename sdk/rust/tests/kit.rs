//! The kit by itself, natively: documents in, documents out, failures with the author's line.

use mockforge_plugin::testing::{call, set_doors};
use mockforge_plugin::*;
use serde::Deserialize;

struct Everything;

#[derive(Deserialize)]
struct Settings {
    limit: u32,
}

impl Plugin for Everything {
    type Config = Settings;
    fn new(init: Init<Settings>) -> Result<Self> {
        assert_eq!((init.config.limit, init.plugin.id.as_str(), init.isolation.as_str()), (3, "all", "reused"));
        Ok(Everything)
    }
    fn validate_config(config: Settings) -> Value {
        if config.limit > 9 { json!([{"path": "limit", "message": "too much"}]) } else { Value::Null }
    }
}

impl AuthPlugin for Everything {
    fn authenticate(&mut self, request: Request) -> Result<Option<Decision>> {
        Ok(match request.header("X-Who") {
            Some("reply") => Some(Decision::Reply(Response::new(302, "", "").header("location", "/login"))),
            Some(id) => Some(Decision::allow(Principal { id: id.into(), roles: vec!["reader".into()], ..Default::default() })),
            None => None,
        })
    }
}

impl ResponsePlugin for Everything {
    fn generate(&mut self, request: Request) -> Result<Option<Response>> {
        if request.path == "/fails" {
            "x".parse::<u8>()?; // a failure of std
        }
        if request.path == "/denied" {
            secret("none")?; // a door refuses
        }
        if request.path == "/asks" {
            kv::get::<Value>("k")?;
        }
        Ok(Some(Response::new(200, "", request.read()?)))
    }
}

impl ModifierPlugin for Everything {
    fn modify(&mut self, request: Request, response: Response) -> Result<Option<Response>> {
        Ok(if request.path == "/same" { None } else { Some(response.status(202).header("x", "1")) })
    }
}

#[derive(Deserialize)]
struct Pair {
    first: String,
    rest: Vec<Value>,
    last: bool,
}

impl TemplatePlugin for Everything {
    fn functions() -> Vec<Function<Self>> {
        let pair = |_: &mut Self, pair: Pair| Ok(json!([pair.first, pair.rest, pair.last]));
        vec![Function::new("pair", "array", pair).required("first", "string").var_args("rest", "any").optional("last", "boolean", true)]
    }
}

impl EndpointPlugin for Everything {
    const NAMES: &'static [&'static str] = &["callback"];
    fn endpoint(&mut self, name: &str, request: Request) -> Result<Response> {
        Ok(Response::text(format!("{name} {}", request.query_param("code").unwrap_or("-"))))
    }
}

impl Lifecycle for Everything {}

plugin!(Everything: auth, response, modifier, template, endpoint, lifecycle);

fn begin() {
    let made = call(plugin_init, &json!({"config": {"limit": 3}, "plugin": {"id": "all", "version": "1.0.0"}, "isolation": "reused"}));
    assert_eq!(made, Value::Null);
}

fn failed(answer: &Value) -> (&str, &str, i64) {
    let error = &answer["error"];
    assert!(error["details"]["file"].as_str().unwrap_or("-").ends_with("tests/kit.rs"), "{answer}");
    (error["code"].as_str().unwrap_or("-"), error["message"].as_str().unwrap_or("-"), error["details"]["line"].as_i64().unwrap_or(0))
}

#[test]
fn it_describes_itself() {
    let said = call(describe, &json!({}));
    let ops = ["plugin.init", "plugin.validate_config", "auth.authenticate", "response.generate", "response.modify", "template.call",
               "endpoint.call", "plugin.start", "plugin.stop", "plugin.destroy", "plugin.health"];
    assert_eq!(said["ops"], json!(ops));
    assert_eq!((&said["contract"], &said["endpoints"]), (&json!("0.1"), &json!(["callback"])));
    assert_eq!(said["functions"][0]["parameters"][1]["var_args"], true);
}

#[test]
fn configurations_are_checked() {
    assert_eq!(call(plugin_validate_config, &json!({"config": {"limit": 3}})), Value::Null);
    assert_eq!(call(plugin_validate_config, &json!({"config": {"limit": 10}}))[0]["path"], "limit");
    let wrong = call(plugin_validate_config, &json!({"config": {"limit": "x"}}));
    assert!(wrong[0]["message"].as_str().unwrap_or_default().contains("expected u32"), "{wrong}");
}

#[test]
fn decisions_are_the_documents_of_the_contract() {
    begin();
    let asked = |who: Value| call(auth_authenticate, &json!({"headers": [["x-who", who]]}));
    assert_eq!(asked(json!("ada")), json!({"allow": {"principal": {"id": "ada", "roles": ["reader"]}, "claims": {}, "set_headers": []}}));
    assert_eq!(asked(json!("reply")), json!({"reply": {"status": 302, "headers": [["location", "/login"]], "body": {"text": ""}}}));
    assert_eq!(call(auth_authenticate, &json!({"headers": []})), Value::Null);
    let denied = serde_json::to_value(Decision::deny(401, "no", None)).expect("a document");
    assert_eq!(denied, json!({"deny": {"status": 401, "reason": "no", "challenge": null}}));
}

#[test]
fn bodies_are_shown_or_fetched_piece_by_piece() {
    begin();
    set_doors(|door, asked| {
        assert_eq!(door, "body.read");
        let (part, total) = if asked["offset"] == 0 { ("YWI=", 3) } else { ("/w==", 3) };
        json!({"ok": {"base64": part, "total": total}})
    });
    let body = |body: Value| call(response_generate, &json!({"request": {"path": "/", "body": body}, "fingerprint": ""}))["body"].clone();
    assert_eq!(body(json!({"text": "ü"})), json!({"text": "ü"}));
    assert_eq!(body(json!({"base64": "/w=="})), json!({"base64": "/w=="}));
    assert_eq!(body(json!({"available": 0})), json!({"text": ""}));
    assert_eq!(body(json!({"available": 3})), json!({"base64": "YWL/"}));
}

#[test]
fn failures_name_the_authors_line() {
    begin();
    set_doors(|_, _| json!({"error": {"code": "denied", "message": "not granted", "retryable": false, "details": {"n": 1}}}));
    let at = |path: &str| call(response_generate, &json!({"request": {"path": path}, "fingerprint": ""}));
    let (wrong, denied) = (at("/fails"), at("/denied"));
    assert_eq!(failed(&wrong), ("internal", "invalid digit found in string", 38));
    assert_eq!(failed(&denied), ("denied", "not granted", 41));
    assert_eq!(denied["error"]["details"]["n"], 1);
    let trace = denied["error"]["details"]["traceback"].as_str().unwrap_or("-");
    assert!(trace.starts_with("not granted\n    at ") && trace.ends_with("tests/kit.rs:41"), "{trace}");
}

#[test]
fn a_modifier_leaves_the_body_where_it_is() {
    begin();
    let asked = |path: &str| json!({"request": {"path": path}, "response": {"status": 200, "headers": [["X", "0"]], "body": {"available": 9}}});
    assert_eq!(call(response_modify, &asked("/")), json!({"status": 202, "headers": [["x", "1"]]}));
    assert_eq!(call(response_modify, &asked("/same")), Value::Null);
}

#[test]
fn arguments_come_by_position_and_by_name() {
    begin();
    let pair = |args: Value, kwargs: Value| call(template_call, &json!({"function": "pair", "args": args, "kwargs": kwargs}));
    assert_eq!(pair(json!(["a"]), json!({})), json!(["a", [], true]));
    assert_eq!(pair(json!(["a", 1, 2]), json!({"last": false})), json!(["a", [1, 2], false]));
    assert_eq!(pair(json!([]), json!({"first": "b"})), json!(["b", [], true]));
    for (args, kwargs, words) in [
        (json!([]), json!({}), "pair lacks the argument 'first'"),
        (json!(["a"]), json!({"size": 1}), "pair has no argument 'size', or was given it twice"),
        (json!(["a"]), json!({"first": "b"}), "pair has no argument 'first', or was given it twice"),
        (json!([7]), json!({}), "pair: invalid type: integer `7`, expected a string"),
    ] {
        let said = pair(args, kwargs);
        assert_eq!((said["error"]["code"].as_str(), said["error"]["message"].as_str()), (Some("invalid_input"), Some(words)));
    }
    assert_eq!(call(template_call, &json!({"function": "none"}))["error"]["code"], "not_found");
}

#[test]
fn endpoints_and_lifecycle_are_called() {
    begin();
    let answer = call(endpoint_call, &json!({"endpoint": "callback", "request": {"query": [["code", "7"]]}}));
    assert_eq!(answer["body"]["text"], "callback 7");
    assert_eq!(call(plugin_health, &json!({})), json!({"status": "ok"}));
    assert_eq!(call(plugin_start, &json!({})), Value::Null);
}

#[test]
#[should_panic(expected = "the door 'kv.get' has no answer")]
fn a_panic_fails_the_test_in_its_own_words() {
    begin();
    call(response_generate, &json!({"request": {"path": "/asks"}, "fingerprint": ""}));
}

#[test]
fn secrets_are_compared() {
    assert!(same("swordfish", b"swordfish") && same(String::from("ü"), "ü"));
    assert!(!same("swordfish", "swordfisk") && !same("sword", "swordfish") && !same("", "x"));
}

#[test]
fn servers_are_asked_and_answer() {
    set_doors(|door, asked| {
        assert_eq!(door, "http.request");
        let wanted = json!({"method": "POST", "url": "https://a.example", "headers": [["x-a", "1"], ["content-type", "application/json"]],
                            "follow_redirects": false, "body": {"text": "[1]"}});
        assert_eq!(asked, &wanted);
        json!({"ok": {"status": 201, "headers": [["x-b", "2"]], "body": {"text": "{\"a\": 1}"}}})
    });
    let answer = http(&HttpRequest::new("POST", "https://a.example").header("x-a", "1").json(&[1])).expect("an answer");
    assert_eq!((answer.status, answer.header("X-B"), answer.read().expect("a body").len()), (201, Some("2"), 8));
    assert_eq!(answer.json::<Value>().expect("JSON")["a"], 1);
}

#[test]
fn bytes_and_times_come_out_of_doors() {
    set_doors(|door, _| json!({"ok": match door {
        "random.bytes" => json!({"hex": "00ff"}),
        "clock.now" => json!({"unix_ns": 5_000_000_000_u64, "monotonic_ns": 1}),
        "file.read" => json!({"base64": "/w=="}),
        _ => Value::Null,
    }}));
    assert_eq!((random(2).expect("bytes"), resource("a").expect("a file")), (vec![0, 255], vec![255]));
    assert_eq!(now().expect("a time").duration_since(std::time::UNIX_EPOCH).expect("after it").as_secs(), 5);
    assert!(random(3).is_err(), "fewer than were asked for");
    kv::set("k", Value::Null, None).expect("nothing");
    sleep(std::time::Duration::from_secs(1)).expect("nothing");
}

struct Mute;

impl Plugin for Mute {
    type Config = NoConfig;
    fn new(_: Init<NoConfig>) -> Result<Self> { Ok(Mute) }
}

impl Lifecycle for Mute {}

mod mute {
    use super::*;
    plugin!(Mute: lifecycle);
}

#[test]
fn an_operation_of_another_kind_is_told() {
    assert_eq!(call(mute::describe, &json!({}))["ops"][2], "plugin.start");
    let said = call(mute::auth_authenticate, &json!({}));
    assert_eq!((&said["error"]["code"], &said["error"]["message"]), (&json!("unsupported_op"), &json!("plugin! makes no auth.authenticate: add its kind")));
}

#[test]
fn a_call_before_init_is_told() {
    let said = std::thread::spawn(|| call(auth_authenticate, &json!({}))).join().expect("no panic");
    assert_eq!(said["error"]["message"], "called before plugin.init");
}

#[test]
fn json_is_read_in_the_charset_of_its_mark_or_header() {
    let text = r#"{"a":"é"}"#;
    let wide = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    let marked = |mark: &[u8], rest: &[u8]| [mark, rest].concat();
    let (big, little) = (wide(u16::to_be_bytes), wide(u16::to_le_bytes));
    let latin: Vec<u8> = text.chars().map(|letter| letter as u8).collect();
    let read = |bytes: &[u8], kind: &str| -> Result<Value> {
        let mut request: Request = serde_json::from_value(json!({
            "method": "POST", "scheme": "http", "host": "h", "path": "/", "raw_path": "/", "query": [], "client": null, "route": null,
            "headers": [["content-type", kind]], "path_params": {}, "principal": null, "body": {"available": 0}
        }))?;
        request.body = Body::of(bytes);
        request.json()
    };
    let cases: [(Vec<u8>, &str); 7] = [
        (text.into(), ""),
        (marked(&[0xef, 0xbb, 0xbf], text.as_bytes()), "a/b; charset=iso-8859-1"),
        (latin.clone(), "a/b; x=y; Charset=\"ISO-8859-1\""),
        (marked(&[0xff, 0xfe], &little), ""),
        (marked(&[0xfe, 0xff], &big), "a/b; charset=utf-8"),
        (little, ""),
        (big, "a/b; charset=utf-16"),
    ];
    for (bytes, kind) in cases {
        assert_eq!(read(&bytes, kind).expect(kind)["a"], "é");
    }
    for (bytes, kind) in [(latin.clone(), ""), (text.into(), "a/b; charset=us-ascii"), (text.into(), "a/b; charset=shift_jis"), (vec![0xff, 0xfe, 0], "")] {
        assert!(read(&bytes, kind).is_err(), "{kind}");
    }
}

#[test]
fn cookies_add_up_and_those_that_browsers_refuse_fail_with_the_authors_line() {
    let answer = Response::redirect("/in").cookie(Cookie::new("a", "1")).and_then(|made| made.cookie(Cookie::new("__Host-b", "2").max_age(5)));
    let headers = answer.expect("sound cookies").headers;
    let lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let wanted = [
        "location: /in",
        "set-cookie: a=1; Path=/; HttpOnly; SameSite=Lax",
        "set-cookie: __Host-b=2; Path=/; Max-Age=5; HttpOnly; Secure; SameSite=Lax",
    ];
    assert_eq!(lines, wanted);
    for odd in ["", "a b", "a=b", "ü", "a;"] {
        assert!(Response::default().cookie(Cookie::new(odd, "1")).is_err(), "{odd}");
    }
    assert!(Response::default().cookie(Cookie::new("a", "1\r\n")).is_err());
    assert!(Response::default().cookie(Cookie::new("__host-a", "1").secure(false)).is_err());
}

#[test]
fn forms_and_cookies_are_read() {
    let request: Request = serde_json::from_value(json!({
        "headers": [["cookie", "a=1; b=\"2\""], ["cookie", "a=3; c"]], "claims": {"scope": "read"}, "query_string": "a=%20",
        "body": {"text": "a=1+2&b=%C3%BC&a=%&c"},
    }))
    .expect("a request");
    assert_eq!((request.cookie("a"), request.cookie("b"), request.cookie("c")), (Some("1"), Some("2"), None));
    let form: Vec<_> = request.form().expect("a form").into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(form, ["a=1 2", "b=ü", "a=%", "c="]);
    assert_eq!((request.claims["scope"].as_str(), request.query_string.as_deref()), (Some("read"), Some("a=%20")));
    let parts: Request = serde_json::from_value(json!({"body": {"text": "--x\r\na"}})).expect("a request");
    assert!(parts.form().is_err_and(|error| format!("{error:?}").contains("multipart/form-data")));
}

#[test]
fn a_query_is_a_text_statements_an_object_or_portable_and_its_parameters_have_types() {
    let asked = |query: Value| serde_json::from_value::<Query>(json!({"query": query, "params": {"id": 5, "price": "1.10"}})).unwrap();
    assert_eq!(asked(json!("all")).text(), "all");
    assert!(matches!(asked(json!(["a", "b"])).query, Asking::Statements(all) if all.len() == 2));
    assert!(matches!(asked(json!({"find": "t"})).query, Asking::Object(own) if own["find"] == "t"));
    let Asking::Portable(portable) = asked(json!({"from": "t", "where": ["id"], "update": {"price": "cost"}})).query else { panic!() };
    assert_eq!((portable.table.as_str(), portable.condition.len(), portable.delete), ("t", 1, false));
    let sent = asked(json!("all"));
    assert_eq!((sent.param::<i64>("id").unwrap(), sent.param::<String>("price").unwrap()), (5, "1.10".to_string()));
    assert_eq!((sent.param::<Option<String>>("none").unwrap(), sent.param::<i64>("price").unwrap_err().code.as_str()), (None, "invalid_input"));
}

#[test]
fn a_result_is_rows_or_documents() {
    let rows = json!({"columns": [{"name": "a", "type": "integer", "nullable": true}], "rows": [[1]], "truncated": false, "affected": 1});
    let documents = json!({"columns": [], "rows": [{"a": 1}, {}], "truncated": true, "next": "c", "total": 2, "waited_ms": 0.5, "documents": true});
    for document in [rows, documents] {
        let read: DataResult = serde_json::from_value(document.clone()).unwrap();
        assert_eq!(read.documents.is_some(), document["documents"] == true);
        assert_eq!(serde_json::to_value(read).unwrap(), document);
    }
    assert_eq!((float_cell(f64::NAN), float_cell(0.5), binary_cell(b"\x00\xff")), (json!("NaN"), json!(0.5), json!("AP8=")));
}
