/** A plugin's bundle, run in a context of its own in Node.js instead of QuickJS; doors are answered by the test. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import vm from "node:vm";
import { bundle } from "../build.mjs";

/** QuickJS has base64 of arrays and raw JSON, Node.js only in later versions. */
const BASE64 = "Uint8Array.prototype.toBase64 ??= function () { return btoa(String.fromCharCode(...this)); }; "
  + "Uint8Array.fromBase64 ??= (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)); "
  + "JSON.rawJSON ??= Number; ";

/** `call(op, document)` and `describe()` of a plugin's source; `doors` has a function for each door. `asked` lists what was asked. */
export async function guest(source, doors = {}) {
  const folder = await mkdtemp(path.join(os.tmpdir(), "kit-"));
  try {
    await writeFile(path.join(folder, "plugin.ts"), source);
    const { text } = await bundle(path.join(folder, "plugin.ts"));
    const asked = [];
    const door = (name, payload) => {
      asked.push([name, JSON.parse(payload)]);
      if (!(name in doors)) throw { payload: JSON.stringify({ error: { code: "denied", message: `no grant for ${name}` } }) };
      return JSON.stringify(doors[name](JSON.parse(payload)) ?? null);
    };
    const made = { host: { call: door }, btoa, atob };
    const script = text.replace(/^import host.*$/m, "").replace(/export \{([\s\S]*?)\};/, "globalThis.made = {$1};");
    vm.runInNewContext(BASE64 + script, made, { filename: "user.js" });
    const call = (op, document) => {
      try {
        return JSON.parse(made.made.call(op, JSON.stringify(document ?? {})));
      } catch (thrown) {
        throw Object.assign(new Error("the error arm"), JSON.parse(thrown).error);
      }
    };
    return { call, describe: () => JSON.parse(made.made.describe()), asked };
  } finally {
    await rm(folder, { recursive: true });
  }
}
