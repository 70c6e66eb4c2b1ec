// The sessions that are in memory, in the order of use, and the names of those that had to leave.
import type { Instant } from "./refresh.ts";
import type { Remembered, Session } from "./session.ts";

/** Sessions that were evicted; the oldest is forgotten. */
const MAX_REMEMBERED = 4_096;

export class SessionCache {
  /** In the order of their coming: a map that is put in another order at each use costs 4 us of a vend among 10,000. */
  readonly #sessions = new Map<string, Session>();
  readonly #remembered = new Map<string, Remembered>();
  readonly #limit: number;
  #uses = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#sessions.size;
  }

  get(name: string): Session | undefined {
    return this.#sessions.get(name);
  }

  /** In no order. Sessions may leave while it is walked. */
  all(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /** From the least to the most recently used. */
  byUse(): Session[] {
    return [...this.#sessions.values()].toSorted((a, b) => a.lastUse - b.lastUse);
  }

  /** What is left of a session that was evicted. */
  remembered(name: string): Remembered | undefined {
    return this.#remembered.get(name);
  }

  enter(session: Session): void {
    this.#remembered.delete(session.name);
    this.#sessions.set(session.name, session);
    session.lastUse = ++this.#uses;
  }

  /** Makes it the most recently used. */
  touch(session: Session, now: Instant): void {
    session.asked(now, ++this.#uses);
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
    const evicted: Session[] = [];
    while (this.#sessions.size > this.#limit) {
      const session = this.#leastUsed(false) ?? this.#leastUsed(true);
      if (session === undefined) break;
      this.#sessions.delete(session.name);
      this.#remember(session);
      evicted.push(session);
    }
    return evicted;
  }

  #leastUsed(pinned: boolean): Session | undefined {
    let least: Session | undefined;
    for (const session of this.#sessions.values()) {
      if (session.lastUse >= (least?.lastUse ?? Infinity) || session.lastUse === this.#uses) continue;
      if (session.isPinned === pinned && session.flight?.urgent !== true) least = session;
    }
    return least;
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
