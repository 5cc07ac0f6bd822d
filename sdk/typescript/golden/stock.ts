/** A data source of every type of value, asked in every way: texts, statements of a transaction, objects, portable queries. */

import { plugin, PluginError, type Asked, type Column, type DataResult, type Query } from "mockforge-plugin";

const COLUMNS: Column[] = [
  { name: "id", type: "integer", nullable: false }, { name: "price", type: "decimal" }, { name: "ratio", type: "float" },
  { name: "day", type: "date" }, { name: "at", type: "datetime" }, { name: "open", type: "boolean" }, { name: "sizes", type: "integer[]" },
  { name: "photos", type: "binary[]" }, { name: "more", type: "json" },
];
const BYTES = Uint8Array.of(97, 98);
const ROWS: unknown[][] = [
  [1, "1.10", 0.5, new Date("2026-01-31"), new Date("2026-01-31T23:59:59.120Z"), true, [1, null], [Uint8Array.of(0, 255)],
    { photo: BYTES, when: "2026-01-31" }],
  [2n ** 70n, "0.00", NaN, null, null, null, null, null, undefined],
  [-(2n ** 70n), "infinity", -Infinity, "infinity", "infinity", false, [], [], [Infinity]],
];

function portable(query: Exclude<Query, string | string[]>, params: Record<string, any>, options: Asked): DataResult | Record<string, unknown>[] {
  if (query.from === undefined) {
    const { maxBytes, timeoutMs, ...same } = options;
    const told = { ...same, max_bytes: maxBytes, timeout_ms: timeoutMs };
    return [{ asked: query, params, options: told }];
  }
  if (query.delete || query.update) return { columns: [], rows: [], affected: params.id };
  if (query.insert) {
    const given = Object.values(query.insert).map((name) => params[name]);
    return { columns: Object.keys(query.insert).map((name) => ({ name })), rows: [given], affected: 1 };
  }
  const columns = query.columns ?? ["all"];
  return { columns: columns.map((name) => ({ name })), rows: [columns.map(() => query.where!.join(", "))] };
}

export default plugin({
  dataSource: {
    capabilities: { pages: "by offset" },
    query(query, params, asked) {
      if (Array.isArray(query)) return { columns: [], rows: [], affected: query.length };
      if (typeof query === "object") return portable(query, params, asked);
      switch (query) {
        case "types": {
          const start = Number(asked.cursor ?? 0), end = start + (asked.limit ?? 100), truncated = end < ROWS.length;
          const total = asked.count ? ROWS.length : null;
          return { columns: COLUMNS, rows: ROWS.slice(start, end), truncated, next: truncated ? String(end) : null, total, waitedMs: 1.5 };
        }
        case "documents":
          return { documents: true, columns: [{ name: "price", type: "decimal" }], rows: [{ _id: 1, by: { photo: BYTES } }, { _id: 2, price: "1.10" }] };
        case "odd type":
          return { columns: [{ name: "a", type: "varchar" as any }], rows: [] };
        case "busy":
          throw new PluginError("no connection left", { code: "unavailable", retryable: true, details: { busy: true, retry_after_s: 2 } });
        case "taken":
          throw new PluginError("a unique key", { code: "conflict" });
      }
      throw new PluginError("the table has changed", { code: "bad_data" });
    },
    schema: () => [{ name: "stock", columns: COLUMNS, primaryKeys: ["id"] }],
  },
});
