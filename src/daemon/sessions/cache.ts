// The sessions that are in memory, in the order of use, and the names of those that had to leave.
import type { Instant } from "./refresh.ts";
import type { Remembered, Session } from "./session.ts";

/** Sessions that were evicted; the oldest is forgotten. */
const MAX_REMEMBERED = 4_096;

export class SessionCache {
  /** The first is the least recently used. */
  readonly #sessions = new Map<string, Session>();
  readonly #remembered = new Map<string, Remembered>();
  readonly #limit: number;
  /** The most recently used. */
  #newest: Session | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#sessions.size;
  }

  get(name: string): Session | undefined {
    return this.#sessions.get(name);
  }

  /** From the least to the most recently used. Sessions may leave while it is walked. */
  all(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /** What is left of a session that was evicted. */
  remembered(name: string): Remembered | undefined {
    return this.#remembered.get(name);
  }

  enter(session: Session): void {
    this.#remembered.delete(session.name);
    this.#sessions.set(session.name, session);
    this.#newest = session;
  }

  /** Makes it the most recently used. */
  touch(session: Session, now: Instant): void {
    session.asked(now);
    if (session === this.#newest) return;
    this.#newest = session;
    this.#sessions.delete(session.name);
    this.#sessions.set(session.name, session);
  }

  /** Forgets a name altogether. Returns whether there was anything to forget. */
  forget(name: string): boolean {
    const wasRemembered = this.#remembered.delete(name);
    return this.#sessions.delete(name) || wasRemembered;
  }

  /**
   * Takes out and returns what is over the limit: the least recently used first, pinned ones last, never the most
   * recently used, and never one that a caller waits for, so that the limit may be exceeded for as long as a flight
   * takes.
   */
  evict(): Session[] {
    let excess = this.#sessions.size - this.#limit;
    if (excess <= 0) return [];
    const evicted: Session[] = [];
    for (const pinned of [false, true]) {
      for (const session of this.#sessions.values()) {
        if (excess === 0) return evicted;
        if (session.isPinned !== pinned || session.flight?.urgent === true || session === this.#newest) continue;
        this.#sessions.delete(session.name);
        this.#remember(session);
        evicted.push(session);
        excess -= 1;
      }
    }
    return evicted;
  }

  #remember(session: Session): void {
    const { name } = session;
    this.#remembered.delete(name);
    const remembered = session.remembered();
    if (remembered === undefined) return;
    this.#remembered.set(name, remembered);
    if (this.#remembered.size <= MAX_REMEMBERED) return;
    const oldest = this.#remembered.keys().next().value;
    if (oldest !== undefined) this.#remembered.delete(oldest);
  }
}
