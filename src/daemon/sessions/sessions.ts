// Answers requests for credentials. When is refresh.ts's business; what happens unasked is lifecycle.ts's.
import type { ConfigReader } from "../../config/config.ts";
import { isErrorOf, KeyholeError } from "../../errors.ts";
import { parseSessionName } from "../../config/name.ts";
import type { CallerIdentity, CredentialSource, SourceEnvironment } from "../../sources/source.ts";
import { type Surroundings, surroundingsWanted } from "../../surroundings.ts";
import type { SessionInfo } from "../../wire/messages.ts";
import type { Clock } from "../../clock.ts";
import type { Counters } from "../status.ts";
import { Edits } from "./edits.ts";
import { type Flight, Identities } from "./flight.ts";
import type { Issue } from "./issue.ts";
import { Lifecycle, noSuchSession, type SessionsDependencies } from "./lifecycle.ts";
import { ageOf, PATIENCE, remainingLife } from "./refresh.ts";
import { describeDifference, type Selection, selectsTheSame, withoutCallers } from "./selection.ts";
import type { Time } from "./time.ts";
import type { Session } from "./session.ts";

export interface AddOptions {
  /** Have credentials, or the reason why not, before the answer. */
  readonly verify: boolean;
  /** Replace credentials that are still good. */
  readonly renew: boolean;
  /** Leave a session that works its environment. */
  readonly keep?: boolean | undefined;
  /** A person waits. */
  readonly urgent?: boolean | undefined;
  /** For helpers, from the client. */
  readonly surroundings?: Surroundings | undefined;
  /** The client is the owner's, and can be asked for them: instead of running a helper, throw `surroundings-wanted`. */
  readonly canTell?: boolean | undefined;
}

/** A session that is to come back after a restart. */
export interface Proven {
  readonly name: string;
  readonly environment: SourceEnvironment;
  /** It had a way to AWS, which it has not any more. */
  readonly awaitsWay: boolean;
  /** It has given credentials to this daemon, and not only to one before. */
  readonly isConfirmed: boolean;
}

/** The sessions of a daemon, as its handlers see them. */
export class Sessions {
  readonly #lifecycle: Lifecycle;
  readonly #clock: Clock;
  readonly #configs: ConfigReader;
  readonly #source: CredentialSource;
  readonly #identities: Identities;
  /** Undefined where a session keeps what it was made with until it is renewed. */
  readonly #edits: Edits | undefined;
  #stopped = false;

  constructor(dependencies: SessionsDependencies) {
    const { source, configs, clock } = dependencies;
    this.#clock = clock;
    this.#configs = configs;
    this.#source = source;
    this.#lifecycle = new Lifecycle(dependencies);
    this.#identities = new Identities(source, clock);
    this.#edits = dependencies.isSelectionFixed === true ? undefined : new Edits(source);
  }

  /**
   * Credentials of a session, never with less than 60 s left: at once where there are some, else a promise. See
   * `Issue.line` for how long its bytes may be read.
   *
   * @param canTell the client can be asked for the surroundings of a helper, with `surroundings-wanted`
   * @throws KeyholeError `no-such-session` for a name that was never added, `no-such-config` when its file is gone,
   *   `shutting-down`. The promise rejects with these and with what CredentialSource.assume throws.
   */
  vend(name: string, canTell = false): Issue | Promise<Issue> {
    const session = this.#find(name);
    session.isAskedBy(canTell);
    const given = this.#giveLatest(session, canTell);
    if (!(given instanceof Promise)) {
      this.#lifecycle.counters.vends += 1;
      return given;
    }
    return this.#vendLate(session, given);
  }

  async #vendLate(session: Session, given: Promise<Issue>): Promise<Issue> {
    const issue = await this.#unlessOpen(session, given);
    this.#lifecycle.counters.vends += 1;
    return issue;
  }

  /**
   * Makes a session, or gives the one that is there another environment, if it may have one. Credentials that are there
   * are kept unless `renew` is set, or the environment may select other source credentials; until the new ones are there
   * the old ones are vended.
   *
   * @throws KeyholeError what ConfigReader.read throws; with `verify` also what CredentialSource.assume throws.
   */
  async add(name: string, environment: SourceEnvironment, options: AddOptions): Promise<SessionInfo> {
    const { verify, renew, surroundings, canTell = false, keep = false, urgent = !keep } = options;
    this.#refuseWhenStopped();
    const stored = this.#configs.read(name);
    const session = this.#lifecycle.place(stored, environment);
    if (session.adopt(stored)) this.#lifecycle.renewals.supersede(session);
    const differs = keep && !session.isOpen ? false : this.#select(session, environment);
    if (keep) this.#reachAs(session, environment);
    if (urgent) session.hurry(this.#lifecycle.time);
    if (renew) session.forgetFailures();
    const isToTell = canTell && verify && surroundings === undefined;
    session.isAskedBy(isToTell);
    if (surroundings !== undefined) session.surround(surroundings);
    try {
      if (verify) await (renew || differs ? this.#fetch(session, isToTell) : this.#giveLatest(session, isToTell));
      else if (renew || (differs && session.issue !== undefined)) this.#lifecycle.renewals.fly(session, false);
    } catch (error) {
      // The environment that had worked is better than one that does not.
      if (differs) session.deselect(environment);
      throw error;
    }
    this.#lifecycle.readClocks();
    return session.info(this.#lifecycle.time);
  }

  /**
   * Brings back a session that had given credentials; AWS is asked with the first request for them. Throws as `add`.
   *
   * @param lacksWay its environment reached AWS by proxies or certificates that were not kept
   */
  restore(name: string, environment: SourceEnvironment, lacksWay = false): void {
    this.#refuseWhenStopped();
    const session = this.#lifecycle.place(this.#configs.read(name), environment);
    // What was brought back and not asked for yet may have been brought back with wrong keys.
    if (!session.isOpen && session.issue !== undefined) return;
    this.#select(session, environment);
    session.prove(environment, lacksWay);
  }

  /**
   * What a person's command does before it asks: a session that backs off tries again for it, and one that does not work
   * reaches AWS as this environment does.
   *
   * @returns how the source that the environment selects differs from the session's, in words
   */
  compare(name: string, environment: SourceEnvironment): string | undefined {
    const session = this.#lifecycle.look(name);
    if (session === undefined) return undefined;
    this.#reachAs(session, environment);
    session.hurry(this.#lifecycle.time);
    if (session.isOpen) return undefined;
    const { stored, issue } = session;
    const [own, other] = [session.environment, environment].map((each) => withoutCallers(each, issue?.notes ?? []));
    return describeDifference(stored.config, own!, other!);
  }

  /** Compares a session with its config's file, for those that no request asks for. Throws as `vend` does at once. */
  follow(name: string): void {
    this.#find(name);
  }

  /**
   * Drops a session and its credentials; requests that wait for it get `no-such-session`.
   *
   * @throws KeyholeError `no-such-session`.
   */
  remove(name: string): void {
    this.#refuseWhenStopped();
    if (!this.#lifecycle.remove(name, noSuchSession(name))) throw noSuchSession(name);
  }

  /** From the least to the most recently used; those that were evicted are not among them. */
  list(): SessionInfo[] {
    return this.#lifecycle.all().map((session) => session.info(this.#lifecycle.time));
  }

  /** One as `list` has it. */
  infoOf(name: string): SessionInfo | undefined {
    const session = this.#lifecycle.look(name);
    return session === undefined || session.isFailedAttempt ? undefined : session.info(this.#lifecycle.time);
  }

  /** Milliseconds that the credentials of a session are good; undefined where there are none. Not a use of it. */
  timeLeft(name: string): number | undefined {
    const expiresAt = this.infoOf(name)?.expiresAt;
    return expiresAt === undefined ? undefined : Math.max(0, Math.floor(expiresAt - this.#lifecycle.time.wall));
  }

  /** Those that are to come back after a restart: their environment gave credentials, and is not one request's alone. */
  proven(): Proven[] {
    return this.#lifecycle.all().flatMap(({ name, provenEnvironment: environment, awaitsWay, issue }) => {
      const isKept = environment !== undefined && parseSessionName(name)?.endpoint === undefined;
      return isKept ? [{ name, environment, awaitsWay, isConfirmed: issue !== undefined }] : [];
    });
  }

  /** Who AWS says the session is; asked once per issue. Throws as `vend` and CredentialSource.identify do. */
  async identity(name: string): Promise<CallerIdentity> {
    const session = this.#find(name);
    session.isAskedBy(true);
    const issue = await this.#unlessOpen(session, this.#giveLatest(session, true));
    return this.#identities.of(session, issue);
  }

  /** What selects the source credentials of a session, one that was evicted included; undefined if there is none. */
  environmentOf(name: string): SourceEnvironment | undefined {
    return this.#lifecycle.environmentOf(name);
  }

  /**
   * The files of a requester that say, for it alone, how STS is reached: the session of others, which works, is not for
   * it. Undefined where none do, none can be read, or no attempt with them is spared: that one would say so itself.
   */
  async ownFilesOf({ name, environment }: Selection): Promise<string | undefined> {
    const session = this.#lifecycle.look(name);
    if (session === undefined || session.isOpen || selectsTheSame(session.environment, environment)) return undefined;
    try {
      const { config } = this.#configs.read(name);
      const { signal } = new AbortController();
      return (await this.#source.wayOf({ name, config, environment, signal })).ownFiles;
    } catch {
      // What is wrong shows where credentials are wanted of it; a session that works is not refused for it.
      return undefined;
    }
  }

  /** As it was read just now. */
  get time(): Time {
    this.#lifecycle.readClocks();
    return this.#lifecycle.time;
  }

  get counters(): Counters {
    return this.#lifecycle.counters;
  }

  /** AWS's clock minus this machine's, in milliseconds; undefined until measured, and again after a jump. */
  get clockSkew(): number | undefined {
    return this.#lifecycle.time.skew;
  }

  /**
   * Ends everything: flights are aborted, requests that wait get `shutting-down`, every line is zeroed at once. To be
   * called when no answer is being written any more.
   */
  stop(): void {
    this.#stopped = true;
    this.#identities.stop(shuttingDown());
    this.#lifecycle.stop(shuttingDown());
  }

  /** As `#give`; new credentials where the files of the source say something else by now, if there are any. */
  #giveLatest(session: Session, canTell: boolean): Issue | Promise<Issue> {
    const areEdited = this.#edits?.arePresent(session, this.#lifecycle.time.monotonic) ?? false;
    return areEdited === false ? this.#give(session, canTell) : this.#giveEdited(session, areEdited, canTell);
  }

  async #giveEdited(session: Session, areEdited: boolean | Promise<boolean>, canTell: boolean): Promise<Issue> {
    const isNew = await areEdited;
    let current = this.#find(session.name);
    if (isNew && current.current !== undefined) {
      try {
        return await this.#fetch(current, canTell);
      } catch (error) {
        // Credentials that are good are not traded for another error.
        if (isErrorOf(error, "surroundings-wanted") || this.#stopped) throw error;
        current = this.#find(session.name);
      }
    }
    return this.#give(current, canTell);
  }

  /** What a request gets now (the clocks were just read). */
  #give(session: Session, canTell: boolean): Issue | Promise<Issue> {
    const issue = session.current;
    if (issue === undefined) return this.#fetch(session, canTell);
    const { time } = this.#lifecycle;
    const age = ageOf(remainingLife(issue, time), issue.lifetime, issue.renewsAt);
    if (age === "fresh") return issue;
    if (age === "spent") return this.#fetch(session, canTell);
    if (session.isBackingOff(time)) return issue;
    const flight = this.#lifecycle.renewals.fly(session, age === "insist");
    return age === "insist" ? this.#hope(session, flight, canTell) : issue;
  }

  /** New credentials or the error: what happens when there are no old ones to vend. */
  async #fetch(session: Session, canTell: boolean): Promise<Issue> {
    for (let current = session; ; current = this.#find(session.name)) {
      const error = current.lastError;
      // A code may have been given since, and nothing is asked too often by looking.
      if (error !== undefined && error.kind !== "code-wanted" && current.isBackingOff(this.#lifecycle.time)) {
        if (!(await this.#lifecycle.renewals.hasNews(current))) {
          this.#lifecycle.renewals.judge(current);
          throw refusalOf(current, error, canTell);
        }
        if (current.lastError === error) current.forgetFailures();
        continue;
      }
      const outcome = await this.#lifecycle.renewals.fly(current, true).outcome;
      if ("issue" in outcome) return outcome.issue;
      if (!("error" in outcome)) continue;
      // Another who waited was asked: this one cannot tell, or has told.
      if (canTell || outcome.error.kind !== "surroundings-wanted") throw refusalOf(current, outcome.error, canTell);
      session.isAskedBy(false);
    }
  }

  /** Gives a session another environment. Returns whether it may select other source credentials. */
  #select(session: Session, environment: SourceEnvironment): boolean {
    const differs = session.select(environment);
    if (differs) this.#lifecycle.renewals.supersede(session);
    return differs;
  }

  /** A session that does not work reaches AWS as the last requester does. */
  #reachAs(session: Session, environment: SourceEnvironment): void {
    if (session.reachAs(environment, this.#lifecycle.time)) this.#lifecycle.renewals.supersede(session);
  }

  /** A requester with a selection of its own adds the session with it. */
  async #unlessOpen(session: Session, given: Issue | Promise<Issue>): Promise<Issue> {
    try {
      return await given;
    } catch (error) {
      throw session.closed === undefined && session.isVacant && error === session.lastError
        ? noSuchSession(session.name)
        : error;
    }
  }

  /** New credentials if they come soon, else the old ones. */
  async #hope(session: Session, flight: Flight, canTell: boolean): Promise<Issue> {
    flight.patience ??= this.#patience(flight);
    await Promise.race([flight.outcome, flight.patience]);
    this.#lifecycle.readClocks();
    if (session.closed !== undefined) throw session.closed;
    return session.vendable(this.#lifecycle.time) ?? this.#fetch(this.#find(session.name), canTell);
  }

  #patience(flight: Flight): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.after(PATIENCE, resolve);
    void flight.outcome.then(() => timer.cancel());
    return promise;
  }

  #find(name: string): Session {
    this.#refuseWhenStopped();
    const session = this.#lifecycle.find(name);
    // One that was added and not asked for yet has failed no request.
    if (session.isVacant) throw noSuchSession(name);
    return session;
  }

  #refuseWhenStopped(): void {
    if (this.#stopped) throw shuttingDown();
  }
}

/** Who can tell surroundings is not refused for what a helper lacked with those of another. */
function refusalOf({ name, mayLackSurroundings }: Session, error: KeyholeError, canTell: boolean): KeyholeError {
  return canTell && mayLackSurroundings ? surroundingsWanted(`the source of ${name}`) : error;
}

function shuttingDown(): KeyholeError {
  return new KeyholeError("shutting-down", "the daemon is shutting down");
}
