// What the daemon knows about one session, what can happen to it, and how it is shown.
import type { Config, ConfigReader, StoredConfig } from "../../config/config.ts";
import { isErrorOf, KeyholeError } from "../../errors.ts";
import type { Log } from "../../server/log.ts";
import { parseSessionName } from "../../config/name.ts";
import type { SourceEnvironment } from "../../sources/source.ts";
import { isOfHelper, type Surroundings } from "../../surroundings.ts";
import { cut } from "../../text/controls.ts";
import type { SessionInfo } from "../../wire/messages.ts";
import { BackOff, type Failure } from "./back-off.ts";
import type { Flight } from "./flight.ts";
import type { Issue } from "./issue.ts";
import { FLOOR, type Instant, isIdle, remainingLife } from "./refresh.ts";
import { isLost, selectsTheSame, withWayOf } from "./selection.ts";

/** What makes a session: its config as it was last good, and what selects its source credentials. */
export interface Remembered {
  readonly stored: StoredConfig;
  readonly environment: SourceEnvironment;
  /** The environment that gave credentials last; undefined for one that never did, or no longer does. */
  readonly provenEnvironment: SourceEnvironment | undefined;
  /** Why what had given credentials does not count any more, in words. */
  readonly givenUp: string | undefined;
  /** How the proven environment reached AWS was forgotten with the daemon before this one. */
  readonly lacksWay: boolean;
}

/** What differs between the session and its file: nothing that matters, the identity, or the file is gone. */
export type ConfigChange = "none" | "identity" | "gone";

/** Times without "since the epoch" are monotonic. */
export class Session {
  readonly name: string;
  /** Grows with every use of any session; its cache counts. */
  lastUse = 0;
  #of: Remembered;
  /** When the file was last compared. */
  #checkedAt: number;
  /** The file's revision that did not parse, and what was wrong. */
  #broken: { readonly revision: string; readonly note: string } | undefined;
  #issue: Issue | undefined;
  /** The issue is of a config that has changed: it still counts in the lists, and is never vended. */
  #isOutdated = false;
  #flight: Flight | undefined;
  /** Since the epoch. */
  readonly #addedAt: number;
  /** Since the epoch. */
  #usedAt: number;
  #askedAt: number;
  readonly #backOff = new BackOff();
  /** No renewal unasked before this: the clocks have jumped, and every session may be due. */
  #spreadUntil = -Infinity;
  #closed: KeyholeError | undefined;
  #surroundings: Surroundings | undefined;
  /** The client that asked last can be asked for them. */
  #canTell = false;

  /** @param checkedAt when the config was compared with its file; `-Infinity` asks for it at the next use */
  constructor(of: Remembered, now: Instant, checkedAt: number = now.monotonic) {
    this.name = of.stored.name;
    this.#of = of;
    this.#checkedAt = checkedAt;
    this.#addedAt = now.wall;
    this.#usedAt = now.wall;
    this.#askedAt = now.monotonic;
  }

  get stored(): StoredConfig {
    return this.#of.stored;
  }

  get environment(): SourceEnvironment {
    return this.#of.environment;
  }

  get provenEnvironment(): SourceEnvironment | undefined {
    return this.#of.provenEnvironment;
  }

  /** Of a config that has changed, too. */
  get issue(): Issue | undefined {
    return this.#issue;
  }

  /** The issue of the config as it is now, however old. */
  get current(): Issue | undefined {
    return this.#isOutdated ? undefined : this.#issue;
  }

  get flight(): Flight | undefined {
    return this.#flight;
  }

  /** For its helpers, of the first who was asked for them; in memory alone. */
  get surroundings(): Surroundings | undefined {
    return this.#surroundings;
  }

  get lastError(): KeyholeError | undefined {
    return this.#backOff.error;
  }

  /** Of the files of its source as they were before it failed. */
  get failedStamp(): Failure["stamp"] {
    return this.#backOff.stamp;
  }

  /** Set when the session was removed: what its callers are told that still wait. */
  get closed(): KeyholeError | undefined {
    return this.#closed;
  }

  /** Whether it is renewed without being asked for; one whose endpoint is a requester's lives by its requests. */
  get isPinned(): boolean {
    return this.stored.config.pin === true && parseSessionName(this.name)?.endpoint === undefined;
  }

  /** The next request may bring another selection. */
  get isOpen(): boolean {
    return this.#of.provenEnvironment === undefined;
  }

  /** What its environment selects never gave credentials: for every other client there is no such session. */
  get isFailedAttempt(): boolean {
    return this.isOpen && this.#of.givenUp === undefined && this.#hasFailed;
  }

  /** What it has failed, or is given up, and is not to stay: the next request brings what is to be tried. */
  get isVacant(): boolean {
    return (this.isOpen || this.awaitsWay) && this.#hasFailed;
  }

  get #hasFailed(): boolean {
    return this.#flight === undefined && this.lastError !== undefined;
  }

  /** It reaches AWS as the daemon itself does, until a request brings its way. */
  get awaitsWay(): boolean {
    return this.#of.lacksWay && this.environment === this.provenEnvironment;
  }

  /** The issue if it may be vended. */
  vendable(now: Instant): Issue | undefined {
    const issue = this.current;
    return issue === undefined || remainingLife(issue, now) < FLOOR ? undefined : issue;
  }

  isBackingOff(now: Instant): boolean {
    return this.#flight === undefined && now.monotonic < this.#backOff.until;
  }

  /** Milliseconds until it is to be renewed unasked, 0 or less if it is due; Infinity where it is not to be. */
  renewalDue(now: Instant): number {
    if (this.#flight !== undefined || this.isFailedAttempt) return Infinity;
    if (!this.isPinned) {
      if (this.#issue === undefined) return Infinity;
      if (isIdle(now.monotonic - this.#askedAt, this.#issue.lifetime)) return Infinity;
    }
    const { current } = this;
    const aging = current === undefined ? 0 : remainingLife(current, now) - current.renewsAt;
    return Math.max(aging, this.#backOff.until - now.monotonic, this.#spreadUntil - now.monotonic);
  }

  /** @param canTell whether the client that asks now can be asked for its surroundings */
  isAskedBy(canTell: boolean): void {
    this.#canTell = canTell;
  }

  surround(surroundings: Surroundings): void {
    this.#surroundings = surroundings;
    this.#backOff.offer(surroundings);
  }

  /** Whether it failed by a helper, or with what one gave: it may do better with the surroundings of another client. */
  get mayLackSurroundings(): boolean {
    const error = this.lastError;
    if (error === undefined || isErrorOf(error, "code-wanted", "no-such-session")) return false;
    return this.#surroundings !== undefined || isOfHelper(error);
  }

  /** Whether the attempt that starts now asks for surroundings: once, and again where a helper may have lacked something. */
  takeAsking(): boolean {
    const asks = this.#canTell && (this.#surroundings === undefined || this.#backOff.failures > 0);
    this.#canTell = false;
    return asks;
  }

  /** A request has come for it. */
  asked(now: Instant, use: number): void {
    this.lastUse = use;
    this.#usedAt = now.wall;
    this.#askedAt = now.monotonic;
  }

  /** No renewal unasked before then. */
  spread(until: number): void {
    this.#spreadUntil = until;
  }

  /** Milliseconds since its config was compared with the file. */
  uncheckedFor(now: Instant): number {
    return now.monotonic - this.#checkedAt;
  }

  /**
   * Compares the config file with the session and takes over what it says. A file that no longer parses changes
   * nothing: the session lives on with what was last good, and says so.
   */
  follow(configs: ConfigReader, now: Instant, log: Log): ConfigChange {
    this.#checkedAt = now.monotonic;
    const revision = configs.revision(this.name);
    if (revision === undefined) return "gone";
    if (revision === this.stored.revision) {
      this.#broken = undefined;
      return "none";
    }
    if (revision === this.#broken?.revision) return "none";
    try {
      return this.adopt(configs.read(this.name)) ? "identity" : "none";
    } catch (error) {
      if (!(error instanceof KeyholeError)) throw error;
      if (error.kind === "no-such-config") return "gone";
      this.#broken = { revision, note: `the config file has changed and is not used: ${error.message}` };
      log("warn", "config not used", { config: this.name, error: error.message });
      return "none";
    }
  }

  /**
   * Takes another version of its config. Returns whether what was issued is of no use any more: it may be another
   * identity, or outlive an end that was moved forward.
   */
  adopt(stored: StoredConfig): boolean {
    const issue = this.#issue;
    const outlives = issue !== undefined && stored.until !== undefined && issue.expiresAt > stored.until;
    const same = isSameIdentity(this.stored.config, stored.config) && !outlives;
    this.#of = { ...this.#of, stored };
    this.#broken = undefined;
    if (same) return false;
    this.#isOutdated = issue !== undefined;
    this.forgetFailures();
    return true;
  }

  /** Takes another environment. Returns whether it may select other source credentials. */
  select(environment: SourceEnvironment): boolean {
    const differs = !selectsTheSame(this.environment, environment);
    this.#of = { ...this.#of, environment };
    if (differs) this.forgetFailures();
    return differs;
  }

  /** Goes back from an environment that gave none to the one that had given credentials, where there is one. */
  deselect(environment: SourceEnvironment): void {
    const { provenEnvironment } = this.#of;
    if (this.environment !== environment || provenEnvironment === undefined) return;
    this.#of = { ...this.#of, environment: provenEnvironment };
    this.forgetFailures();
  }

  /** Takes an environment that is known to have given credentials; `lacksWay` where it reached AWS in a forgotten way. */
  prove(environment: SourceEnvironment, lacksWay: boolean): void {
    this.#of = { ...this.#of, environment, provenEnvironment: environment, lacksWay };
    this.forgetFailures();
  }

  /** Reaches AWS as this environment does, where it does not work as it is. Returns whether anything changed. */
  reachAs(environment: SourceEnvironment, now: Instant): boolean {
    if (this.vendable(now) !== undefined && this.lastError === undefined) return false;
    const before = this.environment;
    const next = withWayOf(before, environment);
    const { awaitsWay } = this;
    if (Bun.deepEquals(next, before) && !awaitsWay) return false;
    const isProven = this.#of.provenEnvironment === before;
    const lacksWay = this.#of.lacksWay && !awaitsWay;
    this.#of = { ...this.#of, environment: next, ...(isProven && { provenEnvironment: next }), lacksWay };
    this.forgetFailures();
    return true;
  }

  hurry(now: Instant): void {
    this.#backOff.hurry(now);
  }

  /** So that the next request asks AWS: what they were about has changed. */
  forgetFailures(): void {
    this.#backOff.forget();
  }

  depart(flight: Flight): void {
    this.#flight = flight;
  }

  /** Its flight ends, whatever came of it. */
  land(): Flight | undefined {
    const flight = this.#flight;
    this.#flight = undefined;
    return flight;
  }

  /** Takes new credentials. Returns those that they replace. */
  renew(issue: Issue): Issue | undefined {
    const former = this.#issue;
    this.#issue = issue;
    this.#isOutdated = false;
    this.#of = { ...this.#of, provenEnvironment: this.environment, givenUp: undefined, lacksWay: false };
    this.forgetFailures();
    return former;
  }

  /** An attempt has failed. Returns whether that is news: the attempt before failed in another way, or did not. */
  fail(failure: Failure, now: Instant, random: number): boolean {
    return this.#backOff.fail(failure, this.#surroundings, now, random);
  }

  /**
   * Gives its source up if it is lost. The credentials that are still there, if any, are too old to be vended.
   *
   * @returns what the source was, and what it gave last; undefined where it is not lost
   */
  giveUp(now: Instant): { readonly source: string; readonly former: Issue | undefined } | undefined {
    const error = this.lastError;
    if (error === undefined || this.isOpen || this.vendable(now) !== undefined || !isLost(this, error))
      return undefined;
    const former = this.#issue;
    const source = former?.source ?? "its source";
    const givenUp = `its source (${source}) is given up: the next client brings another. ${error.message}`;
    this.#of = { ...this.#of, givenUp, provenEnvironment: undefined };
    this.#issue = undefined;
    return { source, former };
  }

  /** Returns whether it was not closed yet. */
  close(reason: KeyholeError): boolean {
    if (this.#closed !== undefined) return false;
    this.#closed = reason;
    return true;
  }

  /** What brings it back after it had to leave the memory; undefined for one that is not to come back. */
  remembered(): Remembered | undefined {
    return this.isFailedAttempt ? undefined : this.#of;
  }

  /** As it is shown: without a secret. */
  info(now: Instant): SessionInfo {
    const issue = this.#issue;
    const due = this.#flight === undefined ? this.renewalDue(now) : 0;
    const notes = [...(issue?.notes ?? []), this.#of.givenUp, this.#broken?.note].filter((note) => note !== undefined);
    return {
      config: this.name,
      accessKeyId: issue?.credentials.accessKeyId,
      roleArn: this.stored.config.AssumeRole?.RoleArn ?? "",
      source: cut(issue?.source ?? ""),
      issuedAt: whole(issue?.issuedAt),
      expiresAt: whole(issue?.expiresAt),
      renewAt: due === Infinity ? undefined : whole(now.wall + Math.max(due, 0)),
      addedAt: Math.max(0, Math.floor(this.#addedAt)),
      usedAt: Math.max(0, Math.floor(this.#usedAt)),
      failures: this.#backOff.failures,
      lastError: this.lastError && cut(this.lastError.told),
      pinned: this.isPinned,
      notes: notes.map((text) => cut(text)),
    };
  }
}

function isSameIdentity(a: Config, b: Config): boolean {
  return Bun.deepEquals(identityOf(a), identityOf(b));
}

/** All that may reach STS: every section but those that are named here, so that a new one counts. */
function identityOf({ Meta: _description, pin: _pin, Sign: _endpoints, ...identity }: Config): Partial<Config> {
  return identity;
}

/** The wire has whole, unsigned milliseconds. */
function whole(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : Math.max(0, Math.floor(milliseconds));
}
