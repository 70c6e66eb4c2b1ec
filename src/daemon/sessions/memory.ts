// The memory of sessions: which ones there were, so that a daemon that starts has those of the daemon before it. Names
// and what selects their source credentials; no credentials, and nothing that is a secret. Of keys in an environment the
// id: the session is back when a requester has them, or adds it with its own environment. Of one shell's proxy and
// certificates that there were some: they would be everybody's from then on, also where that shell was a hostile one.
// And the names of the configs that were used: where one of them is gone, a profile of its name is not taken for it.
import { existsSync } from "node:fs";
import { isWayVariable } from "../../environment.ts";
import { isConfigName } from "../../config/name.ts";
import { KeyholeError } from "../../errors.ts";
import { ensurePrivateDirectory } from "../../files/directories.ts";
import { readTrusted } from "../../files/reading.ts";
import { writeAtomically } from "../../files/writing.ts";
import { mayBeKept, splitEnvironment } from "../../grants/kept-variables.ts";
import { directoryOf, type Paths } from "../../paths.ts";
import type { SourceEnvironment } from "../../sources/source.ts";
import type { Clock, Timer } from "../../clock.ts";
import type { Handlers } from "../../server/dispatch.ts";
import type { Keyring } from "./static-keys.ts";
import type { Log } from "../../server/log.ts";
import type { PinnedHome } from "../../server/watch-socket.ts";
import type { SessionConfigs } from "./selection.ts";
import type { Proven, Sessions } from "./sessions.ts";

/** Milliseconds after a change, so that a burst of them is one write. */
const DELAY = 100;
/** Sessions, the most recently used. */
const MOST = 1024;
/** Names of configs: those of sessions, and the last ones. */
const MOST_LOADED = 8192;
/** Bytes of a file that is read: MOST names with variables such as a PATH of several KiB are below this. */
const LIMIT = 8 * 2 ** 20;
const FORMAT = 2;

export interface MemoryOptions {
  /** Absolute. */
  readonly path: string;
  readonly home: PinnedHome;
  readonly sessions: Pick<Sessions, "restore" | "proven">;
  readonly keyring: Pick<Keyring, "complete">;
  readonly configs: Pick<SessionConfigs, "loaded" | "know">;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Memory {
  /** Brings back the sessions whose keys are known by now. */
  heal(): void;
  /** The sessions may have changed; the file follows soon. */
  changed(): void;
  /** A session was removed: it does not come back. @returns whether it waited for its keys to do so */
  forget(name: string): boolean;
  /** Writes what has changed; to be called while the sessions are there. */
  close(): void;
  /** Writes nothing any more: the file is another daemon's by now, or its home is gone. */
  abandon(): void;
}

/** Each socket's daemon has its own. */
export function memoryPath({ home, runDir, socket }: Paths): string {
  const suffix = socket === `${home}/sock/daemon.sock` ? "" : `-${Bun.hash(socket).toString(36)}`;
  return `${runDir}/sessions${suffix}.json`;
}

/** Brings back the sessions of the last time: no call to AWS before a request, except for pinned ones. */
export function openMemory(options: MemoryOptions): Memory {
  const { path, home, sessions, keyring, configs, clock, log } = options;
  let timer: Timer | undefined;
  let isOurs = true;
  let written: string | undefined;
  /** Sessions that have not given credentials with their keys since the daemon began, by their names. */
  const lost = new Map(bringBack(options).map((entry) => [entry.config, entry]));

  function heal(): void {
    for (const [name, entry] of lost) {
      const { environment, keyId } = entry;
      const complete = keyId === undefined ? undefined : keyring.complete(environment, keyId);
      if (complete === undefined) continue;
      restore(options, { ...entry, environment: complete });
      log("info", "session brought back with its keys", { config: name, accessKeyId: keyId });
    }
  }

  function write(): void {
    timer = undefined;
    const proven = sessions.proven();
    for (const { name, isConfirmed } of proven) if (isConfirmed) lost.delete(name);
    const remembered = [...lost.values(), ...proven.filter(({ name }) => !lost.has(name)).flatMap(entryOf)].slice(
      -MOST,
    );
    try {
      const directory = directoryOf(path);
      // A home that was removed is not made again, and another one has sessions of its own.
      if (home.isReplaced || !existsSync(directoryOf(directory))) return;
      ensurePrivateDirectory(directory);
      const used = new Set(remembered.map(({ config }) => config).filter((name) => configs.loaded.has(name)));
      const loaded = [...[...configs.loaded].filter((name) => !used.has(name)), ...used].slice(-MOST_LOADED);
      const text = JSON.stringify({ format: FORMAT, sessions: remembered, loaded });
      if (text === written) return;
      writeAtomically(path, `${text}\n`, { exclusive: false, durable: false });
      written = text;
    } catch (error) {
      // A full disk costs the memory, never credentials. The next change tries again.
      log("warn", "sessions not remembered", { error: messageOf(error) });
    }
  }

  const changed = () => {
    if (isOurs) timer ??= clock.after(DELAY, write);
  };
  return {
    heal,
    changed,
    forget: (name) => {
      const isLost = lost.delete(name);
      changed();
      return isLost;
    },
    close: () => {
      if (timer === undefined) return;
      timer.cancel();
      write();
    },
    abandon: () => {
      isOurs = false;
      timer?.cancel();
      timer = undefined;
    },
  };
}

/** The handlers, with what they take away told to the memory; what gives credentials tells it by itself. */
export function rememberChanges(handlers: Handlers, forget: Memory["forget"]): Handlers {
  return {
    ...handlers,
    Remove: (request, caller) => {
      try {
        const answer = handlers.Remove(request, caller);
        forget(request.config);
        return answer;
      } catch (error) {
        if (error instanceof KeyholeError && error.kind === "no-such-session" && forget(request.config)) return {};
        throw error;
      }
    },
  };
}

interface Entry {
  readonly config: string;
  readonly environment: SourceEnvironment;
  /** Of the keys that it was made with, where its source was keys. */
  readonly keyId: string | undefined;
  /** It reached AWS by proxies or certificates of its environment. */
  readonly way: boolean;
}

/** Nothing where something is missing that selects source credentials, and is no keys: others would be found without it. */
function entryOf({ name: config, environment, awaitsWay }: Proven): Entry[] {
  const { kept } = splitEnvironment(environment);
  const keyId = environment["AWS_ACCESS_KEY_ID"];
  const isWhole = Object.keys(environment).every(
    (name) => name in kept || KEYS.has(name) || isWayVariable(name) || name.startsWith("KEYHOLE_"),
  );
  const way = awaitsWay || Object.keys(environment).some(isWayVariable);
  return isWhole ? [{ config, environment: withoutWay(kept), keyId, way }] : [];
}

function withoutWay(environment: SourceEnvironment): SourceEnvironment {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !isWayVariable(name)));
}

const KEYS: ReadonlySet<string> = new Set(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]);

/** @returns those whose keys are not there */
function bringBack(options: MemoryOptions): Entry[] {
  const { entries, loaded } = readMemory(options.path, options.log);
  options.configs.know(loaded);
  const whole = entries.filter(({ keyId }) => keyId === undefined);
  for (const entry of whole) restore(options, entry);
  if (whole.length > 0) options.log("info", "sessions brought back", { sessions: whole.length });
  return entries.filter(({ keyId }) => keyId !== undefined);
}

/** Only its file is read, at once; what is wrong with it shows when it is asked for. */
function restore({ sessions, log }: MemoryOptions, { config, environment, way }: Entry): void {
  try {
    sessions.restore(config, environment, way);
  } catch (error) {
    log("info", "session not brought back", { config, error: messageOf(error) });
  }
}

/** The names of the configs that daemons with this memory have used. */
export function readLoaded(path: string): readonly string[] {
  return readMemory(path, () => {}).loaded;
}

function readMemory(path: string, log: Log): { readonly entries: Entry[]; readonly loaded: string[] } {
  try {
    const file = readTrusted(path, process.geteuid?.() ?? 0, LIMIT);
    if (file === undefined) return { entries: [], loaded: [] };
    const content = JSON.parse(new TextDecoder().decode(file.bytes)) as Partial<Content> | null;
    if (content?.format !== FORMAT) throw new Error("of another format");
    if (!Array.isArray(content.sessions)) log("warn", "memory of sessions not used", { path, error: "no list" });
    const entries = listOf(content.sessions)
      .slice(-MOST)
      .flatMap((entry) => checkEntry(entry, log));
    // Former daemons wrote no more than the sessions down.
    const { loaded = entries.map(({ config }) => config) } = content;
    return {
      entries,
      loaded: listOf(loaded).filter((name) => typeof name === "string" && isConfigName(name)) as string[],
    };
  } catch (error) {
    log("warn", "memory of sessions not used", { path, error: messageOf(error) });
    return { entries: [], loaded: [] };
  }
}

interface Content {
  readonly format: unknown;
  readonly sessions: unknown;
  readonly loaded: unknown;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Nothing for one that is malformed, which costs this session alone. */
function checkEntry(entry: unknown, log: Log): Entry[] {
  const { config, environment, keyId, way = false } = (entry ?? {}) as Partial<Record<keyof Entry, unknown>>;
  const variables = Object.entries(environment ?? {}) as [string, unknown][];
  if (
    typeof config !== "string" ||
    typeof environment !== "object" ||
    environment === null ||
    !variables.every(([name, value]) => typeof value === "string" && mayBeKept(name, value)) ||
    (keyId !== undefined && typeof keyId !== "string") ||
    typeof way !== "boolean"
  ) {
    log("warn", "session not brought back", { config: typeof config === "string" ? config : "", error: "malformed" });
    return [];
  }
  const all = Object.fromEntries(variables) as SourceEnvironment;
  // Former daemons wrote them down.
  const hasWay = way || Object.keys(all).some(isWayVariable);
  return [{ config, environment: withoutWay(all), keyId, way: hasWay }];
}

/** Without what a JSON parser quotes. */
function messageOf(error: unknown): string {
  if (error instanceof KeyholeError) return error.message;
  return error instanceof SyntaxError ? "no JSON" : String(error);
}
