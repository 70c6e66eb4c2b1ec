// Answers everybody who asks for credentials. When is refresh.ts's business; what happens unasked is keeper.ts's.
import type { ConfigReader } from "../config/config.ts";
import { KeyholeError } from "../errors.ts";
import type { CallerIdentity, SourceEnvironment } from "../sources/source.ts";
import type { SessionInfo } from "../wire/messages.ts";
import type { Clock } from "./clock.ts";
import type { Counters } from "./counters.ts";
import type { Flight } from "./flight.ts";
import { Identities } from "./identities.ts";
import type { Issue } from "./issue.ts";
import { Keeper, type KeeperDependencies, noSuchSession } from "./keeper.ts";
import { ageOf, PATIENCE, remainingLife } from "./refresh.ts";
import type { Time } from "./time.ts";
import { adoptConfig, forgetFailures, infoOf, type Session, vendableIssue } from "./session.ts";

export interface AddOptions {
  /** Have credentials, or the reason why not, before the answer. */
  readonly verify: boolean;
  /** Replace credentials that are still good. */
  readonly renew: boolean;
}

/** The sessions of a daemon, as its handlers see them. */
export class Sessions {
  readonly #keeper: Keeper;
  readonly #clock: Clock;
  readonly #configs: ConfigReader;
  readonly #identities: Identities;
  #stopped = false;

  constructor(dependencies: KeeperDependencies) {
    const { source, configs, clock } = dependencies;
    this.#clock = clock;
    this.#configs = configs;
    this.#keeper = new Keeper(dependencies);
    this.#identities = new Identities(source, clock);
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
      this.#keeper.counters.vends += 1;
      return given;
    }
    return given.then((issue) => {
      this.#keeper.counters.vends += 1;
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
  async add(name: string, environment: SourceEnvironment, { verify, renew }: AddOptions): Promise<SessionInfo> {
    this.#refuseWhenStopped();
    const stored = this.#configs.read(name);
    const session = this.#keeper.place(stored, environment);
    const before = session.environment;
    session.environment = environment;
    if (adoptConfig(session, stored)) this.#keeper.renewals.supersede(session);
    const differs = !selectsTheSame(before, environment);
    if (differs) this.#keeper.renewals.supersede(session);
    if (differs || renew) forgetFailures(session);
    try {
      if (verify) await (renew || differs ? this.#fetch(session) : this.#give(session));
      else if (renew || (differs && session.issue !== undefined)) this.#keeper.renewals.fly(session, false);
    } catch (error) {
      // The environment that had worked is better than one that does not.
      const isOurs = differs && session.environment === environment;
      if (isOurs && session.provenEnvironment !== undefined) session.environment = session.provenEnvironment;
      throw error;
    }
    this.#keeper.readClocks();
    return infoOf(session, this.#keeper.time);
  }

  /** Compares a session with its config's file, for those that nobody asks for. Throws as `vend` does at once. */
  follow(name: string): void {
    this.#find(name);
  }

  /**
   * Drops a session and its credentials; whoever waits for it gets `no-such-session`.
   *
   * @throws KeyholeError `no-such-session`.
   */
  remove(name: string): void {
    this.#refuseWhenStopped();
    if (!this.#keeper.remove(name, noSuchSession(name))) throw noSuchSession(name);
  }

  /** From the least to the most recently used; those that were evicted are not among them. */
  list(): SessionInfo[] {
    return this.#keeper.all().map((session) => infoOf(session, this.#keeper.time));
  }

  /** Who AWS says the session is; asked once per issue. Throws as `vend` and CredentialSource.identify do. */
  async identity(name: string): Promise<CallerIdentity> {
    const session = this.#find(name);
    const issue = await this.#give(session);
    return this.#identities.of(session, issue);
  }

  /** What selects the source credentials of a session, one that was evicted included; undefined if there is none. */
  environmentOf(name: string): SourceEnvironment | undefined {
    return this.#keeper.environmentOf(name);
  }

  /** As it was read just now. */
  get time(): Time {
    this.#keeper.readClocks();
    return this.#keeper.time;
  }

  get counters(): Counters {
    return this.#keeper.counters;
  }

  /** AWS's clock minus this machine's, in milliseconds; undefined until measured, and again after a jump. */
  get clockSkew(): number | undefined {
    return this.#keeper.time.skew;
  }

  /**
   * Ends everything: flights are aborted, whoever waits gets `shutting-down`, every line is zeroed at once. To be
   * called when no answer is being written any more.
   */
  stop(): void {
    this.#stopped = true;
    this.#identities.stop(shuttingDown());
    this.#keeper.stop(shuttingDown());
  }

  /** What a caller gets who asks now (the clocks were just read). */
  #give(session: Session): Issue | Promise<Issue> {
    const { issue } = session;
    if (issue === undefined || session.outdated) return this.#fetch(session);
    const age = ageOf(remainingLife(issue, this.#keeper.time), issue.lifetime, issue.renewsAt);
    if (age === "fresh") return issue;
    if (age === "spent") return this.#fetch(session);
    const isBackingOff = session.flight === undefined && this.#keeper.time.monotonic < session.retryAt;
    if (isBackingOff) return issue;
    const flight = this.#keeper.renewals.fly(session, age === "insist");
    return age === "insist" ? this.#hope(session, flight) : issue;
  }

  /** New credentials or the error: what happens when there are no old ones to vend. */
  async #fetch(session: Session): Promise<Issue> {
    for (let current = session; ; current = this.#find(session.name)) {
      if (current.lastError !== undefined && this.#keeper.time.monotonic < current.refusedUntil)
        throw current.lastError;
      const outcome = await this.#keeper.renewals.fly(current, true).outcome;
      if ("issue" in outcome) return outcome.issue;
      if ("error" in outcome) throw outcome.error;
    }
  }

  /** New credentials if they come soon, else the old ones. */
  async #hope(session: Session, flight: Flight): Promise<Issue> {
    flight.patience ??= this.#patience(flight);
    await Promise.race([flight.outcome, flight.patience]);
    this.#keeper.readClocks();
    if (session.closed !== undefined) throw session.closed;
    return vendableIssue(session, this.#keeper.time) ?? this.#fetch(this.#find(session.name));
  }

  #patience(flight: Flight): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.after(PATIENCE, resolve);
    void flight.outcome.then(() => timer.cancel());
    return promise;
  }

  #find(name: string): Session {
    this.#refuseWhenStopped();
    return this.#keeper.find(name);
  }

  #refuseWhenStopped(): void {
    if (this.#stopped) throw shuttingDown();
  }
}

/** PATH finds programs; everything else that is sent along selects credentials. */
function selectsTheSame(a: SourceEnvironment, b: SourceEnvironment): boolean {
  return Bun.deepEquals({ ...a, PATH: "" }, { ...b, PATH: "" });
}

function shuttingDown(): KeyholeError {
  return new KeyholeError("shutting-down", "the daemon is shutting down");
}
