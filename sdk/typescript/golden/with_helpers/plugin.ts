/** Several files, all hooks of the lifecycle, two endpoints. */

import { plugin, PluginError, Response, type Problem } from "mockforge-plugin";
import * as helper from "./helper.js";
import { DEFAULT, twice } from "./helper.js";
import * as colours from "./shared/colours.js";
import * as same from "./shared/colours.js";
import { NAME } from "./shared/index.js";

let colour: string | null = null;

export default plugin<{ colour?: string }>({
  validateConfig(config) {
    const problems: Problem[] = [];
    if (!("colour" in config)) problems.push({ path: "colour", message: "is missing" });
    else if (!colours.KNOWN.includes(config.colour)) problems.push(`unknown colour ${config.colour}`);
    if (config.fail) throw new PluginError("cannot be used at all", { code: "invalid_config" });
    return problems;
  },
  init: (ctx) => void (colour = ctx.config.colour ?? DEFAULT),
  start: async (ctx) => ctx.kv.set("started", ctx.plugin.id),
  stop: (ctx) => ctx.kv.delete("started"),
  destroy: () => void (colour = null),
  health: async (ctx) => ({ status: ctx.kv.get("started") ? "ok" : "degraded", detail: "asked" }),
  response: {
    generate: () => ({
      ...{ colour, twice: twice(2), shared: NAME, same: same === colours, helper: helper.DEFAULT, mixed: colours.mix("red", "blue") },
    }),
  },
  endpoints: {
    callback: (request) => Response.redirect(`/done?${request.query.map(([k, v]) => `${k}=${v}`).join("&")}`),
    metadata: async (_request, ctx) => ({ colour, started: ctx.kv.get("started") }),
  },
});
