// A SAML identity provider by npm's samlp, on the loopback: a page that asks for a name and a password, logins, single logout both ways.
// Told by its first line of input what it is (key, cert), and by POST /__service who may use it (entityId, acs, slo, cert, and how).
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import express from "express";

const samlp = createRequire(import.meta.url)("samlp");
const line = await new Promise((resolve) => createInterface({ input: process.stdin }).once("line", resolve));
const { key, cert, port } = JSON.parse(line);
process.stdin.on("close", () => process.exit(0)).resume();

const users = { ada: ["reader", "writer"], eve: ["reader"] };
const app = express();
const server = createServer(app);
await new Promise((resolve) => server.listen(port ?? 0, "127.0.0.1", resolve));
const base = `http://127.0.0.1:${server.address().port}`;
const issuer = `${base}/metadata`;
const services = new Map();
const logins = new Map(); // cookie → {user, participants}
const states = new Map();

app.use(express.urlencoded({ extended: false, limit: "1mb" }), express.json());
app.use((req, res, next) => {
  req.login = logins.get(/(?:^|;\s*)idp=([\w-]+)/.exec(req.headers.cookie ?? "")?.[1]);
  next();
});

app.post("/__service", (req, res) => {
  services.set(req.body.entityId, req.body);
  res.json({ issuer });
});
app.get("/metadata", samlp.metadata({
  issuer, cert, redirectEndpointPath: "/sso", postEndpointPath: "/sso", logoutEndpointPaths: { redirect: "/slo", post: "/slo" },
}));

const form = (action, fields) => `<!doctype html><title>Log in</title><form method="post" action="${action}">${fields}
  <input name="user"><input name="password" type="password"><button>Log in</button></form>`;
const escaped = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const query = (req) => req.originalUrl.includes("?") ? req.originalUrl.slice(req.originalUrl.indexOf("?")) : "";

app.post("/password", (req, res) => {
  if (!Object.hasOwn(users, req.body.user) || req.body.password !== [...req.body.user].reverse().join("")) {
    return res.status(403).send(form(escaped(`/password${query(req)}`), "<p>Wrong</p>"));
  }
  const id = randomUUID();
  logins.set(id, { user: req.body.user, participants: [] });
  res.cookie("idp", id, { httpOnly: true, sameSite: "lax" });
  res.redirect(303, `/sso${query(req)}`);
});

const sso = (req, res, next) => {
  if (!req.login) return res.send(form(escaped(`/password${query(req)}`), ""));
  samlp.parseRequest(req, (error, said) => {
    const service = services.get(said?.issuer ?? req.query.service);
    if (error || !service) return res.status(400).send("unknown service");
    const sessionIndex = `_${randomUUID()}`;
    const { user } = req.login;
    req.user = { id: user, emails: [`${user}@example.org`], displayName: user.toUpperCase(), roles: users[user] };
    req.login.participants.push({
      serviceProviderId: service.entityId, nameId: user, sessionIndex, serviceProviderLogoutURL: service.slo, cert: service.cert,
      nameIdFormat: "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified", binding: service.binding,
    });
    samlp.auth({
      issuer, cert, key, sessionIndex, lifetimeInSeconds: 300, audience: service.entityId, destination: service.acs, recipient: service.acs,
      signResponse: service.signResponse ?? false, signAssertion: service.signAssertion ?? true,
      ...(service.signed && said?.issuer ? { signingCert: service.cert } : {}),
      ...(service.encrypted ? { encryptionCert: service.cert, encryptionPublicKey: service.publicKey } : {}),
      getPostURL: (audience, request, from, done) => done(null, service.acs),
      getUserFromRequest: () => req.user,
      profileMapper: Object.assign(() => ({
        getClaims: () => ({ "urn:example:roles": req.user.roles, mail: req.user.emails[0], "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name": req.user.displayName }),
        getNameIdentifier: () => ({ nameIdentifier: req.user.id, nameIdentifierFormat: "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified" }),
      }), { prototype: { metadata: [] } }),
    })(req, res, next);
  });
};
app.get("/sso", sso);
app.post("/sso", sso);

const store = {
  save: (req, state, done) => { const id = randomUUID(); states.set(id, state); done(null, id); },
  load: (req, id, options, done) => { done ??= options; const found = states.get(id); if (options?.destroy) states.delete(id); done(null, found); },
  update: (req, id, state, done) => { states.set(id, state); done(null, id); },
};
const slo = (req, res, next) => {
  const all = req.login?.participants ?? [...logins.values()].flatMap((login) => login.participants);
  const participants = {
    get: (issuer, indexes, nameId, done) => done(null, all.find((p) => p.serviceProviderId === issuer && p.nameId === nameId && [].concat(indexes).includes(p.sessionIndex))),
    hasElements: () => all.length > 0,
    getFirst: (done) => done(null, all[0]),
    remove: (issuer, index, nameId, done) => { const at = all.findIndex((p) => p.sessionIndex === index); done(null, at < 0 ? null : all.splice(at, 1)[0]); },
  };
  const isPost = req.method === "POST";
  samlp.logout({
    deflate: true, issuer, cert, key, store, sessionParticipants: participants,
    protocolBinding: `urn:oasis:names:tc:SAML:2.0:bindings:HTTP-${isPost ? "POST" : "Redirect"}`,
    getCredentials: (from, indexes, nameId, done) => done(null, { cert: services.get(from)?.cert }),
    clearIdPSession: (done) => { res.clearCookie("idp"); for (const [id, login] of logins) if (login === req.login) logins.delete(id); done(); },
  })(req, res, next);
};
app.get("/slo", slo);
app.post("/slo", slo);
app.use((error, req, res, next) => { console.error(error); res.status(500).send(escaped(String(error))); });
console.log(JSON.stringify({ base, issuer }));
