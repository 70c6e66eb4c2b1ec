// The hidden role `--signer`: a child of the daemon that signs for one grant. It has that grant's credentials alone, and
// parses what its sandbox sends. Ends when its stdin does, however the daemon ended.
import { chmodSync } from "node:fs";
import type net from "node:net";
import { systemClock } from "../clock.ts";
import { isErrno } from "../errors.ts";
import { listenerAt } from "../server/peer-program.ts";
import { descriptorLimit } from "../server/descriptors.ts";
import { createRateLimiter } from "../server/ratelimiter.ts";
import { loadHardened } from "../native/load.ts";
import { identifyPeer, type Native, type PeerIdentity } from "../native/native.ts";
import { readLines } from "../text/lines.ts";
import { OTHER_BUILD } from "../sources/sts/worker-protocol.ts";
import { build } from "../version.ts";
import { Budget } from "./body.ts";
import { type FromSigner, LARGEST_LINE, type SignerStart, type ToSigner } from "./protocol.ts";
import type { Entry, Signer } from "./request.ts";
import { createServer } from "./server.ts";
import type { Keys } from "./sigv4.ts";
import { createWays } from "./ways.ts";

/** Milliseconds for which credentials are used without asking the daemon whether there are newer ones. */
const FRESH = 30_000;
/** Milliseconds for which records are gathered. */
const GATHERED = 50;
const MOST_WAITING = 256;
/** Connections of one grant at once, and as many to AWS; the SDKs' pools have 10 to 50. */
const MOST_CONNECTIONS = 256;
/** Descriptors for what is no connection. */
const RESERVED = 32;
/** Characters of a resource in a question: a bucket's name and a key. */
const MOST_SHOWN = 1_100;
/** Records in one line, which may be as long as `LARGEST_LINE` and no longer. */
const MOST_RECORDS = 100;
const LONGEST_WAIT = 5_000;
/** Milliseconds for clients that connected before it was told to end. */
const LINGERING = 250;
const SOCKET_MODE = 0o666;

/** @param daemonBuild the build of the daemon that started it */
export async function main(daemonBuild: string | undefined): Promise<void> {
  if (daemonBuild !== build) process.exit(OTHER_BUILD);
  const descriptors = descriptorLimit();
  const native = loadHardened();
  try {
    await serveGrant(native, Math.max(1, Math.min(MOST_CONNECTIONS, Math.floor((descriptors - RESERVED) / 2))));
  } catch {
    // Not a daemon's lines: a person who typed them learns nothing of what stands here.
    process.exit(1);
  }
  process.exit(0);
}

/** @param most connections at once */
async function serveGrant(native: Native, most: number): Promise<void> {
  const lines = readLines(Bun.stdin.stream(), LARGEST_LINE);
  const start = JSON.parse((await lines.next()).value as string) as SignerStart;
  const output = Bun.stdout.writer();
  const say = (message: FromSigner) => {
    // A pipe that is broken is a daemon that has ended, and then stdin ends as well.
    void Promise.allSettled([output.write(`${JSON.stringify(message)}\n`), output.flush()]);
  };
  const questions = createQuestions();
  const gathered = gather((entries) => say({ record: entries }));
  const signer = signerOf(start, most, questions, say, {
    record: gathered.add,
    identify: (socket) => peerAt(socket, native),
  });
  const servers: net.Server[] = [];
  let open = 0;
  const listen = (options: net.ListenOptions) =>
    new Promise<void>((resolve, reject) => {
      const server = createServer(signer, most);
      server.on("connection", (socket) => {
        say({ connections: (open += 1) });
        socket.on("close", () => {
          say({ connections: (open -= 1) });
          if (isDraining && open === 0) gathered.flushThen(() => process.exit(0));
        });
      });
      server.on("error", reject);
      server.listen(options, resolve);
      servers.push(server);
    });
  let isDraining = false;
  try {
    await listen({ path: start.socket });
    chmodSync(start.socket, SOCKET_MODE);
    if (start.port !== undefined) await listen({ host: "127.0.0.1", port: start.port, exclusive: true });
    say({ ready: true });
  } catch (error) {
    say({ failed: failureOf(error, start.port) });
  }
  for await (const line of lines) {
    const message = JSON.parse(line) as ToSigner;
    if ("id" in message) questions.answer(message);
    else {
      isDraining = true;
      for (const server of servers) server.close();
      setTimeout(() => open === 0 && gathered.flushThen(() => process.exit(0)), LINGERING);
    }
  }
}

/** Of 127.0.0.1 only a port can be taken: the socket's name is drawn. */
function failureOf(error: unknown, port: number | undefined): string {
  if (port === undefined || !isErrno(error, "EADDRINUSE")) return error instanceof Error ? error.message : "unknown";
  const owner = listenerAt(port);
  return `port ${port} of 127.0.0.1 is taken${owner === undefined ? "" : ` by process ${owner}`}`;
}

/** Of a port the kernel does not say it. */
function peerAt(socket: net.Socket, native: Native): PeerIdentity | undefined {
  const { _handle: handle } = socket as unknown as { readonly _handle: object | null };
  return handle === null || socket.remoteAddress !== undefined ? undefined : identifyPeer(native, handle);
}

function signerOf(
  { dummy, policy, endpoints, proxies, verify, rate }: SignerStart,
  most: number,
  questions: ReturnType<typeof createQuestions>,
  say: (message: FromSigner) => void,
  { record, identify }: Pick<Signer, "record" | "identify">,
): Signer {
  const limiter = createRateLimiter({ rate, clock: systemClock, most: MOST_WAITING, patience: LONGEST_WAIT });
  let known: { readonly keys: Keys; readonly expiresAt: number; readonly at: number } | undefined;
  let asking: Promise<Keys> | undefined;

  async function askForKeys(): Promise<Keys> {
    try {
      const answer = await questions.ask((id) => say({ wants: id }));
      if (!("keys" in answer)) throw new Error("error" in answer ? answer.error : "the daemon does not answer");
      known = { keys: answer.keys, expiresAt: answer.expiresAt, at: systemClock.monotonic() };
      return answer.keys;
    } finally {
      asking = undefined;
    }
  }

  return {
    dummy: { ...dummy, sessionToken: undefined },
    policy,
    endpoints,
    budget: new Budget(),
    now: () => systemClock.wall(),
    record,
    identify,
    take: async () => {
      await limiter.take();
    },
    credentials: async () => {
      const isFresh = known !== undefined && systemClock.monotonic() - known.at < FRESH;
      return isFresh ? known!.keys : (asking ??= askForKeys());
    },
    confirm: async (operation, resource) => {
      // What cannot be shown whole is not asked: a person would say yes to another one.
      if (resource !== undefined && resource.length > MOST_SHOWN) return false;
      const about = resource === undefined ? "" : ` on ${JSON.stringify(resource)}`;
      const answer = await questions.ask((id) => say({ confirm: id, text: `${operation}${about}` }));
      return "confirmed" in answer && answer.confirmed;
    },
    wayTo: createWays(verify, proxies, most),
  };
}

type Answer = Extract<ToSigner, { id: number }>;

function createQuestions() {
  const waiting = new Map<number, (answer: Answer) => void>();
  let last = 0;
  return {
    ask: (say: (id: number) => void): Promise<Answer> =>
      new Promise((resolve) => {
        last += 1;
        waiting.set(last, resolve);
        say(last);
      }),
    answer: (answer: Answer): void => {
      waiting.get(answer.id)?.(answer);
      waiting.delete(answer.id);
    },
  };
}

/** One line for all that happened in a moment. */
function gather(send: (entries: readonly Entry[]) => void) {
  let entries: Entry[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (entries.length > 0) send(entries);
    entries = [];
  };
  return {
    add: (entry: Entry): void => {
      entries.push(entry);
      if (entries.length >= MOST_RECORDS) flush();
      else timer ??= setTimeout(flush, GATHERED);
    },
    flushThen: (next: () => void): void => {
      flush();
      setTimeout(next, 20);
    },
  };
}
