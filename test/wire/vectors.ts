// The golden vectors: bytes written by hand, and what a reader of src/wire/PROTOCOL.md must make of them.
import { readdirSync, readFileSync } from "node:fs";
import { type AnyCodec, decode, encode, MalformedBody } from "../../src/wire/codec.ts";
import {
  CONTROL_REQUEST_LIMIT,
  encodeFrame,
  type Frame,
  FrameDecoder,
  MalformedFrame,
  RESPONSE_LIMIT,
} from "../../src/wire/frame.ts";
import { ERROR_NUMBER, errorReply, messageNameOf, messages, PROTOCOL_VERSION } from "../../src/wire/messages.ts";

export type Side = "client" | "daemon";

/** What a reader says about a stream: one for each frame, and one for how it ends where that is not between frames. */
export interface Event {
  /** `request Vend`, `error`, `unknown-message 127`, `MalformedBody: …`, `incomplete`. */
  readonly what: string;
  /** As JSON would carry it: nothing for what is absent, bytes as Latin-1. */
  readonly value?: unknown;
}

export interface Vector {
  readonly name: string;
  readonly from: Side;
  readonly expect: readonly Event[];
  readonly bytes: Uint8Array;
}

const DIRECTORY = new URL("../vectors/", import.meta.url);

export function loadVectors(): readonly Vector[] {
  return readdirSync(DIRECTORY)
    .toSorted()
    .map((file) => parseVector(file, readFileSync(new URL(file, DIRECTORY), "utf8")));
}

/** `# remark`, `from: client|daemon`, `expect: what [JSON]` for each event, and rows of hex. */
function parseVector(file: string, text: string): Vector {
  const name = /^([a-z0-9_]+)\.txt$/.exec(file)?.[1];
  if (name === undefined) throw new Error(`${file} is not the name of a vector`);
  let from: Side | undefined;
  const expect: Event[] = [];
  let hex = "";
  for (const line of text.split("\n")) {
    const [, key, value] = /^(from|expect): (.*)$/.exec(line) ?? [];
    if (key === "from" && (value === "client" || value === "daemon")) from = value;
    else if (key === "expect") expect.push(parseEvent(value!));
    else hex += line.replace(/#.*/, "").replaceAll(" ", "");
  }
  if (from === undefined) throw new Error(`${file} does not say who sends it`);
  if (!/^([0-9a-f]{2})*$/.test(hex)) throw new Error(`${file} has a row that is not hex`);
  return { name, from, expect, bytes: new Uint8Array(Buffer.from(hex, "hex")) };
}

function parseEvent(text: string): Event {
  const [, what, json] = /^((?:request|response) \w+|error) (\{.*\})$/.exec(text) ?? [];
  return json === undefined ? { what: text } : { what: what!, value: JSON.parse(json) };
}

/** What a stream that arrives in these chunks turns out to be, and what was accepted of it, encoded anew. */
export function readStream(from: Side, chunks: Iterable<Uint8Array>): { events: Event[]; reencoded: Uint8Array } {
  const decoder = new FrameDecoder(from === "client" ? CONTROL_REQUEST_LIMIT : RESPONSE_LIMIT);
  const events: Event[] = [];
  const accepted: Uint8Array[] = [];
  const end = () => ({ events, reencoded: new Uint8Array(Buffer.concat(accepted)) });
  for (const chunk of chunks) {
    const { frames, failure } = push(decoder, chunk);
    for (const frame of frames) {
      const { event, body } = readFrame(from, frame);
      events.push(event);
      if (body === undefined) return end();
      accepted.push(encodeFrame(frame.message, body, frame.version));
    }
    if (failure !== undefined) {
      events.push({ what: `MalformedFrame: ${failure.message}` });
      return end();
    }
  }
  if (decoder.isPartial) events.push({ what: "incomplete" });
  return end();
}

function push(decoder: FrameDecoder, chunk: Uint8Array): { frames: readonly Frame[]; failure?: MalformedFrame } {
  try {
    return { frames: decoder.push(chunk) };
  } catch (error) {
    if (!(error instanceof MalformedFrame)) throw error;
    return { frames: error.completed, failure: error };
  }
}

/** The body is what the frame was accepted as, encoded anew; there is none if the connection ends here. */
function readFrame(from: Side, frame: Frame): { event: Event; body?: Uint8Array } {
  const { version, message, body } = frame;
  const isError = from === "daemon" && message === ERROR_NUMBER;
  if (version !== PROTOCOL_VERSION && !isError) return { event: { what: `unsupported-version ${version}` }, body };
  const name = messageNameOf(message);
  if (isError) return readBody("error", errorReply, body);
  if (name === undefined) return { event: { what: `unknown-message ${message}` }, body };
  if (from === "client") return readBody(`request ${name}`, messages[name].request, body);
  return readBody(`response ${name}`, messages[name].response, body);
}

function readBody(what: string, codec: AnyCodec, body: Uint8Array): { event: Event; body?: Uint8Array } {
  try {
    const value: unknown = decode(codec, body);
    return { event: { what, value: asJson(value) }, body: encode(codec, value) };
  } catch (error) {
    if (!(error instanceof MalformedBody)) throw error;
    return { event: { what: `MalformedBody: ${error.message}` } };
  }
}

function asJson(value: unknown): unknown {
  const text = JSON.stringify(value, (_, field: unknown) =>
    field instanceof Uint8Array ? Buffer.from(field).toString("latin1") : field,
  );
  return JSON.parse(text) as unknown;
}
