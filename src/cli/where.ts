// Where a command runs, on the host or in a sandbox that has a grant, and which socket it means.
import { findTarget, grantDirectoryOf, type Target } from "../client/target.ts";
import type { Environment } from "../environment.ts";
import { KeyholeError } from "../errors.ts";
import type { Settings } from "../settings.ts";
import { version } from "../version.ts";
import type { AnyCommand, Host } from "./command.ts";

/** The directory of the grant that this executable lies in, if it does. */
export function ownGrantDirectory({ command }: Pick<Host, "command">): string | undefined {
  const executable = compiledExecutable(command);
  return executable && grantDirectoryOf(executable);
}

/** In a sandbox there may be no home; what is looked for below it then does not exist. */
export function environmentFor(host: Pick<Host, "command">, environment: Environment): Environment {
  if (environment["KEYHOLE_HOME"] || environment["HOME"]) return environment;
  const directory = ownGrantDirectory(host);
  return directory === undefined ? environment : { ...environment, KEYHOLE_HOME: directory };
}

/** Returns what finds the socket of a command line, when it is first asked for: that costs a look at the disk. */
export function lazyTarget(settings: Settings, { command }: Pick<Host, "command">): () => Target {
  let found: Target | undefined;
  return () => (found ??= findTarget(settings, compiledExecutable(command)));
}

/**
 * Called before a command runs. A socket that may be a grant's is asked Hello, so that no request with a name goes there.
 *
 * @throws KeyholeError `forbidden` for a command of the host, in the words of the socket where it was asked: it may be
 *   another user's. `not-a-grant` for one of a sandbox, where no socket of a grant is beside this executable or named.
 */
export async function refuseElsewhere(
  { where, meta }: Pick<AnyCommand, "where" | "meta">,
  target: () => Target,
  settings: Settings,
): Promise<void> {
  if (where === "both") return;
  if (where === "sandbox")
    return void grantSocketOf(target(), settings, `keyhole ${meta.name} --socket-path /run/keyhole/sock`);
  const { kind, path } = target();
  if (kind === "grant") throw (await import("./vending/grant-socket.ts")).insideErrors.forbidden();
  if (kind === "unknown") await greet(path, settings.clientTimeout);
}

/**
 * The socket beside this executable, or the one that was named, whatever it turns out to be.
 *
 * @param hint what to type where there is neither
 * @throws KeyholeError `not-a-grant`
 */
export function grantSocketOf(target: Target, { isSocketNamed }: Settings, hint: string): string {
  if (target.kind === "grant" || isSocketNamed) return target.path;
  throw new KeyholeError("not-a-grant", "no grant's socket lies beside this executable", hint);
}

/** @throws KeyholeError `usage` for what only a daemon keeps, where there is to be none. */
export function requireDaemon({ isInProcess }: Settings, what: string): void {
  if (!isInProcess) return;
  throw new KeyholeError("usage", `${what} needs the daemon, and KEYHOLE_DISABLE is set`, "unset KEYHOLE_DISABLE");
}

/** A socket that does not answer is left to the command. */
async function greet(path: string, timeoutMs: number): Promise<void> {
  const { askOnce } = await import("../client/asking.ts");
  try {
    await askOnce(path, timeoutMs, "Hello", { version });
  } catch (error) {
    if (!(error instanceof KeyholeError) || error.kind === "forbidden") throw error;
  }
}

/**
 * An absolute path. Bun knows the executable from /proc/self/exe; where there is no /proc it repeats the word that
 * started it, which is a path from the working directory or a name that was found in PATH.
 *
 * @param known `process.execPath`
 */
export function absoluteExecutable(known: string, cwd: () => string, path: string | undefined): string {
  if (known.startsWith("/")) return known;
  if (known.includes("/")) return `${cwd()}/${known}`;
  return Bun.which(known, { PATH: path ?? "", cwd: cwd() }) ?? known;
}

/** @param command the words that start keyhole. Undefined from source, where the executable is Bun's. */
export function compiledExecutable([executable, script]: readonly string[]): string | undefined {
  return script === undefined ? executable : undefined;
}
