// keyhole daemon restart: another daemon, with the sessions that the first one had.
import type { Link } from "../../../client/asking.ts";
import { parseSessionName } from "../../../config/name.ts";
import type { Settings } from "../../../settings.ts";
import { version } from "../../../version.ts";
import type { DaemonStatus } from "../../../wire/messages.ts";
import { withDaemon, withDaemonIfAny } from "../../daemon/broker.ts";
import { type CommandContext, defineCommand, ownOption } from "../../command.ts";
import { requireDaemon } from "../../where.ts";
import { formatJson, jsonOption } from "../../answers.ts";
import { isOfAnotherRelease, stopDaemon, tellToStop, waitForEnd } from "../../daemon/stopping.ts";
import { KeyholeError, keyholeErrorOf } from "../../../errors.ts";
import { looseParents, tellMended } from "../../grants/parents.ts";
import { offerKeys } from "../../daemon/source-variables.ts";
import { refuseBesideShared } from "../../vending/shared.ts";

type Caller = Pick<CommandContext, "settings" | "environment" | "host" | "ui">;

export default defineCommand({
  meta: { name: "daemon restart", description: "Stop the daemon and start it again, with its sessions" },
  examples: ["keyhole daemon restart", "keyhole daemon restart --json"],
  where: "host",
  args: { own: ownOption, json: jsonOption },
  async run(context) {
    const { args, settings, environment, output, ui, host } = context;
    requireDaemon(settings, "daemon restart");
    const before = await statusBefore(settings);
    if (before === undefined) {
      await refuseBesideShared(context, { name: undefined, isMeant: args.own, hint: "keyhole daemon status" });
    }
    const names = before?.sessions.map((session) => session.config).filter(isKept) ?? [];
    const loose = looseParents(settings, environment, host.userId());
    const { pid, stopped } =
      before?.managed === true ? await restartManaged(context, before) : await replace(context, before);
    if (!args.json) ui.notice(stopped === undefined ? `daemon started (pid ${pid})` : `daemon restarted (pid ${pid})`);
    await withDaemonIfAny(settings, (link) => offerKeys(link, context));
    const added = names.length === 0 ? [] : await completeSessions(context, names);
    tellMended(loose, ui);
    if (args.json) output.line(formatJson({ pid, stopped, sessions: added }));
    else if (names.length > 0) ui.notice(`  sessions: ${added.length} of ${names.length} came back`);
  },
});

/** Undefined where no daemon runs, and of one that cannot be understood: replacing it is what helps. */
async function statusBefore(settings: Settings): Promise<DaemonStatus | undefined> {
  try {
    return await withDaemonIfAny(settings, (link) => link.request("Status", {}), { isRepeatable: true });
  } catch (error) {
    if (isOfAnotherRelease(error)) return undefined;
    throw error;
  }
}

/** The next daemon has the configs and the shared socket of this one, whatever the environment here says. */
function keepPlaces(settings: Settings, before: DaemonStatus | undefined): Settings {
  if (before === undefined) return settings;
  const { paths, isConfigDirNamed } = settings;
  const configDir = isConfigDirNamed ? paths.configDir : before.configDir;
  const { sharedSocket = paths.sharedSocket } = before;
  return { ...settings, isShared: before.sharedSocket !== undefined, paths: { ...paths, configDir, sharedSocket } };
}

interface Replaced {
  readonly pid: number;
  /** The pid of the daemon that ran; undefined if none did. */
  readonly stopped: number | undefined;
}

/** Ends the start of a daemon that could have taken the place of another. */
class Rehearsed extends Error {}

/**
 * The service manager starts it for the next connection; another daemon would find its socket taken. That one can begin
 * here is seen before the one that runs ends.
 */
async function restartManaged({ settings, host }: Caller, before: DaemonStatus): Promise<Replaced> {
  try {
    return {
      ...(await host.launch(keepPlaces(settings, before), () => Promise.reject(new Rehearsed()))),
      stopped: undefined,
    };
  } catch (error) {
    if (!(error instanceof Rehearsed)) throw error;
  }
  const { socket, sharedSocket } = before;
  const stopped = await stopDaemon(settings, host);
  // In shared mode it is the shared socket that is the manager's.
  const paths = { ...settings.paths, socket: sharedSocket ?? socket };
  const { pid } = await withDaemon({ ...settings, paths }, sayHello, { isRepeatable: true });
  return { pid, stopped };
}

/** The one that runs gives way when the next one is loaded, and is there until that one serves. */
async function replace({ settings, host }: Caller, before: DaemonStatus | undefined): Promise<Replaced> {
  let stopped: number | undefined;
  const tell = async () => (stopped = await tellToStop(settings, host));
  try {
    const { pid } = await host.launch(keepPlaces(settings, before), tell);
    if (stopped !== undefined) await waitForEnd(stopped, settings, host);
    return { pid, stopped };
  } catch (error) {
    if (stopped === undefined || !(await goesOn(stopped, settings, host))) throw error;
    const { kind, message, hint } = keyholeErrorOf(error);
    throw new KeyholeError(kind, `the daemon (pid ${stopped}) goes on, because another cannot begin: ${message}`, hint);
  }
}

/** Whether the daemon that had given way answers again, within half a second. */
async function goesOn(pid: number, settings: Settings, host: Caller["host"]): Promise<boolean> {
  for (let times = 0; times < 25; times++) {
    try {
      const hello = await withDaemonIfAny(settings, sayHello);
      if (hello?.pid === pid) return true;
    } catch {}
    await host.wait(20);
  }
  return false;
}

function sayHello(link: Link): Promise<{ readonly pid: number }> {
  return link.request("Hello", { version });
}

/** An endpoint of one request is that one's alone. */
function isKept(name: string): boolean {
  return parseSessionName(name)?.endpoint === undefined;
}

async function sessionNames(link: Link): Promise<string[]> {
  const { sessions } = await link.request("List", {});
  return sessions.map((session) => session.config);
}

/**
 * What the daemon could not bring back by itself are sessions whose source was keys in an environment: it gets this
 * shell's, which may be the same. What is missing then is made anew by the next client that asks for it, with a source of its own.
 */
async function completeSessions(context: Caller, names: readonly string[]): Promise<string[]> {
  const back = new Set((await withDaemonIfAny(context.settings, sessionNames, { isRepeatable: true })) ?? []);
  for (const name of names) {
    if (!back.has(name))
      context.ui.warn(`session ${name} waits for a shell that has its source's keys, or another source`);
  }
  return names.filter((name) => back.has(name));
}
