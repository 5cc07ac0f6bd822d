//! The plugins of sdk/golden in one module: the name under which it runs says which one it is.

use mockforge_plugin::*;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

struct Golden {
    id: String,
    config: Value,
    calls: i64,
}

impl Plugin for Golden {
    type Config = Value;

    fn new(init: Init<Value>) -> Result<Self> {
        Ok(Golden { id: init.plugin.id, config: init.config, calls: 0 })
    }

    fn capabilities() -> Value {
        json!({"schemes": ["ApiKey"], "challenge": "ApiKey"})
    }
}

impl AuthPlugin for Golden {
    fn authenticate(&mut self, request: Request) -> Result<Option<Decision>> {
        if self.id == "cookies" {
            return by_cookie(request).map(Some);
        }
        let Some(key) = request.header(self.config["header"].as_str().unwrap_or("X-API-Key")) else { return Ok(None) };
        let keys: BTreeMap<String, Principal> = serde_json::from_str(&secret("api_keys")?)?;
        let Some(principal) = keys.get(key) else {
            log::info(format!("unknown key for {}", request.path));
            return Ok(Some(Decision::deny(401, "unknown key", Some("ApiKey"))));
        };
        let ends: String = key.chars().skip(key.chars().count().saturating_sub(2)).collect();
        let claims = json!({"key_ends": ends, "path": request.path}).as_object().cloned().unwrap_or_default();
        let set_headers = vec![("x-seen".to_string(), principal.id.clone())];
        Ok(Some(Decision::Allow { principal: principal.clone(), claims, set_headers }))
    }
}

impl ResponsePlugin for Golden {
    fn can_handle(&mut self, request: Request) -> Result<bool> {
        Ok(match self.id.as_str() {
            "greet" => request.path.starts_with("/hello"),
            "paged-orders" => request.method == "GET" && request.path == "/orders",
            _ => true,
        })
    }

    fn generate(&mut self, request: Request) -> Result<Option<Response>> {
        match self.id.as_str() {
            "awaiting" => every_door(request),
            "cookies" => cookies(request).map(Some),
            "greet" => greet(request),
            "paged-orders" => paged_orders(request),
            "plain" => self.plain(request),
            "failing" => fail(request),
            other => Err(Error::new(format!("'{other}' is no golden plugin"))),
        }
    }
}

impl Golden {
    fn plain(&self, request: Request) -> Result<Option<Response>> {
        Ok(match request.path.as_str() {
            "/list" => Some(Response::json(&json!([1, 2.5, null, true, "ü"]))),
            "/text" => Some(Response::text(format!("plain {}", self.config["suffix"].as_str().unwrap_or_default()))),
            "/dict" => Some(Response::json(&json!({"a": {"b": [1, 2]}, "1": "one"}))),
            _ => None,
        })
    }
}

fn every_door(request: Request) -> Result<Option<Response>> {
    let n = if request.path == "/sync" { "2" } else { "" };
    let key = |name: &str| format!("{name}{n}");
    let found = http(&HttpRequest::new("POST", "https://idp.example/token").header("x-a", "1").json(&json!({"a": "ü"})))?;
    let rows = query("shop", "orders", json!({"user": 1}), Some(2), None)?;
    let at = now()?.duration_since(std::time::SystemTime::UNIX_EPOCH)?;
    assert!(at.as_secs() == 1_790_000_000 && random(4)?.len() == 4);
    Ok(Some(Response::json(&json!({
        "added": [kv::add_if_absent(&key("n"), 1, Some(60.0))?, kv::add_if_absent(&key("n"), 1, None)?],
        "count": [kv::incr(&key("c"), 1, None)?, kv::incr(&key("c"), 5, None)?],
        "swap": [kv::compare_and_set(&key("s"), Value::Null, json!("a"))?, kv::compare_and_set(&key("s"), "b", "c")?],
        "get": [
            json!(kv::get::<String>(&key("s"))?), json!(kv::get(&key("none"))?.unwrap_or("default".to_string())),
            json!(kv::delete(&key("s"))?), json!(kv::delete(&key("s"))?),
        ],
        "http": [json!(found.status), json!(found.header("Content-Type")), found.json::<Value>()?],
        "rows": rows.rows, "columns": rows.columns.iter().map(|c| &c.name).collect::<Vec<_>>(), "next": rows.next,
        "file": String::from_utf8(resource("data/hello.txt")?)?, "body": String::from_utf8(read_body("request", 2, Some(3))?.0)?,
        "secret": secret("token")?, "slept": sleep(Duration::from_millis(1))?,
    }))))
}

fn by_cookie(request: Request) -> Result<Decision> {
    let Some(user) = request.cookie("user") else {
        return Ok(Decision::Reply(Response::redirect("/login").cookie(Cookie::new("back-to", "/private").max_age(600).path("/login"))?));
    };
    if user == "nobody" {
        return Ok(Decision::deny(401, "unknown user", Some("Cookie")));
    }
    let given = Response::default().cookie(Cookie::new("user", user).max_age(3600))?.cookie(Cookie::new("seen", "1").http_only(false))?;
    let claims = json!({"by": "cookie"}).as_object().cloned().unwrap_or_default();
    Ok(Decision::Allow { principal: Principal { id: user.into(), ..Principal::default() }, claims, set_headers: given.headers })
}

fn cookies(request: Request) -> Result<Response> {
    let is_refused = |made: Cookie| Response::default().cookie(made).is_err();
    Ok(match request.path.as_str() {
        "/set" => {
            let answer = Response::html("<p>in</p>").cookie(Cookie::new("one", "1"))?;
            let answer = answer.cookie(Cookie::new("two", "2").max_age(60).path("/x").secure(true))?;
            let answer = answer.cookie(Cookie::new("__Host-three", "3").same_site(SameSite::Strict))?;
            answer.cookie(Cookie::new("four", "").secure(true).same_site(SameSite::None))?
        }
        "/deleted" => Response::redirect("/").status(303).cookie(Cookie::gone("one").path("/x"))?.cookie(Cookie::gone("__Host-three"))?,
        "/refused" => Response::json(&json!({
            "blank": is_refused(Cookie::new("a b", "b")), "value": is_refused(Cookie::new("a", "a;b")),
            "path": is_refused(Cookie::new("a", "b").path("/x; Domain=example.com")), "relative": is_refused(Cookie::new("a", "b").path("x")),
            "none": is_refused(Cookie::new("a", "b").same_site(SameSite::None)),
            "host": is_refused(Cookie::new("__Host-a", "b").secure(false)), "host path": is_refused(Cookie::new("__Host-a", "b").path("/x")),
            "secure": is_refused(Cookie::new("__Secure-a", "b").secure(false)), "long": is_refused(Cookie::new("a", &"x".repeat(4096))),
            "sound": is_refused(Cookie::new("a", "b")),
        })),
        "/seen" => {
            let (raw, form) = (String::from_utf8(request.read_raw()?)?, request.form()?);
            let cookies = ["a", "b", "c"].map(|name| request.cookie(name));
            Response::json(&json!({"cookies": cookies, "claims": request.claims, "query": request.query_string, "form": form, "raw": raw}))
        }
        _ => Response::json(&json!([request.form()?, request.query_string, request.claims, request.read_raw()?.len()])),
    })
}

fn greet(request: Request) -> Result<Option<Response>> {
    let Some(name) = request.path_param("name") else { return Ok(None) };
    Ok(Some(match request.query_param("as").unwrap_or("json") {
        "json" => Response::json(&json!({"hello": name, "by": request.principal.as_ref().map(|p| &p.id)})),
        "template" => {
            let all: Vec<_> = request.query.iter().filter(|(key, _)| key == "x").map(|(_, value)| value).collect();
            Response::template("greeting.json", json!({"name": name, "all": all})).status(201)
        }
        "image" => Response::new(200, "image/png", *b"\x89PNG\r\n\x1a\n\x00\xff"),
        "text" => Response::text(format!("Hello, {name}!")).header("x-fingerprint", &request.fingerprint[..4]),
        "echo" => {
            let (text, form) = (String::from_utf8(request.read()?)?, request.form()?);
            let mut cookies = Map::new();
            for (key, value) in request.header("cookie").into_iter().flat_map(|line| line.split("; ")).filter_map(|pair| pair.split_once('=')) {
                cookies.entry(key).or_insert(json!(value.trim_matches('"')));
            }
            let url = format!("{}://{}{}", request.scheme, request.host, request.raw_path);
            let seen = json!({"cookies": cookies, "text": text, "form": form, "headers": request.headers, "url": url, "client": request.client});
            Response::json(&seen)
        }
        _ => Response::new(406, "", ""),
    }))
}

fn paged_orders(request: Request) -> Result<Option<Response>> {
    let size = request.query_param("size").unwrap_or("2").parse().unwrap_or(0);
    if !(1..=100).contains(&size) {
        return Ok(Some(Response::json(&json!({"error": "size must be 1 to 100"})).status(400)));
    }
    let user = request.principal.as_ref().map(|p| &p.id);
    let page = query("shop", "orders_of", json!({"user": user}), Some(size), request.query_param("cursor"))?;
    let item = |row: &Vec<Value>| page.columns.iter().map(|c| c.name.clone()).zip(row.clone()).collect::<Map<_, _>>();
    let items: Vec<_> = page.rows.iter().map(item).collect();
    let mut links = json!({"self": request.path});
    let next = page.next.as_ref().map(|cursor| format!("{}?size={size}&cursor={cursor}", request.path));
    if let Some(next) = &next {
        links["next"] = next.as_str().into();
    }
    let link = next.map(|next| format!("<{next}>; rel=\"next\""));
    Ok(Some(Response::json(&json!({"items": items, "total": page.total, "links": links})).header("link", link.as_deref())))
}

fn fail(request: Request) -> Result<Option<Response>> {
    match request.path.as_str() {
        "/error" => return Err(Error::new("as asked").code("unavailable").detail("n", 1)),
        "/question-mark" => drop("x".parse::<i32>()?),
        "/door" => drop(secret("none")?),
        "/panic" => drop(Vec::<u8>::new()[request.path.len()]),
        "/unwrap" => None.unwrap(),
        _ => {}
    }
    Ok(None)
}

impl ModifierPlugin for Golden {
    fn modify(&mut self, request: Request, response: Response) -> Result<Option<Response>> {
        if self.id == "large-body" && response.size() < self.config["from_bytes"].as_i64().unwrap_or(1) {
            return Ok(None);
        }
        let size = response.size().to_string();
        Ok(match (self.id.as_str(), request.query_param("how").unwrap_or_default()) {
            ("large-body", "upper") => {
                let upper: String = String::from_utf8(response.read()?)?.to_uppercase().chars().take(64).collect();
                Some(response.body(upper))
            }
            ("large-body", _) => Some(response.header("x-bytes", size.as_str())),
            ("stamp", "headers") => Some(response.header("X-Stamp", "1").header("server", None)),
            ("stamp", "status") => Some(response.status(202)),
            ("stamp", "body") => {
                let mut data: Value = serde_json::from_slice(&response.read()?)?;
                data["stamped"] = true.into();
                Some(Response::json(&data).status(response.status))
            }
            _ => None,
        })
    }
}

#[derive(Deserialize)]
struct Person {
    name: String,
}

#[derive(Deserialize)]
struct Join {
    parts: Vec<Value>,
    separator: String,
    upper: bool,
}

#[derive(Deserialize)]
struct Add {
    a: Value,
    b: Value,
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Deserialize)]
struct Plate {
    region: Option<String>,
    fake: Fake,
}

#[derive(Deserialize)]
struct Drawn {
    fake: Fake,
}

impl TemplatePlugin for Golden {
    fn functions() -> Vec<Function<Self>> {
        let initials = |_: &mut Self, who: Person| Ok(who.name.split_whitespace().filter_map(|part| part.chars().next()).collect::<String>());
        let join = |_: &mut Self, all: Join| {
            let texts: Vec<_> = all.parts.iter().map(|part| part.as_str().map_or(part.to_string(), String::from)).collect();
            let joined = texts.join(&all.separator);
            Ok(if all.upper { joined.to_uppercase() } else { joined })
        };
        let add = |_: &mut Self, sum: Add| {
            let whole = sum.a.as_i64().zip(sum.b.as_i64()).map(|(a, b)| json!(a + b));
            Ok(whole.unwrap_or_else(|| json!(sum.a.as_f64().unwrap_or_default() + sum.b.as_f64().unwrap_or_default())))
        };
        let count = |this: &mut Self, _: NoConfig| {
            this.calls += 1;
            Ok(this.calls)
        };
        let shout =
            |this: &mut Self, said: Text| Ok(format!("{}{}!", said.text.to_uppercase(), this.config["suffix"].as_str().unwrap_or_default()));
        let plate = |_: &mut Self, mut asked: Plate| {
            let regions: &[&str] = match asked.fake.locale.as_str() {
                "de_DE" => &["B", "M", "HH"],
                "en_US" => &["CA", "NY"],
                _ => &["X"],
            };
            let region = asked.region.unwrap_or_else(|| asked.fake.choice(regions).to_string());
            let letters: String = (0..2).map(|_| *asked.fake.choice(&['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'])).collect();
            Ok(format!("{region}-{letters} {}", asked.fake.integer(1, 9999)))
        };
        let drawn = |_: &mut Self, Drawn { mut fake }: Drawn| {
            Ok(json!([fake.float(), fake.float(), fake.integer(-5, 5), fake.integer(0, 1 << 52), fake.locale]))
        };
        vec![
            Function::new("plate", "string", plate)
                .with("description", "A vehicle's licence plate.")
                .optional("region", "string", Value::Null)
                .provider(),
            Function::new("drawn", "any", drawn).provider(),
            Function::new("initials", "string", initials)
                .with("description", "The first letters of each part of a name.")
                .with("pure", true)
                .with("category", "names")
                .with("examples", vec!["initials('Ada Lovelace')"])
                .required("name", "string"),
            Function::new("join", "string", join).var_args("parts", "string").optional("separator", "string", "-").optional("upper", "boolean", false),
            Function::new("add", "number", add)
                .with("description", "Adds.")
                .required("a", "integer")
                .optional("b", "any", 1),
            Function::new("count", "integer", count).with("description", "How often it was called: state lives in the instance."),
            Function::new("shout", "string", shout).with("description", "Upper case, with an exclamation mark.").required("text", "string"),
        ]
    }
}

fn people_columns() -> Vec<Column> {
    let kinds = [("id", "integer"), ("name", "text"), ("born", "datetime"), ("photo", "binary"), ("tags", "json"), ("key", "uuid")];
    kinds.iter().map(|(name, kind)| Column { nullable: *name != "id", ..Column::new(name, kind) }).collect()
}

fn stock_columns() -> Vec<Column> {
    let kinds = [
        ("id", "integer"), ("price", "decimal"), ("ratio", "float"), ("day", "date"), ("at", "datetime"), ("open", "boolean"),
        ("sizes", "integer[]"), ("photos", "binary[]"), ("more", "json"),
    ];
    kinds.iter().map(|(name, kind)| Column { nullable: *name != "id", ..Column::new(name, kind) }).collect()
}

fn cells(row: Value) -> Vec<Value> { row.as_array().cloned().unwrap_or_default() }

fn stock(asked: Query) -> Result<DataResult> {
    match &asked.query {
        Asking::Statements(all) => return Ok(DataResult::affected(all.len() as u64)),
        Asking::Object(own) => {
            let options = json!({
                "limit": asked.limit, "cursor": asked.cursor, "types": asked.types, "name": asked.name, "order": asked.order, "count": asked.count,
                "max_bytes": asked.max_bytes, "timeout_ms": asked.timeout_ms,
            });
            let columns = ["asked", "params", "options"].map(|name| Column::new(name, "json")).to_vec();
            return Ok(DataResult { columns, rows: vec![vec![json!(own), json!(asked.params), options]], ..Default::default() });
        }
        Asking::Portable(portable) => return change(&asked, portable),
        Asking::Text(_) => {}
    }
    let (b, inf) = (binary_cell(b"ab"), float_cell(f64::INFINITY));
    let more = json!({"photo": b, "when": "2026-01-31"});
    match asked.text() {
        "types" => {
            let at = "2026-01-31T23:59:59.120000+00:00";
            let rows = [
                json!([1, "1.10", 0.5, "2026-01-31", at, true, [1, null], [binary_cell(&[0, 255])], more]),
                json!(["1180591620717411303424", "0.00", float_cell(f64::NAN), null, null, null, null, null, null]),
                json!(["-1180591620717411303424", "infinity", float_cell(f64::NEG_INFINITY), "infinity", "infinity", false, [], [], [inf]]),
            ];
            let start: usize = asked.cursor.as_deref().unwrap_or("0").parse()?;
            let end = rows.len().min(start + asked.limit.unwrap_or(100));
            let truncated = end < rows.len();
            let (next, total) = (truncated.then(|| end.to_string()), asked.count.then_some(rows.len() as u64));
            let rows = rows[start..end].iter().cloned().map(cells).collect();
            Ok(DataResult { columns: stock_columns(), rows, truncated, next, total, waited_ms: Some(1.5), ..Default::default() })
        }
        "documents" => {
            let documents = [json!({"_id": 1, "by": {"photo": b}}), json!({"_id": 2, "price": "1.10"})];
            let documents = documents.iter().filter_map(|all| all.as_object().cloned()).collect();
            Ok(DataResult { columns: vec![Column::new("price", "decimal")], documents: Some(documents), ..Default::default() })
        }
        "odd type" => Ok(DataResult { columns: vec![Column::new("a", "varchar")], ..Default::default() }),
        "busy" => Err(Error::new("no connection left").code("unavailable").retryable().detail("busy", true).detail("retry_after_s", 2)),
        "taken" => Err(Error::new("a unique key").code("conflict")),
        _ => Err(Error::new("the table has changed").code("bad_data")),
    }
}

fn change(asked: &Query, portable: &Portable) -> Result<DataResult> {
    if portable.delete || portable.update.is_some() {
        return Ok(DataResult::affected(asked.param("id")?));
    }
    if let Some(insert) = &portable.insert {
        let given = insert.values().map(|name| asked.param(name.as_str().unwrap_or_default())).collect::<Result<Vec<Value>>>()?;
        let columns = insert.keys().map(|name| Column::new(name, "text")).collect();
        return Ok(DataResult { columns, rows: vec![given], ..DataResult::affected(1) });
    }
    let columns = portable.columns.clone().unwrap_or(vec!["all".to_string()]);
    let row = columns.iter().map(|_| json!(portable.condition.join(", "))).collect();
    Ok(DataResult { columns: columns.iter().map(|name| Column::new(name, "text")).collect(), rows: vec![row], ..Default::default() })
}

impl DataSourcePlugin for Golden {
    fn query(&mut self, asked: Query) -> Result<DataResult> {
        let key = "12345678-1234-5678-1234-567812345678";
        let rows = [
            json!([1, "Ada", "1815-12-10", "AP8=", ["math"], key]),
            json!([2, "Grâce", "1906-12-09T08:30:00+00:00", null, [], key]),
            json!([3, "李", null, "", null, null]),
        ];
        let rows: Vec<Vec<Value>> = rows.into_iter().map(|row| row.as_array().cloned().unwrap_or_default()).collect();
        if self.id == "stock" {
            return stock(asked);
        }
        match asked.text() {
            "all" => {
                let start: usize = asked.cursor.as_deref().unwrap_or("0").parse()?;
                let end = rows.len().min(start + asked.limit.unwrap_or(rows.len()));
                let more = end < rows.len();
                let next = more.then(|| end.to_string());
                Ok(DataResult { columns: people_columns(), truncated: more, next, total: Some(rows.len() as u64), rows: rows[start..end].to_vec(), ..Default::default() })
            }
            "by_id" => {
                let found: Vec<_> = rows.iter().filter(|row| row[0] == asked.params["id"]).collect();
                let columns = if found.is_empty() { vec![] } else { vec![Column::new("id", "integer"), Column::new("name", "text"), Column::new("score", "text")] };
                Ok(DataResult { columns, rows: found.iter().map(|row| vec![row[0].clone(), row[1].clone(), json!("1.50")]).collect(), ..Default::default() })
            }
            "ragged" => Ok(DataResult {
                columns: vec![Column::new("a", "text"), Column::new("b", "text")],
                rows: vec![vec![json!(1), json!(2)], vec![json!(3)]],
                ..Default::default()
            }),
            other => Err(Error::new(format!("no query '{other}'")).code("not_found").detail("known", vec!["all", "by_id"])),
        }
    }

    fn schema(&mut self) -> Result<Value> {
        if self.id == "stock" {
            return Ok(json!([{"name": "stock", "columns": stock_columns(), "primary_keys": ["id"]}]));
        }
        Ok(json!([{"name": "people", "columns": people_columns(), "primary_keys": ["id"]}]))
    }
}

plugin!(Golden: auth, response, can_handle, modifier, template, data_source);
