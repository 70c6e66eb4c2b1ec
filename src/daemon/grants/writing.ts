// What changes in a grant while it is served, written into its definition: its uses and its end.
import { KeyholeError } from "../../errors.ts";
import type { GrantStore } from "../../grants/store.ts";
import { keyholeErrorOf } from "../../server/failure.ts";
import type { Log } from "../../server/log.ts";
import type { LiveGrant } from "./livegrant.ts";

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

/** As `writeDefinition`, where nobody waits to be told that it failed. */
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
