/**
 * Makes a component of a plugin.
 *
 * esbuild bundles, componentize-qjs (what `jco componentize --backend qjs` calls) puts QuickJS around it. Modules run once, here, and the
 * component holds what they made. Errors name the author's file and line: the bundle carries a table of where its lines came from.
 */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { componentize } from "componentize-qjs";
import esbuild from "esbuild";

const kit = path.dirname(fileURLToPath(import.meta.url));

/** The bundle's text, with the table. Throws what esbuild says of the author's code. */
export async function bundle(entry, exports = ENTRY) {
  const folder = path.dirname(path.resolve(entry));
  const [source, map] = await esbuild.build({
    stdin: { contents: exports.replaceAll("AUTHOR", JSON.stringify(`./${path.basename(entry)}`)), resolveDir: folder, sourcefile: "entry" },
    alias: { "mockforge-plugin/quickjs": path.join(kit, "quickjs"), "mockforge-plugin": path.join(kit, "src") },
    absWorkingDir: folder, // so, and without a tsconfig.json, the bundle is the same wherever the project lies
    bundle: true,
    format: "esm",
    target: "es2023",
    supported: { "async-await": false, "async-generator": false, "for-await": false }, // driven by promises of the kit's own: quickjs/
    external: ["mockforge:*"],
    charset: "utf8",
    tsconfigRaw: {},
    sourcemap: "external",
    sourceRoot: folder,
    outfile: path.join(folder, "plugin.js"),
    write: false,
    logLevel: "warning",
  }).then(({ outputFiles }) => ["plugin.js", "plugin.js.map"].map((name) => outputFiles.find((file) => path.basename(file.path) === name).text));
  const sources = table(JSON.parse(map), folder);
  return { text: `${source}\nglobalThis.__mockforge_sources = ${JSON.stringify(JSON.stringify(sources))};\n`, sources };
}

const ENTRY = `import "mockforge-plugin/quickjs/install";
import { serve } from "mockforge-plugin/guest";
import host from "mockforge:plugin/host@0.1.0";
import definition from AUTHOR;
if (!definition || typeof definition !== "object") throw new TypeError("the default export of " + AUTHOR.slice(2) + " is not a plugin({ ... })");
export const { describe, call } = serve(definition, host.call);
`;

/** For each line of the bundle [column, file, line, ...]; files of packages and of the kit are left out (file -1). */
function table(map, folder) {
  const files = [];
  const numbers = map.sources.map((source, i) => {
    const name = path.relative(folder, path.resolve(folder, source)).replaceAll(path.sep, "/");
    const own = name !== "entry" && !name.includes("node_modules/") && !/^(src|quickjs)\b/.test(path.relative(kit, path.resolve(folder, source)));
    return own ? files.push([name, map.sourcesContent[i]]) - 1 : -1;
  });
  let [file, line] = [0, 0];
  const lines = map.mappings.split(";").map((segments) => {
    const spans = [];
    let column = 0;
    for (const segment of segments.split(",").filter(Boolean)) {
      const [columns, files = 0, lines = 0] = decoded(segment);
      [column, file, line] = [column + columns, file + files, line + lines];
      const [number, from] = [numbers[file], line + 1];
      if (number !== spans.at(-2) || from !== spans.at(-1)) spans.push(column, number, from);
    }
    return spans.some((_, i) => i % 3 === 1 && spans[i] >= 0) ? spans : [];
  });
  return { files, lines };
}

/** Base64 VLQ, as source maps have it (ECMA-426). */
function decoded(segment) {
  const found = [];
  let [value, shift] = [0, 0];
  for (const letter of segment) {
    const digit = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".indexOf(letter);
    value |= (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    found.push(value & 1 ? -(value >> 1) : value >> 1);
    [value, shift] = [0, 0];
  }
  return found;
}

/** The component's bytes. Throws an Error whose message names the author's file and line. */
export async function build(entry, exports = ENTRY) {
  const { text, sources } = await bundle(entry, exports);
  const options = { witPath: path.join(kit, "plugin.wit"), world: "plugin", jsSource: text, sync: true, stubWasi: true };
  try {
    return (await componentize(options)).component;
  } catch (error) {
    const lines = error.message.replace(/^: .*evaluation: /, "").split("\n").map((text) => text.replace(/\(?[^\s(]*user\.js:(\d+):(\d+)\)?/, place));
    throw new Error(`the modules do not run: ${lines.filter(Boolean).join("\n")}`, { cause: error });
  }

  function place(_whole, line, column) {
    const spans = sources.lines[line - 1] ?? [];
    const at = spans.findLastIndex((start, i) => i % 3 === 0 && start < column);
    const file = sources.files[spans[at + 1]];
    return file ? `(${file[0]}:${spans[at + 2]})` : "(the kit)";
  }
}
