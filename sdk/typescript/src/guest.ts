/** From an author's definition to the component's two exports: described once, called by JSON documents. */

import * as answers from "./answers.js";
import { context as ctx, open } from "./doors.js";
import { encode } from "./encoding.js";
import { drain } from "./loop.js";
import { envelope, PluginError } from "./failure.js";
import { Answer, Request, type Definition, type TemplateFunction } from "./values.js";

type Convert = (value: any, name: string) => unknown;
interface Handler {
  method: unknown;
  run(document: any): unknown;
  convert: Convert;
}
const NEVER = "the plugin waits for something that never comes: in the sandbox only host calls, timers and its own promises are there";

/** The exports of the component, which asks the host through `door`. */
export function serve(definition: Definition, door: (door: string, payload: string) => string) {
  const handlers = table(definition);
  const names = Object.keys(handlers).filter((op) => op !== "data.connect" || definition.dataSource?.connect).sort();
  return {
    describe: () =>
      encode({
        contract: "0.1",
        kit: "typescript 0.1.0",
        ops: names,
        functions: Object.entries(definition.functions ?? {}).map(([name, made]) => answers.described(name, made)),
        endpoints: Object.keys(definition.endpoints ?? {}).sort(),
        capabilities: definition.auth?.capabilities ?? {},
      }, "description"),
    call(op: string, payload: string): string {
      open(door);
      const handler = handlers[op];
      try {
        if (!handler) throw new PluginError(`this plugin has no ${op}; it has ${names.join(", ")}`, { code: "unsupported_op" });
        return encode(handler.convert(settled(handler.run(JSON.parse(payload))), op.slice(op.indexOf(".") + 1)), "answer");
      } catch (thrown) {
        throw envelope(thrown, handler?.method); // a string thrown is the error arm of the component's result
      }
    },
  };
}

/** The value, or what a promise of it comes to: jobs and timers run until it is settled. */
function settled(value: any): unknown {
  if (typeof value?.then !== "function") return value;
  let outcome: { value?: unknown; error?: unknown } | undefined;
  value.then((found: unknown) => (outcome = { value: found }), (error: unknown) => (outcome = { error }));
  drain(() => outcome !== undefined);
  if (!outcome) throw new PluginError(NEVER, { code: "unsupported_op" });
  if ("error" in outcome) throw outcome.error;
  return outcome.value;
}

function table(made: Definition): Record<string, Handler> {
  const found: Record<string, Handler> = Object.create(null);
  const add = (op: string, method: unknown, run: Handler["run"], convert: Convert) => void (method && (found[op] = { method, run, convert }));
  const on = (document: any) => new Request(document.request, document.fingerprint);
  const { auth, response, modifier, functions, dataSource, endpoints } = made;
  add("plugin.init", made.init ?? true, (document) => {
    [ctx.config, ctx.plugin] = [document.config ?? {}, { ...ctx.plugin, ...document.plugin }];
    return made.init?.(ctx);
  }, answers.nothing);
  for (const name of ["start", "stop", "destroy"] as const) add(`plugin.${name}`, made[name], () => made[name]!(ctx), answers.nothing);
  add("plugin.validate_config", made.validateConfig, (document) => validated(made, document.config ?? {}), answers.problems);
  add("plugin.health", made.health, () => made.health!(ctx), answers.health);
  add("auth.authenticate", auth?.authenticate, (document) => auth!.authenticate(new Request(document), ctx), answers.decision);
  add("response.can_handle", response?.canHandle, (document) => response!.canHandle!(on(document), ctx), answers.bool);
  add("response.generate", response?.generate, (document) => response!.generate(on(document), ctx), answers.generated);
  add("response.modify", modifier?.modify, (document) => modifier!.modify(on(document), new Answer(document.response), ctx), answers.modified);
  let connected = !dataSource?.connect;
  const connect = () => {
    if (!connected) settled(dataSource!.connect!(ctx));
    connected = true;
  };
  add("data.connect", dataSource, connect, answers.nothing);
  add("data.query", dataSource?.query, ({ query, params, limit, cursor }) => {
    connect();
    return dataSource!.query(query, params ?? {}, { limit, cursor }, ctx);
  }, answers.data);
  add("data.schema", dataSource?.schema, () => dataSource!.schema!(ctx), answers.schema);
  add("template.call", functions, ({ function: name, args, kwargs }) => {
    const called = named(functions!, name, "template function");
    return called.call(...arranged(name, called, args ?? [], kwargs ?? {}), ctx);
  }, (value) => value);
  add("endpoint.call", endpoints, (document) => named(endpoints!, document.endpoint, "endpoint")(on(document), ctx), answers.response);
  return found;
}

function named<T>(table: Record<string, T>, name: string, what: string): T {
  if (Object.hasOwn(table, name)) return table[name]!;
  throw new PluginError(`this plugin has no ${what} '${name}'; it has ${Object.keys(table).join(", ")}`, { code: "not_found" });
}

/** A problem may also be thrown, as a PluginError of the code `invalid_config`. */
function validated(made: Definition, config: unknown): unknown {
  try {
    return settled(made.validateConfig!(config));
  } catch (thrown) {
    if (thrown instanceof PluginError && thrown.code === "invalid_config") return thrown.message;
    throw thrown;
  }
}

/** One value for each parameter. Throws PluginError, worded for whoever wrote the template. */
function arranged(name: string, made: TemplateFunction, args: unknown[], kwargs: Record<string, unknown>): any[] {
  const [left, others, parameters] = [[...args], { ...kwargs }, made.parameters ?? []];
  const refuse = (why: string) => {
    const shown = parameters.map((p) => p.name).join(", ");
    throw new PluginError(`${name}(${shown}) does not take these arguments: ${why}`, { code: "invalid_input" });
  };
  const values = parameters.map((p) => {
    if (p.many === true) return left.splice(0);
    if (p.many) return Object.keys(others).reduce((taken, key) => ({ ...taken, [key]: take(others, key) }), {});
    if (left.length) return Object.hasOwn(others, p.name) ? refuse(`'${p.name}' is given twice`) : left.shift();
    if (Object.hasOwn(others, p.name)) return take(others, p.name);
    return p.default === undefined ? refuse(`'${p.name}' is missing`) : p.default;
  });
  if (left.length) refuse(`${left.length} too many`);
  if (Object.keys(others).length) refuse(`'${Object.keys(others).join("', '")}' is not known`);
  return values;
}

function take(from: Record<string, unknown>, key: string): unknown {
  const value = from[key];
  delete from[key];
  return value;
}
