/** What is there at run time: QuickJS's own, and what globals.ts puts in place. */
declare function btoa(binary: string): string;
declare function atob(text: string): string;
declare function setTimeout(run: (...args: any[]) => void, milliseconds?: number, ...args: unknown[]): number;
declare function clearTimeout(timer: number): void;
declare function queueMicrotask(job: () => void): void;
declare const console: Record<"debug" | "log" | "info" | "warn" | "error", (...values: unknown[]) => void>;
declare const crypto: { getRandomValues<T extends ArrayBufferView>(array: T): T; randomUUID(): string };
declare class TextEncoder {
  encode(text?: string): Uint8Array;
}
declare class TextDecoder {
  decode(bytes?: ArrayBuffer | Uint8Array): string;
}
declare module "promise-polyfill" {
  const made: PromiseConstructor & { _immediateFn(job: () => void): void; _unhandledRejectionFn(error: unknown): void };
  export default made;
}
