// Starts a daemon and waits for proof that it is ready: its first line of output, never a sleep, never log text.
import { type Environment, selectDaemonEnvironment } from "../environment.ts";
import { isErrorOf, KeyholeError } from "../errors.ts";
import { type Settings, settingsToArguments } from "../settings.ts";
import { version } from "../version.ts";
import { readLines } from "../text/lines.ts";
import { isReady, parseFailure, WAITING } from "../wire/readiness.ts";

/** Loading, checking and binding take about 20 ms; a machine that swaps may need long, and this is milliseconds. */
const PATIENCE = 15_000;
/** Milliseconds for the last of it, while the daemon that is replaced waits and answers no client. */
const SUCCESSION = 5_000;
/** Milliseconds that the kernel may take to put away a daemon that is not wanted. */
const DYING = 1_000;

/** Bytes; what a daemon says is shorter. */
const LONGEST_LINE = 1024;
/** Looks for the winner pause 4, 8, … ms and are given up before this; all pauses together are as long. */
const LONGEST_PAUSE = 1024;
/** Starts, each after a look for a winner that was in vain: 4 s, twice what a daemon takes to miss its socket. */
const ATTEMPTS = 5;

/**
 * Runs `command`, of which `--daemon` is a part, with these settings: detached, in `/`, with a clean environment.
 *
 * Of several that are launched at once one wins; the others' callers get the winner.
 *
 * @param keys of the caller's shell: with them a daemon brings back the sessions and grants that a restart made forget theirs
 * @param endOther tells the daemon that runs to give way; if given, it is called when the new one is loaded and waits
 *   for that, so that next to no time passes between the two. Not called where none runs.
 * @throws KeyholeError the child's own error, or `start-failed` if it ends or stays silent without one.
 */
export async function launchDaemon(
  command: readonly string[],
  settings: Settings,
  environment: Environment,
  keys: Readonly<Record<string, string>>,
  endOther?: () => Promise<unknown>,
): Promise<{ pid: number }> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await launch(command, settings, environment, keys, endOther);
    } catch (error) {
      if (!isErrorOf(error, "already-running") || attempt === ATTEMPTS) throw error;
    }
    const winner = await findWinner(settings);
    if (winner !== undefined) return winner;
  }
}

/**
 * The daemon that holds the lock will listen soon, or is about to end: a daemon that was killed keeps its lock until the
 * kernel has put all of its threads away. Undefined if none answered in a while.
 */
async function findWinner(settings: Settings): Promise<{ pid: number } | undefined> {
  const { askOnce } = await import("./asking.ts");
  for (let pause = 4; pause < LONGEST_PAUSE; pause *= 2) {
    try {
      const { pid } = await askOnce(settings.paths.socket, settings.clientTimeout, "Hello", { version });
      return { pid };
    } catch (error) {
      if (!isErrorOf(error, "unreachable")) throw error;
    }
    await Bun.sleep(pause);
  }
  return undefined;
}

async function launch(
  ...[command, settings, environment, keys, endOther]: Parameters<typeof launchDaemon>
): Promise<{ pid: number }> {
  const replacing = endOther === undefined ? [] : ["--replace"];
  const child = Bun.spawn([...command, "--launched", ...settingsToArguments(settings), ...replacing], {
    cwd: "/",
    env: { ...selectDaemonEnvironment(environment), ...absolutePlaces(settings, environment) },
    // A pipe also where there are no keys: /dev/null is missing in an empty root.
    stdin: new TextEncoder().encode(`${JSON.stringify(keys)}\n`),
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
  let timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
  try {
    for await (const line of readLines(child.stdout, LONGEST_LINE)) {
      if (isReady(line)) return { pid: child.pid };
      if (line !== WAITING || endOther === undefined) break;
      clearTimeout(timer);
      await endOther();
      timer = setTimeout(() => child.kill("SIGKILL"), SUCCESSION);
    }
    const report = await new Response(child.stderr).text();
    throw parseFailure(report) ?? new KeyholeError("start-failed", "the daemon ended before it was ready");
  } catch (error) {
    child.kill("SIGKILL");
    // Its locks are free only then. What waits for a dead disk is not waited for.
    await Promise.race([child.exited, Bun.sleep(DYING)]);
    throw error;
  } finally {
    clearTimeout(timer);
    // The pipes stay the daemon's; this process must be able to end.
    child.unref();
  }
}

/** What no option says; a daemon would take a relative path from `/`. */
function absolutePlaces({ isShared, paths }: Settings, environment: Environment): Record<string, string> {
  return {
    ...(environment["KEYHOLE_HOME"] && { KEYHOLE_HOME: paths.home }),
    ...(isShared && { KEYHOLE_SHARED_SOCKET: paths.sharedSocket }),
  };
}
