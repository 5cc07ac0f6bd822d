// An identity provider on the loopback for tests: npm's oidc-provider, and in front of it a switch for its moods.
// Prints one line of JSON once it listens. POST /__control {"rotate": true} makes a new signing key and keeps the old one published;
// {"forget": true} withdraws all keys but the signing one; {"mood": "ok|down|slow|garbage|html|error|huge|empty|trickle"} how it answers when asked
// for keys or about tokens; {"cache_control": "…"} the header of its keys. GET /__control tells how often it was asked.
// People log in with any name of `users` (password: the name backwards); {"users": {name: claims}} changes them, {"web": [clients]} adds clients.
import {generateKeyPairSync, randomUUID} from "node:crypto";
import {createServer} from "node:http";
import Provider from "oidc-provider";

const AUDIENCE = "https://orders.example";
const OPAQUE = "https://opaque.example";
let keys = [newKey()];
let provider, callback;
const state = {access_token_s: 120, mood: "ok", cache_control: "public, max-age=300"};
const asked = {jwks: 0, introspection: 0, token: 0};
const users = {};
const web = {};

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
      ...Object.values(web),
    ],
    cookies: {keys: ["of the tests"]},
    findAccount: (ctx, id) => users[id] && {accountId: id, claims: () => ({sub: id, ...users[id]})},
    claims: {profile: ["name", "realm_access", "groups"], email: ["email", "email_verified"]},
    conformIdTokenClaims: false,
    interactions: {url: (ctx, interaction) => `/interaction/${interaction.uid}`},
    loadExistingGrant,
    fetch: (url, options) => fetch(url, {...options, dispatcher: undefined}), // else it tells no clients on the loopback of logouts
    rotateRefreshToken: true,
    issueRefreshToken: (ctx, client) => client.grantTypeAllowed("refresh_token"),
    ttl: {AccessToken: () => state.access_token_s, IdToken: 300, RefreshToken: 3600, Session: 3600, Grant: 3600, Interaction: 600},
    features: {
      devInteractions: {enabled: false},
      clientCredentials: {enabled: true},
      backchannelLogout: {enabled: true},
      rpInitiatedLogout: {enabled: true, logoutSource: confirm},
      introspection: {enabled: true, allowedPolicy: () => true},
      revocation: {enabled: true},
      dPoP: {enabled: true},
      resourceIndicators: {enabled: true, getResourceServerInfo: resource, defaultResource: (ctx) => (ctx.oidc.client?.grantTypes.includes("authorization_code") ? undefined : OPAQUE), useGrantedResource: () => true},
    },
    scopes: ["read", "write"],
    extraTokenClaims: (ctx, token) => ({realm_access: {roles: ["buyer"]}, "https://x.example/groups": ["staff"], name: `client ${token.clientId}`}),
  });
  provider.on("server_error", (ctx, error) => console.error(error));
  callback = provider.callback();
}

// Whoever logs in agrees to everything.
async function loadExistingGrant(ctx) {
  const grant = new provider.Grant({clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId});
  grant.addOIDCScope("openid profile email offline_access");
  grant.addResourceScope(AUDIENCE, "read write");
  await grant.save();
  return grant;
}

const page = (res, body) => res.writeHead(200, {"content-type": "text/html; charset=utf-8"}).end(`<!doctype html><title>Provider</title>${body}`);

function confirm(ctx, form) {
  ctx.body = `<!doctype html><title>Provider</title><h1>Log out?</h1>${form}<button type="submit" form="op.logoutForm" name="logout" value="yes">Yes</button>`;
}

async function interaction(req, res) {
  if (req.method !== "POST") {
    await provider.interactionDetails(req, res);
    return page(res, '<h1>Log in</h1><form method="post"><input name="login"><input name="password" type="password"><button>Log in</button></form>');
  }
  let text = "";
  for await (const chunk of req) text += chunk;
  const form = new URLSearchParams(text), name = form.get("login");
  const known = users[name] && form.get("password") === [...name].reverse().join("");
  const result = known ? {login: {accountId: name}} : {error: "access_denied", error_description: "<script>alert(1)</script>"};
  return provider.interactionFinished(req, res, result, {mergeWithLastSubmission: false});
}

const moods = {
  ok: null,
  down: (req) => req.resume().on("end", () => req.socket.destroy()), // before its end, the system would send a reset
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
    for (const each of wanted.web ?? []) web[each.client_id] = each;
    Object.assign(users, wanted.users);
    if (wanted.rotate || wanted.forget || wanted.web) build(provider.issuer);
    if (wanted.reset) Object.assign(asked, {jwks: 0, introspection: 0, token: 0});
    for (const name of ["mood", "cache_control", "access_token_s"]) if (wanted[name] !== undefined) state[name] = wanted[name];
  }
  res.writeHead(200, {"content-type": "application/json"}).end(JSON.stringify({...asked, kids: keys.map((key) => key.kid)}));
}

const server = createServer((req, res) => {
  if (req.url === "/__control") return control(req, res);
  if (req.url.startsWith("/interaction/")) return interaction(req, res).catch((error) => res.writeHead(400).end(String(error)));
  if (req.url === "/token") asked.token += 1;
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
