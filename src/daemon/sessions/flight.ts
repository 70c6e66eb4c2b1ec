// Calls to the source: an AssumeRole under way with the requests that wait for it, the question whose credentials they are,
// and how waiting ends.
import { KeyholeError } from "../../errors.ts";
import type { Clock, Timer } from "../../clock.ts";
import { untilAborted } from "../../sources/source-cache.ts";
import type { CallerIdentity, CredentialSource } from "../../sources/source.ts";
import type { Surroundings } from "../../surroundings.ts";
import { isOfAllClients } from "./selection.ts";
import type { Issue } from "./issue.ts";
import type { Session } from "./session.ts";
import type { Semaphore, Ticket } from "./semaphore.ts";

/** `superseded`: thrown away because config or environment changed; requests that waited ask again. */
export type Outcome = { readonly issue: Issue } | { readonly error: KeyholeError } | { readonly superseded: true };

export interface Flight {
  /** Never rejects, so that a renewal without waiters is no unhandled rejection. */
  readonly outcome: Promise<Outcome>;
  readonly settle: (outcome: Outcome) => void;
  readonly abort: AbortController;
  /** Its place in a queue, from the moment it asks for its turn. */
  place: { readonly semaphore: Semaphore; readonly ticket: Ticket } | undefined;
  /** A request waits, or waited. */
  urgent: boolean;
  /** Its config and environment are fixed from here on. */
  started: boolean;
  /** The client that waits is to be asked for the surroundings of a helper, before one is run. */
  readonly asksSurroundings: boolean;
  /** What its helpers got; undefined until it starts. */
  surroundings: Surroundings | undefined;
  /** Resolves when callers who could take the old credentials have waited long enough. Shared by all of them. */
  patience: Promise<void> | undefined;
}

export function newFlight(urgent: boolean, asksSurroundings: boolean): Flight {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  return {
    outcome: promise,
    settle: resolve,
    abort: new AbortController(),
    place: undefined,
    urgent,
    started: false,
    asksSurroundings,
    surroundings: undefined,
    patience: undefined,
  };
}

/** Milliseconds. A guard only: the source has its own deadline, well below. */
const GUARD = 45_000;

/**
 * Aborts a call to a source that has forgotten its own deadline.
 *
 * @param more milliseconds that the source may take beside what AWS takes
 */
export function guard(clock: Clock, call: AbortController, more = 0): Timer {
  return clock.after(GUARD + more, () => {
    call.abort(new KeyholeError("network", `there was no answer within ${(GUARD + more) / 1000} s`));
  });
}

/** Who AWS says an issue of credentials is: asked once, by however many at once. */
export class Identities {
  readonly #source: CredentialSource;
  readonly #clock: Clock;
  readonly #answers = new WeakMap<Issue, Promise<CallerIdentity>>();
  readonly #calls = new Set<AbortController>();

  constructor(source: CredentialSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** A failure is not remembered. Throws as CredentialSource.identify does. */
  of(session: Session, issue: Issue): Promise<CallerIdentity> {
    const known = this.#answers.get(issue);
    if (known !== undefined) return known;
    const answer = this.#ask(session, issue);
    this.#answers.set(issue, answer);
    answer.catch(() => this.#answers.delete(issue));
    return answer;
  }

  /** Ends every call; requests that wait are told why. */
  stop(reason: KeyholeError): void {
    for (const call of this.#calls) call.abort(reason);
  }

  async #ask({ name, stored, environment }: Session, issue: Issue): Promise<CallerIdentity> {
    const abort = new AbortController();
    const timer = guard(this.#clock, abort);
    this.#calls.add(abort);
    try {
      const request = {
        name,
        config: stored.config,
        environment,
        signal: abort.signal,
        isForAll: isOfAllClients(name),
      };
      return await untilAborted(this.#source.identify(request, issue.credentials), abort.signal);
    } finally {
      this.#calls.delete(abort);
      timer.cancel();
    }
  }
}
