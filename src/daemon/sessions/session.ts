// What the daemon knows about one session, and how it shows it. Who changes it: sessions.ts, keeper.ts,
// roster.ts and renewals.ts.
import type { Config, ConfigReader, StoredConfig } from "../../config/config.ts";
import { KeyholeError } from "../../errors.ts";
import { parseSessionName } from "../../sessionname.ts";
import type { SourceEnvironment } from "../../sources/source.ts";
import type { SessionInfo } from "../../wire/messages.ts";
import { cut } from "../../text/cut.ts";
import type { Flight } from "./flight.ts";
import type { Issue } from "./issue.ts";
import type { Log } from "../../server/log.ts";
import { FLOOR, type Instant, isIdle, remainingLife } from "./refresh.ts";

/** Times without "since the epoch" are monotonic. */
export interface Session {
  readonly name: string;
  environment: SourceEnvironment;
  /** The environment that gave credentials last; undefined for one that never did, or no longer does. */
  provenEnvironment: SourceEnvironment | undefined;
  /** Why what had given credentials does not count any more, in words. */
  givenUp: string | undefined;
  stored: StoredConfig;
  /** When the file was last compared. */
  checkedAt: number;
  /** The file's revision that did not parse, and what was wrong. */
  broken: { readonly revision: string; readonly note: string } | undefined;
  issue: Issue | undefined;
  /** The issue is of a config that has changed: it still counts in the lists, and is never vended. */
  outdated: boolean;
  flight: Flight | undefined;
  /** Since the epoch. */
  readonly addedAt: number;
  /** Since the epoch. */
  usedAt: number;
  askedAt: number;
  /** Attempts that failed since the last that succeeded. */
  failures: number;
  lastError: KeyholeError | undefined;
  /** When the last attempt failed. */
  failedAt: number;
  /** No attempt before this: `lastError` answers for AWS where there are no credentials. */
  retryAt: number;
  /** No renewal that nobody asked for before this: the clocks have jumped, and every session may be due. */
  spreadUntil: number;
  /** Set when the session was removed: what whoever still waits is told. */
  closed: KeyholeError | undefined;
}

export function newSession(stored: StoredConfig, environment: SourceEnvironment, now: Instant): Session {
  return {
    name: stored.name,
    environment,
    provenEnvironment: undefined,
    givenUp: undefined,
    stored,
    checkedAt: now.monotonic,
    broken: undefined,
    issue: undefined,
    outdated: false,
    flight: undefined,
    addedAt: now.wall,
    usedAt: now.wall,
    askedAt: now.monotonic,
    failures: 0,
    lastError: undefined,
    failedAt: -Infinity,
    retryAt: -Infinity,
    spreadUntil: -Infinity,
    closed: undefined,
  };
}

/** Whether it is renewed for nobody; one whose endpoint is a requester's lives by its requests. */
export function isPinned({ name, stored }: Session): boolean {
  return stored.config.pin === true && parseSessionName(name)?.endpoint === undefined;
}

/** The issue of a session if it may be vended. */
export function vendableIssue(session: Session, now: Instant): Issue | undefined {
  const { issue } = session;
  if (issue === undefined || session.outdated) return undefined;
  return remainingLife(issue, now) < FLOOR ? undefined : issue;
}

/** Milliseconds until the session is to be renewed unasked, 0 or less if it is due; Infinity where it is not to be. */
export function renewalDue(session: Session, now: Instant): number {
  if (session.flight !== undefined || isFailedAttempt(session)) return Infinity;
  const { issue } = session;
  if (!isPinned(session)) {
    if (issue === undefined) return Infinity;
    if (isIdle(now.monotonic - session.askedAt, issue.lifetime)) return Infinity;
  }
  const aging = issue === undefined || session.outdated ? 0 : remainingLife(issue, now) - issue.renewsAt;
  return Math.max(aging, session.retryAt - now.monotonic, session.spreadUntil - now.monotonic);
}

/** Forgets failures, so that the next request asks AWS: what they were about has changed. */
export function forgetFailures(session: Session): void {
  session.failures = 0;
  session.lastError = undefined;
  session.failedAt = -Infinity;
  session.retryAt = -Infinity;
}

/** What its environment selects never gave credentials: for everybody else there is no such session. */
export function isFailedAttempt({ provenEnvironment, givenUp, flight, lastError }: Session): boolean {
  return provenEnvironment === undefined && givenUp === undefined && flight === undefined && lastError !== undefined;
}

/** Whoever asks next may bring another selection. */
export function isOpen(session: Session): boolean {
  return session.provenEnvironment === undefined;
}

/** What differs between the session and its file: nothing that matters, the identity, or the file is gone. */
export type ConfigChange = "none" | "identity" | "gone";

/**
 * Compares the config file with the session and takes over what it says. A file that no longer parses changes
 * nothing: the session lives on with what was last good, and says so.
 */
export function followConfig(session: Session, configs: ConfigReader, now: Instant, log: Log): ConfigChange {
  session.checkedAt = now.monotonic;
  const revision = configs.revision(session.name);
  if (revision === undefined) return "gone";
  if (revision === session.stored.revision) {
    session.broken = undefined;
    return "none";
  }
  if (revision === session.broken?.revision) return "none";
  try {
    return adoptConfig(session, configs.read(session.name)) ? "identity" : "none";
  } catch (error) {
    if (!(error instanceof KeyholeError)) throw error;
    if (error.kind === "no-such-config") return "gone";
    session.broken = { revision, note: `the config file has changed and is not used: ${error.message}` };
    log("warn", "config not used", { config: session.name, error: error.message });
    return "none";
  }
}

/**
 * Gives the session another version of its config. Returns whether what was issued is of no use any more: it may be
 * another identity, or outlive an end that was moved forward.
 */
export function adoptConfig(session: Session, stored: StoredConfig): boolean {
  const { issue } = session;
  const outlives = issue !== undefined && stored.until !== undefined && issue.expiresAt > stored.until;
  const same = isSameIdentity(session.stored.config, stored.config) && !outlives;
  session.stored = stored;
  session.broken = undefined;
  if (same) return false;
  session.outdated = issue !== undefined;
  forgetFailures(session);
  return true;
}

/** Everything but `Meta` and `pin` reaches STS. */
function isSameIdentity(a: Config, b: Config): boolean {
  return Bun.deepEquals(identityOf(a), identityOf(b));
}

function identityOf({ AssumeRole, STS, MFA, Session }: Config): Partial<Config> {
  return { AssumeRole, STS, MFA, Session };
}

/** A session as it is shown: without a secret. */
export function infoOf(session: Session, now: Instant): SessionInfo {
  const { issue, stored, broken } = session;
  const due = session.flight === undefined ? renewalDue(session, now) : 0;
  return {
    config: session.name,
    accessKeyId: issue?.credentials.accessKeyId,
    roleArn: stored.config.AssumeRole.RoleArn,
    source: cut(issue?.source ?? ""),
    issuedAt: whole(issue?.issuedAt),
    expiresAt: whole(issue?.expiresAt),
    renewAt: due === Infinity ? undefined : whole(now.wall + Math.max(due, 0)),
    addedAt: Math.max(0, Math.floor(session.addedAt)),
    usedAt: Math.max(0, Math.floor(session.usedAt)),
    failures: session.failures,
    lastError: session.lastError && cut(session.lastError.message),
    pinned: isPinned(session),
    notes: [...(issue?.notes ?? []), ...[session.givenUp, broken?.note].filter((note) => note !== undefined)].map(
      (text) => cut(text),
    ),
  };
}

/** The wire has whole, unsigned milliseconds. */
function whole(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : Math.max(0, Math.floor(milliseconds));
}
