/** Functions for templates: parameters of every shape. */

import { fn, plugin } from "mockforge-plugin";

class KeyError extends Error { override name = "KeyError"; }
let calls = 0;

export default plugin({
  functions: {
    initials: fn({
      description: "The first letters of each part of a name.",
      parameters: [{ name: "name", type: "string", description: "a person's full name" }],
      returns: "string",
      pure: true,
      category: "names",
      examples: ["initials('Ada Lovelace')"],
      call: (name) => name.split(" ").map((part) => part[0]).join(""),
    }),
    join: fn({
      parameters: [
        { name: "parts", type: "string", many: true },
        { name: "separator", type: "string", default: "-" },
        { name: "upper", type: "boolean", default: false },
      ],
      returns: "string",
      call(parts, separator, upper) {
        const text = parts.map(String).join(separator);
        return upper ? text.toUpperCase() : text;
      },
    }),
    add: fn({
      description: "Adds.",
      parameters: [{ name: "a", type: "integer" }, { name: "b", default: 1 }],
      returns: "number",
      call: async (a, b) => a + b,
    }),
    count: fn({ description: "How often it was called: state lives in the instance.", returns: "integer", call: () => (calls += 1) }),
    shape: fn({
      parameters: [{ name: "value", default: null }, { name: "more", many: "named" }],
      returns: "object",
      call: (value, more) => ({ type: Array.isArray(value) ? "list" : typeof value, more }),
    }),
    broken: fn({
      parameters: [{ name: "how", type: "string" }],
      call(how): unknown {
        switch (how) {
          case "type":
            return (how as any).missing.deeper;
          case "nan":
            return { x: [1.5, NaN] };
          case "set":
            return { x: new Set([1]) };
          case "surrogate":
            return "\ud83d";
        }
        throw new KeyError(`'${how}'`);
      },
    }),
  },
});
