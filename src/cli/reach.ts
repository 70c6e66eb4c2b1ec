// Which commands a grant answers: those that want credentials. All the others are about a daemon and its files, which
// whoever holds a grant has nothing to do with.
import { askOnce } from "../client/asking.ts";
import type { Environment } from "../environment.ts";
import { KeyholeError } from "../errors.ts";
import type { Settings } from "../settings.ts";
import { version } from "../version.ts";
import type { Host } from "./command.ts";
import { insideErrors } from "./vending/inside.ts";
import { ownGrantDirectory, targetOf } from "./vending/target.ts";

/** First words of commands for the host alone. */
const HOST_ONLY: ReadonlySet<string> = new Set(["audit", "config", "daemon", "grant", "service", "setup"]);

/** In a sandbox there may be no home; what is looked for below it then does not exist. */
export function environmentFor(host: Pick<Host, "command">, environment: Environment): Environment {
  if (environment["KEYHOLE_HOME"] || environment["HOME"]) return environment;
  const directory = ownGrantDirectory(host);
  return directory === undefined ? environment : { ...environment, KEYHOLE_HOME: directory };
}

/**
 * Called before a command runs. A socket that may be a grant's is asked Hello, so that no request with a name goes there.
 *
 * @throws KeyholeError `forbidden`, in the words of the socket where it was asked: it may be another user's
 */
export async function refuseHostCommand(commandName: string, settings: Settings, host: Host): Promise<void> {
  if (!HOST_ONLY.has(commandName.split(" ", 1)[0]!)) return;
  const { kind, path } = targetOf(settings, host);
  if (kind === "grant") throw insideErrors.forbidden();
  if (kind === "unknown") await greet(path, settings.clientTimeout);
}

/** Whoever does not answer is left to the command. */
async function greet(path: string, timeoutMs: number): Promise<void> {
  try {
    await askOnce(path, timeoutMs, "Hello", { version });
  } catch (error) {
    if (!(error instanceof KeyholeError) || error.kind === "forbidden") throw error;
  }
}
