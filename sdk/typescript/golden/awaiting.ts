/** Every host call, awaited and not: the answers are the same. */

import { plugin } from "mockforge-plugin";

export default plugin({
  response: {
    async generate(request, ctx) {
      const [n, c, s] = request.path === "/sync" ? ["n2", "c2", "s2"] : ["n", "c", "s"];
      const { kv } = ctx;
      const wait = async <T>(value: T) => (request.path === "/sync" ? value : await value);
      const found = ctx.http.post("https://idp.example/token", { json: { a: "ü" }, headers: { "x-a": "1" } });
      const rows = await wait(ctx.query("shop", "orders", { user: 1 }, { limit: 2 }));
      return {
        added: [await wait(kv.addIfAbsent(n, 1, 60)), kv.addIfAbsent(n, 1)],
        count: await Promise.all([kv.incr(c), wait(kv.incr(c, 5))]),
        swap: [kv.compareAndSet(s, null, "a"), kv.compareAndSet(s, "b", "c")],
        get: [await wait(kv.get(s)), kv.get("none") ?? "default", kv.delete(s), kv.delete(s)],
        http: [found.status, found.header("Content-Type"), found.json()],
        rows: rows.rows,
        columns: rows.columns.map((column) => column.name),
        next: rows.next,
        file: new TextDecoder().decode(ctx.resource("data/hello.txt")),
        body: new TextDecoder().decode(request.bytes({ offset: 2, length: 3 })),
        secret: ctx.secret("token"),
        now: ctx.now().toISOString(),
        slept: ctx.sleep(1),
      };
    },
  },
});
