// One-time codes that wait for a person: which are wanted, who is being asked, and what becomes of an answer. A person is
// asked by a client, at its terminal or on its desktop; the daemon asks no person.
import type { Clock, Timer } from "../clock.ts";
import { KeyholeError } from "../errors.ts";

/** A code that something waits for. */
export interface WantedCode {
  /** What waits with the same key waits for the same code. */
  readonly key: string;
  /** The config that was the first to want it. */
  readonly config: string;
  readonly serial: string;
  /** The access key id of the user whose device it is. */
  readonly keyId: string;
  /** Uses the code; what comes of it is kept for those who wait. @throws KeyholeError; `CodeRefused` for a wrong code */
  readonly use: (code: string) => Promise<void>;
}

/** As a person sees it. */
export interface PendingCode extends Pick<WantedCode, "config" | "serial" | "keyId"> {
  readonly id: number;
  /** Since the epoch. */
  readonly wantedAt: number;
  /** Whether a client asks for it at this moment. */
  readonly isAsked: boolean;
}

/** AWS does not take a code: it is wrong, of another device, or was used. */
export class CodeRefused extends KeyholeError {}

/** `ask`: this client is to ask its person. `wait`: another does, ask again. `done`: it was given, or is not wanted any more. */
export type Turn = { readonly state: "wait" | "done" } | { readonly state: "ask"; readonly code: PendingCode };

export interface Codes {
  /** Notes that a code is wanted. @returns the error for who wants it, which names the command that answers */
  want(wanted: WantedCode): KeyholeError;
  /** From the oldest to the youngest. */
  pending(): PendingCode[];
  /**
   * Whose turn it is to ask a person: one client's at a time, until it has an answer or its connection ends. Waits while
   * it is another's, for up to 10 s.
   *
   * @param canAsk whether this client could
   * @throws KeyholeError `code-wanted` where it cannot, and no other client asks
   */
  turn(id: number, connection: number, canAsk: boolean): Promise<Turn>;
  /**
   * Uses a code.
   *
   * @returns what is wrong with it, where another is to be given; undefined where it is right
   * @throws KeyholeError `usage` for a code that is not wanted; what using it throws
   */
  answer(id: number, code: string): Promise<string | undefined>;
  /** What waited with this key has what it waited for. */
  given(key: string): void;
  /** A connection has ended: its person will not answer. */
  left(connection: number): void;
}

/** Milliseconds after which a waiting client is taken to be gone; its secrets leave then. */
export const LONGEST_WAIT = 600_000;
/** Milliseconds for which a client may ask without an answer before another that waits may. */
const LONGEST_TURN = 120_000;
/** Milliseconds that `turn` waits. */
const POLL = 10_000;
/** Codes that wait; the oldest is forgotten. */
const MOST = 64;

interface Entry {
  readonly wanted: WantedCode;
  readonly id: number;
  readonly wantedAt: number;
  readonly timer: Timer;
  /** The connection whose turn it is. */
  asker: number | undefined;
  turnEnds: Timer | undefined;
  /** Connections that wait for their turn. */
  readonly waiting: Set<() => void>;
}

/** @param used shared with what uses codes without a person */
export function createCodes(clock: Clock, used: UsedCodes): Codes {
  const entries = new Map<string, Entry>();
  // So that an answer that a person was giving when a daemon was replaced is not taken for one to the next daemon.
  let nextId = 100 + (crypto.getRandomValues(new Uint16Array(1))[0]! % 900);

  function find(id: number): Entry | undefined {
    return [...entries.values()].find((entry) => entry.id === id);
  }

  function enter(wanted: WantedCode): Entry {
    const [oldest] = entries.values();
    if (oldest !== undefined && entries.size >= MOST) end(oldest);
    const timer = clock.after(LONGEST_WAIT, () => end(entry));
    const waiting = new Set<() => void>();
    const entry = { wanted, id: nextId, wantedAt: clock.wall(), timer, asker: undefined, turnEnds: undefined, waiting };
    nextId += 1;
    entries.set(wanted.key, entry);
    return entry;
  }

  function end(entry: Entry): void {
    entry.timer.cancel();
    if (entries.get(entry.wanted.key) === entry) entries.delete(entry.wanted.key);
    release(entry);
  }

  /** The turn is over: requests that wait look again. */
  function release(entry: Entry): void {
    entry.turnEnds?.cancel();
    entry.asker = undefined;
    for (const wake of entry.waiting) wake();
  }

  function show({ wanted: { config, serial, keyId }, id, wantedAt, asker }: Entry): PendingCode {
    return { id, config, serial, keyId, wantedAt, isAsked: asker !== undefined };
  }

  async function sleep(entry: Entry): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = clock.after(POLL, resolve);
    entry.waiting.add(resolve);
    await promise;
    entry.waiting.delete(resolve);
    timer.cancel();
  }

  return {
    want(wanted) {
      const entry = entries.get(wanted.key) ?? enter(wanted);
      return wantedError(entry);
    },
    pending: () => [...entries.values()].map(show),
    async turn(id, connection, canAsk) {
      const entry = find(id);
      if (entry === undefined) return { state: "done" };
      if (entry.asker !== undefined && entry.asker !== connection) await sleep(entry);
      if (find(id) === undefined) return { state: "done" };
      if (entry.asker !== undefined && entry.asker !== connection) return { state: "wait" };
      if (!canAsk) throw wantedError(entry);
      // One who has waited asks again for its turn, so that none is given to a client that has gone.
      entry.asker = connection;
      entry.turnEnds?.cancel();
      entry.turnEnds = clock.after(LONGEST_TURN, () => release(entry));
      return { state: "ask", code: show(entry) };
    },
    async answer(id, code) {
      const entry = find(id);
      if (entry === undefined)
        throw new KeyholeError("usage", `no code is wanted under ${id} (any more)`, "keyhole pending");
      if (!/^\d{6}$/.test(code)) return "a code has six digits";
      const { serial, use } = entry.wanted;
      if (!used.take(serial, code)) return "this code was used already: wait for the next one";
      try {
        await use(code);
      } catch (error) {
        if (error instanceof CodeRefused) return `${error.message} A code counts once: wait for the next one`;
        throw error;
      }
      return undefined;
    },
    given(key) {
      const entry = entries.get(key);
      if (entry !== undefined) end(entry);
    },
    left(connection) {
      for (const entry of entries.values()) if (entry.asker === connection) release(entry);
    },
  };
}

/** The hint says the id, by which a client answers. */
function wantedError({ id, wanted: { config, serial } }: Entry): KeyholeError {
  return new KeyholeError("code-wanted", `config ${config} wants the code of ${serial}`, `keyhole answer ${id}`);
}

/** The codes of a while, so that none is sent twice. */
export interface UsedCodes {
  /** Returns false for one that was used just now; it is used from here on. */
  take(serial: string, code: string): boolean;
}

/** Milliseconds: AWS counts in steps of 30 s, and takes a code once (RFC 6238). */
export const STEP = 30_000;

export function createUsedCodes(clock: Clock): UsedCodes {
  const used = new Set<string>();
  return {
    take(serial, code) {
      const key = `${serial} ${code}`;
      if (used.has(key)) return false;
      used.add(key);
      clock.after(STEP, () => used.delete(key));
      return true;
    },
  };
}
