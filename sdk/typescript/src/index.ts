/// <reference path="../quickjs/engine.d.ts" />
/** The author's kit of mockforge plugins in TypeScript. Payloads and operations: docs/reference/contract.md. */

export type { Column, Context, DataResult, HttpAnswer, HttpOptions, Page } from "./doors.js";
export type { Pairs } from "./encoding.js";
export { HostError, PluginError, type Code } from "./failure.js";
export * from "./values.js";
