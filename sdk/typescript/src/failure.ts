/** Failures: what an author throws, what a door answers, and the error envelope, which names the author's own file and line. */

export type Code =
  "denied" | "invalid_input" | "invalid_config" | "not_found" | "unsupported_op" | "timeout" | "unavailable" | "limit" | "internal";

/** Throw it to fail with a code of your choice; anything else that is thrown becomes `internal`. */
export class PluginError extends Error {
  override name = "PluginError";
  readonly code: Code;
  readonly retryable: boolean;
  readonly details: Record<string, unknown>;
  constructor(message: string, more: { code?: Code; retryable?: boolean; details?: Record<string, unknown> } & ErrorOptions = {}) {
    super(message, more);
    this.code = more.code ?? "internal";
    this.retryable = more.retryable ?? false;
    this.details = more.details ?? {};
  }
}

/** A host call was refused or failed: `code` says how, `message` says why. */
export class HostError extends PluginError {
  override name = "HostError";
}

/** A method gave something that its operation cannot answer with. */
export class WrongAnswer extends PluginError {
  override name = "WrongAnswer";
}

/** What the build knows of the bundle: the author's files, and for each line of it columns, files and lines, one triple after the other. */
interface Sources {
  files: [name: string, text: string][];
  lines: number[][];
}
type Frame = { name: string; file: string; line: number; source: string };

function place(name: string, line: number, column: number): Frame | undefined {
  const { files, lines } = (globalThis as { __mockforge_sources?: Sources }).__mockforge_sources ?? { files: [], lines: [] };
  const spans = lines[line - 1] ?? [];
  let at = -3;
  while (at + 3 < spans.length && spans[at + 3]! < Math.max(column, 1)) at += 3;
  const found = at < 0 ? undefined : files[spans[at + 1]!];
  const from = spans[at + 2]!;
  return found && { name, file: found[0], line: from, source: (found[1].split("\n")[from - 1] ?? "").trim() };
}

/** The author's frames of an error, innermost first; those of the kit and of packages are left out. */
function frames(error: Error): Frame[] {
  const lines = (error.stack ?? "").matchAll(/at (?:(\S+) )?\(?[^\s()]*user\.js:(\d+):(\d+)/g);
  return [...lines].flatMap(([, name, line, column]) => place(name === "<anonymous>" ? "" : (name ?? ""), Number(line), Number(column)) ?? []);
}

function defined(method: unknown): Frame[] {
  const { name, lineNumber, columnNumber } = (method ?? {}) as { name: string; lineNumber?: number; columnNumber?: number };
  return lineNumber === undefined ? [] : [place(name, lineNumber, columnNumber ?? 1)].filter((frame) => frame !== undefined);
}

const headline = (error: Error) => `${error.name}${error.message ? `: ${error.message}` : ""}`.slice(0, 4000);

function trace(error: Error, own: Frame[], depth = 5): string {
  const shown = own.slice(0, 20).map((f) => `\n    at ${f.name ? `${f.name} (${f.file}:${f.line})` : `${f.file}:${f.line}`}\n        ${f.source}`);
  const cause = error.cause instanceof Error && depth ? `\ncaused by: ${trace(error.cause, frames(error.cause), depth - 1)}` : "";
  return headline(error) + shown.join("") + cause;
}

/** The error document of whatever was thrown; `method` is the author's method whose answer was wrong. */
export function envelope(thrown: unknown, method?: unknown): string {
  const error = thrown instanceof Error ? thrown : new PluginError(`${typeof thrown} thrown: ${String(thrown)}`);
  const told = error instanceof PluginError ? error : new PluginError(headline(error));
  const own = error instanceof WrongAnswer && !frames(error).length ? defined(method) : frames(error);
  const { file, line, source } = own[0] ?? {};
  const details = { ...told.details, exception: error.name, traceback: trace(error, own), file, line, source };
  return JSON.stringify({ error: { code: told.code, message: told.message.slice(0, 4000), retryable: told.retryable, details } });
}
