// From definitions to grants that are served: at start, and again whenever a person has changed them.
import type { RecordAudit } from "../audit/event.ts";
import type { ConfigReader } from "../config/config.ts";
import { type Grant, stateOf } from "../grants/grant.ts";
import type { GrantStore } from "../grants/store.ts";
import { type GrantBook, recordLife } from "./grantbook.ts";
import type { GrantLife } from "./grantlife.ts";
import { keyholeErrorOf } from "./grantsocket.ts";
import type { LiveGrant } from "./livegrant.ts";
import type { LimitedLog } from "./loglimit.ts";

export interface LoadingDependencies {
  readonly book: GrantBook;
  readonly life: GrantLife;
  readonly store: GrantStore;
  readonly configs: ConfigReader;
  readonly record: RecordAudit;
  readonly log: LimitedLog;
  /** The region that a config names for an environment. @returns rejects where it cannot be found out */
  readonly regionOf: (grant: Grant) => Promise<string | undefined>;
}

export interface GrantLoading {
  /** Takes the definitions for what they are now. One that cannot be served is logged, and stops nobody else. */
  load(): Promise<void>;
  /** Takes a grant out, its directory included. @throws KeyholeError `unsafe-path` for what stays of that */
  dismantle(live: LiveGrant): void;
}

export function createGrantLoading(dependencies: LoadingDependencies): GrantLoading {
  const { book, life, store, configs, record, log, regionOf } = dependencies;
  const { lives, pending } = book;

  async function load(): Promise<void> {
    try {
      const names = new Set(store.list());
      for (const [name, live] of lives) if (!names.has(name)) await attempt(name, () => withdraw(live));
      for (const name of names) await attempt(name, () => compare(name));
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

  async function compare(name: string): Promise<void> {
    const live = lives.get(name);
    const revision = store.revision(name);
    if (pending.has(name) || (live !== undefined && live.revision === revision)) return;
    const next = store.read(name);
    if (live === undefined) return open(next);
    if (next.id === live.grant.id && next.deliver === live.grant.deliver) return adopt(live, next, revision);
    withdraw(live);
    return open(next);
  }

  async function open(grant: Grant): Promise<void> {
    pending.set(grant.name, grant);
    try {
      const live = await life.open(grant, await knownRegion(grant), undefined);
      live.roleArn = roleArnOf(grant);
      lives.set(grant.name, live);
      const state = stateOf(grant, life.sessions.wall);
      // That it expired while no daemon ran was no event of this one's.
      live.hasExpired = state === "expired";
      if (state === "revoked" || state === "expired") life.end(live, state);
      else life.tend(live);
      void equip(live);
    } finally {
      pending.delete(grant.name);
    }
  }

  async function knownRegion(grant: Grant): Promise<string | undefined> {
    try {
      return await regionOf(grant);
    } catch {
      return undefined;
    }
  }

  function roleArnOf({ config }: Grant): string | undefined {
    try {
      return configs.read(config).config.AssumeRole.RoleArn;
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

  /** What was revoked stays so, whatever its file says by now. */
  async function adopt(live: LiveGrant, next: Grant, revision: string | undefined): Promise<void> {
    const { revokedAt, uses } = live.grant;
    const { name } = next;
    // Where uses are not bounded the file does not know them.
    const grant = {
      ...next,
      uses: next.maxUses === undefined ? uses : next.uses,
      revokedAt: revokedAt ?? next.revokedAt,
    };
    life.adopt(live, grant, await knownRegion(grant));
    live.revision = revision;
    live.hasExpired &&= stateOf(grant, life.sessions.wall) === "expired";
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

  return { load, dismantle };
}
