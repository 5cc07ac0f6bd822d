/** What the compiler must refuse: each line below a mark is a mistake. */

import { Allow, fn, plugin, Response, type DataResult } from "mockforge-plugin";

export default plugin<{ greeting: string }>({
  auth: {
    // @ts-expect-error: an answer is an Allow, a Deny, a Reply or null
    authenticate: () => true,
  },
  response: {
    generate(request, ctx) {
      const greeting: string = ctx.config.greeting;
      // @ts-expect-error: not in the configuration
      ctx.config.colour;
      // @ts-expect-error: no such door
      ctx.fetch("https://x.example");
      // @ts-expect-error: a placeholder such as {id:int} gives a number
      request.pathParams.id?.padStart(2);
      // @ts-expect-error: a status is a number
      return new Response("200", [], `${greeting} ${request.path}`);
    },
  },
  functions: {
    repeated: fn({
      parameters: [{ name: "text", type: "string" }, { name: "times", type: "integer" }, { name: "more", type: "string", many: true }],
      call(text, times, more) {
        const all: string[] = more;
        // @ts-expect-error: times is a number
        times.length;
        return text.repeat(times) + all.join("");
      },
    }),
    // @ts-expect-error: no such type
    wrong: fn({ parameters: [{ name: "x", type: "text" }], call: () => 1 }),
  },
});

plugin({
  dataSource: {
    query(query, params, asked) {
      // @ts-expect-error: a query is not always a text
      query.startsWith("select");
      // @ts-expect-error: no such type
      if (asked.types?.id === "varchar") return [];
      return { documents: true, rows: [{ id: params.id }] };
    },
  },
});

// @ts-expect-error: rows are arrays, unless they are documents
const wrong: DataResult = { columns: [{ name: "id" }], rows: [{ id: 1 }] };

// @ts-expect-error: a principal has an id
new Allow({ roles: ["reader"] });
