/** What a plugin receives and returns: requests, answers, decisions, template functions, the plugin itself. */

import { decode64 } from "../quickjs/bytes.js";
import { ask, type Column, type Context, type DataResult, type Page } from "./doors.js";
import { encode, pairs, toBytes, WithBody, type HeadersLike, type Pairs } from "./encoding.js";
import { PluginError } from "./failure.js";

type Later<T> = T | Promise<T>;
export type Principal = {
  id: string; roles?: string[]; groups?: string[]; name?: string | null; email?: string | null; attributes?: Record<string, unknown>;
};

/** One side of an exchange: headers as far as they are granted, and a body that may still be at the host. */
abstract class Message extends WithBody {
  constructor(protected readonly document: any, private readonly of: "request" | "response") {
    super(document.headers);
  }
  /** Length of the body in bytes; -1 while the host does not know it. */
  get size(): number { return this.document.body?.available ?? toBytes(this.document.body).length; }
  /** The body, or a part of it, fetched from the host in as many pieces as it needs. */
  bytes({ offset = 0, length = Infinity }: { offset?: number; length?: number } = {}): Uint8Array {
    const { body } = this.document;
    if (!body?.available) return toBytes(body).slice(offset, offset + length);
    const bytes: number[] = [];
    for (let end = Infinity; bytes.length < length && offset + bytes.length < end; ) {
      const left = length === Infinity ? undefined : length - bytes.length;
      const { base64, total } = ask("body.read", { of: this.of, offset: offset + bytes.length, length: left });
      for (const byte of decode64(base64)) bytes.push(byte);
      end = base64 ? total : 0;
    }
    return Uint8Array.from(bytes);
  }
}

/** One HTTP request, as far as the plugin's grants let it see. Headers have names in lower case. */
export class Request extends Message {
  constructor(document: any, readonly fingerprint = "") { super(document, "request"); }
  get method(): string { return this.document.method; }
  /** The decoded path. */
  get path(): string { return this.document.path; }
  /** Query pairs in order; `param` is the first of a name. */
  get query(): Pairs { return this.document.query ?? []; }
  /** Values of the route's placeholders. */
  get pathParams(): Record<string, string> { return this.document.path_params ?? {}; }
  /** Who auth found the caller to be, when granted. */
  get principal(): Principal | null { return this.document.principal ?? null; }
  field(name: "scheme" | "host" | "raw_path" | "client" | "route"): string | null { return this.document[name] ?? null; }
  param(name: string): string | undefined { return this.query.find(([key]) => key === name)?.[1]; }
  /** Cookies by name; of a repeated name the first counts. */
  get cookies(): Record<string, string> {
    const parts = this.headers.filter(([name]) => name.toLowerCase() === "cookie").flatMap(([, value]) => value.split(";"));
    const named = parts.map((part) => part.trim().split(/=(.*)/s)).filter((part) => part.length > 1).reverse();
    return Object.fromEntries(named.map(([name, value]) => [name, value!.replace(/^"|"$/g, "")]));
  }
  /** The body as `application/x-www-form-urlencoded` pairs. */
  form(): Pairs {
    const plain = (text = "") => decodeURIComponent(text.replaceAll("+", " "));
    return this.text().split("&").filter(Boolean).map((part) => part.split(/=(.*)/s)).map(([name, value]) => [plain(name), plain(value)]);
  }
}

/** A whole answer, or the name of an operator's template with variables for it. Without a body, a modifier leaves it as it is. */
export class Response {
  constructor(
    readonly status = 200, readonly headers: HeadersLike = [], readonly body?: string | Uint8Array,
    readonly template?: string, readonly vars: Record<string, unknown> = {},
  ) {}
  static json = (value: unknown, status = 200, headers?: HeadersLike) => typed("application/json", encode(value, "json"), status, headers);
  static text = (text: string, status = 200, headers?: HeadersLike) => typed("text/plain; charset=utf-8", text, status, headers);
  static html = (text: string, status = 200, headers?: HeadersLike) => typed("text/html; charset=utf-8", text, status, headers);
  static redirect = (url: string, status = 302, headers?: HeadersLike) => new Response(status, [["location", url], ...pairs(headers)], "");
  /** Rendered by the host from the operator's template of that name. */
  static render = (template: string, vars = {}, status = 200, headers?: HeadersLike) => new Response(status, headers, undefined, template, vars);
}
const typed = (type: string, body: string, status: number, headers?: HeadersLike) =>
  new Response(status, [["content-type", type], ...pairs(headers)], body);

/** Whether two texts are the same, in a time that does not tell where they differ: for keys and signatures. */
export function sameText(one: string, other: string): boolean {
  let odd = one.length ^ other.length;
  for (let i = 0; i < one.length; i++) odd |= one.charCodeAt(i) ^ other.charCodeAt(i % (other.length || 1));
  return odd === 0;
}

type CookieOptions = { maxAgeS?: number; path?: string; httpOnly?: boolean; secure?: boolean; sameSite?: "Lax" | "Strict" | "None" };
/** A `set-cookie` header pair (RFC 6265 §4.1). Throws PluginError for characters that a cookie cannot carry. */
export function cookie(name: string, value: string, options: CookieOptions = {}): Pairs[number] {
  const { maxAgeS, path = "/", httpOnly = true, secure = false, sameSite = "Lax" } = options;
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) throw new PluginError(`'${name}' is no cookie name`);
  if (!/^[!#-+\--:<-[\]-~]*$/.test(value)) throw new PluginError(`the value of cookie '${name}' must be encoded first (encodeURIComponent)`);
  const flags = [`Path=${path}`, maxAgeS !== undefined && `Max-Age=${maxAgeS}`, httpOnly && "HttpOnly", secure && "Secure", `SameSite=${sameSite}`];
  return ["set-cookie", [`${name}=${value}`, ...flags.filter(Boolean)].join("; ")];
}

/** The answer that a modifier may change. */
export class Answer extends Message {
  constructor(document: any) { super(document, "response"); }
  get status(): number { return this.document.status; }
  /** This answer with parts replaced; a body that is not given stays as it is, unread, at the host. */
  replace({ status = this.status, headers = this.headers, body }: { status?: number; headers?: HeadersLike; body?: string | Uint8Array }): Response {
    return new Response(status, headers, body);
  }
  /** This answer with headers set, or removed where the value is null; the body stays. */
  withHeaders(changes: Record<string, string | null>): Response {
    const gone = Object.keys(changes).map((name) => name.toLowerCase());
    const kept = this.headers.filter(([name]) => !gone.includes(name.toLowerCase()));
    return this.replace({ headers: [...kept, ...(Object.entries(changes).filter(([, value]) => value !== null) as Pairs)] });
  }
}

/** The caller may pass, as this principal; `setHeaders` go on the answer. */
export class Allow {
  constructor(readonly principal: Principal, readonly more: { claims?: Record<string, unknown>; setHeaders?: HeadersLike } = {}) {}
}
/** The caller may not pass. `challenge` becomes `WWW-Authenticate` (RFC 9110 §11.6.1). */
export class Deny {
  constructor(readonly status = 401, readonly reason = "authentication failed", readonly challenge: string | null = null) {}
}
/** The plugin answers the request itself (a redirect to a login page, say). */
export class Reply {
  constructor(readonly response: Response) {}
}
/** null: not mine, ask the next. */
export type Decision = Allow | Deny | Reply | null;
/** A plain object or array is sent as JSON, a string as text; null: not mine. */
export type Generated = Response | object | string | null;

type Types = { string: string; integer: number; number: number; boolean: boolean; array: any[]; object: Record<string, any>; any: any };
/** `default` makes it optional. `many` takes the positional arguments that are left, as an array; `"named"` the named ones, as an object. */
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
/** A template function whose arguments have the types of its parameters. */
export const fn = <const P extends readonly Parameter[] = []>(made: TemplateFunction<P>): TemplateFunction => made;

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
    query(query: string, params: Record<string, any>, page: Page, ctx: Context<C>): Later<DataResult | Record<string, unknown>[]>;
    schema?: Hook<C, Table[]>;
  };
  endpoints?: Record<string, (request: Request, ctx: Context<C>) => Later<Exclude<Generated, null>>>;
}
export const plugin = <C = any>(definition: Definition<C>): Definition<C> => definition;
