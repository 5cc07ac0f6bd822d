/** Changes answers already made: status, headers, body, or nothing. */

import { plugin, Response } from "mockforge-plugin";

export default plugin({
  modifier: {
    async modify(request, response) {
      switch (request.param("how")) {
        case "headers":
          return response.withHeaders({ "X-Stamp": "1", Server: null });
        case "status":
          return response.replace({ status: 202 });
        case "body":
          return Response.json({ ...response.json<object>(), stamped: true }, response.status);
        case "same":
          return response;
        case "dict":
          return { not: "a response" } as unknown as Response;
      }
      return null;
    },
  },
});
