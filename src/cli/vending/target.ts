// Where a command gets credentials: which socket, and which grant this process was given.
import { findSource, grantDirectoryOf, type Target } from "../../client/target.ts";
import { KeyholeError } from "../../errors.ts";
import type { Settings } from "../../settings.ts";
import type { Host } from "../command.ts";
import { compiledExecutable } from "../executable.ts";

/** Which socket a command talks to. @param name of the config that it is about, if it is about one */
export function targetOf(settings: Settings, { command }: Pick<Host, "command">, name?: string): Target {
  return findSource(settings, compiledExecutable(command), name);
}

/** The directory of the grant that this executable lies in, if it does. */
export function ownGrantDirectory({ command }: Pick<Host, "command">): string | undefined {
  const executable = compiledExecutable(command);
  return executable && grantDirectoryOf(executable);
}

/**
 * The socket beside this executable, or the one that was named, whatever it turns out to be.
 *
 * @param hint what to type where there is neither
 * @throws KeyholeError `not-a-grant`
 */
export function grantSocketOf(settings: Settings, host: Pick<Host, "command">, hint: string): string {
  const target = targetOf(settings, host);
  if (target.kind === "grant" || settings.isSocketNamed) return target.path;
  throw new KeyholeError("not-a-grant", "no grant's socket lies beside this executable", hint);
}
