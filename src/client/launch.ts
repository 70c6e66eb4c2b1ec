// Starts a daemon and waits for proof that it is ready: its first line of output, never a sleep, never log text.
import { type Environment, selectDaemonEnvironment } from "../environment.ts";
import { KeyholeError } from "../errors.ts";
import { type Settings, settingsToArguments } from "../settings.ts";
import { version } from "../version.ts";
import { isReady, parseFailure } from "../wire/readiness.ts";
import { Connection } from "./connection.ts";

/** Loading, checking and binding take about 20 ms; a machine that swaps may need long, and this is milliseconds. */
const PATIENCE = 15_000;

/** Looks for the winner pause 4, 8, … ms and are given up before this; all pauses together are as long. */
const LONGEST_PAUSE = 512;
/** Starts, each after a look for a winner that was in vain. */
const ATTEMPTS = 5;

/**
 * Runs `command` (this executable, and its script when run from source) as a daemon: detached, in `/`, with a clean
 * environment.
 *
 * Of several that are launched at once one wins; the others' callers get the winner.
 *
 * @throws KeyholeError the child's own error, or `start-failed` if it ends or stays silent without one.
 */
export async function launchDaemon(
  command: readonly string[],
  settings: Settings,
  environment: Environment,
): Promise<{ pid: number }> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await launch(command, settings, environment);
    } catch (error) {
      if (!(error instanceof KeyholeError) || error.kind !== "already-running" || attempt === ATTEMPTS) throw error;
    }
    const winner = await findWinner(settings);
    if (winner !== undefined) return winner;
  }
}

/**
 * Whoever holds the lock will listen soon, or is about to end: a daemon that was killed keeps its lock until the
 * kernel has put all of its threads away. Undefined if nobody answered in a while.
 */
async function findWinner(settings: Settings): Promise<{ pid: number } | undefined> {
  for (let pause = 4; pause < LONGEST_PAUSE; pause *= 2) {
    try {
      const options = { timeoutMs: settings.clientTimeout, refusedPatienceMs: 0 };
      const connection = await Connection.open(settings.paths.socket, options);
      const { pid } = await connection.request("Hello", { version });
      connection.close();
      return { pid };
    } catch (error) {
      if (!(error instanceof KeyholeError) || error.kind !== "unreachable") throw error;
    }
    await Bun.sleep(pause);
  }
  return undefined;
}

async function launch(
  command: readonly string[],
  settings: Settings,
  environment: Environment,
): Promise<{ pid: number }> {
  const child = Bun.spawn([...command, "--daemon", ...settingsToArguments(settings)], {
    cwd: "/",
    env: selectDaemonEnvironment(environment),
    // Not "ignore", which is /dev/null: an empty root has none.
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
  void child.stdin.end();
  const timer = setTimeout(() => child.kill(), PATIENCE);
  try {
    if (isReady(await firstLine(child.stdout))) return { pid: child.pid };
    const report = await new Response(child.stderr).text();
    throw parseFailure(report) ?? new KeyholeError("start-failed", "the daemon ended before it was ready");
  } finally {
    clearTimeout(timer);
    // The pipes stay the daemon's; this process must be able to end.
    child.unref();
  }
}

/** Empty if the stream ends without one. */
async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const end = text.indexOf("\n");
    if (end !== -1) return text.slice(0, end);
  }
  return "";
}
