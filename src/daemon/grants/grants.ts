// The grants of a daemon, as its handlers see them. What one grant does is in lifecycle.ts, how one is made in adding.ts,
// how definitions are read in loading.ts.
import { isErrorOf, KeyholeError, keyholeErrorOf } from "../../errors.ts";
import { type Arch, type Executable, executableProblem, stateOf } from "../../grants/grant.ts";
import { isGrantName, noSuchGrant } from "../../grants/names.ts";
import type { Caller } from "../../server/dispatch.ts";
import { peerOf } from "../../server/peers.ts";
import type { GrantInfo, RequestOf, ResponseOf } from "../../wire/messages.ts";
import type { Lock } from "../lock.ts";
import { WakeTimer } from "../sessions/time.ts";
import { type AddingDependencies, createGrantAdding, type GrantRequest } from "./adding.ts";
import type { Confirmer } from "./confirmation.ts";
import { createGrantLock, notKept, tryToWriteDefinition, writeEnd } from "./definitions.ts";
import { boundGrants, dropFullest } from "./directory.ts";
import { runnerOf, watchRunners } from "./endings.ts";
import { createGrantLifecycle, type LifecycleDependencies } from "./lifecycle.ts";
import { createLiveGrants, grantInfoOf, type LiveGrant, recordLife, sourceOf } from "./livegrants.ts";
import { createGrantLoading, type LoadingDependencies } from "./loading.ts";

/** What the control socket may ask of grants. Times in a GrantInfo are on AWS's clock. */
export interface Grants {
  /** Open connections of all grants. */
  readonly connections: number;
  /**
   * Checks everything, also with STS's limits, before anything is made; the session is assumed before it answers.
   *
   * @throws KeyholeError `grant-exists`, `invalid-grant`, `no-such-config`, and what CredentialSource.assume throws; the
   *   grant then does not exist.
   */
  add(request: GrantRequest, caller: Caller): Promise<GrantInfo>;
  /** As `add`, of a grant that is removed when the caller's process ends. @throws KeyholeError `forbidden` */
  run(request: Omit<GrantRequest, "runner">, caller: Caller): Promise<GrantInfo>;
  /** What it was made with. @throws KeyholeError `no-such-grant` */
  source(name: string): ResponseOf<"GrantSource">;
  /** By name. */
  list(): GrantInfo[];
  /**
   * Puts another executable into a grant's directory, by rename.
   *
   * @throws KeyholeError `no-such-grant`, `invalid-grant` for an executable that it cannot have, `unsafe-path`
   */
  set(request: RequestOf<"GrantSet">): Promise<GrantInfo>;
  /** Idempotent. Its effect is complete when it returns. @throws KeyholeError `no-such-grant` */
  revoke(name: string, caller: Caller): GrantInfo;
  /** Revokes, and removes directory and definition. @throws KeyholeError `no-such-grant` */
  remove(name: string, caller: Caller): void;
  /** The oldest question without an answer; waits for one, up to 10 s. */
  question(): Promise<ResponseOf<"GrantQuestion">>;
  /** An answer that comes too late changes nothing. */
  answer(id: number, allow: boolean, caller: Caller): void;
  /** Takes in what a person has changed among the definitions (SIGHUP). */
  reload(): Promise<void>;
  /** Sends what is owed for up to `patience` milliseconds, and removes the sockets; leases stay until they expire. */
  close(patience: number): Promise<void>;
}

/** Milliseconds between two looks at each socket, as for the daemon's own (server/watch-socket.ts): one that was removed comes back. */
const LOOK = 2000;

/** What the parts give one another. */
type Inner =
  "confirmer" | "find" | "liveOf" | "maxSessions" | "accepted" | "served" | "life" | "mostGrants" | "isClosed";

export interface GrantsOptions extends Omit<LifecycleDependencies & LoadingDependencies & AddingDependencies, Inner> {
  readonly confirmer: Confirmer;
  /** Descriptors that grants may take; Infinity where nothing bounds them. */
  readonly descriptors: number;
  /**
   * So that two daemons of one home do not serve the same grants.
   *
   * @throws KeyholeError `already-running` if another one does, `unsafe-path`
   */
  readonly takeLock: () => Lock;
  /** Where the config of a grant is that names no directory. */
  readonly configDir: string;
}

/** Serves the grants that are defined, as far as they can be. Never rejects: a daemon without grants is one, too. */
export async function createGrants(options: GrantsOptions): Promise<Grants> {
  const { store, log, record, confirmer } = options;
  const served = createLiveGrants();
  const { lives, pending } = served;
  const bounds = boundGrants(options.descriptors);
  const lock = createGrantLock(options.takeLock);
  const alarm = new WakeTimer(options.clock, look);
  let isClosed = false;
  /** The last of those that are under way: a second one sees what the first has done. */
  let loading: Promise<void> = Promise.resolve();

  const life = createGrantLifecycle({
    ...options,
    find: served.find,
    liveOf: (name) => lives.get(name),
    maxSessions: Math.max(1, bounds.mostGrants),
    accepted: () => {
      const signing = [...lives.values()].filter((live) => live.signing !== undefined).length;
      dropFullest(served.listeners(), bounds.connections(lives.size, signing));
    },
  });
  const { sessions } = life;
  const loader = createGrantLoading({ ...options, served, life });
  const runners = watchRunners(() => (isClosed ? [] : lives.values()), endRun, options);
  const make = createGrantAdding({ ...options, served, life, mostGrants: bounds.mostGrants, isClosed: () => isClosed });

  /** What happens unasked: ends, leases, sockets that were removed. */
  function look(): void {
    if (isClosed) return;
    let next = Infinity;
    for (const live of lives.values()) {
      const now = sessions.nowOf(live);
      const state = stateOf(live.grant, now);
      if (state === "expired") expire(live);
      if (state === "active") life.tend(live);
      if (state === "active") next = Math.min(next, (live.grant.endsAt ?? Infinity) - now);
      if (state === "revoked" || state === "expired") settleEnd(live, state);
      void life.mend(live);
    }
    if (lives.size > 0) alarm.wakeIn(Math.min(Math.max(next, 0), LOOK));
  }

  /** What a full disk left undone: an end that is not written down, a lease that still holds credentials. */
  function settleEnd(live: LiveGrant, state: "revoked" | "expired"): void {
    if (live.isLeaseStale) life.end(live, state);
    if (live.revision === undefined) tryToWriteDefinition(store, live, log);
  }

  function expire(live: LiveGrant): void {
    if (live.hasExpired) return;
    live.hasExpired = true;
    life.end(live, "expired");
    recordLife(record, "expire", live, undefined);
    log("info", "grant expired", { grant: live.grant.name });
  }

  function reload(): Promise<void> {
    const before = loading;
    loading = (async () => {
      await before.catch(() => {});
      if (isClosed || !mayServe()) return;
      await loader.load();
      look();
      runners.look();
    })();
    return loading;
  }

  function mayServe(): boolean {
    try {
      lock.require();
      return true;
    } catch (error) {
      log("warn", "grants not served", { error: keyholeErrorOf(error).message });
      return false;
    }
  }

  /** Where the daemon that had the lock has gone, its grants are ours to serve. @throws KeyholeError `already-running` */
  function requireLock(): void {
    const wasHeld = lock.isHeld;
    lock.require();
    if (!wasHeld) void reload();
  }

  /** @throws KeyholeError `shutting-down`, `already-running`, `unsafe-path` */
  async function requireServing(): Promise<void> {
    if (isClosed) throw new KeyholeError("shutting-down", "the daemon is shutting down");
    const wasHeld = lock.isHeld;
    lock.require();
    if (!wasHeld) await reload();
  }

  async function add(request: GrantRequest, caller: Caller): Promise<GrantInfo> {
    try {
      await requireServing();
      const live = await make(request);
      recordLife(record, "grant", live, caller);
      log("info", "grant added", { grant: live.grant.name, config: live.grant.config });
      alarm.wakeIn(0);
      runners.look();
      return infoOf(live);
    } catch (error) {
      if (isErrorOf(error, "surroundings-wanted", "code-wanted")) throw error;
      const grant = isGrantName(request.name) ? request.name : undefined;
      record({ kind: "grant", transport: "control", outcome: keyholeErrorOf(error).kind, grant, peer: peerOf(caller) });
      throw error;
    }
  }

  /** @throws KeyholeError `no-such-grant` */
  function liveOf(name: string): LiveGrant {
    const live = lives.get(name);
    if (live === undefined) throw noSuchGrant(name, [...lives.keys()]);
    return live;
  }

  async function set({ name, executable, arch: given }: RequestOf<"GrantSet">): Promise<GrantInfo> {
    await requireServing();
    const live = liveOf(name);
    const { deliver, mountAt, executable: former } = live.grant;
    // The container's CPU does not change with what it is given; the full one is of this machine alone.
    const arch = given ?? (executable === "small" ? live.grant.arch : undefined);
    const problem =
      deliver === "file"
        ? `grant ${name} is delivered as a file, which is read without an executable`
        : executable === "none"
          ? "a grant that has an executable keeps one: small or full"
          : executableProblem({ executable, arch, mountAt }, options.machine);
    if (problem !== undefined) throw new KeyholeError("invalid-grant", problem, "keyhole grant set --help");
    await life.change(live, { executable: executable as Executable, arch: arch as Arch | undefined });
    log("info", "grant executable changed", { grant: name, executable });
    // Its AWS config runs another command.
    if (former === "none") {
      live.isDescribed = false;
      await loader.describe(live);
    }
    return infoOf(live);
  }

  function revoke(name: string, caller: Caller): GrantInfo {
    requireLock();
    const live = liveOf(name);
    if (live.grant.revokedAt === undefined) {
      close(live);
      recordLife(record, "revoke", live, caller);
      log("info", "grant revoked", { grant: name });
    }
    if (live.revision === undefined) writeEnd(store, live);
    return infoOf(live);
  }

  /** In force before it is written: a slow disk, or a full one, must not keep it open. */
  function close(live: LiveGrant): void {
    live.grant = { ...live.grant, revokedAt: Math.floor(sessions.clocks.wall) };
    live.revision = undefined;
    life.end(live, "revoked");
  }

  function remove(name: string, caller: Caller | undefined): void {
    requireLock();
    const live = lives.get(name);
    if (live === undefined) return caller && removeUnserved(name, caller);
    if (live.grant.revokedAt === undefined) close(live);
    try {
      store.remove(name);
    } catch (error) {
      throw notKept(name, error);
    }
    recordLife(record, "remove", live, caller, caller === undefined ? "its keyhole run has ended" : undefined);
    log("info", "grant removed", { grant: name });
    loader.dismantle(live);
  }

  function endRun({ grant: { name } }: LiveGrant): void {
    try {
      remove(name, undefined);
    } catch (error) {
      log("error", "grant not removed", { grant: name, error: keyholeErrorOf(error).message });
    }
  }

  /** A definition that does not parse is not served, and can be removed all the same. */
  function removeUnserved(name: string, caller: Caller): void {
    if (!isGrantName(name) || pending.has(name) || !store.remove(name)) throw noSuchGrant(name, [...lives.keys()]);
    record({ kind: "remove", transport: "control", outcome: "ok", grant: name, peer: peerOf(caller) });
    // What it had in common with another definition kept that one from being served.
    void reload();
  }

  function infoOf(live: LiveGrant): GrantInfo {
    return grantInfoOf(live, sessions.infoOf(live.grant.name), sessions.nowOf(live));
  }

  await reload();
  return {
    get connections() {
      return served.listeners().reduce((sum, { connections }) => sum + connections, 0);
    },
    add,
    run: async (request, caller) => add({ ...request, runner: runnerOf(caller, options.startOf) }, caller),
    list: () => [...lives.values()].map(infoOf).toSorted((one, other) => (one.name < other.name ? -1 : 1)),
    source: (name) => sourceOf(liveOf(name).grant, options),
    set,
    revoke,
    remove,
    question: () => confirmer.question(),
    answer: (id, allow, caller) => {
      const grant = confirmer.answer(id, allow);
      if (grant === undefined) return;
      const outcome = allow ? "ok" : "denied";
      record({ kind: "confirm", transport: "control", outcome, grant, peer: peerOf(caller), note: "answered" });
    },
    reload,
    close: async (patience) => {
      isClosed = true;
      alarm.cancel();
      runners.stop();
      confirmer.close();
      await Promise.all(served.listeners().map((listener) => listener.close(patience)));
      sessions.stop();
      for (const { mount } of lives.values()) mount.close();
      life.flush();
      lock.release();
    },
  };
}
