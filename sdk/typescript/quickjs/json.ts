/** JSON that says what it cannot carry: JSON.stringify leaves it out silently, or makes something else of it. */

import { WrongAnswer } from "../src/failure.js";

/** JSON text. Throws WrongAnswer, with the place, for what JSON.stringify would silently change. */
export function encode(value: unknown, where: string): string {
  const text = JSON.stringify(value) ?? "null";
  const lost = loss(value); // afterwards: in a circle it would not end
  if (lost) throw new WrongAnswer(where + lost);
  return text;
}

/** The value of JSON text, in which integers of more than 53 bits are bigints, not other numbers. */
export function decode(text: string): any {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  const exact = (_: string, value: any, { source }: { source?: string } = {}) =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(source ?? "") ? BigInt(source!) : value;
  return JSON.parse(text, exact as any);
}

/** A bigint in JSON: a number of up to 64 bits, text beyond. */
export const written = (value: bigint): any => (BigInt.asIntN(64, value) === value ? (JSON as any).rawJSON(`${value}`) : `${value}`);

/** What of a value JSON.stringify does not carry, and where. Its text is not searched: QuickJS takes longer for that than for all else. */
function loss(value: any): string | undefined {
  if (typeof value === "string") return value.isWellFormed() ? undefined : " holds a lone surrogate, which UTF-8 cannot carry";
  if (typeof value === "number") return Number.isFinite(value) ? undefined : ` is ${value}, which JSON cannot carry`;
  if (typeof value !== "object" || value === null || value.toJSON) return;
  if (Array.isArray(value)) {
    for (let i = 0, lost; i < value.length; i++) if ((lost = loss(value[i]))) return `[${i}]${lost}`;
    return;
  }
  if (value.constructor !== Object) {
    if (value instanceof Promise) return " is a Promise, which is not JSON; await it";
    const isList = value instanceof Map || value instanceof Set || ArrayBuffer.isView(value);
    if (isList) {
      const name = value.constructor.name;
      return ` is ${/^[AEIO]/.test(name) ? "an" : "a"} ${name}, which is not JSON; use [...]`;
    }
  }
  const keys = Object.keys(value);
  for (let i = 0, lost; i < keys.length; i++) if ((lost = loss(value[keys[i]!]))) return `['${keys[i]}']${lost}`;
}

/** A value in words, whatever it is. */
export function shown(value: unknown): string {
  if (typeof value !== "object" || value instanceof Error) return String(value);
  try {
    return JSON.stringify(value);
  } catch {
    return Object.prototype.toString.call(value); // in a circle, or with a BigInt in it
  }
}
