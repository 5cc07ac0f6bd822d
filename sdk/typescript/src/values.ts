/** What a plugin receives and returns: requests, answers, decisions, template functions, the plugin itself. */

import { decode64, joined, toText, unquoted } from "../quickjs/bytes.js";
import { encode } from "../quickjs/json.js";
import { ask } from "./doors.js";
import { pairs, toBytes, WithBody } from "./encoding.js";
import { PluginError } from "./failure.js";
import type { CookieOptions, Definition, HeadersLike, Pairs, Parameter, Part, Principal, Provider, TemplateFunction } from "./types.js";

/** One side of an exchange: headers as far as they are granted, and a body that may still be at the host. */
abstract class Message extends WithBody {
  constructor(protected readonly document: any, private readonly of: "request" | "response") { super(document.headers, document.body); }
  /** Length of the body in bytes; -1 while the host does not know it. */
  get size(): number { return this.body?.available ?? toBytes(this.body).length; }
  /** The body, or a part of it, fetched from the host in as many pieces as it needs. */
  bytes({ offset = 0, length = Infinity }: Part = {}): Uint8Array {
    return this.body?.available ? this.fetched(this.of, offset, length) : toBytes(this.body).slice(offset, offset + length);
  }
  protected fetched(of: string, offset: number, length: number): Uint8Array {
    const parts: Uint8Array[] = [];
    for (let [at, end] = [offset, Infinity]; at < Math.min(end, offset + length); at += parts.at(-1)!.length) {
      const { base64, total } = ask("body.read", { of, offset: at, length: isFinite(length) ? offset + length - at : undefined });
      parts.push(decode64(base64));
      end = base64 ? total : 0;
    }
    return joined(parts);
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
  /** Values of the route's placeholders; of `{id:int}` and `{x:float}` numbers. */
  get pathParams(): Record<string, string | number> { return this.document.path_params ?? {}; }
  /** Who auth found the caller to be, when granted. */
  get principal(): Principal | null { return this.document.principal ?? null; }
  /** What auth found said of the caller, such as the claims of its token; empty where `principal` is null. */
  get claims(): Record<string, any> { return this.document.claims ?? {}; }
  /** The query as sent, percent-encoded, without `?`; null where not all of it may be seen. */
  get queryString(): string | null { return this.document.query_string ?? null; }
  /** The body, or a part of it, in its content coding: the bytes as they came, over which signatures are made. */
  rawBytes({ offset = 0, length = Infinity }: Part = {}): Uint8Array {
    return this.size ? this.fetched("request.raw", offset, length) : new Uint8Array();
  }
  field(name: "scheme" | "host" | "raw_path" | "client" | "route"): string | null { return this.document[name] ?? null; }
  param(name: string): string | undefined { return this.query.find(([key]) => key === name)?.[1]; }
  /** Cookies by name; of a repeated name the first counts. */
  get cookies(): Record<string, string> {
    const parts = this.headers.filter(([name]) => name.toLowerCase() === "cookie").flatMap(([, value]) => value.split(";"));
    const named = parts.map((part) => part.trim().split(/=(.*)/s)).filter((part) => part.length > 1).reverse();
    return Object.fromEntries(named.map(([name, value]) => [name, value!.replace(/^"|"$/g, "")]));
  }
  /** The body as `application/x-www-form-urlencoded` pairs. Throws for `multipart/form-data`. */
  form(): Pairs {
    const bytes = this.bytes();
    if (bytes[0] === 0x2d && bytes[1] === 0x2d && bytes.some((byte, at) => byte === 13 && bytes[at + 1] === 10)) {
      throw new PluginError("the body is multipart/form-data, and form() reads application/x-www-form-urlencoded: take its parts from bytes()");
    }
    const plain = (text = "") => unquoted(text.replaceAll("+", " "));
    const parts = toText(bytes).split("&").filter(Boolean).map((part) => part.split(/=(.*)/s));
    return parts.map(([name, value]) => [plain(name), plain(value)]);
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
  static render = (template: string, vars = {}, status = 200, headers?: HeadersLike) =>
    new Response(status, headers, undefined, template, vars);
  /** This answer with one more cookie set: see `cookie`. It needs the grant `response.set_headers: [set-cookie]`. */
  withCookie(name: string, value: string, options?: CookieOptions): Response {
    return new Response(this.status, [...pairs(this.headers), cookie(name, value, options)], this.body, this.template, this.vars);
  }
  /** This answer, which has the browser forget a cookie that was set with that path. */
  withoutCookie(name: string, options: Pick<CookieOptions, "path" | "secure"> = {}): Response {
    return this.withCookie(name, "", { ...options, maxAgeS: 0 });
  }
}
const typed = (type: string, body: string, status: number, headers?: HeadersLike) =>
  new Response(status, [["content-type", type], ...pairs(headers)], body);

/** Whether two texts are the same, in a time that does not tell where they differ: for keys and signatures. */
export function sameText(one: string, other: string): boolean {
  let odd = one.length ^ other.length;
  for (let i = 0; i < one.length; i++) odd |= one.charCodeAt(i) ^ other.charCodeAt(i % (other.length || 1));
  return odd === 0;
}

/**
 * A `set-cookie` header pair (RFC 6265 §4.1) for this host alone; without `maxAgeS` it lasts until the browser is closed. A cookie whose name
 * begins with `__Host-` or `__Secure-` is secure. Throws PluginError for characters that must be encoded first, for too much, and for
 * attributes that browsers refuse together.
 */
export function cookie(name: string, value: string, options: CookieOptions = {}): Pairs[number] {
  const prefix = /^__(host|secure)-/i.exec(name)?.[1]?.toLowerCase();
  const { maxAgeS, path = "/", httpOnly = true, secure = !!prefix, sameSite = "Lax" } = options;
  const refuse = (why: string) => { throw new PluginError(`cookie '${name}'${why}`); };
  const isSound = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name) && /^[!#-+\--:<-[\]-~]*$/.test(value) && /^\/[ -:<-~]*$/.test(path);
  if (!isSound) refuse(": its name, value or path must be encoded first (encodeURIComponent)");
  if (!["Lax", "Strict", "None"].includes(sameSite) || !Number.isInteger(maxAgeS ?? 0)) refuse(": sameSite is Lax, Strict or None, maxAgeS whole");
  if ((prefix || sameSite === "None") && !secure) refuse(" must be secure: browsers refuse it otherwise");
  if (prefix === "host" && path !== "/") refuse(" must have the path /: browsers refuse it otherwise");
  if (name.length + value.length > 4096) refuse(" has more than 4096 bytes, which browsers do not keep");
  const age = maxAgeS !== undefined && `Max-Age=${maxAgeS}`;
  const parts = [`${name}=${value}`, `Path=${path}`, age, httpOnly && "HttpOnly", secure && "Secure", `SameSite=${sameSite}`];
  return ["set-cookie", parts.filter(Boolean).join("; ")];
}

/** The answer that a modifier may change. */
export class Answer extends Message {
  constructor(document: any) { super(document, "response"); }
  get status(): number { return this.document.status; }
  /** This answer with parts replaced; a body that is not given stays as it is, unread, at the host. */
  replace({ status = this.status, headers = this.headers, body }: Partial<Pick<Response, "status" | "headers" | "body">>): Response {
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
export class Reply { constructor(readonly response: Response) {} }
/** A template function whose arguments have the types of its parameters. */
export const fn = <const P extends readonly Parameter[] = []>(made: TemplateFunction<P>): TemplateFunction => made;

export const plugin = <C = any>(definition: Definition<C>): Definition<C> => definition;

/** What a provider of fake data draws from: the same values for the same seed, in every kit (SplitMix64). */
export class Fake {
  private state: bigint;
  constructor(readonly seed: number | bigint, readonly locale = "en_US") { this.state = BigInt(seed); }
  /** A number from 0 up to, but not, 1. */
  float(): number {
    this.state = BigInt.asUintN(64, this.state + 0x9e3779b97f4a7c15n);
    let mixed = BigInt.asUintN(64, (this.state ^ (this.state >> 30n)) * 0xbf58476d1ce4e5b9n);
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn);
    return Number((mixed ^ (mixed >> 31n)) >> 11n) / 2 ** 53;
  }
  /** One of the whole numbers from `low` to `high`, both among them. */
  integer(low: number, high: number): number { return low + Math.floor(this.float() * (high - low + 1)); }
  choice<T>(items: readonly T[]): T { return items[this.integer(0, items.length - 1)]!; }
}
/** A provider of fake data, which templates call as `faker.<plugin>.<name>()`; it is given its `Fake` before the context. */
export function provider<const P extends readonly Parameter[] = []>(made: Provider<P>): TemplateFunction<any> {
  const parameters: Parameter[] = [...(made.parameters ?? []), { name: "fake" }];
  const call = (...args: any[]) => {
    const [{ seed, locale }, ctx] = args.splice(-2);
    return made.call(...([...args, new Fake(seed, locale), ctx] as any));
  };
  return { ...made, category: "faker", parameters, call };
}
