/** What a plugin's method gave → the JSON document that its operation answers with, checked field by field. */

import { bodyDocument, pairs } from "./encoding.js";
import { WrongAnswer } from "./failure.js";
import type { HeadersLike, Pairs, TemplateFunction } from "./types.js";
import { Allow, Answer, Deny, Reply, Response } from "./values.js";

/** What a value is, in the words of an error. */
function kind(value: any): string {
  if (value === null || typeof value !== "object") return value === null ? "null" : typeof value;
  const name = `${value.constructor?.name}`.replace(/^_/, ""); // esbuild's mark
  return name === "Object" ? "an object" : name === "Array" ? "an array" : name;
}
export function refuse(why: string): never { throw new WrongAnswer(why); }
export const fail = (what: string, value: unknown, hint = "") => refuse(`${what}, not ${kind(value)}${hint}`);
export const plain = (value: any, name: string, part: string) =>
  typeof value === "object" && value && !Array.isArray(value) ? value : fail(`${name}: ${part} must be an object`, value);
export const text = (it: unknown, name: string, part: string) => (typeof it === "string" ? it : fail(`${name}: ${part} must be a string`, it));
const texts = (value: any, name: string, part: string): string[] =>
  Array.isArray(value) ? value.map((item) => text(item, name, part)) : fail(`${name}: ${part} must be an array of strings`, value);
const status = (value: number, name: string, part: string, least = 200) =>
  Number.isInteger(value) && value >= least && value <= 599 ? value : refuse(`${name}: ${part} must be ${least} to 599, not ${value}`);
function headers(value: HeadersLike, name: string, part: string): Pairs {
  for (const [key, line] of pairs(value)) {
    if (typeof line !== "string") fail(`${name}: ${part}: '${key}' must be a string`, line);
    const isSound = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(key) && !/[\r\n\0]/.test(line);
    if (!isSound) refuse(`${name}: ${part}: '${key}' holds characters that no header may carry`);
  }
  return pairs(value);
}

export const nothing = () => null;
export const bool = (value: unknown, name: string) => (typeof value === "boolean" ? value : fail(`${name} must return a boolean`, value));

export function decision(value: unknown, name: string): unknown {
  if (value == null) return null;
  if (value instanceof Allow) {
    const { claims = {}, setHeaders = [] } = value.more;
    const set_headers = headers(setHeaders, name, "Allow.setHeaders");
    return { allow: { principal: principal(value.principal, name), claims: plain(claims, name, "Allow.claims"), set_headers } };
  }
  if (value instanceof Deny) {
    const { challenge = null, reason } = value;
    if (challenge !== null) headers({ challenge }, name, "Deny.challenge");
    return { deny: { status: status(value.status, name, "Deny.status", 400), reason: text(reason, name, "Deny.reason"), challenge } };
  }
  if (value instanceof Reply && value.response instanceof Response) return { reply: response(value.response, name) };
  const hint = value instanceof Response ? " (wrap a Response in Reply)" : " (say new Allow({ id }) or new Deny())";
  return fail(`${name} must return Allow, Deny, Reply or null`, value, typeof value === "boolean" || value instanceof Response ? hint : "");
}

function principal(value: unknown, name: string): unknown {
  const { id, roles, groups, name: full, email, attributes } = plain(value, name, "Allow.principal");
  return {
    id: text(id, name, "Principal.id") || refuse(`${name}: Principal.id must not be empty`),
    name: full && text(full, name, "Principal.name"), email: email && text(email, name, "Principal.email"),
    roles: roles && texts(roles, name, "Principal.roles"), groups: groups && texts(groups, name, "Principal.groups"),
    attributes: attributes && plain(attributes, name, "Principal.attributes"),
  };
}

/** The document of a whole answer. An object or array becomes JSON, a string plain text, both with status 200. */
export function response(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === "string") return response(Response.text(value), name);
  const isAny = typeof value === "object" && value !== null && !(value instanceof Answer);
  if (!isAny) return fail(`${name} must return a Response (or an object or array for JSON, a string for text)`, value);
  if (!(value instanceof Response)) return response(Response.json(value), name);
  const head = { status: status(value.status, name, "Response.status"), headers: headers(value.headers, name, "Response.headers") };
  if (value.template !== undefined) return { ...head, template: value.template, vars: plain(value.vars, name, "Response.vars") };
  const body = value.body ?? "";
  if (typeof body !== "string" && !(body instanceof Uint8Array)) fail(`${name}: Response.body must be a string or a Uint8Array`, body);
  return { ...head, body: bodyDocument(body) };
}
export const generated = (value: unknown, name: string) => (value == null ? null : response(value, name));

/** A response document, or null for "unchanged". A body that is not given is left out: it stays as it is. */
export function modified(value: unknown, name: string): unknown {
  if (value == null || value instanceof Answer) return null;
  if (!(value instanceof Response)) return fail(`${name} must return a Response or null (unchanged)`, value);
  return { ...response(value, name), ...(value.body === undefined && { body: undefined }) };
}

export function health(value: any, name: string): unknown {
  const { status = "ok", detail = "" } = typeof value === "string" ? { status: value } : (value ?? {});
  if (["ok", "degraded", "down"].includes(status)) return { status, detail: text(detail, name, "detail") };
  return refuse(`${name} must return { status: "ok" | "degraded" | "down", detail }, not ${status}`);
}

export function problems(value: any, name: string): unknown {
  const found = value == null ? [] : [value].flat().map((item) => (typeof item === "string" ? { path: "", message: item } : item));
  return found.length ? found.map(({ path = "", message }) => ({ path, message: text(message, name, "a problem's message") })) : null;
}

/** The metadata of a template function. */
export function described(name: string, made: TemplateFunction): unknown {
  const { description = "", returns = "any", examples = [], category = null, pure = false } = made;
  const parameters = (made.parameters ?? []).map(({ name, type = "any", description = "", default: value, many }) => {
    return { name, type, description, required: value === undefined && !many, default: value ?? null, var_args: Boolean(many) };
  });
  return { name, description, parameters, returns, examples, category, pure };
}
