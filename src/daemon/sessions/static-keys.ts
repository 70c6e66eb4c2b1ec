// Keys that requesters had in their environments, by their ids. A restart forgets them; the ids are on the disk, with the
// sessions and grants that were made with them, so that any environment that has the same keys brings those back.
import type { SourceEnvironment } from "../../sources/source.ts";

/** The latest; a shell's temporary keys are others every hour. */
const MOST = 64;

const NAMES = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] as const;

export class Keyring {
  readonly #keys = new Map<string, SourceEnvironment>();
  readonly #added: () => void;

  /** @param added called when there are keys that were not there before */
  constructor(added: () => void) {
    this.#added = added;
  }

  /** Keeps the keys of a requester's environment, if it has a whole pair. */
  note(environment: SourceEnvironment): void {
    const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = environment;
    if (id === undefined || secret === undefined) return;
    const isNew = !this.#keys.delete(id);
    this.#keys.set(
      id,
      Object.fromEntries(NAMES.flatMap((name) => (environment[name] ? [[name, environment[name]]] : []))),
    );
    if (this.#keys.size > MOST) this.#keys.delete(this.#keys.keys().next().value!);
    if (isNew) this.#added();
  }

  /** What had these keys, with them; undefined where they are not known. */
  complete(environment: SourceEnvironment, id: string): SourceEnvironment | undefined {
    const keys = this.#keys.get(id);
    return keys && { ...environment, ...keys };
  }
}
