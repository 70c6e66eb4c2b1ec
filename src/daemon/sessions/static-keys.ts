// Keys that requesters had in their environments, by their ids. A restart forgets them; the ids are on the disk, with the
// sessions and grants that were made with them, so that any environment that has the same keys brings those back.
import { KEYS_OF_SESSION } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import type { SourceEnvironment } from "../../sources/source.ts";

/** The latest; a shell's temporary keys are others every hour. */
const MOST = 64;

const NAMES = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] as const;

interface Kept {
  readonly keys: SourceEnvironment;
  /** They gave credentials: what else comes with their id is not theirs. */
  readonly isConfirmed: boolean;
}

export class Keyring {
  readonly #kept = new Map<string, Kept>();
  readonly #added: () => void;

  /** @param added called when there are keys that were not there before, or others of an id */
  constructor(added: () => void) {
    this.#added = added;
  }

  /** Keeps the keys of a requester's environment, if it has a whole pair. */
  note(environment: SourceEnvironment): void {
    const keys = keysIn(environment);
    if (keys === undefined) return;
    const kept = this.#kept.get(keys.id);
    if (kept !== undefined && (kept.isConfirmed || Bun.deepEquals(kept.keys, keys.all)))
      return this.#keep(keys.id, kept);
    this.#keep(keys.id, { keys: keys.all, isConfirmed: false });
    this.#added();
  }

  /** The keys of an environment gave credentials. */
  confirm(environment: SourceEnvironment): void {
    const keys = keysIn(environment);
    if (keys !== undefined) this.#keep(keys.id, { keys: keys.all, isConfirmed: true });
  }

  /** What had these keys, with them; undefined where they are not known. */
  complete(environment: SourceEnvironment, id: string): SourceEnvironment | undefined {
    const kept = this.#kept.get(id);
    return kept && { ...environment, ...kept.keys };
  }

  /** As the latest. */
  #keep(id: string, kept: Kept): void {
    this.#kept.delete(id);
    this.#kept.set(id, kept);
    if (this.#kept.size > MOST) this.#kept.delete(this.#kept.keys().next().value!);
  }
}

/** The keys of an environment, if it has a whole pair. */
function keysIn(environment: SourceEnvironment): { readonly id: string; readonly all: SourceEnvironment } | undefined {
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = environment;
  if (id === undefined || secret === undefined) return undefined;
  return {
    id,
    all: Object.fromEntries(NAMES.flatMap((name) => (environment[name] ? [[name, environment[name]]] : []))),
  };
}

/**
 * What a requester selects, with the secret of keys that it names by their id: inside `exec` and `shell` there is the id
 * alone of the shell's outside. The secret stays here, with the session that was made with it.
 *
 * @param config that it asks for
 * @param environmentOf what a session was made with
 * @throws KeyholeError `no-source-credentials` where no session of that name has such keys: without them others would be found
 */
export function completeKeys(
  environment: SourceEnvironment,
  config: string,
  environmentOf: (session: string) => SourceEnvironment | undefined,
): SourceEnvironment {
  const { [KEYS_OF_SESSION]: session, ...own } = environment;
  const { AWS_ACCESS_KEY_ID: id } = own;
  if (session === undefined || id === undefined || own["AWS_SECRET_ACCESS_KEY"] !== undefined) return own;
  const known = environmentOf(session);
  const secret = known?.["AWS_SECRET_ACCESS_KEY"];
  if (known?.["AWS_ACCESS_KEY_ID"] !== id || secret === undefined) {
    throw new KeyholeError(
      "no-source-credentials",
      `the source credentials are keys of the shell outside, ${id}, which this daemon does not have (any more)`,
      `leave this shell, and there: keyhole daemon add -n ${config}`,
    );
  }
  const token = known["AWS_SESSION_TOKEN"];
  return { ...own, AWS_SECRET_ACCESS_KEY: secret, ...(token !== undefined && { AWS_SESSION_TOKEN: token }) };
}
