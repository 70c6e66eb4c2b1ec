// What a helper (`credential_process`, `MFA.command`) gets of the requester beside what selects source credentials: the
// rest of its environment, and its working directory. The requester is asked for it when a helper is about to be run; it
// stays in the daemon's memory, with the session, and is in no file and no log.
import { definedVariables, type Environment, selectSourceEnvironment } from "./environment.ts";
import { KeyholeError } from "./errors.ts";

export interface Surroundings {
  readonly variables: Readonly<Record<string, string>>;
  /** Absolute. */
  readonly workingDirectory: string;
  /** Variables that had no room, by name. */
  readonly leftOut: readonly string[];
}

/** Bytes of all variables together; Linux gives a program 128 KiB for each and some MiB for all. */
const SURROUNDINGS_LIMIT = 2 ** 20;

/** What the runtime and the loader of a helper would obey, before it does anything that its user asked for. */
const OBEYED = /^(?:BUN_|LD_|DYLD_|NODE_OPTIONS$)/;

/** Without the largest, where they do not all fit. */
export function surroundingsOf(environment: Environment, workingDirectory: string): Surroundings {
  const entries = Object.entries(withoutObeyed(definedVariables(environment)));
  const sized = entries.map((entry) => ({ entry, size: sizeOf(entry) })).toSorted((a, b) => a.size - b.size);
  let total = 0;
  const fitting = sized.filter(({ size }) => (total += size) <= SURROUNDINGS_LIMIT);
  return {
    variables: Object.fromEntries(fitting.map(({ entry }) => entry)),
    workingDirectory,
    leftOut: sized.slice(fitting.length).map(({ entry: [name] }) => name),
  };
}

/** A hash: the same for the same variables in the same directory. */
export function keyOfSurroundings({ variables, workingDirectory }: Surroundings): string {
  const entries = Object.entries(variables).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return new Bun.CryptoHasher("sha256").update(JSON.stringify([workingDirectory, entries])).digest("base64");
}

/** As /proc/PID/environ has it. */
export function encodeVariables(variables: Surroundings["variables"]): Uint8Array {
  return Buffer.from(
    Object.entries(variables)
      .map(([name, value]) => `${name}=${value}\0`)
      .join(""),
  );
}

/** Of a client, which is trusted to run whatever it likes as this user, and with no more care than it has itself. */
function decodeVariables(bytes: Uint8Array): Record<string, string> {
  const entries = new TextDecoder()
    .decode(bytes)
    .split("\0")
    .flatMap((line) => {
      const at = line.indexOf("=");
      return at < 1 ? [] : [[line.slice(0, at), line.slice(at + 1)]];
    });
  return withoutObeyed(Object.fromEntries(entries) as Record<string, string>);
}

/** What clients told, until they ask again on the same connection. */
export class Surrounding {
  readonly #told = new Map<number, Piecewise>();
  #size = 0;

  /** @throws KeyholeError `bad-request` for more than there may be */
  add(
    connection: number,
    { piece, more, workingDirectory, leftOut }: Told & { piece: Uint8Array; more: boolean },
  ): void {
    const before = this.#drop(connection);
    const size = (before?.size ?? LEAST) + piece.length;
    if (size > LEAST + SURROUNDINGS_LIMIT)
      throw new KeyholeError("bad-request", "the environment is larger than 1 MiB");
    const pieces = [...(before?.pieces ?? []), Uint8Array.from(piece)];
    this.#told.set(connection, { pieces, size, isWhole: !more, workingDirectory, leftOut });
    this.#size += size;
    // Clients that ended before they asked again.
    for (const [oldest] of this.#told) if (this.#size > MOST) this.#drop(oldest);
  }

  #drop(connection: number): Piecewise | undefined {
    const told = this.#told.get(connection);
    this.#told.delete(connection);
    this.#size -= told?.size ?? 0;
    return told;
  }

  /** What a connection has told as a whole, once. */
  take(connection: number): Surroundings | undefined {
    const told = this.#told.get(connection);
    if (told?.isWhole !== true) return undefined;
    this.#drop(connection);
    const { pieces, workingDirectory, leftOut } = told;
    return { variables: decodeVariables(Buffer.concat(pieces)), workingDirectory, leftOut };
  }
}

type Told = Pick<Surroundings, "workingDirectory" | "leftOut">;

interface Piecewise extends Told {
  readonly pieces: readonly Uint8Array[];
  readonly size: number;
  readonly isWhole: boolean;
}

/** Bytes of all clients that are about to ask again: as many as have the largest environment there may be. */
const MOST = 16 * SURROUNDINGS_LIMIT;
/** Bytes that a client counts for whatever it tells. */
const LEAST = 8 * 1024;

/** What selects source credentials is the session's own, and no helper sees another's. */
export function helperVariables({ variables }: Surroundings): Record<string, string> {
  const selected = selectSourceEnvironment(variables, () => "/");
  return Object.fromEntries(Object.entries(variables).filter(([name]) => !Object.hasOwn(selected, name)));
}

/** Thrown where a helper is to be run and who asks has not told its surroundings. @param helper for a person */
export function surroundingsWanted(helper: string): KeyholeError {
  return new KeyholeError("surroundings-wanted", `${helper} wants the environment of the client`);
}

/** Whether an error tells of a helper that failed, or was late. */
export function isOfHelper({ message }: KeyholeError): boolean {
  return /(?:^|: )(?:the credential_process of|MFA\.command|WebIdentity\.command) /.test(message);
}

/** For the error of a helper that failed: what it had to do without. */
export function describeLeftOut(surroundings: Surroundings | undefined): string {
  const names = surroundings?.leftOut ?? [];
  if (names.length === 0) return "";
  return ` (its environment was too large: without ${names.slice(0, 5).join(", ")}${names.length > 5 ? ", …" : ""})`;
}

function withoutObeyed(variables: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).filter(([name]) => !OBEYED.test(name)));
}

function sizeOf([name, value]: [string, string]): number {
  return Buffer.byteLength(name) + Buffer.byteLength(value) + 2;
}
