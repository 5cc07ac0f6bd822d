/** A data source over a list in memory. */

import { plugin, PluginError, type Column } from "mockforge-plugin";

const COLUMNS: Column[] = [
  { name: "id", type: "integer", nullable: false },
  { name: "name" },
  { name: "born", type: "datetime" },
  { name: "photo", type: "binary" },
  { name: "tags", type: "json" },
  { name: "key", type: "uuid" },
];
let people: unknown[][] = [];

export default plugin({
  dataSource: {
    async connect() {
      const key = "12345678-1234-5678-1234-567812345678";
      people = [
        [1, "Ada", "1815-12-10", Uint8Array.of(0, 255), ["math"], key],
        [2, "Grâce", "1906-12-09T08:30:00+00:00", null, [], key],
        [3, "李", null, new Uint8Array(), null, null],
      ];
    },
    async query(query, params, { limit, cursor }) {
      switch (query) {
        case "all": {
          const start = Number(cursor ?? 0);
          const end = start + (limit ?? people.length);
          const more = end < people.length;
          return { columns: COLUMNS, rows: people.slice(start, end), truncated: more, next: more ? String(end) : null, total: people.length };
        }
        case "by_id":
          return people.filter(([id]) => id === params.id).map(([id, name]) => ({ id, name, score: "1.50" }));
        case "ragged":
          return { columns: [{ name: "a" }, { name: "b" }], rows: [[1, 2], [3]] };
      }
      throw new PluginError(`no query '${query}'`, { code: "not_found", details: { known: ["all", "by_id"] } });
    },
    schema: () => [{ name: "people", columns: COLUMNS, primaryKeys: ["id"] }],
  },
});
