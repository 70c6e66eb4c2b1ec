// Launching this executable's daemon, and what is said of it; `keyhole daemon start` on the short way.
import { launchDaemon } from "../../client/launch.ts";
import { grantDirectoryOf } from "../../client/target.ts";
import { type Environment, SOURCE_PREFIX } from "../../environment.ts";
import { KeyholeError, keyholeErrorOf } from "../../errors.ts";
import { copyCommand } from "../../files/copies.ts";
import { directoryOf, type Paths } from "../../paths.ts";
import { resolveSettings, type Settings } from "../../settings.ts";
import { build } from "../../version.ts";

/**
 * @param executable the words that run keyhole
 * @param endOther as `launchDaemon` has it
 */
export async function launchOwn(
  executable: readonly string[],
  settings: Settings,
  environment: Environment,
  endOther?: () => Promise<unknown>,
): Promise<{ pid: number }> {
  const keys = keysOf(await outsideOf(environment));
  const launch = (command: readonly string[]) => launchDaemon(command, settings, environment, keys, endOther);
  const copy = await copyCommand(executable, settings.paths.binDir, build);
  try {
    if (copy !== undefined) return await launch(copy);
  } catch (error) {
    if (error instanceof KeyholeError) throw error;
    // A copy that cannot be run (any more) is the daemon's to replace.
  }
  return launch([...executable, "--daemon"]);
}

/** Keyhole's own programs alone have something in theirs that is not the shell's. */
async function outsideOf(environment: Environment): Promise<Environment> {
  const isInside = Object.keys(environment).some((name) => name.startsWith(SOURCE_PREFIX));
  return isInside ? (await import("../programs/nesting.ts")).environmentOutside(environment) : environment;
}

function keysOf(environment: Environment): Record<string, string> {
  const names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
  return Object.fromEntries(names.flatMap((name) => (environment[name] ? [[name, environment[name]]] : [])));
}

/** What `daemon start` says, each a line. */
export function describeStart(pid: number, isNew: boolean, { socket, log }: Paths): string[] {
  const first = isNew ? `daemon started (pid ${pid})` : `daemon is already running (pid ${pid})`;
  return [first, `  socket: ${socket}`, `  log:    ${log}`];
}

/**
 * `keyhole daemon start` without the command line proper, whose modules take as long as a half of the daemon's start. It does
 * the same where no option, no variable and nothing on the disk is to be looked at more closely.
 *
 * @returns the exit status; undefined where the command line proper is to do it
 */
export async function startPlainly(environment: Environment, executable: string): Promise<number | undefined> {
  const { HOME = "", KEYHOLE_HOME = HOME } = environment;
  const isPlain = Object.keys(environment).every((name) => !name.startsWith("KEYHOLE_") || name === "KEYHOLE_HOME");
  const isKnown = [HOME, KEYHOLE_HOME, executable].every((path) => path.startsWith("/"));
  if (!Bun.isStandaloneExecutable || !isPlain || !isKnown || grantDirectoryOf(executable) !== undefined)
    return undefined;
  const settings = resolveSettings({}, environment, () => "/");
  const { paths } = settings;
  // A socket has an endless size, and a directory one of its own.
  if ([paths.socket, directoryOf(paths.sharedSocket)].some((path) => Bun.file(path).size > 0)) return undefined;
  const launched = launchOwn([executable], settings, environment);
  // Loaded while the daemon starts.
  const [{ createUi }, result] = await Promise.all([
    import("../ui.ts"),
    launched.catch((error: unknown) => ({ error })),
  ]);
  const ui = createUi(environment);
  if ("error" in result) {
    ui.fail(result.error);
    return keyholeErrorOf(result.error).exitStatus;
  }
  for (const line of describeStart(result.pid, true, paths)) ui.notice(line);
  return 0;
}
