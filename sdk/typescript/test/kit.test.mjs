/** The kit by itself. What needs QuickJS or the host is in the repository's Python tests. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { bundle } from "../build.mjs";
import { guest } from "./guest.mjs";

const HEAD = 'import { Allow, cookie, Deny, fn, HostError, plugin, PluginError, Reply, Response, sameText } from "mockforge-plugin";\n';
const request = (more = {}) => ({ method: "GET", path: "/", query: [], headers: [], path_params: {}, body: { available: 0 }, ...more });
const generating = (body, doors) => guest(`${HEAD}export default plugin({ response: { async generate(request, ctx) {\n${body}\n} } });`, doors);
const generated = async (body, sent = {}, doors = {}) => (await generating(body, doors)).call("response.generate", { request: request(sent) });

test("a description says what is there", async () => {
  const made = await guest(`${HEAD}export default plugin({ auth: { authenticate: () => null, capabilities: { schemes: ["x"] } } });`);
  const said = made.describe();
  assert.deepEqual(said.ops, ["auth.authenticate", "plugin.init"]);
  assert.deepEqual(said.capabilities, { schemes: ["x"] });
});

test("headers, cookies, query, form", async () => {
  const sent = {
    headers: [["x-a", "1"], ["cookie", 'a=1; b="two"; a=3; c=x=y']],
    query: [["q", "1"], ["q", "2"]],
    body: { text: "name=Ada+L&eq=a%3Db&none&odd=%zz+%ff%" },
  };
  const body = 'return { a: request.header("X-A"), no: request.header("no") ?? 0, q: request.param("q"), c: request.cookies, f: request.form(), n: request.size };';
  assert.deepEqual(JSON.parse((await generated(body, sent)).body.text), {
    ...{ a: "1", no: 0, q: "1", c: { a: "1", b: "two", c: "x=y" }, f: [["name", "Ada L"], ["eq", "a=b"], ["none", ""], ["odd", "%zz %ff%"]], n: 37 },
  });
});

test("bodies are read in the charset of their mark or their header, UTF-16 JSON by its zeros", async () => {
  const text = '{"a":"é"}';
  const base64 = (bytes) => ({ base64: Buffer.from(bytes).toString("base64") });
  const utf16 = Buffer.from(text, "utf16le");
  const cases = [
    [{ text }, ""], [{ text: "\ufeff" + text }, ""], [base64(Buffer.from(text, "latin1")), "a/b; charset=iso-8859-1"],
    [base64([0xff, 0xfe, ...utf16]), ""], [base64([0xfe, 0xff, ...Buffer.from(utf16).swap16()]), "a/b; charset=utf-8"],
    [base64(utf16), 'a/b; Charset="UTF-16LE"'], [base64(Buffer.from(utf16).swap16()), "a/b;charset=utf-16"],
  ];
  for (const [body, type] of cases) {
    const answer = await generated("return [request.text(), request.json().a];", { body, headers: [["content-type", type]] });
    assert.deepEqual(JSON.parse(answer.body.text), [text, "é"]);
  }
  assert.equal((await generated("return request.json().a;", { body: base64(utf16) })).body.text, "é");
  for (const [body, type] of [[{ text }, "a/b; charset=shift_jis"], [{ text }, "a/b; charset=us-ascii"], [base64([0xff, 0xfe, 0]), ""], [{ text: "[NaN]" }, ""]]) {
    await assert.rejects(() => generated("return request.json();", { body, headers: [["content-type", type]] }));
  }
});

test("a form of parts is refused in words", async () => {
  const body = { text: '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n' };
  await assert.rejects(() => generated("return request.form();", { body }), /multipart/);
  assert.deepEqual(JSON.parse((await generated("return request.form();", { body: { text: "--x=1" } })).body.text), [["--x", "1"]]);
});

test("a body at the host is fetched piece by piece", async () => {
  const whole = "grüße";
  const bytes = Buffer.from(whole);
  const doors = { "body.read": ({ offset, length = 3 }) => ({ base64: bytes.subarray(offset, offset + Math.min(length, 3)).toString("base64"), total: 7 }) };
  const made = await generating("return [request.text(), [...request.bytes({ offset: 1, length: 4 })]];", doors);
  const answer = made.call("response.generate", { request: request({ body: { available: 7 } }) });
  assert.deepEqual(JSON.parse(answer.body.text), [whole, [...bytes.subarray(1, 5)]]);
  assert.deepEqual(made.asked.at(-1), ["body.read", { of: "request", offset: 4, length: 1 }]);
});

test("bytes that are no text go as base64", async () => {
  assert.deepEqual((await generated("return new Response(200, [], Uint8Array.of(255, 0));")).body, { base64: "/wA=" });
});

test("an HTTP request says all that it was told", async () => {
  const doors = { "http.request": () => ({ status: 201, headers: [["X-A", "1"]], body: { text: "{}" } }) };
  const made = await generating('const a = ctx.http.post("https://x.example/", { json: {}, headers: { a: "b" }, timeoutMs: 5 });\nreturn [a.status, a.header("x-a"), a.json()];', doors);
  assert.deepEqual(JSON.parse(made.call("response.generate", { request: request() }).body.text), [201, "1", {}]);
  const headers = [["a", "b"], ["content-type", "application/json"]];
  assert.deepEqual(made.asked, [["http.request", { method: "POST", url: "https://x.example/", headers, timeout_ms: 5, body: { text: "{}" } }]]);
});

test("JSON is sent as what the headers say it is", async () => {
  const made = await generating('ctx.http.post("https://x.example/", { json: {}, headers: { "Content-Type": "a/b" } });\nreturn null;', { "http.request": () => ({ status: 204, headers: [] }) });
  made.call("response.generate", { request: request() });
  assert.deepEqual(made.asked[0][1].headers, [["Content-Type", "a/b"]]);
});

test("a refused door is a HostError at the author's line", async () => {
  const made = await generating('\n\nctx.secret("x");');
  assert.throws(() => made.call("response.generate", { request: request() }), (error) => {
    assert.deepEqual([error.code, error.details.file, error.details.line, error.details.source], ["denied", "plugin.ts", 5, 'ctx.secret("x");']);
    return true;
  });
});

test("what awaits after a failure sees it where it was thrown", async () => {
  const made = await generating("try {\nawait Promise.reject(new TypeError('first'));\n} catch (cause) {\nthrow new Error('second', { cause });\n}");
  assert.throws(() => made.call("response.generate", { request: request() }), (error) => {
    assert.equal(error.details.line, 6);
    assert.match(error.details.traceback, /^Error: second\n    at [^\n]*plugin\.ts:6\)?\n[^]*caused by: TypeError: first\n    at [^\n]*plugin\.ts:4/);
    return true;
  });
});

test("the bundle does not tell where it was made", async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "bundle-"));
  const here = process.cwd();
  try {
    await writeFile(path.join(folder, "plugin.ts"), `${HEAD}export default plugin({});`);
    const first = await bundle(path.join(folder, "plugin.ts"));
    process.chdir(folder);
    assert.equal((await bundle("plugin.ts")).text, first.text);
  } finally {
    process.chdir(here);
    await rm(folder, { recursive: true });
  }
});

test("whatever is thrown or printed is told", async () => {
  const circle = "const circle: any = { n: 1n }; circle.self = circle;\n";
  for (const [thrown, words] of [
    ["{ code: 7 }", 'object thrown: {"code":7}'],
    ["Object.assign(Object.create(null), circle)", "object thrown: [object Object]"],
    ["Symbol('s')", "symbol thrown: Symbol(s)"],
    ["new PluginError('x', { details: { n: NaN } })", "details['n'] is NaN, which JSON cannot carry"],
    ["new PluginError('x', { details: circle })", /^TypeError: .*circular/s],
  ]) {
    await assert.rejects(generated(`${circle}throw ${thrown};`), { message: words });
  }
  const made = await generating(`${circle}console.log(circle, 1n, null);\nreturn null;`, { log: () => null });
  assert.equal(made.call("response.generate", { request: request() }), null);
  assert.deepEqual(made.asked, [["log", { level: "info", message: "[object Object] 1 null" }]]);
});

test("what nobody waits for ends with its call", async () => {
  const left = 'queueMicrotask(() => { jobs += 1; if (throws) throw new Error("boom"); }); setTimeout(() => (late += 1), 5)';
  const functions = `{ leave: fn({ parameters: [{ name: "throws" }], call: (throws) => { ${left}; if (throws === null) throw new Error("at once"); } }), seen: fn({ call: async () => [await jobs, late] }) }`;
  const made = await guest(`${HEAD}let [jobs, late] = [0, 0];\nexport default plugin({ functions: ${functions} });`);
  const call = (name, ...args) => made.call("template.call", { function: name, args });
  call("leave", false);
  assert.throws(() => call("leave", true), { message: "Error: boom" });
  assert.throws(() => call("leave", null), { message: "Error: at once" });
  assert.deepEqual(call("seen"), [2, 0]);
});

test("arguments of template functions", async () => {
  const parameters = '[{ name: "a", type: "integer" }, { name: "rest", many: true }, { name: "c", default: 3 }, { name: "more", many: "named" }]';
  const made = await guest(`${HEAD}export default plugin({ functions: { f: fn({ parameters: ${parameters}, call: (...all) => all.slice(0, 4) }) } });`);
  const call = (args, kwargs = {}) => made.call("template.call", { function: "f", args, kwargs });
  assert.deepEqual(call([1]), [1, [], 3, {}]);
  assert.deepEqual(call([1, 2, 3], { c: 4, d: 5 }), [1, [2, 3], 4, { d: 5 }]);
  assert.throws(() => call([]), { code: "invalid_input", message: "f(a, rest, c, more) does not take these arguments: 'a' is missing" });
  assert.throws(() => call([1], { a: 2 }), { message: /'a' is given twice/ });
  assert.throws(() => made.call("template.call", { function: "toString" }), { code: "not_found" });
});

test("a data source connects once, and objects become rows", async () => {
  const source = 'connect: () => void (opened += 1), query: async () => [{ n: opened, at: new Date(0) }, { n: null, x: [1] }]';
  const made = await guest(`${HEAD}let opened = 0;\nexport default plugin({ dataSource: { ${source} } });`);
  for (const _ of [1, 2]) {
    const { columns, rows } = made.call("data.query", { query: "q", params: {} });
    assert.deepEqual(columns.map((c) => [c.name, c.type]), [["n", "integer"], ["at", "datetime"], ["x", "json"]]);
    assert.deepEqual(rows, [[1, "1970-01-01T00:00:00+00:00", null], [null, null, [1]]]);
  }
});

test("a data source is told all that is asked, and says when its data have changed", async () => {
  const source = "query(query, params, asked, ctx) { ctx.changed(); return [{ asked, more: ctx.query('s', 'q', {}, { count: true }).total }]; }";
  const made = await guest(`${HEAD}export default plugin({ dataSource: { ${source}, capabilities: { pages: "all" } } });`, {
    "data.changed": () => null,
    "data.query": () => ({ columns: [], rows: [], total: 7 }),
  });
  const asked = { name: "q", types: { id: "integer" }, write: true, order: ["-id"] };
  const { rows } = made.call("data.query", { query: ["a"], params: {}, max_bytes: 5, timeout_ms: 6, ...asked });
  assert.deepEqual(rows, [[{ ...asked, maxBytes: 5, timeoutMs: 6 }, 7]]);
  assert.deepEqual(made.asked, [["data.changed", {}], ["data.query", { source: "s", query: "q", params: {}, count: true }]]);
  assert.deepEqual(made.describe().capabilities, { pages: "all" });
});

test("cookies", async () => {
  const body = 'return [cookie("a", "b"), cookie("s", "", { maxAgeS: 0, path: "/x", httpOnly: false, secure: true, sameSite: "None" })];';
  assert.deepEqual(JSON.parse((await generated(body)).body.text), [
    ["set-cookie", "a=b; Path=/; HttpOnly; SameSite=Lax"],
    ["set-cookie", "s=; Path=/x; Max-Age=0; Secure; SameSite=None"],
  ]);
  for (const wrong of ['cookie("a b", "c")', 'cookie("a", "b;c")', 'cookie("a", "b\\r\\nc")', 'cookie("", "b")', 'cookie("a", "ü")', 'cookie("a", "b", { path: "/;x" })']) {
    await assert.rejects(generated(`return [${wrong}];`), { name: "Error", code: "internal" }, wrong);
  }
});

test("texts are compared whole", async () => {
  const pairs = '[["", ""], ["a", "a"], ["a", ""], ["", "a"], ["ab", "abab"], ["abc", "abd"], ["ü", "u"]]';
  assert.deepEqual(JSON.parse((await generated(`return ${pairs}.map(([a, b]) => sameText(a!, b!));`)).body.text), [true, true, ...Array(5).fill(false)]);
});

test("objects of any make will do", async () => {
  const person = "class Person { id = 'a'; }\n";
  const answer = "new Allow(new Person(), { claims: Object.assign(Object.create(null), { n: 1 }) })";
  const made = await guest(`${HEAD}${person}export default plugin({ auth: { authenticate: () => ${answer} } });`);
  assert.deepEqual(made.call("auth.authenticate", request()), { allow: { principal: { id: "a" }, claims: { n: 1 }, set_headers: [] } });
  assert.throws(() => made.call("constructor"), { code: "unsupported_op" });
});

test("what JSON would silently change is refused with its place", async () => {
  for (const [value, words] of [
    ["{ a: [1, new Uint8Array(2)] }", "json['a'][1] is a Uint8Array, which is not JSON; use [...]"],
    ["{ a: { b: new Map() } }", "json['a']['b'] is a Map, which is not JSON; use [...]"],
    ["[Promise.resolve(1)]", "json[0] is a Promise, which is not JSON; await it"],
    ["[{ a: Infinity }]", "json[0]['a'] is Infinity, which JSON cannot carry"],
    ["[['ü\\ud800']]", "json[0][0] holds a lone surrogate, which UTF-8 cannot carry"],
  ]) {
    await assert.rejects(generated(`return ${value};`), { message: words });
  }
  assert.equal((await generated("return { at: new Date(0), none: undefined, text: 'null {} \\\\ud800 \u{1f600}' };")).body.text,
    '{"at":"1970-01-01T00:00:00.000Z","text":"null {} \\\\ud800 😀"}');
});

for (const [answer, words] of [
  ["new Deny(200)", "authenticate: Deny.status must be 400 to 599, not 200"],
  ['new Deny(401, "x", "a\\nb")', "authenticate: Deny.challenge: 'challenge' holds characters that no header may carry"],
  ['new Allow({ id: "" })', "authenticate: Principal.id must not be empty"],
  ['new Allow({ id: "a" }, { claims: { when: NaN } })', "answer['allow']['claims']['when'] is NaN, which JSON cannot carry"],
  ["new Reply({} as any)", "authenticate must return Allow, Deny, Reply or null, not Reply"],
]) {
  test(`refused: ${answer}`, async () => {
    const made = await guest(`${HEAD}export default plugin({ auth: { authenticate: () => ${answer} } });`);
    assert.throws(() => made.call("auth.authenticate", request()), { message: words, code: "internal" });
  });
}
