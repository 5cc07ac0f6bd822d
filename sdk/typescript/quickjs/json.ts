/** JSON that says what it cannot carry: JSON.stringify leaves it out silently, or makes something else of it. */

import { WrongAnswer } from "../src/failure.js";

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
