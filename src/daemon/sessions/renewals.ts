// Asks the source for credentials: one flight per session, a bounded number of calls to STS in all, and a session whose
// state says how it went. Knows no callers and no timers but the guard.
import { errors, KeyholeError, keyholeErrorOf } from "../../errors.ts";
import { sourcePatience } from "../../sources/source-requests.ts";
import { untilAborted } from "../../sources/source-cache.ts";
import { OwnWay } from "../../sources/sts/target.ts";
import type { AssumedRole, CredentialSource, Turn } from "../../sources/source.ts";
import { boundConfig, issueOf, refuseOverrun, secondsLeft, type Wiper } from "./issue.ts";
import type { Clock } from "../../clock.ts";
import type { Counters } from "../status.ts";
import { type Flight, guard, newFlight, type Outcome } from "./flight.ts";
import type { Log } from "../../server/log.ts";
import type { Session } from "./session.ts";
import { OVERDUE, type Release, Semaphore } from "./semaphore.ts";
import { isOfAllClients } from "./selection.ts";
import type { Time } from "./time.ts";

interface Dependencies {
  readonly source: CredentialSource;
  readonly clock: Clock;
  readonly time: Time;
  /** Reads them into `time`, and does what a jump asks for. */
  readonly readClocks: () => void;
  readonly random: () => number;
  readonly log: Log;
  readonly counters: Counters;
  readonly wiper: Wiper;
  /** To each endpoint. */
  readonly maxFlights: number;
  readonly isSelectionFixed: boolean;
  /** Called when a flight starts, and when it leaves the queue, which may be long after. May abandon the flight. */
  readonly beforeStart: (session: Session) => void;
  /** Called after a flight has changed its session, and the requests that wait were told. */
  readonly afterEnd: (session: Session) => void;
}

/** Seconds: GetSessionToken's longest, and more than any role's. */
const LONGEST = 129_600;

export class Renewals {
  readonly #with: Dependencies;
  /** Of every endpoint that is asked just now. */
  readonly #semaphores = new Map<string, Semaphore>();
  /** Sessions whose last call failed, and only after `OVERDUE`: they let all others go first. */
  readonly #hung = new WeakSet<Session>();

  constructor(dependencies: Dependencies) {
    this.#with = dependencies;
  }

  /** The session's flight: the one under way, or a new one. `urgent` if a request will wait for it. */
  fly(session: Session, urgent: boolean): Flight {
    const { flight } = session;
    if (flight !== undefined) {
      if (urgent && !flight.urgent) {
        flight.urgent = true;
        flight.place?.semaphore.hurry(flight.place.ticket);
      }
      return flight;
    }
    const created = newFlight(urgent, session.takeAsking() && urgent);
    session.depart(created);
    void this.#run(session, created);
    return created;
  }

  /** Ends a session's flight, if there is one: its result, should one come, is thrown away. */
  abandon(session: Session, outcome: Outcome): void {
    const flight = session.land();
    if (flight === undefined) return;
    flight.settle(outcome);
    flight.abort.abort(new KeyholeError("interrupted", "the answer is not needed any more"));
  }

  /** Config or environment changed. A flight that is about to start will see the change; one under way has not. */
  supersede(session: Session): void {
    if (session.flight?.started === true) this.abandon(session, { superseded: true });
  }

  async #run(session: Session, flight: Flight): Promise<void> {
    try {
      this.#with.beforeStart(session);
      if (session.flight !== flight) return;
      flight.started = true;
      await this.#attempt(session, flight);
    } catch (error) {
      if (session.flight === flight) this.#failed(session, flight, keyholeErrorOf(error));
    }
  }

  async #attempt(session: Session, flight: Flight): Promise<void> {
    const { clock, time, counters } = this.#with;
    const { signal } = flight.abort;
    const last = { took: 0, jumps: time.jumps };
    // Runs before the turn and from its beginning on: the time in the queue does not count.
    let timer = guard(clock, flight.abort, sourcePatience(session.stored.config));
    const turn: Turn = async (endpoint, call) => {
      timer.cancel();
      const semaphore = this.#semaphoreOf(endpoint);
      const release = await turnOf(flight, semaphore, this.#hung.has(session));
      timer = guard(clock, flight.abort);
      const began = clock.monotonic();
      try {
        this.#with.beforeStart(session);
        signal.throwIfAborted();
        counters.assumes += 1;
        this.#with.readClocks();
        last.jumps = time.jumps;
        const result = await untilAborted(call(), signal);
        this.#hung.delete(session);
        return result;
      } catch (error) {
        if (clock.monotonic() - began > OVERDUE) this.#hung.add(session);
        throw error;
      } finally {
        last.took = clock.monotonic() - began;
        release();
        if (semaphore.isIdle) this.#semaphores.delete(endpoint);
      }
    };
    try {
      const { name, environment, stored } = session;
      const config = boundConfig(stored, time.wall);
      const { surroundings } = session;
      flight.surroundings = surroundings;
      const { asksSurroundings } = flight;
      const { until } = stored;
      const bound = until === undefined ? undefined : { until, left: () => secondsLeft(until, time.wall) };
      const isForAll = !this.#with.isSelectionFixed && isOfAllClients(name);
      const request = { name, config, environment, surroundings, asksSurroundings, isForAll, signal, turn, bound };
      const work = this.#with.source.assume(request);
      const assumed = await untilAborted(work, signal);
      // Another flight, or none, is the session's now: this result is of yesterday's config, environment or session.
      if (session.flight !== flight) return;
      this.#with.readClocks();
      // The answer may have lain in a socket while the machine slept, and then its Date says nothing about now.
      if (time.jumps !== last.jumps) return this.abandon(session, { superseded: true });
      counters.took(last.took);
      this.#succeeded(session, flight, assumed, last.took);
    } finally {
      timer.cancel();
    }
  }

  #semaphoreOf(endpoint: string): Semaphore {
    const semaphore = this.#semaphores.get(endpoint) ?? new Semaphore(this.#with.maxFlights, this.#with.clock);
    this.#semaphores.set(endpoint, semaphore);
    return semaphore;
  }

  #succeeded(session: Session, flight: Flight, assumed: AssumedRole, took: number): void {
    const { time, random, wiper, log } = this.#with;
    const wasMeasured = time.skew !== undefined;
    if (assumed.clock !== "foreign") time.measured(assumed.clockSkew);
    const { AssumeRole: role } = session.stored.config;
    // What is passed through lasts as long as it says.
    const { DurationSeconds: durationSeconds, RoleArn: roleArn } = role ?? { DurationSeconds: LONGEST, RoleArn: "" };
    const issue = issueOf({ name: session.name, roleArn, durationSeconds }, assumed, time, random());
    try {
      refuseOverrun(session.stored, issue.expiresAt);
    } catch (error) {
      wiper.drop(issue);
      // Asked for by a clock that was not yet compared with AWS's: the next attempt knows better.
      if (!wasMeasured && time.skew !== undefined) return this.abandon(session, { superseded: true });
      throw error;
    }
    wiper.drop(session.renew(issue));
    log("info", "session renewed", {
      config: session.name,
      accessKeyId: issue.credentials.accessKeyId,
      lifetimeSeconds: Math.floor(issue.lifetime / 1000),
      tookMs: Math.round(took),
    });
    this.#end(session, flight, { issue });
  }

  #failed(session: Session, flight: Flight, error: KeyholeError): void {
    // Nothing was tried: who asked is asked first.
    if (error.kind === "surroundings-wanted") return this.#end(session, flight, { error });
    const { time, random, counters, log } = this.#with;
    const isOwn = error instanceof OwnWay;
    if (!isOwn) counters.failures += 1;
    this.#with.readClocks();
    // Once per change of error: an outage of an hour is one line, not sixty.
    // A child looks: only for what files may mend.
    const stamp = errors[error.kind].mend === "nothing" ? undefined : this.#with.source.stamp(session.environment);
    if (session.fail({ error, stamp, tried: flight.surroundings }, time, random()) && !isOwn)
      log("warn", "renewal failed", { config: session.name, kind: error.kind, error: error.message });
    this.judge(session);
    const end = (): void => {
      if (session.flight === flight) this.#end(session, flight, { error });
    };
    // What is changed after a request was told is seen to have changed.
    if (stamp === undefined) end();
    else void stamp.then(end);
  }

  /** Whether the files have changed that the source was read from which failed: what is remembered of it is over. */
  async hasNews(session: Session): Promise<boolean> {
    const before = await session.failedStamp;
    if (before === undefined) return false;
    const now = await this.#with.source.stamp(session.environment);
    return now !== undefined && now !== before;
  }

  /** Gives up a source that is lost; the credentials that are still there, if any, are too old to be vended. */
  judge(session: Session): void {
    const { wiper, log, time, isSelectionFixed } = this.#with;
    const given = isSelectionFixed ? undefined : session.giveUp(time);
    if (given === undefined) return;
    wiper.drop(given.former);
    log("warn", "source given up", { config: session.name, source: given.source, kind: session.lastError?.kind });
  }

  #end(session: Session, flight: Flight, outcome: Outcome): void {
    session.land();
    flight.settle(outcome);
    this.#with.afterEnd(session);
  }
}

/** Resolves with a slot, which is then to be released; rejects without one if the flight is abandoned meanwhile. */
function turnOf(flight: Flight, semaphore: Semaphore, hasHung: boolean): Promise<Release> {
  return new Promise((resolve, reject) => {
    const { signal } = flight.abort;
    // The reason is always a KeyholeError of ours.
    const giveUp = (): void => reject(signal.reason as KeyholeError);
    if (signal.aborted) return giveUp();
    flight.place = { semaphore, ticket: resolve };
    signal.addEventListener("abort", () => void (semaphore.leave(resolve) && giveUp()), { once: true });
    semaphore.enter(resolve, hasHung ? "suspect" : flight.urgent ? "urgent" : "background");
  });
}
