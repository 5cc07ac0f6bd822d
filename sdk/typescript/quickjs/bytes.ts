/** Text and bytes: QuickJS has base64 and percent-encoding, but no TextEncoder. */

const bytesOf = (binary: string) => Uint8Array.from(binary, (c) => c.charCodeAt(0));
const binaryOf = (bytes: Uint8Array) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
export const toUtf8 = (text: string) => bytesOf(unescape(encodeURIComponent(text)));
/** Throws URIError for bytes that are not UTF-8. */
export const toText = (bytes: Uint8Array) => decodeURIComponent(escape(binaryOf(bytes)));
export const encode64 = (bytes: Uint8Array) => btoa(binaryOf(bytes));
export const decode64 = (text: string) => bytesOf(atob(text));
