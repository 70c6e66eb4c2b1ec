import { expect, test } from "bun:test";
import { encode } from "../../src/wire/codec.ts";
import {
  ERROR_NUMBER,
  type MessageName,
  messageNameOf,
  messages,
  type RequestOf,
  type ResponseOf,
} from "../../src/wire/messages.ts";

const rows = Object.entries(messages);

test("message numbers are unique, fit into a byte and leave 0 and the error reply's number alone", () => {
  const numbers = rows.map(([, { number }]) => number as number);
  expect(new Set(numbers).size).toBe(numbers.length);
  expect(numbers.filter((number) => !(number > 0 && number < ERROR_NUMBER))).toEqual([]);
});

test("a message is found by its number, and nothing by any other", () => {
  const found = Array.from({ length: 256 }, (_, number) => messageNameOf(number));
  for (const [name, { number }] of rows) expect(found[number]).toBe(name as MessageName);
  expect(found.filter((name) => name !== undefined).length).toBe(rows.length);
});

// What must not compile. `bun check` fails where one of these lines has no error any more.
type Handlers = { readonly [Name in MessageName]: (request: RequestOf<Name>) => ResponseOf<Name> };

const someHandlers = {
  Hello: ({ version }) => ({ version, pid: 1 }),
  Vend: ({ config }) => ({ config, region: undefined, line: new Uint8Array(0) }),
  Remove: () => ({}),
  List: () => ({ sessions: [] }),
  Identity: () => ({ userId: "", account: "", arn: "" }),
  Stop: () => ({ pid: 1 }),
} satisfies Partial<Handlers>;

// @ts-expect-error Add and Status are missing
const incomplete: Handlers = someHandlers;

test("the compiler knows the fields of every message", () => {
  expect(Object.keys(incomplete).length).toBeLessThan(rows.length);
  const wrong = [
    // @ts-expect-error a misspelt field of a request
    () => encode(messages.Vend.request, { confg: "dev" }),
    // @ts-expect-error a misspelt field of a response
    () => encode(messages.Stop.response, { pdi: 1 }),
    // @ts-expect-error a number where a string belongs
    () => encode(messages.Remove.request, { config: 5 }),
    // @ts-expect-error a field that is missing
    () => encode(messages.Hello.response, { version: "1" }),
    // @ts-expect-error a message that is not there
    () => messages["Vent"],
  ];
  expect(wrong.length).toBe(5);
});
