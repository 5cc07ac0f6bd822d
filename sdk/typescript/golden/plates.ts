/** Providers of fake data: drawn from the seed of the request, in the locale of the templates. */

import { plugin, provider } from "mockforge-plugin";

const REGIONS: Record<string, string[]> = { de_DE: ["B", "M", "HH"], en_US: ["CA", "NY"] };

export default plugin({
  functions: {
    plate: provider({
      description: "A vehicle's licence plate.",
      parameters: [{ name: "region", type: "string", default: null }],
      returns: "string",
      call(region, fake) {
        const of = region ?? fake.choice(REGIONS[fake.locale] ?? ["X"]);
        const letters = [0, 0].map(() => fake.choice([..."ABCDEFGH"])).join("");
        return `${of}-${letters} ${fake.integer(1, 9999)}`;
      },
    }),
    drawn: provider({ call: (fake) => [fake.float(), fake.float(), fake.integer(-5, 5), fake.integer(0, 2 ** 52), fake.locale] }),
  },
});
