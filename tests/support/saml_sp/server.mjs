// Service providers of two libraries on the loopback, each with login, acs, slo, logout and metadata: `/1/node-saml/login`.
// `POST /configure` makes the pair of a number for an identity provider; what an acs finds is answered as JSON.
import { createServer } from "node:http";
import { SAML } from "@node-saml/node-saml";
import * as samlify from "samlify";

samlify.setSchemaValidator({ validate: async () => "not validated: that wants Java" });
const POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
const pairs = {};

function configure(given) {
  const { number, idp, key, certificate, signs, encrypted } = given;
  const libraries = {}, asked = new Set();
  pairs[number] = libraries;
  const at = (library, path) => `${origin}/${number}/${library}/${path}`;
  const keys = { privateKey: key, ...(encrypted ? { decryptionPvk: key } : {}) };
  const node = new SAML({
    ...keys, issuer: at("node-saml", "metadata"), callbackUrl: at("node-saml", "acs"), logoutCallbackUrl: at("node-saml", "slo"),
    entryPoint: idp.sso, logoutUrl: idp.slo, idpIssuer: idp.entity_id, idpCert: idp.certificates, audience: at("node-saml", "metadata"),
    signatureAlgorithm: "sha256", digestAlgorithm: "sha256", acceptedClockSkewMs: 0, validateInResponseTo: "always",
    wantAssertionsSigned: signs !== "response", wantAuthnResponseSigned: signs !== "assertion", identifierFormat: null,
  });
  libraries["node-saml"] = {
    login: async () => node.getAuthorizeUrlAsync("/home", undefined, {}),
    acs: async (form) => {
      const { profile } = await node.validatePostResponseAsync(form);
      return { name: profile.nameID, session: profile.sessionIndex, attributes: profile.attributes, profile };
    },
    logout: async (profile) => node.getLogoutUrlAsync(profile, "/bye", {}),
    metadata: () => node.generateServiceProviderMetadata(encrypted ? certificate : null, certificate),
    slo: async (query, text, form) => {
      if (form.SAMLResponse) return { loggedOut: (await node.validatePostResponseAsync(form)).loggedOut };
      const { profile, loggedOut } = form.SAMLRequest ? await node.validatePostRequestAsync(form) : await node.validateRedirectAsync(query, text);
      return query.SAMLResponse ? { loggedOut } : { redirect: await node.getLogoutResponseUrlAsync(profile, query.RelayState ?? "", {}, true) };
    },
  };
  const sp = samlify.ServiceProvider({
    entityID: at("samlify", "metadata"), assertionConsumerService: [{ Binding: POST, Location: at("samlify", "acs") }],
    wantAssertionsSigned: signs !== "response", wantMessageSigned: signs !== "assertion", isAssertionEncrypted: encrypted,
    ...(encrypted ? { encPrivateKey: key, encryptCert: certificate } : {}), privateKey: key, signingCert: certificate, authnRequestsSigned: encrypted,
    requestSignatureAlgorithm: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
  });
  const provider = samlify.IdentityProvider({ metadata: idp.metadata, isAssertionEncrypted: encrypted });
  libraries.samlify = {
    login: async () => {
      const { id, context } = sp.createLoginRequest(provider, "redirect");
      asked.add(id);
      return context;
    },
    acs: async (form) => {
      const { extract } = await sp.parseLoginResponse(provider, "post", { body: form });
      if (!asked.delete(extract.response.inResponseTo)) throw new Error("it answers no request of this service provider");
      return { name: extract.nameID, session: extract.sessionIndex?.sessionIndex, attributes: extract.attributes };
    },
    metadata: () => sp.getMetadata(),
  };
}

async function answer(request) {
  const url = new URL(request.url, origin);
  const text = await read(request);
  if (url.pathname === "/configure") return configure(JSON.parse(text)), { json: {} };
  const [, number, library, what] = url.pathname.split("/");
  const does = pairs[number]?.[library]?.[what];
  if (does === undefined) return { status: 404, json: {} };
  if (what === "metadata") return { xml: does() };
  if (what === "login") return { redirect: await does() };
  if (what === "logout") return { redirect: await does(JSON.parse(text)) };
  try {
    const form = Object.fromEntries(new URLSearchParams(text));
    const found = what === "acs" ? await does(form) : await does(Object.fromEntries(url.searchParams), url.search.slice(1), form);
    return found.redirect ? found : { json: found };
  } catch (error) {
    return { status: 403, json: { error: String(error?.message ?? error) } };
  }
}

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

const server = createServer((request, response) =>
  answer(request)
    .catch((error) => ({ status: 500, json: { error: String(error?.stack ?? error) } }))
    .then(({ status, json, xml, redirect }) => {
      if (redirect) return response.writeHead(302, { location: redirect }).end();
      const type = xml === undefined ? "application/json" : "application/xml";
      response.writeHead(status ?? 200, { "content-type": type }).end(xml ?? JSON.stringify(json));
    }),
);
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1");
await new Promise((ready) => server.once("listening", ready));
const origin = `http://127.0.0.1:${server.address().port}`;
console.log(JSON.stringify({ origin }));
process.stdin.on("end", () => process.exit(0)).resume();
