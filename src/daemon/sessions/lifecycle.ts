// Keeps the sessions: who is in memory, what file each follows, who is renewed unasked, who has to leave.
import type { ConfigReader, StoredConfig } from "../../config/config.ts";
import { configGone } from "../../config/name.ts";
import { KeyholeError } from "../../errors.ts";
import type { CredentialSource, SourceEnvironment } from "../../sources/source.ts";
import { showOnOneLine } from "../../text/controls.ts";
import type { Clock } from "../../clock.ts";
import { Counters } from "../status.ts";
import { Wiper } from "./issue.ts";
import type { Log } from "../../server/log.ts";
import { Renewals } from "./renewals.ts";
import { SessionCache } from "./session-cache.ts";
import { type Remembered, Session } from "./session.ts";
import { Time, WakeTimer } from "./time.ts";

/** Milliseconds for which a config file is taken to be unchanged, so that a burst of requests is one look at the file. */
const CONFIG_CHECK = 5;
/** Looks in that time, each 5 µs: where more sessions are asked for at once, some wait for the next 5 ms. */
const MOST_CHECKS = 16;
/** Milliseconds for which one waits at most. */
const LONGEST_UNCHECKED = 1_000;
/** Milliseconds. After a jump of the clocks all sessions may be due: background renewals spread over this. */
const SPREAD = 5_000;

export interface SessionsDependencies {
  readonly source: CredentialSource;
  readonly configs: ConfigReader;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  /** Sessions with credentials in memory, 1 or more; the least recently used goes. Exceeded only while callers wait. */
  readonly maxSessions: number;
  /** AssumeRole calls at once to each endpoint, 1 or more. */
  readonly maxFlights: number;
  /** What this adds to; its own if absent. */
  readonly counters?: Counters | undefined;
  /** Whether a selection stays, whatever becomes of it: a client brings no other. */
  readonly isSelectionFixed?: boolean | undefined;
  /** Called after an attempt, when the requests that wait were told: with the session as it is now. */
  readonly settled?: ((session: Session) => void) | undefined;
}

/** All sessions, and what happens to them unasked. */
export class Lifecycle {
  readonly counters: Counters;
  readonly time: Time;
  readonly renewals: Renewals;
  readonly #with: SessionsDependencies;
  readonly #cache: SessionCache;
  readonly #wakeTimer: WakeTimer;
  readonly #wiper: Wiper;
  #checksBegan = -Infinity;
  #checks = 0;

  constructor(dependencies: SessionsDependencies) {
    this.#with = dependencies;
    this.counters = dependencies.counters ?? new Counters();
    const { source, clock, random, log, maxSessions, maxFlights } = dependencies;
    this.time = new Time(clock);
    this.#cache = new SessionCache(maxSessions);
    this.#wakeTimer = new WakeTimer(clock, () => this.#sweep());
    this.#wiper = new Wiper(clock);
    this.renewals = new Renewals({
      source,
      clock,
      time: this.time,
      readClocks: () => this.readClocks(),
      random,
      log,
      counters: this.counters,
      wiper: this.#wiper,
      maxFlights,
      isSelectionFixed: dependencies.isSelectionFixed === true,
      beforeStart: (session) => this.#follow(session),
      afterEnd: (session) => this.#settled(session),
    });
  }

  /**
   * The session of a name, as the most recently used, and the clocks just read. One that was evicted comes back
   * without credentials.
   *
   * @throws KeyholeError `no-such-session`, `no-such-config`.
   */
  find(name: string): Session {
    this.readClocks();
    const session = this.#cache.get(name) ?? this.#revive(name);
    if (session === undefined) throw noSuchSession(name);
    if (this.#isToCheck(session)) this.#follow(session);
    if (session.closed !== undefined) throw session.closed;
    this.#cache.touch(session, this.time);
    return session;
  }

  /** Whether its config is to be compared with the file again. */
  #isToCheck(session: Session): boolean {
    const age = session.uncheckedFor(this.time);
    if (age < CONFIG_CHECK) return false;
    if (this.time.monotonic - this.#checksBegan >= CONFIG_CHECK) {
      this.#checksBegan = this.time.monotonic;
      this.#checks = 0;
    }
    return this.#checks++ < MOST_CHECKS || age >= LONGEST_UNCHECKED;
  }

  /** The session of a config, as the most recently used; a new one if there is none. */
  place(stored: StoredConfig, environment: SourceEnvironment): Session {
    this.readClocks();
    const { name } = stored;
    const session = this.#cache.get(name) ?? this.#revive(name) ?? this.#enterNew(stored, environment);
    this.#cache.touch(session, this.time);
    return session;
  }

  /** What selects the source credentials of a session, one that was evicted included. */
  environmentOf(name: string): SourceEnvironment | undefined {
    const session = this.#cache.get(name);
    return (session === undefined ? this.#cache.remembered(name) : session.remembered())?.environment;
  }

  /** As it is in memory, without its being used; the clocks were just read. */
  look(name: string): Session | undefined {
    this.readClocks();
    return this.#cache.get(name);
  }

  /** From the least to the most recently used. */
  all(): Session[] {
    this.readClocks();
    return this.#cache.byUse().filter((session) => !session.isFailedAttempt);
  }

  /** Ends a session, and forgets one that was evicted; requests that wait are told. Returns whether there was one. */
  remove(name: string, reason: KeyholeError): boolean {
    const session = this.#cache.get(name);
    if (session === undefined) return this.#cache.forget(name);
    const wasSession = !session.isFailedAttempt;
    this.#drop(session, reason);
    return wasSession;
  }

  /** Ends all sessions and zeroes every line at once. */
  stop(reason: KeyholeError): void {
    for (const session of this.#cache.all()) this.#drop(session, reason);
    this.#wakeTimer.cancel();
    this.#wiper.wipe();
  }

  /** Reads them into `time`; after a jump every session is looked at again, a little spread. */
  readClocks(): void {
    const jump = this.time.read();
    if (jump === 0) return;
    this.#with.log("warn", "clock jumped", { milliseconds: Math.round(jump), sessions: this.#cache.size });
    for (const session of this.#cache.all()) session.spread(this.time.monotonic + this.#with.random() * SPREAD);
    if (this.#cache.size > 0) this.#wakeTimer.wakeIn(0);
  }

  /** With the config of before, so that an eviction does not show; whether it still holds is `find`'s next question. */
  #revive(name: string): Session | undefined {
    const remembered = this.#cache.remembered(name);
    return remembered && this.#enter(remembered, -Infinity);
  }

  #enterNew(stored: StoredConfig, environment: SourceEnvironment): Session {
    const provenEnvironment = this.#with.isSelectionFixed === true ? environment : undefined;
    return this.#enter({ stored, environment, provenEnvironment, givenUp: undefined, lacksWay: false });
  }

  #enter(of: Remembered, checkedAt?: number): Session {
    const session = new Session(of, this.time, checkedAt);
    this.#cache.enter(session);
    this.#evict();
    this.#wakeFor(session);
    return session;
  }

  /** Compares the config file with the session. */
  #follow(session: Session): void {
    const change = session.follow(this.#with.configs, this.time, this.#with.log);
    if (change === "none") return;
    this.#with.log("info", "config changed", { config: session.name, change });
    if (change === "identity") {
      this.renewals.supersede(session);
      // No request may have waited for the flight, and none may come: the next one is the sweep's.
      this.#wakeFor(session);
    } else this.#drop(session, configGone(session.name));
  }

  #drop(session: Session, reason: KeyholeError): void {
    if (!session.close(reason)) return;
    this.#cache.forget(session.name);
    this.renewals.abandon(session, { error: reason });
    this.#wiper.drop(session.issue);
    this.#with.log("info", "session removed", { config: session.name, reason: reason.kind });
  }

  /** A request of this turn may still have an issue of theirs: the session is not closed, its line not yet wiped. */
  #evict(): void {
    for (const session of this.#cache.evict()) {
      this.counters.evictions += 1;
      this.renewals.abandon(session, { superseded: true });
      this.#wiper.drop(session.issue);
      this.#with.log("info", "session evicted", { config: session.name });
    }
  }

  #wakeFor(session: Session): void {
    this.#wakeTimer.wakeIn(session.renewalDue(this.time));
  }

  #settled(session: Session): void {
    this.#with.settled?.(session);
    this.#evict();
    this.#wakeFor(session);
  }

  /** Renews what is due, and asks to be woken when something will be. */
  #sweep(): void {
    this.readClocks();
    let next = Infinity;
    for (const session of this.#cache.all()) {
      const due = session.renewalDue(this.time);
      if (due > 0) next = Math.min(next, due);
      else this.renewals.fly(session, false);
    }
    if (this.#cache.size > 0) this.#wakeTimer.wakeIn(next);
  }
}

/** The error for a name that was never added, or was removed. */
export function noSuchSession(name: string): KeyholeError {
  return new KeyholeError("no-such-session", `no session of config ${showOnOneLine(name)}`);
}
