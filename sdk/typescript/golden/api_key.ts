/** Accepts requests that carry a known key; keys are a secret of the operator's. */

import { Allow, Deny, plugin, sameText, type Principal } from "mockforge-plugin";

export default plugin<{ header?: string }>({
  auth: {
    capabilities: { schemes: ["ApiKey"], challenge: "ApiKey" },
    authenticate(request, ctx) {
      const key = request.header(ctx.config.header ?? "X-API-Key");
      if (key === undefined) return null;
      for (const [known, { id, roles, name }] of Object.entries(JSON.parse(ctx.secret("api_keys")) as Record<string, Principal>)) {
        if (!sameText(key, known)) continue;
        return new Allow({ id, roles, name }, { claims: { key_ends: key.slice(-2), path: request.path }, setHeaders: [["x-seen", id]] });
      }
      ctx.log.info(`unknown key for ${request.path}`);
      return new Deny(401, "unknown key", "ApiKey");
    },
  },
});
