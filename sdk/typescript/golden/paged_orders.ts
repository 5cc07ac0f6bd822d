/** Pages of a query's rows, with links; the cursor is the data source's own, passed on as it came. */

import { plugin, Response, type Pairs } from "mockforge-plugin";

export default plugin({
  response: {
    canHandle: (request) => request.method === "GET" && request.path === "/orders",
    generate(request, ctx) {
      const size = Number(request.param("size") ?? "2");
      if (!Number.isInteger(size) || size < 1 || size > 100) return Response.json({ error: "size must be 1 to 100" }, 400);
      const page = ctx.query("shop", "orders_of", { user: request.principal!.id }, { limit: size, cursor: request.param("cursor") });
      const links: Record<string, string> = { self: request.path };
      const headers: Pairs = [];
      if (page.next) {
        links.next = `${request.path}?size=${size}&cursor=${encodeURIComponent(page.next)}`;
        headers.push(["link", `<${links.next}>; rel="next"`]);
      }
      const items = page.rows.map((row) => Object.fromEntries(page.columns.map(({ name }, i) => [name, row[i]])));
      return Response.json({ items, total: page.total, links }, 200, headers);
    },
  },
});
