// A client of npm's `openid-client`, told what to do by lines of JSON on standard input: one answer for each.
import {createInterface} from "node:readline";
import * as client from "openid-client";

const CALLBACK = "http://localhost:5173/callback";

async function configuration({issuer, id, secret, verifies = true}) {
  const options = {execute: [client.allowInsecureRequests, ...(verifies ? [client.enableNonRepudiationChecks] : [])]};
  const auth = secret ? client.ClientSecretBasic(secret) : client.None();
  return client.discovery(new URL(issuer), id, undefined, auth, options);
}

// What a browser does: it takes the parameters to the login page, and its form to the provider, which sends it back.
async function browse(config, url, form) {
  const login = config.serverMetadata().authorization_endpoint.replace("/authorize", "/login");
  const answer = await fetch(login, {method: "POST", redirect: "manual", body: new URLSearchParams([...url.searchParams, ...Object.entries(form)])});
  return new URL(answer.headers.get("location"));
}

async function login(wanted) {
  const config = await configuration(wanted);
  const pkceCodeVerifier = client.randomPKCECodeVerifier(), expectedState = client.randomState(), expectedNonce = client.randomNonce();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK, scope: "openid profile email", state: expectedState, nonce: expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: "S256",
  });
  const back = await browse(config, url, wanted.form);
  const tokens = await client.authorizationCodeGrant(config, back, {pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true});
  const claims = tokens.claims();
  const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
  const introspected = wanted.secret ? await client.tokenIntrospection(config, refreshed.access_token) : null;
  await client.tokenRevocation(config, refreshed.refresh_token);
  const end = client.buildEndSessionUrl(config, {id_token_hint: tokens.id_token, post_logout_redirect_uri: CALLBACK, state: "bye"});
  const ended = await fetch(end, {redirect: "manual"});
  return {claims, userinfo, refreshed: refreshed.claims().sub, introspected, ended: ended.headers.get("location")};
}

async function own(wanted) {
  const config = await configuration(wanted);
  const tokens = await client.clientCredentialsGrant(config, {scope: "read", resource: "https://orders.example"});
  return client.tokenIntrospection(config, tokens.access_token);
}

const operations = {login, own};

for await (const line of createInterface({input: process.stdin})) {
  const wanted = JSON.parse(line);
  let answer;
  try {
    answer = {ok: await operations[wanted.op](wanted)};
  } catch (error) {
    const words = [];
    for (let each = error; each; each = each.cause) words.push(each.error, each.message);
    answer = {refused: words.filter(Boolean).join(": ")};
  }
  console.log(JSON.stringify(answer));
}
