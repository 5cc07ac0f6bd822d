/** Greets by name; asks callers for a key. */

import { Allow, Deny, fn, plugin, Response, sameText } from "mockforge-plugin";

export default plugin<{ greeting: string }>({
  auth: {
    authenticate(request, ctx) {
      const key = request.header("x-api-key");
      if (key === undefined) return null;
      return sameText(key, ctx.secret("api_key")) ? new Allow({ id: "demo", roles: ["reader"] }) : new Deny(401, "unknown key", "ApiKey");
    },
  },
  response: {
    async generate(request, ctx) {
      const visits = await ctx.kv.incr(`visits/${request.path}`);
      return Response.json({ [ctx.config.greeting]: request.pathParams.name, visits });
    },
  },
  functions: {
    initials: fn({
      description: "The first letters of each part of a name.",
      parameters: [{ name: "name", type: "string" }],
      returns: "string",
      pure: true,
      call: (name) => name.split(" ").map((part) => part[0]).join(""),
    }),
  },
});
