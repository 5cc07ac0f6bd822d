/** Failures: what an author throws, what a door answers, and the error envelope, which names the author's own file and line. */

import { encode, shown } from "../quickjs/json.js";
import { defined, frames, type Frame } from "../quickjs/stack.js";
import type { Code } from "./types.js";

/** Throw it to fail with a code of your choice; anything else that is thrown becomes `internal`. */
export class PluginError extends Error {
  override name = "PluginError";
  readonly code: Code;
  readonly retryable: boolean;
  readonly details: Record<string, unknown>;
  constructor(message: string, more: { code?: Code; retryable?: boolean; details?: Record<string, unknown> } & ErrorOptions = {}) {
    super(message, more);
    ({ code: this.code = "internal", retryable: this.retryable = false, details: this.details = {} } = more);
    encode(this.details, "details"); // here the author's line is known
  }
}
/** A host call was refused or failed: `code` says how, `message` says why. */
export class HostError extends PluginError { override name = "HostError"; }
/** A method gave something that its operation cannot answer with. */
export class WrongAnswer extends PluginError { override name = "WrongAnswer"; }

const headline = (error: Error) => `${error.name}${error.message ? `: ${error.message}` : ""}`.slice(0, 4000);

function trace(error: Error, own: Frame[], depth = 5): string {
  const at = ({ name, file, line }: Frame) => (name ? `${name} (${file}:${line})` : `${file}:${line}`);
  const shown = own.slice(0, 20).map((frame) => `\n    at ${at(frame)}\n        ${frame.source}`);
  const cause = error.cause instanceof Error && depth ? `\ncaused by: ${trace(error.cause, frames(error.cause), depth - 1)}` : "";
  return headline(error) + shown.join("") + cause;
}

/** The error document of whatever was thrown; `method` is the author's, whose place a wrong answer has. */
export function envelope(thrown: unknown, method?: any): string {
  const error = thrown instanceof Error ? thrown : new PluginError(`${typeof thrown} thrown: ${shown(thrown)}`);
  const { code, message, retryable, details } = error instanceof PluginError ? error : new PluginError(headline(error));
  const own = frames(error);
  // JSON.stringify throws, too, where the author's code is over
  if (!own.length && (error instanceof WrongAnswer || !(error instanceof PluginError))) own.push(...defined(method));
  const { file, line, source } = own[0] ?? {};
  const told = { ...details, exception: error.name, traceback: trace(error, own), file, line, source };
  return JSON.stringify({ error: { code, message: message.slice(0, 4000), retryable, details: told } });
}
