/** node golden/build.mjs OUTPUT: one component of all golden plugins; the operation `golden.use` says which one an instance is. */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "../build.mjs";

const ENTRY = `import "mockforge-plugin/quickjs/install";
import { serve } from "mockforge-plugin/guest";
import host from "mockforge:plugin/host@0.1.0";
import * as all from AUTHOR;
let used;
export const describe = () => used.describe();
export function call(op, payload) {
  if (op !== "golden.use") return used.call(op, payload);
  used = serve(all[JSON.parse(payload)], host.call);
  return "null";
}
`;
await writeFile(process.argv[2], await build(fileURLToPath(new URL("all.ts", import.meta.url)), ENTRY));
