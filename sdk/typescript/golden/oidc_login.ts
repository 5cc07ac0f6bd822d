/**
 * Login by redirect, as OpenID Connect does it: state cookie, callback endpoint, one-time nonce, session cookie.
 *
 * The code is exchanged at the provider's token endpoint; the provider's answer is trusted as it came over the host's TLS
 * (OpenID Connect Core §3.1.3.7 (6)), so no signature is checked here.
 */

import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { Allow, cookie, Deny, plugin, Reply, Response, sameText, type Context } from "mockforge-plugin";

const STATE_COOKIE = "oidc_state";
const SESSION_COOKIE = "session";
const NAMES = ["authorize_url", "token_url", "client_id", "redirect_uri"] as const;
type Config = Record<(typeof NAMES)[number], string>;
type Ctx = Context<Config>;

const token = () => crypto.randomUUID().replaceAll("-", "");
const encoded = (pairs: Record<string, string>) => Object.entries(pairs).map(([k, v]) => `${k}=${encodeURIComponent(v)}`).join("&");
const sign = (text: string, ctx: Ctx) =>
  bytesToHex(hmac(sha256, utf8ToBytes(ctx.secret("oidc_client_secret")), utf8ToBytes(text))).slice(0, 32);

export default plugin<Config>({
  validateConfig: (config) => NAMES.filter((name) => !config[name]).map((name) => ({ path: name, message: "is required" })),
  auth: {
    capabilities: { schemes: ["OpenID Connect"], redirects: true },
    async authenticate(request, ctx) {
      const session = request.cookies[SESSION_COOKIE];
      const found = session && ctx.kv.get(`session:${session}`);
      if (found) return new Allow({ id: found.sub, name: found.name, roles: found.roles }, { claims: found });
      if (request.header("accept")?.startsWith("application/json")) return new Deny(401, "log in first", "Cookie");
      return new Reply(toLogin(request.path, ctx));
    },
  },
  endpoints: {
    async callback(request, ctx) {
      const [state = "", code = ""] = [request.param("state"), request.param("code")];
      const [kept, signature = ""] = (request.cookies[STATE_COOKIE] ?? "").split(".");
      if (!state || kept !== state || !sameText(signature, sign(state, ctx))) {
        return Response.json({ error: "this login was not begun here" }, 400);
      }
      const login = ctx.kv.get<{ nonce: string; back_to: string }>(`login:${state}`);
      if (!login || !ctx.kv.delete(`login:${state}`)) return Response.json({ error: "this login has expired or was used" }, 400);
      const { client_id, redirect_uri, token_url } = ctx.config;
      const form = { grant_type: "authorization_code", code, redirect_uri, client_id, client_secret: ctx.secret("oidc_client_secret") };
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      const answer = ctx.http.post(token_url, { headers, body: encoded(form) });
      if (answer.status !== 200) return Response.json({ error: "the provider refused the code" }, 502);
      const claims = decodedClaims(answer.json().id_token);
      if (claims.nonce !== login.nonce || claims.aud !== client_id || claims.exp * 1000 <= Date.now()) {
        return Response.json({ error: "the provider's token is not for this login" }, 400);
      }
      if (!ctx.kv.addIfAbsent(`nonce:${login.nonce}`, true, 3600)) return Response.json({ error: "this login was used before" }, 400);
      const session = token();
      const { sub, name, roles } = claims;
      ctx.kv.set(`session:${session}`, { sub, name, roles }, 3600);
      const cookies = [cookie(SESSION_COOKIE, session, { maxAgeS: 3600 }), cookie(STATE_COOKIE, "", { maxAgeS: 0, path: "/auth" })];
      return Response.redirect(login.back_to, 303, cookies);
    },
  },
});

function toLogin(backTo: string, ctx: Ctx): Response {
  const [state, nonce] = [token(), token()];
  ctx.kv.set(`login:${state}`, { nonce, back_to: backTo }, 600);
  const { client_id, redirect_uri, authorize_url } = ctx.config;
  const query = encoded({ response_type: "code", client_id, redirect_uri, scope: "openid profile", state, nonce });
  const kept = cookie(STATE_COOKIE, `${state}.${sign(state, ctx)}`, { maxAgeS: 600, path: "/auth" });
  return Response.redirect(`${authorize_url}?${query}`, 302, [kept]);
}

function decodedClaims(idToken: string): any {
  const bytes = Uint8Array.from(atob(idToken.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}
