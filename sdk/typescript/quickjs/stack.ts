/** Stacks as QuickJS tells them, in the author's files and lines. */

/** What the build knows of the bundle: the author's files, and for each line of it (column, file, line) triples. */
type Sources = { files: [name: string, text: string][]; lines: number[][] };
let sources: Sources | undefined;
export type Frame = { name: string; file: string; line: number; source: string };
function place(name: string | undefined, line: number, column: number): Frame[] {
  const { files, lines }: Sources = (sources ??= JSON.parse((globalThis as any).__mockforge_sources)); // text until something fails
  const spans = lines[line - 1] ?? [];
  const at = spans.findLastIndex((from, i) => i % 3 === 0 && from < column);
  const [file, found] = [files[spans[at + 1]!], spans[at + 2]!];
  if (!file) return [];
  const source = (file[1].split("\n")[found - 1] ?? "").trim();
  return [{ name: name === "<anonymous>" ? "" : (name ?? ""), file: file[0], line: found, source }];
}

/** Where a function begins. */
export const defined = (made: any): Frame[] => (made?.lineNumber ? place(made.name, made.lineNumber, made.columnNumber) : []);

/** The author's frames of an error, innermost first; those of the kit, of packages and of the error's own constructors are left out. */
export function frames(error: Error): Frame[] {
  const lines = (error.stack ?? "").matchAll(/at (?:(\S+) )?\(?\S*user\.js:(\d+):(\d+)/g);
  const found = [...lines].flatMap(([, name, line, column]) => place(name, Number(line), Number(column)));
  const makers: string[] = [];
  for (let made: any = error.constructor; made?.name; made = Object.getPrototypeOf(made)) makers.push(made.name);
  const thrown = found.findIndex(({ name }) => !makers.includes(name));
  return found.slice(Math.max(thrown, 0));
}
