/** Host calls. Each answers at once, for the host suspends the whole guest meanwhile; what may be reached is decided at its doors. */

import { decode64 } from "../quickjs/bytes.js";
import { decode, encode } from "../quickjs/json.js";
import { bodyDocument, pairs, toBytes, WithBody } from "./encoding.js";
import { HostError } from "./failure.js";
import type { Body, Found, HttpOptions, Page, Pairs } from "./types.js";

type Named = Record<string, unknown>;
let door: ((door: string, payload: string) => string) | undefined;

/** From now on doors are asked through this; without it, as while a component is built, they refuse. */
export const open = (ask: typeof door) => void (door = ask);

/** Ask a door by name. Throws HostError. */
export function ask(name: string, payload: Named, read = JSON.parse): any {
  if (!door) throw new HostError("there is no host while it is built: move it from module level into a method", { code: "unavailable" });
  const text = encode(payload, name);
  try {
    return read(door(name, text));
  } catch (refused) {
    const said = JSON.parse((refused as { payload?: string }).payload ?? "{}").error ?? { message: String(refused) };
    throw new HostError(said.message, said);
  }
}

/** What another server answered. */
export class HttpAnswer extends WithBody {
  constructor(readonly status: number, headers: Pairs, body: Body | null) { super(headers, body); }
  bytes() { return toBytes(this.body); }
}
function request(method: string, url: string, { headers, body, json, timeoutMs, followRedirects }: HttpOptions = {}): HttpAnswer {
  const sent = json === undefined ? body : encode(json, "json");
  const given = pairs(headers), isTyped = given.some(([name]) => name.toLowerCase() === "content-type");
  const typed: Pairs = json === undefined || isTyped ? [] : [["content-type", "application/json"]];
  const options = { timeout_ms: timeoutMs, follow_redirects: followRedirects || undefined };
  const document = { headers: [...given, ...typed], body: sent === undefined ? sent : bodyDocument(sent) };
  const answer = ask("http.request", { method, url, ...document, ...options });
  return new HttpAnswer(answer.status, answer.headers ?? [], answer.body);
}

const line = (level: string) => (message: unknown): void => ask("log", { level, message: String(message) });

export const context = {
  /** The validated configuration; there from `init` on. */
  config: {} as any,
  /** The name that the operator gave the plugin, its version, and whether it runs in development mode. */
  plugin: { id: "", version: "", development: false },
  log: { debug: line("debug"), info: line("info"), warning: line("warning"), error: line("error") },
  /** The plugin's own storage: JSON values, atomic across workers; `ttlS` forgets a key after so many seconds. */
  kv: {
    get: <T = any>(key: string): T | null => ask("kv.get", { key }).value,
    set: (key: string, value: unknown, ttlS?: number): void => ask("kv.set", { key, value, ttl_s: ttlS }),
    delete: (key: string): boolean => ask("kv.delete", { key }).deleted,
    addIfAbsent: (key: string, value: unknown, ttlS?: number): boolean => ask("kv.add_if_absent", { key, value, ttl_s: ttlS }).added,
    incr: (key: string, by = 1, ttlS?: number): number => ask("kv.incr", { key, by, ttl_s: ttlS }).value,
    compareAndSet: (key: string, expected: unknown, value: unknown, ttlS?: number): boolean =>
      ask("kv.compare_and_set", { key, expected, value, ttl_s: ttlS }).swapped,
  },
  /** Requests to other servers, through the host's allow-list. */
  http: {
    request,
    get: (url: string, options?: HttpOptions) => request("GET", url, options),
    post: (url: string, options?: HttpOptions) => request("POST", url, options),
  },
  secret: (name: string): string => ask("secret.get", { name }).value,
  /** Runs a granted query of a data source; `cursor` is the `next` of the page before, `count` asks for the `total` of all pages. */
  query: (source: string, query: string, params: Named = {}, { limit, cursor, count }: Page = {}): Found =>
    ask("data.query", { source, query, params, limit, cursor: cursor ?? undefined, count: count || undefined }, decode),
  /** For data sources: the data are others now, so that no result that the host has cached of them is given again. */
  changed: (): void => ask("data.changed", {}),
  /** A file of the plugin's own folder. */
  resource: (path: string): Uint8Array => decode64(ask("file.read", { path }).base64),
  now: (): Date => new Date(ask("clock.now", {}).unix_ns / 1e6),
  sleep: (milliseconds: number): void => ask("clock.sleep", { ns: Math.round(milliseconds * 1e6) }),
  /** Bytes of the host's chance, which `Math.random` and `crypto.getRandomValues` come from, too. */
  random: (n: number): Uint8Array => Uint8Array.from(ask("random.bytes", { n }).hex.match(/../g) ?? [], (hex) => parseInt(`${hex}`, 16)),
};
/** What a plugin may ask of its host, given to each of its methods. Every call throws HostError when it is refused. */
export type Context<C = any> = Omit<typeof context, "config"> & { readonly config: C };
