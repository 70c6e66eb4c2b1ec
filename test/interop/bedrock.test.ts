// Streams of events from Bedrock, through a grant that signs: the JavaScript SDK, which speaks HTTP/2 with prior knowledge
// to an http endpoint, boto3, and Claude Code, which has a way to Bedrock of its own.
import { expect } from "bun:test";
import { mkdirSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { type Signing, startSigning } from "../e2e/signing.ts";
import type { Arrived } from "../e2e/upstream.ts";
import { generateCertificate } from "../sts/tls.ts";
import { places, rigs as sandboxRigs } from "../gate/rigs/rigs.ts";
import { executables, type Rig, rigs, testWith } from "./rigs.ts";

const certificate = generateCertificate();
const WORDS = ["out ", "of ", "the ", "keyhole"];

const header = (name: string, value: string) =>
  Buffer.concat([
    Buffer.from([name.length]),
    Buffer.from(name),
    Buffer.from([7, value.length >> 8, value.length & 255]),
    Buffer.from(value),
  ]);

/** https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html: lengths and checksums around headers and payload. */
function frame(type: string, payload: object): Buffer {
  const headers = Buffer.concat([
    header(":event-type", type),
    header(":content-type", "application/json"),
    header(":message-type", "event"),
  ]);
  const body = Buffer.from(JSON.stringify(payload));
  const all = Buffer.alloc(16 + headers.length + body.length);
  all.writeUInt32BE(all.length, 0);
  all.writeUInt32BE(headers.length, 4);
  all.writeUInt32BE(Bun.hash.crc32(all.subarray(0, 8)), 8);
  all.set(headers, 12);
  all.set(body, 12 + headers.length);
  all.writeUInt32BE(Bun.hash.crc32(all.subarray(0, -4)), all.length - 4);
  return all;
}

/** As ConverseStream has them. */
const CONVERSED = [
  frame("messageStart", { role: "assistant" }),
  ...WORDS.map((text) => frame("contentBlockDelta", { contentBlockIndex: 0, delta: { text } })),
  frame("messageStop", { stopReason: "end_turn" }),
];

/** As InvokeModelWithResponseStream has Claude's own. */
const INVOKED = [
  {
    type: "message_start",
    message: { id: "msg_1", type: "message", role: "assistant", content: [], model: "m", usage: { input_tokens: 1 } },
  },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
  ...WORDS.map((text) => ({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } })),
  { type: "content_block_stop", index: 0 },
  { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 4 } },
  { type: "message_stop" },
].map((event) => frame("chunk", { bytes: Buffer.from(JSON.stringify(event)).toString("base64") }));

/** Streams up to the first word, and the rest once `release` was called: when the client has shown that word. */
function createBedrock() {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  async function answer({ request }: Arrived, response: ServerResponse) {
    const isInvoked = request.path.endsWith("/invoke-with-response-stream");
    if (!isInvoked && !request.path.endsWith("/converse-stream")) {
      // Claude Code looks which models there are by calling them.
      response.writeHead(400, { "content-type": "application/json" }).end('{"message":"there is no such model"}');
      return;
    }
    const [events, begun] = isInvoked ? ([INVOKED, 3] as const) : ([CONVERSED, 2] as const);
    response.writeHead(200, { "content-type": "application/vnd.amazon.eventstream" });
    response.write(Buffer.concat(events.slice(0, begun)));
    await released;
    response.end(Buffer.concat(events.slice(begun)));
  }
  return { answer: (arrived: Arrived, response: ServerResponse) => void answer(arrived, response), release };
}

interface StreamingClient {
  readonly needs: readonly Rig[];
  readonly start: (it: Signing) => Bun.ReadableSubprocess;
  readonly first: RegExp;
  readonly all: RegExp;
  readonly path: string;
}

const LINES = /^out \nof \nthe \nkeyhole\n$/;
const converses = { first: /^out \n/, all: LINES, path: "/model/amazon.nova-lite-v1%3A0/converse-stream" };

const python = `
import boto3
messages = [{"role": "user", "content": [{"text": "hello"}]}]
for event in boto3.client("bedrock-runtime").converse_stream(modelId="amazon.nova-lite-v1:0", messages=messages)["stream"]:
    if "contentBlockDelta" in event:
        print(event["contentBlockDelta"]["delta"]["text"], flush=True)
`;

const streaming: Readonly<Record<string, StreamingClient>> = {
  "the JavaScript SDK's, over HTTP/2": {
    ...converses,
    needs: [rigs.node],
    start: (it) => it.spawn([executables.node!, executables.bedrock, "amazon.nova-lite-v1:0", "hello"]),
  },
  "boto3's": { ...converses, needs: [rigs.boto3], start: (it) => it.spawn([executables.python, "-c", python]) },
  "Claude Code's, in a sandbox without a network": {
    needs: [sandboxRigs.agents, sandboxRigs.bubblewrap],
    start: (it) => {
      const home = `${it.machine.home}/claude`;
      mkdirSync(home);
      const variables = {
        HOME: home,
        HTTPS_PROXY: undefined,
        CLAUDE_CODE_USE_BEDROCK: "1",
        ANTHROPIC_BEDROCK_BASE_URL: `http://127.0.0.1:${it.port}/bedrock-runtime`,
        ANTHROPIC_MODEL: "anthropic.claude-x",
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
      };
      const words = ["-p", "hello", "--output-format", "stream-json", "--include-partial-messages", "--verbose"];
      const command = [`${places.agents}/node_modules/.bin/claude`, ...words];
      return it.spawn(command, variables, "bwrap --die-with-parent --dev-bind / / --unshare-net --".split(" "));
    },
    first: /"text_delta","text":"out "/,
    all: /"result":"out of the keyhole"/,
    path: "/model/anthropic.claude-x/invoke-with-response-stream",
  },
};

for (const [name, client] of Object.entries(streaming))
  testWith([...client.needs])(
    `a stream of events from Bedrock comes word by word: ${name}`,
    async () => {
      const bedrock = createBedrock();
      const { answer } = bedrock;
      await using it = await startSigning({ words: "--allow *:InvokeModel* --allow *:Converse*", answer, certificate });
      const child = client.start(it);
      const errors = new Response(child.stderr).text();
      let said = "";
      for await (const part of child.stdout) {
        said += new TextDecoder().decode(part);
        if (client.first.test(said)) bedrock.release();
      }
      expect([said, await errors, await child.exited]).toEqual([
        expect.stringMatching(client.all),
        expect.any(String),
        0,
      ]);
      const { request, isSigned } = it.upstream.arrived.find((one) => one.request.path.endsWith("-stream"))!;
      expect([decodeURIComponent(request.path), isSigned]).toEqual([decodeURIComponent(client.path), true]);
      expect(it.upstream.arrived.every((one) => one.isSigned)).toBe(true);
    },
    60_000,
  );
