/** What logins in browsers need: cookies set, read and deleted, redirects, forms, claims, the query and the body as they came. */

import { Allow, cookie, Deny, plugin, Reply, Response } from "mockforge-plugin";

const REFUSED: Record<string, Parameters<typeof cookie>> = {
  "blank": ["a b", "b"],
  "value": ["a", "a;b"],
  "path": ["a", "b", { path: "/x; Domain=example.com" }],
  "relative": ["a", "b", { path: "x" }],
  "none": ["a", "b", { sameSite: "None" }],
  "host": ["__Host-a", "b", { secure: false }],
  "host path": ["__Host-a", "b", { path: "/x" }],
  "secure": ["__Secure-a", "b", { secure: false }],
  "long": ["a", "x".repeat(4096)],
};

function isRefused(...made: Parameters<typeof cookie>): boolean {
  try {
    return !cookie(...made);
  } catch {
    return true;
  }
}

export default plugin({
  auth: {
    authenticate(request) {
      const { user } = request.cookies;
      if (user === undefined) return new Reply(Response.redirect("/login").withCookie("back-to", "/private", { maxAgeS: 600, path: "/login" }));
      if (user === "nobody") return new Deny(401, "unknown user", "Cookie");
      const setHeaders = [cookie("user", user, { maxAgeS: 3600 }), cookie("seen", "1", { httpOnly: false })];
      return new Allow({ id: user }, { claims: { by: "cookie" }, setHeaders });
    },
  },
  response: {
    generate(request) {
      switch (request.path) {
        case "/set": {
          const answer = Response.html("<p>in</p>").withCookie("one", "1").withCookie("two", "2", { maxAgeS: 60, path: "/x", secure: true });
          return answer.withCookie("__Host-three", "3", { sameSite: "Strict" }).withCookie("four", "", { secure: true, sameSite: "None" });
        }
        case "/deleted":
          return Response.redirect("/", 303).withoutCookie("one", { path: "/x" }).withoutCookie("__Host-three");
        case "/refused": {
          const told = Object.entries(REFUSED).map(([why, made]) => [why, isRefused(...made)]);
          return Response.json({ ...Object.fromEntries(told), sound: isRefused("a", "b") });
        }
        case "/seen": {
          const raw = new TextDecoder().decode(request.rawBytes());
          const cookies = ["a", "b", "c"].map((name) => request.cookies[name] ?? null);
          return Response.json({ cookies, claims: request.claims, query: request.queryString, form: request.form(), raw });
        }
      }
      return Response.json([request.form(), request.queryString, request.claims, request.rawBytes().length]);
    },
  },
});
