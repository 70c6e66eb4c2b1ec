// Who AWS says an issue of credentials is: asked once, by however many at once.
import type { KeyholeError } from "../../errors.ts";
import type { CallerIdentity, CredentialSource } from "../../sources/source.ts";
import type { Clock } from "../../clock.ts";
import { guard, unlessAborted } from "./flight.ts";
import type { Issue } from "./issue.ts";
import type { Session } from "./session.ts";

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

  /** Ends every call; whoever waits is told why. */
  stop(reason: KeyholeError): void {
    for (const call of this.#calls) call.abort(reason);
  }

  async #ask({ name, stored, environment }: Session, issue: Issue): Promise<CallerIdentity> {
    const abort = new AbortController();
    const timer = guard(this.#clock, abort);
    this.#calls.add(abort);
    try {
      const request = { name, config: stored.config, environment, signal: abort.signal };
      return await unlessAborted(this.#source.identify(request, issue.credentials), abort.signal);
    } finally {
      this.#calls.delete(abort);
      timer.cancel();
    }
  }
}
