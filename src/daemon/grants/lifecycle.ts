// How a grant opens, gives, and ends: its directory, socket, session and lease, put together.
import type { AuditEvent, RecordAudit } from "../../audit/line.ts";
import { type Grant, stateOf } from "../../grants/grant.ts";
import { grantIdOf, noSuchGrant } from "../../grants/names.ts";
import type { GrantStore } from "../../grants/store.ts";
import { keyholeErrorOf } from "../../errors.ts";
import type { SourceEnvironment } from "../../sources/source.ts";
import { collectRepeats, recordIssues } from "../audit/requests.ts";
import type { DirectoryNames } from "../mounts/directory-names.ts";
import type { Issue } from "../sessions/issue.ts";
import type { Session } from "../sessions/session.ts";
import type { Askpass, Confirmer } from "./confirmation.ts";
import { changeDefinition, countUse } from "./definitions.ts";
import { createDelivery, createLease } from "./delivery.ts";
import {
  type DirectoryDependencies,
  openGrantDirectory,
  openSocket,
  placeExecutable,
  writeMissingTexts,
  writeTexts,
} from "./directory.ts";
import { endsByOf } from "./endings.ts";
import { type LiveGrant, outstandingOf } from "./livegrants.ts";
import { createRateLimiter, type RateLimiter } from "../../server/ratelimiter.ts";
import { createGrantSessions, type GrantSessionDependencies, type GrantSessions } from "./grant-sessions.ts";
import { openSigning, type SigningDependencies } from "./signing.ts";
import { createGrantSocket, refusalOf } from "./socket.ts";

export interface LifecycleDependencies
  extends
    DirectoryDependencies,
    Omit<GrantSessionDependencies, "log" | "settled">,
    Pick<SigningDependencies, "signerCommand" | "signerDirectory" | "signerEnvironment"> {
  readonly store: GrantStore;
  readonly names: Pick<DirectoryNames, "resolve">;
  readonly record: RecordAudit;
  readonly recordSoon: (event: AuditEvent) => Promise<void>;
  readonly confirmer: Pick<Confirmer, "ask" | "withdraw">;
  readonly liveOf: (name: string) => LiveGrant | undefined;
}

/** What is known of a grant that was made just now, and of none that was read from its file. */
export interface Origin {
  readonly environment: SourceEnvironment;
  readonly askpass: Askpass | undefined;
  readonly first: Issue;
}

export interface GrantLifecycle {
  readonly sessions: GrantSessions;
  /**
   * Opens directory and socket. The executable follows with `equip`, the session with a request or with `tend`.
   *
   * @param origin of one that is made just now; the texts of another follow with `describe`
   * @throws KeyholeError `unsafe-path`, `usage`; what was made for a grant with an origin is removed again.
   */
  open(grant: Grant, origin: Origin | undefined): Promise<LiveGrant>;
  /** Writes its texts. What prevents it is logged, and shown. @param region that the config names, if it does */
  describe(live: LiveGrant, region: string | undefined): void;
  /** Puts the executable into its directory. @throws KeyholeError `unsafe-path` */
  equip(live: LiveGrant): Promise<void>;
  /**
   * Puts another executable into its directory, and then into its definition; texts follow with `describe`.
   *
   * @throws KeyholeError as `equip` and changeDefinition do; the executable before it stays.
   */
  change(live: LiveGrant, terms: Pick<Grant, "executable" | "arch">): Promise<void>;
  /** Another definition is in force; its texts follow with `describe`. */
  adopt(live: LiveGrant, grant: Grant): void;
  /** Puts its socket back if it was removed. */
  mend(live: LiveGrant): Promise<void>;
  /** Sees to what no request asks for: the lease of a grant that is active. */
  tend(live: LiveGrant): void;
  /** It vends nothing any more; complete when this returns. Directory and socket stay, and say why. */
  end(live: LiveGrant, kind: "revoked" | "expired"): void;
  /** Writes what is counted. */
  flush(): void;
}

/** Requests over the rate that wait, and for how many milliseconds: well below the 20 s of a client. */
const MOST_WAITING = 32;
const LONGEST_WAIT = 5_000;

export function createGrantLifecycle(dependencies: LifecycleDependencies): GrantLifecycle {
  const { store, names, clock, log, record, recordSoon, confirmer, find, liveOf } = dependencies;
  const repeats = collectRepeats(record, clock);
  const delivery = createDelivery({ record, log });
  const recordIssue = recordIssues(record);
  const sessions = createGrantSessions({ ...dependencies, settled });

  function settled(session: Session): void {
    const definition = find(session.name);
    if (definition === undefined) return;
    const { name, config } = definition.grant;
    recordIssue(session, { grant: name, config });
    const live = liveOf(session.name);
    if (live !== undefined) follow(live, session);
  }

  function follow(live: LiveGrant, session: Session): void {
    const { issue, lastError } = session;
    if (issue !== undefined) note(live, issue);
    live.lastError = lastError;
    if (issue !== undefined && !live.isDescribed) describe(live, issue.region);
    const usable = session.vendable(sessions.clocks);
    if (usable !== undefined) delivery.deliver(live, usable);
    else if (lastError !== undefined) delivery.withhold(live, lastError.kind);
  }

  function count(live: LiveGrant): void {
    countUse(store, live);
    // Its line is not yet wiped: a request that was given it in this turn still has it.
    if (stateOf(live.grant, sessions.nowOf(live)) === "used-up") sessions.remove(live.grant.name);
  }

  function limiterOf({ rate }: Grant): RateLimiter {
    return createRateLimiter({ rate, clock, most: MOST_WAITING, patience: LONGEST_WAIT });
  }

  const socketDependencies = {
    now: (live: LiveGrant) => sessions.nowOf(live),
    vend: (live: LiveGrant) => sessions.vend(live),
    confirm: (live: LiveGrant, question: string) => confirmer.ask(live.grant.name, question, live.askpass),
    count,
    record,
    recordSoon,
    tally: (key: string, event: () => AuditEvent) => repeats.record(key, undefined, event),
    log,
  };

  async function open(grant: Grant, origin: Origin | undefined): Promise<LiveGrant> {
    const name = names.resolve(grant.id, grant.name, log);
    const mount = openGrantDirectory(grant, name, dependencies);
    try {
      const live: LiveGrant = {
        grant: { ...grant, id: grantIdOf(name) },
        endsBy: endsByOf(grant, sessions.clocks),
        version: 0,
        revision: store.revision(grant.name),
        environment: origin?.environment,
        askpass: origin?.askpass,
        mount,
        listener: undefined,
        signing: undefined,
        lease: grant.deliver === "file" ? createLease(mount) : undefined,
        leased: undefined,
        isLeaseStale: false,
        limiter: limiterOf(grant),
        roleArn: undefined,
        outstanding: undefined,
        refusals: 0,
        lastError: undefined,
        hasExpired: false,
        equipping: Promise.resolve(),
        isDescribed: origin !== undefined,
      };
      if (origin !== undefined) {
        note(live, origin.first);
        delivery.deliver(live, origin.first);
        writeTexts(live, origin.first.region);
      } else writeMissingTexts(live);
      if (grant.deliver === "socket")
        live.listener = await openSocket(live, createGrantSocket(live, socketDependencies), dependencies);
      else if (grant.deliver === "sign")
        Object.assign(live, await openSigning(live, { ...dependencies, ...socketDependencies }));
      return live;
    } catch (error) {
      if (origin === undefined) mount.close();
      else mount.remove();
      throw error;
    }
  }

  function adopt(live: LiveGrant, grant: Grant): void {
    if (grant.endsAt !== live.grant.endsAt) live.endsBy = endsByOf(grant, sessions.clocks);
    live.grant = grant;
    live.version += 1;
    live.limiter = limiterOf(grant);
    live.isDescribed = false;
  }

  function equip(live: LiveGrant): Promise<void> {
    return inTurn(live, () => placeExecutable(live.mount, live.grant, dependencies));
  }

  function change(live: LiveGrant, terms: Pick<Grant, "executable" | "arch">): Promise<void> {
    return inTurn(live, async () => {
      await placeExecutable(live.mount, terms, dependencies);
      try {
        if (liveOf(live.grant.name) !== live) throw noSuchGrant(live.grant.name, []);
        changeDefinition(store, live, terms);
      } catch (error) {
        await Promise.allSettled([placeExecutable(live.mount, live.grant, dependencies)]);
        throw error;
      }
    });
  }

  function describe(live: LiveGrant, region: string | undefined): void {
    try {
      writeTexts(live, region);
      live.isDescribed = true;
    } catch (error) {
      live.lastError = keyholeErrorOf(error);
      log("error", "texts not written", { grant: live.grant.name, error: live.lastError.message });
    }
  }

  /** Its session is pinned, and renews itself; without a look a changed config or definition would not show. */
  function tend(live: LiveGrant): void {
    if (live.lease === undefined) return;
    try {
      sessions.ensure(live);
      sessions.follow(live.grant.name);
      const given = live.isLeaseStale ? sessions.vend(live) : undefined;
      if (given instanceof Promise) void Promise.allSettled([given]);
      else if (given !== undefined) delivery.deliver(live, given);
    } catch (error) {
      live.lastError = keyholeErrorOf(error);
      delivery.withhold(live, live.lastError.kind);
    }
  }

  function end(live: LiveGrant, kind: "revoked" | "expired"): void {
    live.limiter.close(refusalOf(kind, live.grant.name));
    sessions.remove(live.grant.name);
    confirmer.withdraw(live.grant.name);
    live.listener?.hangUp();
    delivery.withhold(live, kind);
  }

  return { sessions, open, describe, equip, change, adopt, mend, tend, end, flush: () => repeats.flush() };
}

async function mend({ grant, listener, mount }: LiveGrant): Promise<void> {
  const socket = grant.deliver === "sign" ? "sign" : "sock";
  if (listener?.isInPlace === false) await listener.restore(() => void mount.makeWay(socket));
}

function note(live: LiveGrant, issue: Issue): void {
  live.outstanding = outstandingOf(issue);
  live.roleArn = issue.roleArn || issue.arn;
}

/** One after the other: what was asked for last is there in the end. */
function inTurn(live: LiveGrant, action: () => Promise<void>): Promise<void> {
  const before = live.equipping;
  const turn = (async () => {
    await Promise.allSettled([before]);
    await action();
  })();
  live.equipping = turn;
  return turn;
}
