/** Headers, bodies and JSON. */

import { decode64, encode64, toText, toUtf8 } from "../quickjs/bytes.js";
import { WrongAnswer } from "./failure.js";

/** Ordered (name, value) pairs; names may repeat. */
export type Pairs = [name: string, value: string][];
export type HeadersLike = Pairs | Record<string, string>;
export type Body = { text?: string; base64?: string; available?: number };

export const pairs = (headers: HeadersLike = []): Pairs => (Array.isArray(headers) ? headers : Object.entries(headers));
/** The bytes of a body document that holds them. */
export const toBytes = (body?: Body | null) => (body?.text === undefined ? decode64(body?.base64 ?? "") : toUtf8(body.text));

/** The document of a body: text when it is UTF-8, else base64. */
export function bodyDocument(body: string | Uint8Array): Body {
  try {
    return { text: typeof body === "string" ? body : toText(body) };
  } catch {
    return { base64: encode64(body as Uint8Array) };
  }
}

/** Whatever has headers and a body. */
export abstract class WithBody {
  constructor(readonly headers: Pairs) {}
  abstract bytes(): Uint8Array;
  /** The first header of that name, whatever its case. */
  header(name: string): string | undefined {
    const low = name.toLowerCase();
    return this.headers.find(([key]) => key.toLowerCase() === low)?.[1];
  }
  /** The body as UTF-8. */
  text(): string { return toText(this.bytes()); }
  json<T = any>(): T { return JSON.parse(this.text()); }
}

/** JSON text. Throws WrongAnswer, with the place, for what JSON.stringify would silently change. */
export function encode(value: unknown, where: string): string {
  const text = JSON.stringify(value) ?? "null";
  if (text.includes("null") || text.includes("{}") || text.includes("\\ud")) check(value, where); // the traces of what was lost
  return text;
}

function check(value: unknown, where: string): void {
  const refuse = (what: string) => {
    throw new WrongAnswer(`${where} ${what}`);
  };
  if (typeof value === "number" && !Number.isFinite(value)) refuse(`is ${value}, which JSON cannot carry`);
  if (typeof value === "string" && !value.isWellFormed()) refuse("holds a lone surrogate, which UTF-8 cannot carry");
  if (value instanceof Promise) refuse("is a Promise, which is not JSON; await it");
  if (value instanceof Map || value instanceof Set) refuse(`is a ${value.constructor.name}, which is not JSON; use [...]`);
  if (typeof value !== "object" || value === null || "toJSON" in value) return;
  for (const [key, item] of Object.entries(value)) check(item, Array.isArray(value) ? `${where}[${key}]` : `${where}['${key}']`);
}
