/** The types of what authors write and are given. Nothing of this runs. */

import type { Context } from "./doors.js";
import type { Allow, Answer, Deny, Fake, Reply, Request, Response } from "./values.js";

/** Ordered (name, value) pairs; names may repeat. */
export type Pairs = [name: string, value: string][];
export type HeadersLike = Pairs | Record<string, string>;
export type Body = { text?: string; base64?: string; available?: number };

/** `json` is sent as a JSON body. Each place that a followed redirect leads to must be granted. */
export type HttpOptions = {
  headers?: HeadersLike; body?: string | Uint8Array; json?: unknown; timeoutMs?: number; followRedirects?: boolean;
};

type ItemType =
  "text" | "integer" | "float" | "boolean" | "decimal" | "date" | "time" | "datetime" | "interval" | "binary" | "uuid" | "objectid";
/** Of columns and parameters: docs/reference/data.md. Decimals, dates, times, intervals are strings; an integer of more than 53 bits is a bigint. */
export type ColumnType = ItemType | `${ItemType}[]` | "json";
export type Column = { name: string; type?: ColumnType; nullable?: boolean };
type Facts = {
  truncated?: boolean; next?: string | null; total?: number | null;
  /** How many rows a write changed. */
  affected?: number | null;
  /** How long a connection was waited for. */
  waitedMs?: number | null;
};
/** Rows in the columns' order. `next` is an opaque cursor for the following page; `truncated`: a limit cut it. */
export type Rows = Facts & { columns: Column[]; rows: unknown[][]; documents?: false };
/** Rows that are objects, in which a field may be missing. `columns` may give the types of fields. */
export type Documents = Facts & { columns?: Column[]; rows: Record<string, unknown>[]; documents: true };
export type DataResult = Rows | Documents;
/** What a query of a data source found: rows are arrays, or objects where `documents` is true. */
export type Found = Facts & { columns: Column[]; rows: any[]; documents?: boolean };
/** A query in no language of its source. A column of `where` equals the parameter of its name; `insert` and `update`: column to parameter. */
export type Portable = {
  from: string; columns?: string[]; where?: string[]; insert?: Record<string, string>; update?: Record<string, string>; delete?: true;
};
/** What the operator wrote: a text, the statements of one transaction, a portable query, or an object of the source's own. */
export type Query = string | string[] | (Portable & { [own: string]: any }) | { from?: undefined; [own: string]: any };
/** What a query is asked with besides: `types` of the parameters, columns to sort by (`-name` descending), bounds. */
export type Asked = {
  limit?: number; cursor?: string; types?: Record<string, ColumnType>; name?: string; order?: string[];
  /** It may change data; without it a source changes nothing. */
  write?: boolean;
  /** `total` is asked for. */
  count?: boolean;
  maxBytes?: number; timeoutMs?: number;
};
/** `length` bytes from `offset` on. */
export type Part = { offset?: number; length?: number };
export type Page = { limit?: number; cursor?: string | null; count?: boolean };

export type Later<T> = T | Promise<T>;
export type Principal = {
  id: string; roles?: string[]; groups?: string[]; name?: string | null; email?: string | null; attributes?: Record<string, unknown>;
};

export type CookieOptions = { maxAgeS?: number; path?: string; httpOnly?: boolean; secure?: boolean; sameSite?: "Lax" | "Strict" | "None" };

/** null: not mine, ask the next. */
export type Decision = Allow | Deny | Reply | null;
/** A plain object or array is sent as JSON, a string as text; null: not mine. */
export type Generated = Response | object | string | null;

export type Types = {
  string: string; integer: number; number: number; boolean: boolean; array: any[]; object: Record<string, any>; any: any;
};
/** `default` makes it optional. `many` takes the positional arguments that are left, as an array; `"named"` the named ones. */
export type Parameter = { name: string; type?: keyof Types; description?: string; default?: unknown; many?: true | "named" };
type Value<P extends Parameter> = Types[P["type"] extends keyof Types ? P["type"] : "any"];
type Values<P extends readonly Parameter[]> = {
  [I in keyof P]: P[I] extends { many: true } ? Value<P[I]>[] : P[I] extends { many: "named" } ? Record<string, Value<P[I]>> : Value<P[I]>;
};
export interface TemplateFunction<P extends readonly Parameter[] = readonly any[]> {
  description?: string;
  parameters?: P;
  returns?: keyof Types;
  examples?: string[];
  category?: string | null;
  /** Equal arguments give equal answers, so that the host may remember them. */
  pure?: boolean;
  /** Is given one argument for each parameter, and the context. */
  call(...args: [...Values<P>, Context]): unknown;
}

/** As a template function; `call` is given its `Fake` after the arguments. */
export type Provider<P extends readonly Parameter[] = readonly any[]> = Omit<TemplateFunction<P>, "call" | "category" | "pure"> & {
  call(...args: [...Values<P>, Fake, Context]): unknown;
};

export type Table = { name: string; columns?: Column[]; primaryKeys?: string[] };
export type Health = { status: "ok" | "degraded" | "down"; detail?: string };
export type Problem = string | { path: string; message: string };
type Hook<C, T = unknown> = (ctx: Context<C>) => Later<T>;

/** A plugin. Every method may be async. */
export interface Definition<C = any> {
  /** What is wrong with the configuration, if anything. */
  validateConfig?(config: any): Later<Problem | Problem[] | null | void>;
  /** Prepares this instance. No network. */
  init?: Hook<C>;
  destroy?: Hook<C>;
  /** Once per loaded generation, in one designated instance; leave data for the others in `ctx.kv`. */
  start?: Hook<C>;
  stop?: Hook<C>;
  health?: Hook<C, Health | Health["status"]>;
  auth?: { authenticate(request: Request, ctx: Context<C>): Later<Decision>; capabilities?: Record<string, unknown> };
  response?: {
    canHandle?(request: Request, ctx: Context<C>): Later<boolean>;
    generate(request: Request, ctx: Context<C>): Later<Generated>;
  };
  /** null, or the answer itself: unchanged. */
  modifier?: { modify(request: Request, response: Answer, ctx: Context<C>): Later<Response | Answer | null | void> };
  functions?: Record<string, TemplateFunction>;
  dataSource?: {
    /** Called before an instance's first query. */
    connect?: Hook<C>;
    /** Rows as objects will do: their keys name the columns. */
    query(query: Query, params: Record<string, any>, asked: Asked, ctx: Context<C>): Later<DataResult | Record<string, unknown>[]>;
    schema?: Hook<C, Table[]>;
    capabilities?: Record<string, unknown>;
  };
  endpoints?: Record<string, (request: Request, ctx: Context<C>) => Later<Exclude<Generated, null>>>;
}

export type Code =
  "denied" | "invalid_input" | "invalid_config" | "not_found" | "conflict" | "bad_data" | "unsupported_op" | "timeout" | "unavailable" | "limit" | "internal";
