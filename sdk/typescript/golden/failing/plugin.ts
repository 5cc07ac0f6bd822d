/** Fails in every way an author can; the compiler is told to look away. */

import { Allow, Deny, HostError, plugin, PluginError, Reply, Response } from "mockforge-plugin";
import { check } from "./rules.js";

class ValueError extends Error { override name = "ValueError"; }
class RuntimeError extends Error {
  constructor(message: string, more: ErrorOptions) {
    super(message, more);
    this.name = "RuntimeError";
  }
}
const wrong = (value: unknown): any => value;

export default plugin({
  auth: {
    authenticate(request, ctx) {
      switch (request.path) {
        case "/dict":
          return wrong({ allow: true });
        case "/true":
          return wrong(true);
        case "/response":
          return wrong(new Response());
        case "/principal":
          return new Allow(wrong("ada"));
        case "/roles":
          return new Allow({ id: "ada", roles: wrong("admin") });
        case "/status":
          return new Deny(200);
        case "/header":
          return new Reply(new Response(200, [["x", "a\r\nb: c"]]));
        case "/secret":
          return new Deny(401, ctx.secret("other"));
        case "/claims":
          return new Allow({ id: "ada" }, { claims: { when: { x: new Set([1, 2]) } } });
      }
      throw new ValueError(`no such path: ${request.path.slice(1)}`);
    },
  },
  response: {
    async generate(request, ctx) {
      switch (request.path) {
        case "/code":
          throw new PluginError("come back later", { code: "unavailable", retryable: true, details: { after: 3 } });
        case "/chain":
          try {
            check(request.path);
          } catch (error) {
            throw new RuntimeError("rules are broken", { cause: error });
          }
        case "/context":
          await null;
          wrong([])[0].nothing;
        case "/caught":
          try {
            ctx.secret("other");
          } catch (error) {
            if (error instanceof HostError) return { code: error.code, message: error.message };
          }
        case "/kv":
          ctx.kv.set("k", new Set([1, 2]));
        case "/body":
          return new Response(200, [], wrong(7));
        case "/exit":
          throw 3;
        case "/deep":
          await new Promise(() => {});
      }
      return wrong(5);
    },
  },
});
