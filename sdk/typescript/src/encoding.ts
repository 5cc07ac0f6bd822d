/** Headers and bodies. */

import { binaryOf, decode64, encode64, toText, toUtf8 } from "../quickjs/bytes.js";
import { PluginError } from "./failure.js";
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

function fromUtf16(bytes: Uint8Array, high: 0 | 1): string {
  let text = "";
  for (let at = 0; at + 1 < bytes.length; at += 2) text += String.fromCharCode((bytes[at + high]! << 8) | bytes[at + 1 - high]!);
  if (bytes.length % 2 || /\p{Surrogate}/u.test(text)) throw new PluginError("the 'utf-16' codec cannot decode the body");
  return text;
}

function fromAscii(bytes: Uint8Array): string {
  if (bytes.some((byte) => byte > 127)) throw new PluginError("the 'ascii' codec cannot decode the body");
  return binaryOf(bytes);
}

const big = (bytes: Uint8Array) => fromUtf16(bytes, 0), little = (bytes: Uint8Array) => fromUtf16(bytes, 1);
const DECODERS: Record<string, (bytes: Uint8Array) => string> = {
  "utf-8": toText, "utf8": toText, "us-ascii": fromAscii, "ascii": fromAscii, "iso-8859-1": binaryOf, "latin1": binaryOf,
  "utf-16": big, "utf-16be": big, "utf-16le": little,
};

/** The text of a body: its byte order mark tells the charset, else what is declared, else it is UTF-8. The host reads by the same rules. */
export function decoded(bytes: Uint8Array, contentType = ""): string {
  const [a, b, c] = bytes;
  if (a === 0xef && b === 0xbb && c === 0xbf) return toText(bytes.subarray(3));
  if (a === 0xff && b === 0xfe) return little(bytes.subarray(2));
  if (a === 0xfe && b === 0xff) return big(bytes.subarray(2));
  const charset = /;[ \t]*charset[ \t]*=[ \t]*"?([^\s;"]+)/i.exec(contentType)?.[1]?.toLowerCase() ?? "utf-8";
  if (!Object.hasOwn(DECODERS, charset)) {
    throw new PluginError(`the body is in the charset '${charset.slice(0, 40)}', which is not read here: ${Object.keys(DECODERS).join(", ")} are`);
  }
  return DECODERS[charset]!(bytes);
}

/** The same for JSON, which begins with ASCII: UTF-16 is known by its zeros, and no charset changes what is ASCII. */
export function decodedJson(bytes: Uint8Array, contentType = ""): string {
  if (bytes[0] === 0 || bytes[1] === 0) return fromUtf16(bytes, bytes[0] === 0 ? 0 : 1);
  return bytes.some((byte) => byte > 127) ? decoded(bytes, contentType) : binaryOf(bytes);
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
  /** The body as text, in the charset of its byte order mark or `content-type` (where that is granted), else UTF-8. */
  text(): string { return decoded(this.bytes(), this.header("content-type")); }
  json<T = any>(): T { return JSON.parse(decodedJson(this.bytes(), this.header("content-type"))); }
}
