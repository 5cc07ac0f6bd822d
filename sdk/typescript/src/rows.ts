/** What a data source gave → the documents of data operations: columns, rows of JSON cells, documents, tables. */

import { encode64 } from "../quickjs/bytes.js";
import { fail, plain, refuse, text } from "./answers.js";
import type { Column } from "./types.js";

const TYPES = "text, integer, float, boolean, decimal, date, time, datetime, interval, binary, json, uuid, objectid".split(", ");

function columnType(value: unknown): string {
  if (value instanceof Date || value instanceof Uint8Array) return value instanceof Date ? "datetime" : "binary";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "float";
  if (typeof value === "boolean" || typeof value === "bigint") return typeof value === "boolean" ? "boolean" : "integer";
  return value == null || typeof value === "string" ? "text" : "json";
}

/** `2026-01-31T23:59:59.120000+00:00`, or the date alone. */
function moment(value: Date, type: string): string {
  const [whole, parts] = value.toISOString().slice(0, -1).split(".") as [string, string];
  return type === "date" ? whole.slice(0, whole.indexOf("T")) : `${whole}${parts === "000" ? "" : `.${parts}000`}+00:00`;
}

/** One cell as JSON: bytes as base64, moments in ISO 8601, numbers that JSON has not as text. */
function cell(value: any, type: string): unknown {
  if (value == null) return null;
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value !== "object") return value;
  if (value instanceof Uint8Array) return encode64(value);
  if (value instanceof Date) return moment(value, type);
  if (Array.isArray(value)) return value.map((item) => cell(item, type.replace(/\[\]$/, "")));
  if (value.constructor !== Object) return value; // refused, in words, where the answer is written
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined).map(([key, item]) => [key, cell(item, "json")]));
}

const columns = (list: any[], name: string): Required<Column>[] => list.map(({ name: column, type = "text", nullable = true }) => {
  const known = TYPES.includes(type) || (type.endsWith("[]") && type !== "json[]" && TYPES.includes(type.slice(0, -2)));
  if (!known) refuse(`${name}: column '${column}' has type '${type}'; known: ${TYPES.join(", ")}, and lists such as integer[]`);
  return { name: text(column, name, "Column.name"), type, nullable };
});

export function data(value: any, name: string): unknown {
  if (Array.isArray(value)) {
    const names = [...new Set(value.flatMap((row) => Object.keys(plain(row, name, "a row"))))];
    const typed = names.map((key) => ({ name: key, type: columnType(value.find((row) => row[key] != null)?.[key]) }));
    return data({ columns: typed, rows: value.map((row) => names.map((key) => row[key])) }, name);
  }
  const found = plain(value, name, "its answer"), { documents = false, truncated = false } = found;
  if (![found.columns ?? (documents ? [] : null), found.rows].every(Array.isArray)) {
    fail(`${name} must return { columns, rows }, { documents: true, rows } or an array of objects`, value);
  }
  const known = columns(found.columns ?? [], name), types = known.map(({ type }) => type);
  const rows = found.rows.map((row: any, i: number) => {
    if (documents) return cell(plain(row, name, "a document"), "json");
    if (row.length !== types.length) refuse(`${name}: row ${i} has ${row.length} cells for ${types.length} columns`);
    return row.map((value: unknown, at: number) => cell(value, types[at]!));
  });
  const [next, total, affected, waited_ms] = [found.next, found.total, found.affected, found.waitedMs].map((it) => it ?? undefined);
  return { columns: known, rows, truncated, next, total, affected, waited_ms, documents: documents || undefined };
}

export const schema = (tables: any, op: string) => ({
  tables: tables.map(({ name, ...of }: any) => ({ name, columns: columns(of.columns ?? [], op), primary_keys: of.primaryKeys ?? [] })),
});
