import { expect, test } from "bun:test";
import { linkTo } from "../../src/client/messaging.ts";
import { errors } from "../../src/errors.ts";
import { decode, encode } from "../../src/wire/codec.ts";
import { CONTROL_REQUEST_LIMIT, encodeFrame, FrameDecoder } from "../../src/wire/frame.ts";
import { ERROR_NUMBER, errorReply, messages } from "../../src/wire/messages.ts";
import { rejectionOf } from "../thrown.ts";

function broker(answer: (body: Uint8Array) => Uint8Array) {
  let closed = 0;
  const link = linkTo({
    exchange: (request) => {
      const [frame] = new FrameDecoder(CONTROL_REQUEST_LIMIT).push(request);
      return Promise.resolve(answer(frame!.body));
    },
    close: () => void (closed += 1),
  });
  return { link, closed: () => closed };
}

test("a request and its answer are what they are on a socket", async () => {
  const { link, closed } = broker((body) => {
    const { version } = decode(messages.Hello.request, body);
    return encodeFrame(1, encode(messages.Hello.response, { version: `${version}!`, pid: 7 }));
  });
  expect(await link.request("Hello", { version: "x" })).toEqual({ version: "x!", pid: 7 });
  link.close();
  expect(closed()).toBe(1);
});

test("an error reply is an error", async () => {
  const reply = { number: errors["aws-refused"].number, message: "AccessDenied", hint: undefined };
  const { link } = broker(() => encodeFrame(ERROR_NUMBER, encode(errorReply, reply)));
  expect((await rejectionOf(link.request("Vend", { config: "dev" }))).kind).toBe("aws-refused");
});

test("a broker in this process has no peer", () => {
  const { link } = broker(() => new Uint8Array(0));
  expect(() => link.identify(() => "someone")).toThrow("has no peer");
});
