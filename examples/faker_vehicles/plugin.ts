/** Fake vehicles: `faker.vehicles.plate()`, `faker.vehicles.vin()`, `faker.vehicles.model()`. */

import { Fake, plugin, PluginError, provider } from "mockforge-plugin";

/** `#` is a digit, `?` a letter; a word in brackets, one of the list of that name. */
const PLATES: Record<string, string[]> = {
  de: ["{district}-?? ###", "{district}-? ####"], en: ["### ???", "?## ???"], fr: ["??-###-??"], it: ["?? ###??"], nl: ["??-###-?", "##-???-#"],
};
const LISTS: Record<string, string[]> = { district: ["B", "M", "HH", "K", "S", "DD", "KA"] };
const MODELS: Record<string, string[]> = {
  Fiat: ["500", "Panda", "Tipo"], Ford: ["Fiesta", "Focus", "Transit"], Renault: ["Clio", "Twingo", "Zoe"], Toyota: ["Corolla", "Prius", "Yaris"],
};
/** No I, O and Q: ISO 3779. */
const VIN = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ";
const WORTH = { letters: "ABCDEFGHJKLMNPRSTUVWXYZ", values: "12345678123457923456789" };
const WEIGHTS = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];

const filled = (pattern: string, fake: Fake) => pattern
  .replace(/\{(\w+)\}/g, (_, name: string) => fake.choice(LISTS[name]!))
  .replace(/[#?]/g, (sign) => (sign === "#" ? String(fake.integer(0, 9)) : fake.choice([..."ABCDEFGHJKLMNPRSTUVWXYZ"])));

/** The check digit of 49 CFR 565.15(c), which stands at the ninth place. */
function checkDigit(vin: string): string {
  const worth = (sign: string) => Number(WORTH.values[WORTH.letters.indexOf(sign)] ?? sign);
  const sum = [...vin].reduce((total, sign, at) => total + worth(sign) * WEIGHTS[at]!, 0) % 11;
  return sum === 10 ? "X" : String(sum);
}

export default plugin({
  functions: {
    plate: provider({
      description: "A licence plate as the locale's country has them.",
      parameters: [{ name: "country", type: "string", default: null, description: "a language's code, such as de; else that of the locale" }],
      returns: "string",
      examples: ["faker.vehicles.plate()", "faker.vehicles.plate(country='fr')"],
      call(country, fake) {
        const patterns = PLATES[country ?? fake.locale.slice(0, 2)] ?? (country ? undefined : PLATES.en);
        if (!patterns) throw new PluginError(`there are no plates of '${country}'; there are ${Object.keys(PLATES)}`, { code: "invalid_input" });
        return filled(fake.choice(patterns), fake);
      },
    }),
    vin: provider({
      description: "A vehicle identification number (ISO 3779) with its check digit.",
      returns: "string",
      call(fake) {
        const signs = Array.from({ length: 17 }, () => fake.choice([...VIN])).join("");
        return signs.slice(0, 8) + checkDigit(signs) + signs.slice(9);
      },
    }),
    model: provider({
      description: "A make and one of its models.",
      returns: "object",
      call(fake) {
        const make = fake.choice(Object.keys(MODELS));
        return { make, model: fake.choice(MODELS[make]!), year: fake.integer(1995, 2025) };
      },
    }),
  },
});
