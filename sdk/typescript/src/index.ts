/// <reference path="../quickjs/engine.d.ts" />
/** The author's kit of mockforge plugins in TypeScript. Payloads and operations: docs/reference/contract.md. */

export type { Context, HttpAnswer } from "./doors.js";
export { HostError, PluginError } from "./failure.js";
export type * from "./types.js";
export * from "./values.js";
