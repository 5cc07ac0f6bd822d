/** Jobs and timers, run by the kit: QuickJS's own run after an export has returned, too late for its answer. */

import { context } from "../src/doors.js";
import { PluginError } from "../src/failure.js";

type Job = () => void;
export const jobs: Job[] = [];
const timers = new Map<number, { due: number; run: Job }>();
let [timer, waited] = [0, 0];

/** Run jobs, then the timer that is due first, until `done` or nothing is left. */
function drain(done: () => boolean): void {
  for (;;) {
    while (jobs.length) for (const job of jobs.splice(0)) job();
    const [first] = done() ? [] : [...timers].sort(([, a], [, b]) => a.due - b.due);
    if (!first) return;
    const [number, { due, run }] = first;
    if (due > waited) context.sleep(due - waited);
    waited = Math.max(waited, due);
    timers.delete(number);
    run();
  }
}

const NEVER = "the plugin waits for something that never comes: in the sandbox only host calls, timers and its own promises are there";

/** The value, or what a promise of it comes to: jobs run to their end, timers until it is settled. */
export function settled(value: any): unknown {
  const isLater = typeof value?.then === "function";
  if (!isLater && !jobs.length) return value;
  let outcome: { value?: unknown; error?: unknown } | undefined = isLater ? undefined : { value };
  if (isLater) value.then((found: unknown) => (outcome = { value: found }), (error: unknown) => (outcome = { error }));
  drain(() => outcome !== undefined);
  if (!outcome) throw new PluginError(NEVER, { code: "unsupported_op" });
  if ("error" in outcome) throw outcome.error;
  return outcome.value;
}

/** What nobody waited for ends with its call: it would run in another one, which may be another request's. */
export function forget(): void {
  jobs.length = 0;
  timers.clear();
}

Object.assign(globalThis, {
  queueMicrotask: (job: Job) => void jobs.push(job),
  setTimeout: (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
    timers.set(++timer, { due: waited + Math.max(ms, 0), run: () => run(...args) });
    return timer;
  },
  clearTimeout: (number: number) => void timers.delete(number),
});
