/** From an author's definition to the component's two exports: described once, called by JSON documents. */

import { decode, encode } from "../quickjs/json.js";
import { forget, settled } from "../quickjs/loop.js";
import * as answers from "./answers.js";
import { context as ctx, open } from "./doors.js";
import { envelope, PluginError } from "./failure.js";
import * as rows from "./rows.js";
import type { Definition, Parameter } from "./types.js";
import { Answer, Request } from "./values.js";

/** The author's method (or table of them), what runs it on a document, and what makes its answer a document. */
type Handler = [method: any, run: (document: any) => unknown, convert: (value: any, name: string) => unknown];

/** The exports of the component, which asks the host through `door`. */
export function serve(made: Definition, door: (door: string, payload: string) => string) {
  const handlers = new Map(Object.entries(table(made)).filter(([, [method]]) => method));
  const ops = [...handlers.keys()].sort();
  const functions = Object.entries(made.functions ?? {}).map(([name, called]) => answers.described(name, called));
  const [endpoints, capabilities] = [Object.keys(made.endpoints ?? {}).sort(), { ...made.dataSource?.capabilities, ...made.auth?.capabilities }];
  return {
    describe: () => encode({ contract: "0.1", kit: "typescript 0.1.0", ops, functions, endpoints, capabilities }, "description"),
    call(op: string, payload: string): string {
      open(door);
      forget();
      const handler = handlers.get(op);
      const sent = op === "data.query" ? decode(payload) : JSON.parse(payload);
      try {
        if (!handler) throw new PluginError(`this plugin has no ${op}; it has ${ops.join(", ")}`, { code: "unsupported_op" });
        return encode(handler[2](settled(handler[1](sent)), op.slice(op.indexOf(".") + 1)), "answer");
      } catch (thrown) {
        const isProblem = op === "plugin.validate_config" && thrown instanceof PluginError && thrown.code === "invalid_config";
        if (isProblem) return encode(answers.problems(thrown.message, op), op);
        // a string thrown is the error arm of the component's result
        throw envelope(thrown, handler?.[0]?.[sent.function]?.call ?? handler?.[0]?.[sent.endpoint] ?? handler?.[0]);
      }
    },
  };
}

function table(made: Definition): Record<string, Handler> {
  const { auth, response, modifier, functions, dataSource, endpoints } = made;
  const on = (document: any) => new Request(document.request, document.fingerprint);
  const init = ({ config, plugin, development = false }: any) => {
    Object.assign(ctx, { config: config ?? {}, plugin: { ...ctx.plugin, ...plugin, development } });
    return made.init?.(ctx);
  };
  let connected = false;
  const connect = () => (connected ||= (settled(dataSource!.connect?.(ctx)), true));
  const query = ({ query, params, max_bytes, timeout_ms, ...asked }: any) => {
    if (max_bytes) asked.maxBytes = max_bytes;
    if (timeout_ms) asked.timeoutMs = timeout_ms;
    return dataSource!.query(query, params ?? {}, asked, ctx);
  };
  return {
    "plugin.init": [made.init ?? true, init, answers.nothing],
    "plugin.start": [made.start, () => made.start!(ctx), answers.nothing],
    "plugin.stop": [made.stop, () => made.stop!(ctx), answers.nothing],
    "plugin.destroy": [made.destroy, () => made.destroy!(ctx), answers.nothing],
    "plugin.validate_config": [made.validateConfig, ({ config }) => made.validateConfig!(config ?? {}), answers.problems],
    "plugin.health": [made.health, () => made.health!(ctx), answers.health],
    "auth.authenticate": [auth?.authenticate, (document) => auth!.authenticate(new Request(document), ctx), answers.decision],
    "response.can_handle": [response?.canHandle, (document) => response!.canHandle!(on(document), ctx), answers.bool],
    "response.generate": [response?.generate, (document) => response!.generate(on(document), ctx), answers.generated],
    "response.modify": [modifier?.modify, (sent) => modifier!.modify(on(sent), new Answer(sent.response), ctx), answers.modified],
    "data.connect": [dataSource?.connect, connect, answers.nothing],
    "data.query": [dataSource?.query, (sent) => (connect(), query(sent)), rows.data],
    "data.schema": [dataSource?.schema, () => dataSource!.schema!(ctx), rows.schema],
    "template.call": [functions, ({ function: name, args, kwargs }) => {
      const called = named(functions!, name, "template function");
      return called.call.apply(called, arranged(name, called.parameters ?? [], args ?? [], kwargs ?? {}));
    }, (value) => value],
    "endpoint.call": [endpoints, (document) => named(endpoints!, document.endpoint, "endpoint")(on(document), ctx), answers.response],
  };
}

function named<T>(table: Record<string, T>, name: string, what: string): T {
  if (Object.hasOwn(table, name)) return table[name]!;
  throw new PluginError(`this plugin has no ${what} '${name}'; it has ${Object.keys(table).join(", ")}`, { code: "not_found" });
}

/** One value for each parameter, and the context. Throws PluginError, worded for whoever wrote the template. */
function arranged(name: string, parameters: readonly Parameter[], args: unknown[], kwargs: Record<string, unknown>): any {
  const refuse = (why: string) => {
    const names = parameters.map((p) => p.name).join(", ");
    throw new PluginError(`${name}(${names}) does not take these arguments: ${why}`, { code: "invalid_input" });
  };
  const values: unknown[] = [];
  const others = Object.keys(kwargs);
  for (const p of parameters) {
    const at = p.many ? -1 : others.indexOf(p.name);
    if (at >= 0) others.splice(at, 1);
    if (p.many === true) values.push(args.splice(0));
    else if (p.many) values.push(Object.fromEntries(others.splice(0).map((key) => [key, kwargs[key]])));
    else if (args.length) values.push(at < 0 ? args.shift() : refuse(`'${p.name}' is given twice`));
    else values.push(at >= 0 ? kwargs[p.name] : p.default !== undefined ? p.default : refuse(`'${p.name}' is missing`));
  }
  if (args.length) refuse(`${args.length} too many`);
  if (others.length) refuse(`'${others.join("', '")}' is not known`);
  values.push(ctx);
  return values;
}
