/** What QuickJS lacks or must not do by itself in the sandbox: clock, chance and timers are the host's, `console` is its log. */

import { jobs } from "./loop.js";
import SettledPromise from "promise-polyfill"; // QuickJS's own jobs run after an export has returned, too late for its answer
import { ask, context } from "../src/doors.js";
import { toText, toUtf8 } from "./bytes.js";
import { shown, written } from "./json.js";

/** Put everything in place; the entry does so before the author's modules run. */
export function install(): void {
  const target = globalThis as any;
  target.Error.stackTraceLimit = 40; // the kit's own frames are among them
  SettledPromise._immediateFn = (job: () => void) => void jobs.push(job);
  SettledPromise._unhandledRejectionFn = (error: unknown) => console.warn(`a promise failed and nobody waited for it: ${error}`);
  target.Promise = SettledPromise;
  const line = (level: keyof typeof context.log) => (...values: unknown[]) => context.log[level](values.map(shown).join(" "));
  target.console = { debug: line("debug"), log: line("info"), info: line("info"), warn: line("warning"), error: line("error") };

  const now = () => Math.floor(ask("clock.now", {}).unix_ns / 1e6);
  const NativeDate = Date;
  NativeDate.now = now;
  target.Date = new Proxy(NativeDate, {
    construct: (made, args, wanted) => Reflect.construct(made, args.length ? args : [now()], wanted),
    apply: () => new Date().toString(),
  });
  NativeDate.prototype.constructor = target.Date;
  target.performance = { now: () => ask("clock.now", {}).monotonic_ns / 1e6 };

  Math.random = () => context.random(6).reduce((sum, byte) => (sum + byte) / 256, 0);
  target.crypto = {
    getRandomValues<T extends ArrayBufferView>(array: T): T {
      new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(context.random(array.byteLength));
      return array;
    },
    randomUUID() {
      const bytes = context.random(16).map((byte, i) => (i === 6 ? (byte & 15) | 64 : i === 8 ? (byte & 63) | 128 : byte));
      return Array.from(bytes, (byte, i) => ([4, 6, 8, 10].includes(i) ? "-" : "") + byte.toString(16).padStart(2, "0")).join("");
    },
  };
  target.BigInt.prototype.toJSON = function () { return written(this.valueOf()); };
  target.TextEncoder = class {
    encode = (text = "") => toUtf8(text);
  };
  target.TextDecoder = class {
    decode = (bytes: ArrayBuffer | Uint8Array = new Uint8Array()) => toText(new Uint8Array(bytes));
  };
}
