// Grants with real directories and sockets, and a scripted source, clock and store of configs around them.
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuditEvent } from "../../../src/audit/line.ts";
import type { GrantRequest } from "../../../src/daemon/grants/adding.ts";
import { createConfirmer } from "../../../src/daemon/grants/confirmation.ts";
import type { Clocks } from "../../../src/daemon/grants/endings.ts";
import { createGrants, type Grants, type GrantsOptions } from "../../../src/daemon/grants/grants.ts";
import { createDirectoryNames } from "../../../src/daemon/mounts/directory-names.ts";
import { KeyholeError } from "../../../src/errors.ts";
import type { GrantMachine } from "../../../src/grants/grant.ts";
import { openGrantStore } from "../../../src/grants/store.ts";
import type { Caller } from "../../../src/server/dispatch.ts";
import type { SourceEnvironment } from "../../../src/sources/source.ts";
import { decode } from "../../../src/wire/codec.ts";
import { BODY_START, encodeFrame, type Frame, FrameDecoder, RESPONSE_LIMIT } from "../../../src/wire/frame.ts";
import { ERROR_NUMBER, errorReply, messages } from "../../../src/wire/messages.ts";
import { NO_TERMS } from "../../grants/fakes/grants.ts";
import { FakeClock } from "./clock.ts";
import { FakeConfigs, roleConfig } from "./configs.ts";
import { FakeSource } from "./source.ts";
import type { LogLine } from "./world.ts";

export const caller: Caller = { uid: 1000, gid: 1000, pid: 77, connection: 1 };

export const fetchFrame = encodeFrame(messages.Fetch.number, new Uint8Array(0));

/** A request for the grant `agent` of the config `dev`, with nothing said. */
export function grantRequest(terms: Partial<GrantRequest> = {}): GrantRequest {
  return {
    name: "agent",
    config: "dev",
    ...NO_TERMS,
    executable: "none",
    rate: terms.deliver === "file" ? NO_TERMS.rate : { count: 1_000_000, milliseconds: 1000 },
    ttlSeconds: undefined,
    environment: [{ name: "AWS_PROFILE", value: "work" }],
    directory: undefined,
    runner: undefined,
    surroundings: undefined,
    ...terms,
  };
}

export const LINUX: GrantMachine = { platform: "linux", cpu: "x64" };

/** All clocks agree. */
export function clocksAt(wall: number): Clocks {
  return { wall, skew: 0, local: wall, monotonic: 0 };
}

/** Use with `await using`. */
export async function newGrantWorld() {
  const home = mkdtempSync(join(tmpdir(), "keyhole-grants-"));
  mkdirSync(join(home, "grants"), { mode: 0o700 });
  const clock = new FakeClock();
  const source = new FakeSource(clock);
  const configs = new FakeConfigs();
  configs.write("dev", roleConfig("dev"));
  const store = openGrantStore(join(home, "grants"));
  const events: AuditEvent[] = [];
  const log: LogLine[] = [];
  const environments = new Map<string, SourceEnvironment>();
  /** Of requesters, by their ids. */
  const keys = new Map<string, SourceEnvironment>();
  /** When they began, by their pids. */
  const processes = new Map<number, string>();
  /** Who connects; set before connecting. */
  const peer = { uid: 1000, gid: 1000, pid: 77 };
  let holder: object | undefined;

  const options: GrantsOptions = {
    store,
    configs,
    configDir: "/configs",
    completeKeys: (kept, id) => keys.get(id) && { ...kept, ...keys.get(id) },
    source,
    signerCommand: [],
    signerDirectory: join(home, "run"),
    signerEnvironment: {},
    clock,
    random: () => 0.5,
    log: (level, event, fields = {}) =>
      void log.push({ level, event, fields: typeof fields === "function" ? fields() : fields }),
    record: (event) => void events.push(event),
    recordSoon: (event) => Promise.resolve(void events.push(event)),
    confirmer: createConfirmer({ clock, patience: 15_000 }),
    askpassOf: () => undefined,
    descriptors: 1000,
    maxFlights: 8,
    environmentOf: (config) => environments.get(config),
    regionOf: () => Promise.resolve("eu-west-1"),
    takeLock: () => {
      holder = {};
      return { isInPlace: true, release: () => void (holder = undefined) };
    },
    socketPath: join(home, "daemon.sock"),
    mounts: join(home, "g"),
    names: createDirectoryNames(join(home, "g")),
    leaseParentOf: () => join(home, "leases"),
    executable: undefined,
    smallExecutable: () => undefined,
    machine: LINUX,
    identify: () => ({ ...peer }),
    startOf: (pid) => processes.get(pid),
  };

  const running: Grants[] = [];
  /** A daemon's start; `stop` is its end. */
  async function start(changes: Partial<GrantsOptions> = {}): Promise<Grants> {
    const grants = await createGrants({
      ...options,
      confirmer: createConfirmer({ clock, patience: 15_000 }),
      names: createDirectoryNames(join(home, "g")),
      ...changes,
    });
    running.push(grants);
    return grants;
  }

  /** A daemon's start with a grant, added by `caller`. */
  async function begin(terms: Partial<GrantRequest> = {}) {
    const grants = await start();
    return { grants, ...(await grants.add(grantRequest(terms), caller)) };
  }

  async function stop(): Promise<void> {
    for (const grants of running.splice(0)) {
      const closed = grants.close(0);
      await clock.advance(1);
      await closed;
    }
  }

  /** The store on a disk that is full, or that cannot be written to at all, for as long as the test says so. */
  function fillableStore() {
    const disk = { isFull: false, isReadOnly: false };
    const write: typeof store.write = (grant, how) => {
      if (disk.isFull || disk.isReadOnly) throw new KeyholeError("unsafe-path", "cannot write /secret/path (ENOSPC)");
      store.write(grant, how);
    };
    const markRevoked: typeof store.markRevoked = (name) => {
      if (disk.isReadOnly) throw new KeyholeError("unsafe-path", "cannot rename /secret/path (EROFS)");
      store.markRevoked(name);
    };
    return { disk, store: { ...store, write, markRevoked } };
  }

  return {
    fillableStore,
    home,
    clock,
    source,
    configs,
    store,
    events,
    log,
    environments,
    keys,
    processes,
    peer,
    options,
    start,
    begin,
    stop,
    isLocked: () => holder !== undefined,
    eventsOf: (kind: AuditEvent["kind"]) => events.filter((event) => event.kind === kind),
    async [Symbol.asyncDispose]() {
      await stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

export interface Answer {
  readonly bytes: Uint8Array;
  /** The process line's key, if it is an answer to Fetch. */
  readonly accessKeyId: string | undefined;
  readonly grant: string | undefined;
  readonly config: string | undefined;
  /** The error's text, if it is one. */
  readonly error: string | undefined;
  readonly hint: string | undefined;
}

/** A holder of a grant, on one connection. */
export async function connectTo(directory: string) {
  const decoder = new FrameDecoder(RESPONSE_LIMIT);
  const answers: Answer[] = [];
  const waiting: (() => void)[] = [];
  const closed = Promise.withResolvers<void>();
  let isClosed = false;
  const wake = (): void => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  const path = join(directory, "sock");
  if (!existsSync(path)) throw new Error("there is no socket");
  const socket = await Bun.connect({
    unix: path,
    socket: {
      binaryType: "uint8array",
      data: (_, chunk) => {
        answers.push(...decoder.push(chunk).map(readAnswer));
        wake();
      },
      close: () => {
        isClosed = true;
        closed.resolve();
        wake();
      },
      error: () => {},
    },
  });
  const next = async (): Promise<Answer> => {
    while (answers.length === 0) {
      if (isClosed) throw new Error("the connection was closed");
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
    return answers.shift()!;
  };
  return {
    closed: closed.promise,
    send: (bytes: Uint8Array) => void socket.write(bytes),
    next,
    ask: async (bytes: Uint8Array = fetchFrame): Promise<Answer> => {
      socket.write(bytes);
      return next();
    },
    end: () => void socket.end(),
  };
}

/** One request on a connection of its own. */
export async function fetchFrom(directory: string): Promise<Answer> {
  const holder = await connectTo(directory);
  try {
    return await holder.ask();
  } finally {
    holder.end();
  }
}

function readAnswer({ message, bytes }: Frame): Answer {
  const nothing = { accessKeyId: undefined, grant: undefined, config: undefined, error: undefined, hint: undefined };
  const copy = bytes.slice();
  if (message === ERROR_NUMBER) {
    const { message: error, hint } = decode(errorReply, copy, BODY_START);
    return { ...nothing, bytes: copy, error, hint };
  }
  const { grant, config, line } = decode(messages.Fetch.response, copy, BODY_START);
  const { AccessKeyId } = JSON.parse(new TextDecoder().decode(line)) as { AccessKeyId: string };
  return { ...nothing, bytes: copy, grant, config, accessKeyId: AccessKeyId };
}
