// The definitions of grants as a daemon keeps them: what changes in a grant while it is served, its uses and its end; and
// which daemon of a home does so: two with different sockets may share one, and one socket in a grant's directory is one
// daemon's.
import { KeyholeError, keyholeErrorOf } from "../../errors.ts";
import type { Grant } from "../../grants/grant.ts";
import type { GrantStore } from "../../grants/store.ts";
import type { Log } from "../../server/log.ts";
import type { Lock } from "../lock.ts";
import type { LiveGrant } from "./livegrants.ts";

/** Writes what is in force, to outlive a crash. Throws what GrantStore.write does; there is no revision then. */
function writeDefinition(store: GrantStore, live: LiveGrant): void {
  live.revision = undefined;
  store.write(live.grant, { durable: true });
  live.revision = store.revision(live.grant.name);
}

/**
 * Writes an end down that is in force, and where there is no room for that keeps it by the definition's name.
 *
 * @throws KeyholeError `notKept` where neither can be done
 */
export function writeEnd(store: GrantStore, live: LiveGrant): void {
  try {
    writeDefinition(store, live);
  } catch (error) {
    const { name } = live.grant;
    try {
      store.markRevoked(name);
      live.revision = store.revision(name);
    } catch {
      throw notKept(name, error);
    }
  }
}

/** The error for an end that holds as long as this daemon lives, which goes on trying to write it down. */
export function notKept(name: string, error: unknown): KeyholeError {
  const { kind, message, hint } = keyholeErrorOf(error);
  return new KeyholeError(kind, `grant ${name} is revoked: in force now, not yet kept: ${message}`, hint);
}

/** As `writeDefinition`, where no request waits to be told that it failed. */
export function tryToWriteDefinition(store: GrantStore, live: LiveGrant, log: Log): void {
  try {
    (live.grant.revokedAt === undefined ? writeDefinition : writeEnd)(store, live);
  } catch (error) {
    log("error", "grant not written", { grant: live.grant.name, error: keyholeErrorOf(error).message });
  }
}

/**
 * One use more. Where uses are bounded it is written before the answer goes out: a crash in between costs a use, and
 * gives none.
 *
 * @throws KeyholeError `invalid-grant` where a person has changed the definition meanwhile, and what reading and writing
 *   it throw; nothing is counted then.
 */
export function countUse(store: GrantStore, live: LiveGrant): void {
  const grant = { ...live.grant, uses: live.grant.uses + 1 };
  if (grant.maxUses !== undefined) {
    refuseOtherDefinition(store, live);
    store.write(grant, { durable: false });
    live.revision = store.revision(grant.name);
  }
  live.grant = grant;
}

/**
 * Other terms, in force once they are written.
 *
 * @throws KeyholeError `invalid-grant` where a person has changed the definition meanwhile, and what reading and writing
 *   it throw.
 */
export function changeDefinition(store: GrantStore, live: LiveGrant, terms: Pick<Grant, "executable" | "arch">): void {
  refuseOtherDefinition(store, live);
  const grant = { ...live.grant, ...terms };
  store.write(grant, { durable: true });
  live.revision = store.revision(grant.name);
  live.grant = grant;
}

/** What a person changed in the definition, or that it is gone, must not be written over. */
function refuseOtherDefinition(store: GrantStore, { grant, revision }: LiveGrant): void {
  if (revision === undefined || store.revision(grant.name) === revision) return;
  const { uses: _, ...written } = store.read(grant.name);
  const { uses: __, ...known } = grant;
  if (Bun.deepEquals(written, known)) return;
  throw new KeyholeError(
    "invalid-grant",
    "its definition has changed and was not read again",
    "keyhole daemon restart",
  );
}

export interface GrantLock {
  readonly isHeld: boolean;
  /** Takes it where it is free. @throws KeyholeError `already-running`, `unsafe-path` */
  require(): void;
  release(): void;
}

/** @param take @throws KeyholeError `already-running` if another daemon holds it */
export function createGrantLock(take: () => Lock): GrantLock {
  let lock: Lock | undefined;
  return {
    get isHeld() {
      return lock !== undefined;
    },
    require: () => {
      try {
        lock ??= take();
      } catch (error) {
        throw error instanceof KeyholeError && error.kind === "already-running" ? servedElsewhere() : error;
      }
    },
    release: () => {
      lock?.release();
      lock = undefined;
    },
  };
}

function servedElsewhere(): KeyholeError {
  return new KeyholeError(
    "already-running",
    "another daemon of this home serves its grants, on another socket",
    "use that daemon's --socket-path, or end it",
  );
}
