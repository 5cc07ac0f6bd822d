/** Plain values as answers. */

import { fn, plugin, type Generated } from "mockforge-plugin";

const answers: Record<string, unknown> = { "/list": [1, 2.5, null, true, "ü"], "/dict": { a: { b: [1, 2] }, 1: "one" }, "/number": 5 };
let suffix = "";

export default plugin<{ suffix?: string }>({
  init(ctx) {
    suffix = ctx.config.suffix ?? "";
  },
  response: { generate: (request) => (request.path === "/text" ? `plain ${suffix}` : (answers[request.path] ?? null)) as Generated },
  functions: {
    shout: fn({
      description: "Upper case, with an exclamation mark.",
      parameters: [{ name: "text", type: "string" }],
      returns: "string",
      call: (text) => `${text.toUpperCase()}${suffix}!`,
    }),
  },
});
