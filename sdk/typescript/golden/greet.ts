/** Greets by name, in JSON, by a template, as an image; leaves other paths alone. */

import { plugin, Response } from "mockforge-plugin";

const PIXEL = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0xff);

export default plugin({
  response: {
    canHandle: (request) => request.path.startsWith("/hello"),
    async generate(request) {
      const { name } = request.pathParams;
      if (name === undefined) return null;
      switch (request.param("as") ?? "json") {
        case "json":
          return Response.json({ hello: name, by: request.principal?.id ?? null });
        case "template":
          return Response.render("greeting.json", { name, all: request.query.filter(([key]) => key === "x").map(([, value]) => value) }, 201);
        case "image":
          return new Response(200, [["content-type", "image/png"]], PIXEL);
        case "text":
          return Response.text(`Hello, ${name}!`, 200, { "x-fingerprint": request.fingerprint.slice(0, 4) });
        case "echo": {
          const url = `${request.field("scheme")}://${request.field("host")}${request.field("raw_path")}`;
          const { cookies, headers } = request;
          return Response.json({ cookies, text: request.text(), form: request.form(), headers, url, client: request.field("client") });
        }
      }
      return new Response(406);
    },
  },
});
