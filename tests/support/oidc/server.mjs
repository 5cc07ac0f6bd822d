// An identity provider on the loopback for tests: npm's oidc-provider, and in front of it a switch for its moods.
// Prints one line of JSON once it listens. POST /__control {"rotate": true} makes a new signing key and keeps the old one published;
// {"forget": true} withdraws all keys but the signing one; {"mood": "ok|down|slow|garbage|html|error|huge|empty|trickle"} how it answers when asked
// for keys or about tokens; {"cache_control": "…"} the header of its keys. GET /__control tells how often it was asked.
import {generateKeyPairSync, randomUUID} from "node:crypto";
import {createServer} from "node:http";
import Provider from "oidc-provider";

const AUDIENCE = "https://orders.example";
const OPAQUE = "https://opaque.example";
let keys = [newKey()];
let provider, callback;
const state = {mood: "ok", cache_control: "public, max-age=300"};
const asked = {jwks: 0, introspection: 0};

function newKey() {
  const {privateKey} = generateKeyPairSync("rsa", {modulusLength: 2048});
  return {...privateKey.export({format: "jwk"}), kid: randomUUID(), alg: "RS256", use: "sig"};
}

const client = (id, more) => ({
  client_id: id, client_secret: `${id}-secret`, grant_types: ["client_credentials"], redirect_uris: [], response_types: [], ...more,
});

function resource(ctx, indicator) {
  const format = indicator === OPAQUE ? "opaque" : "jwt";
  return {scope: "read write", audience: indicator, accessTokenTTL: 120, accessTokenFormat: format, jwt: {sign: {alg: "RS256"}}};
}

function build(issuer) {
  provider = new Provider(issuer, {
    jwks: {keys},
    clients: [
      client("shop"), client("other"),
      client("gateway"), // asks about tokens
      client("gateway:+ %", {client_secret: "s:e c+r%et/&=", token_endpoint_auth_method: "client_secret_basic"}),
      client("poster", {token_endpoint_auth_method: "client_secret_post"}),
    ],
    features: {
      devInteractions: {enabled: false},
      clientCredentials: {enabled: true},
      introspection: {enabled: true, allowedPolicy: () => true},
      revocation: {enabled: true},
      dPoP: {enabled: true},
      resourceIndicators: {enabled: true, getResourceServerInfo: resource, defaultResource: () => OPAQUE, useGrantedResource: () => true},
    },
    scopes: ["read", "write"],
    extraTokenClaims: (ctx, token) => ({realm_access: {roles: ["buyer"]}, "https://x.example/groups": ["staff"], name: `client ${token.clientId}`}),
  });
  provider.on("server_error", (ctx, error) => console.error(error));
  callback = provider.callback();
}

const moods = {
  ok: null,
  down: (req, res) => req.socket.destroy(),
  slow: () => {},
  trickle: (req, res) => { res.writeHead(200, {"content-type": "application/json"}); const timer = setInterval(() => res.write(" "), 50); res.on("close", () => clearInterval(timer)); },
  garbage: (req, res) => res.writeHead(200, {"content-type": "application/json"}).end('{"keys": [{"kty":'),
  html: (req, res) => res.writeHead(200, {"content-type": "text/html"}).end("<h1>Welcome</h1>"),
  error: (req, res) => res.writeHead(500, {"content-type": "application/json"}).end('{"error":"server_error"}'),
  huge: (req, res) => res.writeHead(200, {"content-type": "application/json"}).end(JSON.stringify({keys: [], active: true, sub: "x".repeat(6 << 20)})),
  empty: (req, res) => res.writeHead(200, {"content-type": "application/json"}).end('{"keys": []}'),
};

async function control(req, res) {
  if (req.method === "POST") {
    let text = "";
    for await (const chunk of req) text += chunk;
    const wanted = JSON.parse(text);
    if (wanted.rotate) keys = [newKey(), ...keys];
    if (wanted.forget) keys = keys.slice(0, 1);
    if (wanted.rotate || wanted.forget) build(provider.issuer);
    if (wanted.reset) Object.assign(asked, {jwks: 0, introspection: 0});
    for (const name of ["mood", "cache_control"]) if (wanted[name] !== undefined) state[name] = wanted[name];
  }
  res.writeHead(200, {"content-type": "application/json"}).end(JSON.stringify({...asked, kids: keys.map((key) => key.kid)}));
}

const server = createServer((req, res) => {
  if (req.url === "/__control") return control(req, res);
  const what = {"/jwks": "jwks", "/token/introspection": "introspection"}[req.url];
  if (what === undefined) return callback(req, res);
  asked[what] += 1;
  const mood = moods[state.mood];
  if (mood) return mood(req, res);
  if (what === "jwks" && state.cache_control) {
    const write = res.writeHead.bind(res);
    res.writeHead = (...args) => { res.setHeader("cache-control", state.cache_control); return write(...args); };
  }
  return callback(req, res);
});
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  build(issuer);
  console.log(JSON.stringify({issuer}));
});
process.stdin.on("end", () => process.exit(0)).resume(); // ends with whoever started it
