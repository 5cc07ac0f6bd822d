/** What a plugin's method gave → the JSON document that its operation answers with, checked field by field. */

import { bodyDocument, encode, encode64, type Pairs } from "./encoding.js";
import { WrongAnswer } from "./failure.js";
import { Allow, Answer, Deny, Reply, Response, type TemplateFunction } from "./values.js";

/** What a value is, in the words of an error. */
const kind = (value: any) =>
  value === null ? "null" : Array.isArray(value) ? "an array" : typeof value !== "object" ? typeof value : value.constructor === Object ? "an object" : `${value.constructor?.name}`.replace(/^_/, ""); // esbuild's mark
function fail(what: string, value: unknown): never {
  throw new WrongAnswer(`${what}, not ${kind(value)}`);
}
const text = (value: unknown, where: string) => (typeof value === "string" ? value : fail(`${where} must be a string`, value));
const texts = (value: unknown, where: string) => (Array.isArray(value) ? value.map((v) => text(v, where)) : fail(`${where} must be an array of strings`, value));
const plain = (value: any, where: string) => (typeof value === "object" && value && !Array.isArray(value) ? value : fail(`${where} must be an object`, value));

function status(value: number, where: string, least = 200): number {
  if (Number.isInteger(value) && value >= least && value <= 599) return value;
  throw new WrongAnswer(`${where} must be ${least} to 599, not ${value}`);
}

function headers(value: Pairs | Record<string, string>, where: string): Pairs {
  const pairs = Array.isArray(value) ? value : Object.entries(plain(value, where));
  for (const [name, line] of pairs as Pairs) {
    const sound = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text(name, where)) && !/[\r\n\0]/.test(text(line, `${where}: '${name}'`));
    if (!sound) throw new WrongAnswer(`${where}: '${name}' holds characters that no header may carry`);
  }
  return pairs as Pairs;
}

export const nothing = () => null;
export const bool = (value: unknown, name: string) => (typeof value === "boolean" ? value : fail(`${name} must return true or false`, value));

export function decision(value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (value instanceof Reply) return { reply: value.response instanceof Response ? response(value.response, "authenticate") : fail("Reply.response must be a Response", value.response) };
  if (value instanceof Deny) {
    const challenge = value.challenge ?? null;
    if (challenge !== null) headers([["challenge", challenge]], "authenticate: Deny.challenge");
    return { deny: { status: status(value.status, "authenticate: Deny.status", 400), reason: text(value.reason, "authenticate: Deny.reason"), challenge } };
  }
  if (!(value instanceof Allow)) {
    const hint = value instanceof Response ? " (wrap a Response in Reply)" : typeof value === "boolean" ? " (say new Allow({ id }) or new Deny())" : "";
    throw new WrongAnswer(`authenticate must return Allow, Deny, Reply or null, not ${kind(value)}${hint}`);
  }
  const { roles, groups, name, email, attributes, ...rest } = plain(value.principal, "authenticate: Allow.principal");
  const principal: Record<string, unknown> = { id: text(rest.id, "authenticate: Principal.id") || fail("authenticate: Principal.id must not be empty", "") };
  for (const [key, items] of Object.entries({ roles, groups })) if (items && texts(items, `authenticate: Principal.${key}`).length) principal[key] = items;
  for (const [key, item] of Object.entries({ name, email })) if (item !== null && item !== undefined) principal[key] = text(item, `authenticate: Principal.${key}`);
  if (attributes) principal.attributes = plain(attributes, "authenticate: Principal.attributes");
  const { claims = {}, setHeaders = [] } = value.more;
  return { allow: { principal, claims: plain(claims, "authenticate: Allow.claims"), set_headers: headers(setHeaders, "authenticate: Allow.setHeaders") } };
}

/** The document of a whole answer. An object or array becomes JSON, a string plain text, both with status 200. */
export function response(value: unknown, name: string): object {
  if (typeof value === "string") return response(Response.text(value), name);
  if (!(value instanceof Response)) {
    if (typeof value === "object" && value && !(value instanceof Answer)) return response(new Response(200, [["content-type", "application/json"]], encode(value, "answer")), name);
    return fail(`${name} must return a Response (or an object or array for JSON, a string for text)`, value);
  }
  const head = { status: status(value.status, `${name}: Response.status`), headers: headers(value.headers, `${name}: Response.headers`) };
  if (value.template !== undefined) return { ...head, template: text(value.template, `${name}: Response.template`), vars: plain(value.vars, `${name}: Response.vars`) };
  const body = value.body ?? "";
  if (typeof body !== "string" && !(body instanceof Uint8Array)) fail(`${name}: Response.body must be a string or a Uint8Array`, body);
  return { ...head, body: bodyDocument(body) };
}

export const generated = (value: unknown, name: string) => (value === null || value === undefined ? null : response(value, name));

/** A response document, or null for "unchanged". A body that is not given is left out: it stays as it is. */
export function modified(value: unknown, name: string): unknown {
  if (value === null || value === undefined || value instanceof Answer) return null;
  if (!(value instanceof Response)) fail(`${name} must return a Response or null (unchanged)`, value);
  const { body, ...head } = response(value, name) as Record<string, unknown>;
  return value.body === undefined ? head : { ...head, body };
}

export function health(value: any, name: string): unknown {
  const { status = "ok", detail = "" } = typeof value === "string" ? { status: value } : value ?? {};
  if (!["ok", "degraded", "down"].includes(status)) fail(`${name} must return { status: "ok" | "degraded" | "down", detail }`, status);
  return { status, detail: text(detail, `${name}: detail`) };
}

export function problems(value: any): unknown {
  const all = value === null || value === undefined ? [] : Array.isArray(value) ? value : [value];
  const found = all.map((item) => (typeof item === "string" ? { path: "", message: item } : { path: `${item?.path ?? ""}`, message: text(item?.message, "a problem's message") }));
  return found.length ? found : null;
}

const cell = (value: unknown) => (value instanceof Uint8Array ? encode64(value) : value ?? null);
function columnType(value: unknown): string {
  if (value instanceof Date) return "datetime";
  if (value instanceof Uint8Array) return "binary";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "float";
  return typeof value === "boolean" ? "boolean" : typeof value === "object" && value ? "json" : "text";
}
const columns = (list: any[]) => list.map(({ name, type = "text", nullable = true }) => ({ name: text(name, "Column.name"), type, nullable }));

export function data(value: any, name: string): unknown {
  if (Array.isArray(value)) {
    const names = [...new Set(value.flatMap((row) => Object.keys(plain(row, `${name}: a row`))))];
    const typed = names.map((key) => ({ name: key, type: columnType(value.find((row) => row[key] !== null && row[key] !== undefined)?.[key]) }));
    return data({ columns: typed, rows: value.map((row) => names.map((key) => row[key])) }, name);
  }
  const { next, total, truncated = false, ...found } = plain(value, `${name} must return rows; its answer`);
  if (!Array.isArray(found.columns) || !Array.isArray(found.rows)) fail(`${name} must return { columns, rows } or an array of objects`, value);
  found.rows.forEach((row: unknown[], i: number) => {
    if (row.length !== found.columns.length) throw new WrongAnswer(`${name}: row ${i} has ${row.length} cells for ${found.columns.length} columns`);
  });
  const document = { columns: columns(found.columns), rows: found.rows.map((row: unknown[]) => row.map(cell)), truncated };
  return { ...document, ...(next === null || next === undefined ? {} : { next: text(next, `${name}: next`) }), ...(total === null ? {} : { total }) };
}

export const schema = (value: any) => ({
  tables: value.map((table: any) => ({ name: text(table.name, "Table.name"), columns: columns(table.columns ?? []), primary_keys: table.primaryKeys ?? [] })),
});

/** The metadata of a template function. */
export const described = (name: string, { description = "", parameters = [], returns = "any", examples = [], category = null, pure = false }: Partial<Omit<TemplateFunction, "category">> & { category?: string | null }) => ({
  name,
  description,
  parameters: parameters.map((p) => ({
    ...{ name: p.name, type: p.type ?? "any", description: p.description ?? "", required: p.default === undefined && !p.many },
    ...{ default: p.default ?? null, var_args: Boolean(p.many) },
  })),
  ...{ returns, examples, category, pure },
});
