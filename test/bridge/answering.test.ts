import { expect, test } from "bun:test";
import { answerRequests } from "../../src/bridge/bridge.ts";
import { decodeAnswer, fetchFrame, forbidden } from "../../src/bridge/pipe.ts";
import { KeyholeError } from "../../src/errors.ts";
import { encodeFrame } from "../../src/wire/frame.ts";
import { messages, type ResponseOf } from "../../src/wire/messages.ts";
import { rejectionOf, thrownBy } from "../thrown.ts";
import { fakePipe } from "./fakes/pipe.ts";

/** Says with its region how often it was asked. */
function counting() {
  let asked = 0;
  const fetch = async (): Promise<ResponseOf<"Fetch">> => {
    asked += 1;
    return { grant: "agent", config: "dev", region: String(asked), line: new Uint8Array(0) };
  };
  return { fetch, asked: () => asked };
}

test("each request is asked anew, and answered in order, however it arrives", async () => {
  const pipe = fakePipe();
  const { fetch } = counting();
  const done = answerRequests(pipe, fetch);
  pipe.push(Buffer.concat([fetchFrame, fetchFrame, fetchFrame.subarray(0, 2)]));
  pipe.push(fetchFrame.subarray(2));
  pipe.end();
  await done;
  expect(pipe.written.map(({ bytes }) => decodeAnswer(bytes).region)).toEqual(["1", "2", "3"]);
});

test.each(Object.entries(messages).filter(([name]) => name !== "Fetch"))(
  "%s is refused here, and the grant does not hear of it",
  async (_, { number }) => {
    const pipe = fakePipe();
    const { fetch, asked } = counting();
    const done = answerRequests(pipe, fetch);
    pipe.push(encodeFrame(number, new Uint8Array(0)));
    pipe.end();
    await done;
    expect({ asked: asked(), answers: pipe.written.map(({ bytes }) => bytes) }).toEqual({
      asked: 0,
      answers: [forbidden],
    });
  },
);

test("a grant's refusal crosses, and the next request is asked again", async () => {
  const pipe = fakePipe();
  const done = answerRequests(pipe, () => Promise.reject(new KeyholeError("revoked", "this grant was revoked")));
  pipe.push(fetchFrame);
  pipe.push(fetchFrame);
  pipe.end();
  await done;
  const kinds = pipe.written.map(({ bytes }) => thrownBy(() => decodeAnswer(bytes)).kind);
  expect(kinds).toEqual(["revoked", "revoked"]);
});

test("a bug of ours crosses without its text", async () => {
  const pipe = fakePipe();
  const done = answerRequests(pipe, () => Promise.reject(new Error("the secret")));
  pipe.push(fetchFrame);
  pipe.end();
  await done;
  const failure = thrownBy(() => decodeAnswer(pipe.written[0]!.bytes));
  expect([failure.kind, failure.message]).toEqual(["internal", expect.not.stringContaining("secret")]);
});

test.each([
  ["text", new TextEncoder().encode("Welcome to this host\n")],
  ["a frame that is too long", Uint8Array.of(0, 0, 0x20, 0)],
])("%s is the end", async (_, bytes) => {
  const pipe = fakePipe();
  const done = rejectionOf(answerRequests(pipe, counting().fetch));
  pipe.push(bytes);
  expect((await done).kind).toBe("bad-request");
  expect(pipe.written).toEqual([]);
});

test("a reader that does not read is the end", async () => {
  const gone = new KeyholeError("unreachable", "the other end of the bridge does not read");
  const pipe = fakePipe(gone);
  const done = rejectionOf(answerRequests(pipe, counting().fetch));
  pipe.push(fetchFrame);
  expect(await done).toBe(gone);
});

test("whatever the other end sends, the grant is asked one thing at a time", async () => {
  const pipe = fakePipe();
  let asking = 0;
  let most = 0;
  const done = answerRequests(pipe, async () => {
    asking += 1;
    most = Math.max(most, asking);
    await Promise.resolve();
    asking -= 1;
    return { grant: "agent", config: "dev", region: undefined, line: new Uint8Array(0) };
  });
  pipe.push(Buffer.concat(Array.from({ length: 50 }, () => fetchFrame)));
  pipe.push(Buffer.concat(Array.from({ length: 50 }, () => fetchFrame)));
  pipe.end();
  await done;
  expect({ most, answers: pipe.written.length }).toEqual({ most: 1, answers: 100 });
});
