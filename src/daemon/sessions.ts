// The sessions: who has credentials, who gets them, who is renewed, who is forgotten. When is refresh.ts's business.
import type { ConfigReader, StoredConfig } from "../config/config.ts";
import { KeyholeError } from "../errors.ts";
import type { CallerIdentity, CredentialSource, SourceEnvironment } from "../sources/source.ts";
import { Alarm } from "./alarm.ts";
import type { Clock } from "./clock.ts";
import { Counters } from "./counters.ts";
import type { Flight } from "./flight.ts";
import { Identities } from "./identities.ts";
import { type Issue, Wiper } from "./issue.ts";
import type { Log } from "./log.ts";
import { ageOf, PATIENCE, remainingLife } from "./refresh.ts";
import { Renewals } from "./renewals.ts";
import { Roster } from "./roster.ts";
import {
  adoptConfig,
  followConfig,
  forgetFailures,
  newSession,
  renewalDue,
  type Session,
  type SessionView,
  vendableIssue,
  viewOf,
} from "./session.ts";
import { Time } from "./time.ts";

export type { Issue } from "./issue.ts";
export type { SessionView } from "./session.ts";

/** After a jump of the clocks all sessions may be due: background renewals spread over this. */
const SPREAD = 5_000;

/** How long a config file is taken to be unchanged, so that a burst of requests is one look at the file. */
const CONFIG_CHECK = 5;

export interface SessionsDependencies {
  readonly source: CredentialSource;
  readonly configs: ConfigReader;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  /** Sessions with credentials in memory, 1 or more; the least recently used goes. Exceeded only while callers wait. */
  readonly maxSessions: number;
  /** AssumeRole calls at once, 1 or more. */
  readonly maxFlights: number;
}

export interface AddOptions {
  /** Have credentials, or the reason why not, before the answer. */
  readonly verify: boolean;
  /** Replace credentials that are still good. */
  readonly renew: boolean;
}

export class Sessions {
  readonly counters = new Counters();
  readonly #with: SessionsDependencies;
  readonly #time: Time;
  readonly #wiper: Wiper;
  readonly #renewals: Renewals;
  readonly #identities: Identities;
  readonly #roster: Roster;
  readonly #alarm: Alarm;
  #stopped = false;

  constructor(dependencies: SessionsDependencies) {
    this.#with = dependencies;
    const { source, clock, random, log, maxSessions, maxFlights } = dependencies;
    this.#roster = new Roster(maxSessions);
    this.#alarm = new Alarm(clock, () => this.#sweep());
    this.#time = new Time(clock);
    this.#wiper = new Wiper(clock);
    this.#identities = new Identities(source, clock);
    this.#renewals = new Renewals({
      source,
      clock,
      time: this.#time,
      readClocks: () => this.#readClocks(),
      random,
      log,
      counters: this.counters,
      wiper: this.#wiper,
      maxFlights,
      beforeStart: (session) => this.#follow(session),
      afterEnd: (session) => this.#settled(session),
    });
  }

  /**
   * Credentials of a session, never with less than 60 s left: at once where there are some, else a promise. See
   * `Issue.line` for how long its bytes may be read.
   *
   * @throws KeyholeError `no-such-session` for a name that was never added, `no-such-config` when its file is gone,
   *   `shutting-down`. The promise rejects with these and with what CredentialSource.assume throws.
   */
  vend(name: string): Issue | Promise<Issue> {
    const given = this.#give(this.#find(name));
    if (!(given instanceof Promise)) {
      this.counters.vends += 1;
      return given;
    }
    return given.then((issue) => {
      this.counters.vends += 1;
      return issue;
    });
  }

  /**
   * Makes a session, or gives the one that is there another environment. Credentials that are there are kept unless
   * `renew` is set, or the environment may select other source credentials; until the new ones are there the old
   * ones are vended.
   *
   * @throws KeyholeError what ConfigReader.read throws; with `verify` also what CredentialSource.assume throws.
   */
  async add(name: string, environment: SourceEnvironment, { verify, renew }: AddOptions): Promise<SessionView> {
    this.#refuseWhenStopped();
    const stored = this.#with.configs.read(name);
    this.#readClocks();
    const existing = this.#roster.get(name);
    const session = existing ?? this.#enter(stored, environment);
    const before = session.environment;
    session.environment = environment;
    this.#roster.touch(session, this.#time);
    if (adoptConfig(session, stored)) this.#renewals.supersede(session);
    const differs = !selectsTheSame(before, environment);
    if (differs) this.#renewals.supersede(session);
    if (differs || renew) forgetFailures(session);
    try {
      if (verify) await (renew || differs ? this.#fetch(session) : this.#give(session));
      else if (renew || (differs && session.issue !== undefined)) this.#renewals.fly(session, false);
    } catch (error) {
      // The environment that had worked is better than one that does not.
      if (differs && session.environment === environment && session.issue !== undefined) session.environment = before;
      throw error;
    }
    this.#readClocks();
    return viewOf(session, this.#time);
  }

  /**
   * Drops a session and its credentials; whoever waits for it gets `no-such-session`.
   *
   * @throws KeyholeError `no-such-session`.
   */
  remove(name: string): void {
    this.#refuseWhenStopped();
    const session = this.#roster.get(name);
    if (session !== undefined) this.#drop(session, noSuchSession(name));
    else if (!this.#roster.forget(name)) throw noSuchSession(name);
  }

  /** From the least to the most recently used; those that were evicted are not among them. */
  list(): SessionView[] {
    this.#readClocks();
    return [...this.#roster.all()].map((session) => viewOf(session, this.#time));
  }

  /** Who AWS says the session is; asked once per issue. Throws as `vend` and CredentialSource.identify do. */
  async identity(name: string): Promise<CallerIdentity> {
    const session = this.#find(name);
    const issue = await this.#give(session);
    return this.#identities.of(session, issue);
  }

  /** AWS's clock minus this machine's, in milliseconds; undefined until measured, and again after a jump. */
  get clockSkew(): number | undefined {
    return this.#time.skew;
  }

  /**
   * Ends everything: flights are aborted, whoever waits gets `shutting-down`, every line is zeroed at once. To be
   * called when no answer is being written any more.
   */
  stop(): void {
    this.#stopped = true;
    this.#identities.stop();
    for (const session of this.#roster.all()) this.#drop(session, shuttingDown());
    this.#alarm.cancel();
    this.#wiper.wipe();
  }

  /** The session of a name, as the most recently used. One that was evicted comes back without credentials. */
  #find(name: string): Session {
    this.#refuseWhenStopped();
    this.#readClocks();
    const session = this.#roster.get(name) ?? this.#revive(name);
    if (this.#time.monotonic - session.checkedAt >= CONFIG_CHECK) this.#follow(session);
    if (session.closed !== undefined) throw session.closed;
    this.#roster.touch(session, this.#time);
    return session;
  }

  #revive(name: string): Session {
    const environment = this.#roster.remembered(name);
    if (environment === undefined) throw noSuchSession(name);
    if (this.#with.configs.revision(name) === undefined) this.#roster.forget(name);
    return this.#enter(this.#with.configs.read(name), environment);
  }

  #enter(stored: StoredConfig, environment: SourceEnvironment): Session {
    const session = newSession(stored, environment, this.#time);
    this.#roster.enter(session);
    this.#evict();
    this.#alarm.wakeIn(renewalDue(session, this.#time));
    return session;
  }

  /** What a caller gets who asks now (the clocks were just read). */
  #give(session: Session): Issue | Promise<Issue> {
    const { issue } = session;
    if (issue === undefined || session.outdated) return this.#fetch(session);
    const age = ageOf(remainingLife(issue, this.#time), issue.lifetime, issue.renewsAt);
    if (age === "fresh") return issue;
    if (age === "spent") return this.#fetch(session);
    const isBackingOff = session.flight === undefined && this.#time.monotonic < session.retryAt;
    if (isBackingOff) return issue;
    const flight = this.#renewals.fly(session, age === "insist");
    return age === "insist" ? this.#hope(session, flight) : issue;
  }

  /** New credentials or the error: what happens when there are no old ones to vend. */
  async #fetch(session: Session): Promise<Issue> {
    for (let current = session; ; current = this.#find(session.name)) {
      if (current.lastError !== undefined && this.#time.monotonic < current.refusedUntil) throw current.lastError;
      const outcome = await this.#renewals.fly(current, true).outcome;
      if ("issue" in outcome) return outcome.issue;
      if ("error" in outcome) throw outcome.error;
    }
  }

  /** New credentials if they come soon, else the old ones. */
  async #hope(session: Session, flight: Flight): Promise<Issue> {
    flight.patience ??= this.#patience(flight);
    await Promise.race([flight.outcome, flight.patience]);
    this.#readClocks();
    if (session.closed !== undefined) throw session.closed;
    return vendableIssue(session, this.#time) ?? this.#fetch(this.#find(session.name));
  }

  #patience(flight: Flight): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#with.clock.after(PATIENCE, resolve);
    void flight.outcome.then(() => timer.cancel());
    return promise;
  }

  /** Compares the config file with the session. */
  #follow(session: Session): void {
    const change = followConfig(session, this.#with.configs, this.#time, this.#with.log);
    if (change === "none") return;
    this.#with.log("info", "config changed", { config: session.name, change });
    if (change === "identity") this.#renewals.supersede(session);
    else this.#drop(session, new KeyholeError("no-such-config", `no config ${JSON.stringify(session.name)} any more`));
  }

  #drop(session: Session, reason: KeyholeError): void {
    if (session.closed !== undefined) return;
    session.closed = reason;
    this.#roster.forget(session.name);
    this.#renewals.abandon(session, { error: reason });
    this.#wiper.drop(session.issue);
    this.#with.log("info", "session removed", { config: session.name, reason: reason.kind });
  }

  /** Whoever was given an issue of theirs in this turn still has it: the session is not closed, its line not yet wiped. */
  #evict(): void {
    for (const session of this.#roster.evict()) {
      this.counters.evictions += 1;
      this.#renewals.abandon(session, { superseded: true });
      this.#wiper.drop(session.issue);
      this.#with.log("info", "session evicted", { config: session.name });
    }
  }

  #settled(session: Session): void {
    this.#evict();
    this.#alarm.wakeIn(renewalDue(session, this.#time));
  }

  /** Renews what is due, and asks to be woken when something will be. */
  #sweep(): void {
    this.#readClocks();
    let next = Infinity;
    for (const session of this.#roster.all()) {
      const due = renewalDue(session, this.#time);
      if (due > 0) next = Math.min(next, due);
      else this.#renewals.fly(session, false);
    }
    if (this.#roster.size > 0) this.#alarm.wakeIn(next);
  }

  #readClocks(): void {
    const jump = this.#time.read();
    if (jump === 0) return;
    this.#with.log("warn", "clock jumped", { milliseconds: Math.round(jump), sessions: this.#roster.size });
    for (const session of this.#roster.all()) {
      session.spreadUntil = this.#time.monotonic + this.#with.random() * SPREAD;
    }
    if (this.#roster.size > 0) this.#alarm.wakeIn(0);
  }

  #refuseWhenStopped(): void {
    if (this.#stopped) throw shuttingDown();
  }
}

/** PATH finds programs; everything else that is sent along selects credentials. */
function selectsTheSame(a: SourceEnvironment, b: SourceEnvironment): boolean {
  return Bun.deepEquals({ ...a, PATH: "" }, { ...b, PATH: "" });
}

function noSuchSession(name: string): KeyholeError {
  return new KeyholeError("no-such-session", `no session of config ${JSON.stringify(name)}`);
}

function shuttingDown(): KeyholeError {
  return new KeyholeError("shutting-down", "the daemon is shutting down");
}
