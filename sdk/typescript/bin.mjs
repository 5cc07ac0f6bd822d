#!/usr/bin/env node
/** mockforge-plugin build [plugin.ts] [-o plugin.wasm] */
import { rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { build } from "./build.mjs";

async function main() {
  const { values, positionals } = parseArgs({ options: { output: { type: "string", short: "o" } }, allowPositionals: true });
  const [command, entry = "plugin.ts"] = positionals;
  if (command !== "build" || positionals.length > 2) throw new Error("mockforge-plugin build [plugin.ts] [-o plugin.wasm]");
  const output = values.output ?? path.join(path.dirname(entry), "plugin.wasm");
  const component = await build(entry);
  const half = path.join(path.dirname(output), `.${path.basename(output)}.new`); // packages leave out names with a dot
  await writeFile(half, component);
  await rename(half, output);
  console.log(`${output}: ${Math.ceil(component.length / 1024)} KiB`);
}

await main().catch((error) => {
  if (!error.errors) console.error(`mockforge-plugin: ${error.message}`); // esbuild has told its own
  process.exitCode = 1;
});
