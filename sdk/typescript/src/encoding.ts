/** Headers and bodies. */

import { decode64, encode64, toText, toUtf8 } from "../quickjs/bytes.js";
import type { Body, HeadersLike, Pairs } from "./types.js";

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
  constructor(readonly headers: Pairs, protected readonly body: Body | null | undefined) {}
  abstract bytes(): Uint8Array;
  /** The first header of that name, whatever its case. */
  header(name: string): string | undefined {
    const low = name.toLowerCase();
    return this.headers.find(([key]) => key.toLowerCase() === low)?.[1];
  }
  /** The body as UTF-8. */
  text(): string { return this.body?.text ?? toText(this.bytes()); }
  json<T = any>(): T { return JSON.parse(this.text()); }
}
