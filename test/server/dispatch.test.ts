import { expect, test } from "bun:test";
import { createDispatch, type Handlers } from "../../src/server/dispatch.ts";
import type { LogFields } from "../../src/server/log.ts";
import { errors, KeyholeError } from "../../src/errors.ts";
import { decode, encode, MalformedBody } from "../../src/wire/codec.ts";
import { encodeFrame, type Frame, FrameDecoder, RESPONSE_LIMIT } from "../../src/wire/frame.ts";
import { ERROR_NUMBER, errorReply, messages } from "../../src/wire/messages.ts";

const caller = { pid: 7, uid: 1000, gid: 1000, connection: 3 };

const notAsked = () => {
  throw new Error("not asked");
};

function setUp(handlers: Partial<Handlers>) {
  const lines: [string, LogFields | undefined][] = [];
  const all: Handlers = {
    Hello: notAsked,
    Vend: notAsked,
    Add: notAsked,
    Remove: notAsked,
    List: notAsked,
    Status: notAsked,
    Identity: notAsked,
    Stop: notAsked,
    AddIn: notAsked,
    Compare: notAsked,
    GrantRun: notAsked,
    GrantSource: notAsked,
    Proxies: notAsked,
    Surround: notAsked,
    GrantMake: notAsked,
    GrantsList: notAsked,
    GrantSet: notAsked,
    GrantRevoke: notAsked,
    GrantRemove: notAsked,
    GrantQuestion: notAsked,
    GrantAnswer: notAsked,
    Codes: notAsked,
    CodeTurn: notAsked,
    CodeAnswer: notAsked,
    TimeLeft: notAsked,
    Fetch: notAsked,
    ...handlers,
  };
  return { lines, dispatch: createDispatch(all, (_, event, fields) => lines.push([event, fields]), true) };
}

const parse = (bytes: Uint8Array): Frame => new FrameDecoder(RESPONSE_LIMIT).push(bytes)[0]!;
const vendRequest = (config: string): Frame => parse(encodeFrame(2, encode(messages.Vend.request, { config })));

function failureOf(bytes: Uint8Array | Promise<Uint8Array>) {
  const { message, body } = parse(bytes as Uint8Array);
  expect(message).toBe(ERROR_NUMBER);
  return decode(errorReply, body);
}

test("a handler that answers at once is answered for at once", () => {
  const { dispatch } = setUp({ Remove: () => ({}) });
  const reply = dispatch(parse(encodeFrame(4, encode(messages.Remove.request, { config: "dev" }))), caller);
  expect(reply).toBeInstanceOf(Uint8Array);
  expect(parse(reply as Uint8Array).message).toBe(4);
});

test("a handler's finished frame is passed on as it is", () => {
  const ready = encodeFrame(2, new Uint8Array([1]));
  const { dispatch } = setUp({ Vend: () => ready });
  expect(dispatch(vendRequest("dev"), caller)).toBe(ready);
});

test("an error of a handler is its number, message and hint, and a line in the log that names request and peer", () => {
  const { dispatch, lines } = setUp({
    Vend: () => {
      throw new KeyholeError("aws-refused", "AccessDenied: no", "check the trust policy");
    },
  });
  expect(failureOf(dispatch(vendRequest("dev"), caller))).toEqual({
    number: errors["aws-refused"].number,
    message: "AccessDenied: no",
    hint: "check the trust policy",
  });
  expect(lines).toEqual([
    ["request failed", { message: "Vend", config: "dev", pid: 7, uid: 1000, connection: 3, kind: "aws-refused" }],
  ]);
});

test("what is no name of a config is not written down", () => {
  const { dispatch, lines } = setUp({
    Vend: () => {
      throw new KeyholeError("forbidden", "no");
    },
  });
  void dispatch(vendRequest("\u0001".repeat(4000)), caller);
  expect(JSON.stringify(lines)).not.toContain("u0001");
  expect(lines).toMatchObject([["request failed", { message: "Vend", pid: 7 }]]);
});

test("a rejected promise is an error reply too", async () => {
  const { dispatch } = setUp({ Vend: () => Promise.reject(new KeyholeError("network", "no route")) });
  expect(failureOf(await dispatch(vendRequest("dev"), caller)).number).toBe(errors.network.number);
});

test("a bug is `internal` to the client, without its text, and its stack is in the log", () => {
  const { dispatch, lines } = setUp({
    Vend: () => {
      throw new TypeError("undefined is not an object: SECRET");
    },
  });
  const failure = failureOf(dispatch(vendRequest("dev"), caller));
  expect(failure.number).toBe(errors.internal.number);
  expect(failure.message).not.toContain("SECRET");
  expect(lines[0]![1]!["stack"]).toContain("dispatch.test.ts");
});

test("an unknown message gets an error reply, and says so", () => {
  const { dispatch } = setUp({});
  const failure = failureOf(dispatch(parse(encodeFrame(0x7e, new Uint8Array(3))), caller));
  expect(failure.number).toBe(errors["unknown-message"].number);
  expect(failure.message).toBe("this daemon speaks messages 1 to 29 of protocol version 1, not 126");
});

test.each([
  [2, "keyhole daemon restart"],
  [0, "update keyhole"],
])("another version gets an error reply that names what this daemon speaks: %d, %s", (version, hint) => {
  const { dispatch } = setUp({});
  const failure = failureOf(dispatch(parse(encodeFrame(1, new Uint8Array(0), version)), caller));
  expect(failure.number).toBe(errors["unsupported-version"].number);
  expect(failure.message).toBe(`this daemon speaks protocol version 1, the client ${version}`);
  expect(failure.hint).toBe(hint);
});

test("a malformed body is thrown, because the connection cannot be trusted any more", () => {
  const { dispatch } = setUp({});
  expect(() => dispatch(parse(encodeFrame(2, new Uint8Array([0, 9, 1]))), caller)).toThrow(MalformedBody);
});

test("a message of any length fits into a reply", () => {
  const { dispatch } = setUp({
    Vend: () => {
      throw new KeyholeError("aws-refused", "é".repeat(100_000));
    },
  });
  expect(failureOf(dispatch(vendRequest("dev"), caller)).message.length).toBe(8000);
});
