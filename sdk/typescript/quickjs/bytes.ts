/** Text and bytes: QuickJS has base64 and percent-encoding, but no TextEncoder. */

function bytesOf(binary: string): Uint8Array {
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
/** Each byte as a character: ISO-8859-1. */
export function binaryOf(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 8192) binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return binary;
}
export const toUtf8 = (text: string) => bytesOf(unescape(encodeURIComponent(text)));
/** Throws URIError for bytes that are not UTF-8. */
export const toText = (bytes: Uint8Array) => decodeURIComponent(escape(binaryOf(bytes)));
/** Percent-encoding decoded; text that has none of UTF-8 stays as it is. */
export function unquoted(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
export const encode64 = (bytes: any): string => bytes.toBase64();
export const decode64 = (text: string): Uint8Array => (Uint8Array as any).fromBase64(text);
export function joined(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}
