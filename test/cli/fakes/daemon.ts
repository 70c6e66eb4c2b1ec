// A daemon that answers from a script: a real socket, the real wire, no sessions.
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errors, KeyholeError } from "../../../src/errors.ts";
import { decode, encode } from "../../../src/wire/codec.ts";
import { CONTROL_REQUEST_LIMIT, encodeFrame, FrameDecoder } from "../../../src/wire/frame.ts";
import {
  ERROR_NUMBER,
  errorReply,
  type MessageName,
  messageNameOf,
  messages,
  type RequestOf,
  type ResponseOf,
} from "../../../src/wire/messages.ts";

/** An answer for each message that a test expects; a KeyholeError becomes an error reply. */
export type Script = { [Name in MessageName]?: (request: RequestOf<Name>) => ResponseOf<Name> };

export interface FakeDaemon extends AsyncDisposable {
  /** The home that `settings` resolve to; the socket is where keyhole looks for it. */
  readonly home: string;
  readonly socket: string;
  /** Messages in the order in which they came. */
  readonly requests: { readonly name: MessageName; readonly body: unknown }[];
  /** Connections that were made. */
  readonly connections: () => number;
  /** Stops listening; the socket file goes. */
  stop(): void;
}

/** @param home a directory from `temporaryHome`, for a daemon that comes after another */
export function startFakeDaemon(script: Script, home: string = temporaryHome()): FakeDaemon {
  const socket = join(home, "daemon.sock");
  const requests: { name: MessageName; body: unknown }[] = [];
  let connections = 0;
  const listener = Bun.listen<FrameDecoder>({
    unix: socket,
    socket: {
      binaryType: "uint8array",
      open: (peer) => {
        connections++;
        peer.data = new FrameDecoder(CONTROL_REQUEST_LIMIT);
      },
      data: (peer, chunk) => {
        for (const frame of peer.data.push(chunk)) {
          const name = messageNameOf(frame.message)!;
          const body: unknown = decode(messages[name].request, frame.body);
          requests.push({ name, body });
          peer.write(reply(script, name, body));
        }
      },
    },
  });
  // As a daemon's own; a grant's is open to all.
  chmodSync(socket, 0o600);
  const stop = () => listener.stop(true);
  return {
    home,
    socket,
    requests,
    connections: () => connections,
    stop,
    [Symbol.asyncDispose]: async () => {
      stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

function reply(script: Script, name: MessageName, body: unknown): Uint8Array {
  const { number, response } = messages[name];
  try {
    const answer = script[name] as ((request: unknown) => unknown) | undefined;
    if (answer === undefined) throw new KeyholeError("bad-request", `the test did not expect ${name}`);
    return encodeFrame(number, encode(response, answer(body) as never));
  } catch (error) {
    if (!(error instanceof KeyholeError)) throw error;
    const { message, hint } = error;
    return encodeFrame(ERROR_NUMBER, encode(errorReply, { number: errors[error.kind].number, message, hint }));
  }
}

/** A private directory of its own, short enough for a socket. */
export function temporaryHome(): string {
  return mkdtempSync(join(tmpdir(), "keyhole-cli-"));
}

/** A session with everything that has to be there. */
export function session(fields: Partial<ResponseOf<"Add">> & { readonly config: string }): ResponseOf<"Add"> {
  return {
    accessKeyId: undefined,
    roleArn: `arn:aws:iam::111122223333:role/${fields.config}`,
    source: "environment",
    issuedAt: undefined,
    expiresAt: undefined,
    renewAt: undefined,
    addedAt: 0,
    usedAt: 0,
    failures: 0,
    lastError: undefined,
    pinned: false,
    notes: [],
    ...fields,
  };
}

/** What `Status` answers, of a daemon that has run for an hour at NOW of world.ts. */
export function daemonStatus(fields: Partial<ResponseOf<"Status">>): ResponseOf<"Status"> {
  return {
    version: "1.0.0",
    pid: 77,
    startedAt: Date.UTC(2026, 10, 20, 12) - 3_725_000,
    socket: "/s.sock",
    log: "/l.log",
    configDir: "/c",
    maxSessions: 64,
    connections: 1,
    residentBytes: 50 * 2 ** 20,
    clockBehindMs: 0,
    clockAheadMs: 0,
    sharedSocket: undefined,
    managed: false,
    notes: [],
    counters: [],
    sessions: [],
    ...fields,
  };
}

/** The variables of a client of a fake daemon. */
export function environmentOf(
  { home, socket }: Pick<FakeDaemon, "home" | "socket">,
  more: Readonly<Record<string, string>> = {},
) {
  return { KEYHOLE_HOME: home, KEYHOLE_SOCKET: socket, ...more };
}

/** What `Vend` answers for a config. */
export function vended(config: string, region?: string): ResponseOf<"Vend"> {
  return { config, region, line: new TextEncoder().encode(PROCESS_LINE) };
}

export const PROCESS_LINE = `${JSON.stringify({
  Version: 1,
  AccessKeyId: "ASIAEXAMPLE",
  SecretAccessKey: "se/cr+et",
  SessionToken: "to//ken==",
  Expiration: "2026-11-20T13:00:00Z",
  AccountId: "111122223333",
})}\n`;
