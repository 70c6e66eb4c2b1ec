// From definitions to grants that are served: at start, and again whenever a person has changed them.
import type { RecordAudit } from "../../audit/line.ts";
import type { ConfigReader } from "../../config/config.ts";
import { KeyholeError, keyholeErrorOf } from "../../errors.ts";
import { configNameOf, type Grant, stateOf } from "../../grants/grant.ts";
import type { GrantStore } from "../../grants/store.ts";
import type { LimitedLog } from "../../server/log.ts";
import type { StartOf } from "../../server/starts.ts";
import { tryToWriteDefinition } from "./definitions.ts";
import { hasRunnerEnded } from "./endings.ts";
import type { GrantLifecycle } from "./lifecycle.ts";
import { type LiveGrant, type LiveGrants, recordLife } from "./livegrants.ts";

export interface LoadingDependencies {
  readonly served: LiveGrants;
  readonly life: GrantLifecycle;
  readonly store: GrantStore;
  readonly configs: ConfigReader;
  readonly record: RecordAudit;
  readonly log: LimitedLog;
  /** The region that a config names for an environment. @returns rejects where it cannot be found out */
  readonly regionOf: (grant: Grant) => Promise<string | undefined>;
  readonly startOf: StartOf;
}

export interface GrantLoading {
  /** Takes the definitions for what they are now. One that cannot be served is logged, and stops no other. */
  load(): Promise<void>;
  /** Finds its region, and writes its texts. What prevents it is logged, and shown. */
  describe(live: LiveGrant): Promise<void>;
  /** Takes a grant out, its directory included. @throws KeyholeError `unsafe-path` for what stays of that */
  dismantle(live: LiveGrant): void;
}

export function createGrantLoading(dependencies: LoadingDependencies): GrantLoading {
  const { served, life, store, configs, record, log, regionOf, startOf } = dependencies;
  const { lives, pending } = served;

  async function load(): Promise<void> {
    try {
      // Not those that are made while this goes on.
      const before = [...lives];
      const names = new Set(store.list());
      for (const [name, live] of before) if (!names.has(name)) await attempt(name, () => withdraw(live));
      const owners = findOwners(names);
      for (const name of names) await attempt(name, () => compare(name, owners));
    } catch (error) {
      log("error", "grants not read", { error: keyholeErrorOf(error).message });
    }
  }

  async function attempt(name: string, action: () => void | Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      log("error", "grant not served", { grant: name, error: keyholeErrorOf(error).message });
    }
  }

  /** Which definitions say that a directory, or a session, is theirs. */
  function findOwners(names: Iterable<string>): Owners {
    const owners = new Map<string, string[]>();
    for (const name of names) {
      for (const thing of thingsOf(peek(name))) owners.set(thing, [...(owners.get(thing) ?? []), name]);
    }
    return owners;
  }

  /** Undefined for what `compare` will refuse. */
  function peek(name: string): Grant | undefined {
    const live = lives.get(name);
    if (live !== undefined && live.revision === store.revision(name)) return live.grant;
    try {
      return store.read(name);
    } catch {
      return undefined;
    }
  }

  /**
   * Of a definition and its copy each would put its socket into the other's directory. Whose it is shows where one is
   * served already; where none is, it is not known.
   *
   * @throws KeyholeError `invalid-grant`
   */
  function refuseTwin(next: Grant, owners: Owners): void {
    const own = thingsOf(lives.get(next.name)?.grant);
    for (const thing of thingsOf(next)) {
      const other = owners.get(thing)?.find((name) => name !== next.name);
      if (other === undefined || own.includes(thing)) continue;
      const what = `the definitions of grants ${next.name} and ${other} have one id or session_name`;
      throw new KeyholeError("invalid-grant", what, `keyhole grant remove ${next.name}`);
    }
  }

  async function compare(name: string, owners: Owners): Promise<void> {
    const live = lives.get(name);
    const revision = store.revision(name);
    if (pending.has(name) || (live !== undefined && live.revision === revision)) return;
    const next = store.read(name);
    refuseTwin(next, owners);
    if (live === undefined) return open(next);
    if (next.id === live.grant.id && next.deliver === live.grant.deliver) return adopt(live, next, revision);
    withdraw(live);
    return open(next);
  }

  async function open(grant: Grant): Promise<void> {
    if (hasRunnerEnded(grant, startOf)) return discard(grant);
    pending.set(grant.name, () => grant);
    try {
      const live = await life.open(grant, undefined);
      live.roleArn = roleArnOf(grant);
      // Its directory was gone: it has another name.
      if (live.grant.id !== grant.id) tryToWriteDefinition(store, live, log);
      lives.set(grant.name, live);
      const state = stateOf(grant, life.sessions.nowOf(live));
      // That it expired while no daemon ran was no event of this one's.
      live.hasExpired = state === "expired";
      if (state === "revoked" || state === "expired") life.end(live, state);
      else life.tend(live);
      void describe(live);
      void equip(live);
    } finally {
      pending.delete(grant.name);
    }
  }

  /** Opened only for what is left of it, a lease among it: it gives nothing any more. */
  async function discard(grant: Grant): Promise<void> {
    const live = await life.open({ ...grant, revokedAt: grant.createdAt }, undefined);
    store.remove(grant.name);
    recordLife(record, "remove", live, undefined, "its keyhole run had ended");
    log("info", "grant removed", { grant: grant.name });
    dismantle(live);
  }

  /** Not waited for: the files that name the region may not answer, and no other grant depends on them. */
  async function describe(live: LiveGrant): Promise<void> {
    try {
      const region = await regionOf(live.grant);
      if (lives.get(live.grant.name) === live && !live.isDescribed) life.describe(live, region);
    } catch (error) {
      live.lastError ??= keyholeErrorOf(error);
      log("warn", "region of a grant not known", { grant: live.grant.name, error: keyholeErrorOf(error).message });
    }
  }

  function roleArnOf(grant: Grant): string | undefined {
    try {
      return grant.identity ?? configs.read(configNameOf(grant)).config.AssumeRole?.RoleArn;
    } catch {
      return undefined;
    }
  }

  /** Not waited for: 100 MB for each grant where the file system has no reflinks. */
  async function equip(live: LiveGrant): Promise<void> {
    try {
      await life.equip(live);
    } catch (error) {
      live.lastError = keyholeErrorOf(error);
      log("error", "executable not placed", { grant: live.grant.name, error: live.lastError.message });
    }
  }

  /** What was revoked stays so, what was used, and with what it ends, whatever its file says by now. */
  function adopt(live: LiveGrant, next: Grant, revision: string | undefined): void {
    const { name } = next;
    const { revokedAt, uses, runner, executable, arch } = live.grant;
    const grant = {
      ...next,
      id: live.grant.id,
      uses: Math.max(uses, next.uses),
      revokedAt: revokedAt ?? next.revokedAt,
      runner,
    };
    life.adopt(live, grant);
    void describe(live);
    if (executable !== grant.executable || arch !== grant.arch) void equip(live);
    if (isWritten(grant, next)) live.revision = revision;
    else tryToWriteDefinition(store, live, log);
    live.hasExpired &&= stateOf(grant, life.sessions.nowOf(live)) === "expired";
    log("info", "grant definition changed", { grant: name });
    if (grant.revokedAt === undefined) return;
    life.end(live, "revoked");
    if (revokedAt === undefined) recordLife(record, "revoke", live, undefined, "by its definition");
  }

  function withdraw(live: LiveGrant): void {
    recordLife(record, "remove", live, undefined, "its definition was removed");
    dismantle(live);
  }

  function dismantle(live: LiveGrant): void {
    lives.delete(live.grant.name);
    life.end(live, "revoked");
    void live.listener?.close(0);
    live.mount.remove();
  }

  return { load, describe, dismantle };
}

/** Names of grants by what is theirs alone. */
type Owners = ReadonlyMap<string, readonly string[]>;

function thingsOf(grant: Grant | undefined): string[] {
  return grant === undefined ? [] : [`id ${grant.id}`, `session ${grant.sessionName}`];
}

/** Where uses are not bounded the file does not know them. */
function isWritten(grant: Grant, file: Grant): boolean {
  return (
    grant.id === file.id &&
    grant.revokedAt === file.revokedAt &&
    Bun.deepEquals(grant.runner, file.runner) &&
    (grant.maxUses === undefined || grant.uses === file.uses)
  );
}
