// keyhole daemon restart: another daemon, with the sessions that the first one had.
import type { Link } from "../../../client/patience.ts";
import type { Settings } from "../../../settings.ts";
import { version } from "../../../version.ts";
import type { DaemonStatus } from "../../../wire/messages.ts";
import { addSession, requireDaemon, withDaemon, withDaemonIfAny } from "../../daemon/broker.ts";
import { type CommandContext, defineCommand } from "../../command.ts";
import { formatJson, jsonOption } from "../../json.ts";
import { isOfAnotherRelease, stopDaemon } from "../../daemon/lifecycle.ts";
import { toKeyholeError } from "../../ui.ts";
import { ownOption, refuseBesideShared } from "../../vending/shared.ts";

type Caller = Pick<CommandContext, "settings" | "environment" | "host" | "ui">;

export default defineCommand({
  meta: { name: "daemon restart", description: "Stop the daemon, start it again and add its sessions again" },
  args: { own: ownOption, json: jsonOption },
  async run(context) {
    const { args, settings, output, ui, host } = context;
    requireDaemon(settings, "daemon restart");
    const before = await statusBefore(settings);
    if (before === undefined) {
      await refuseBesideShared(context, { name: undefined, isMeant: args.own, hint: "keyhole daemon status" });
    }
    const names = before?.sessions.map((session) => session.config) ?? [];
    let stopped: number | undefined;
    const stop = async () => (stopped = await stopDaemon(settings, host));
    const { pid } =
      before?.managed === true
        ? await restartManaged(settings, before, stop)
        : await host.launch(keepPlaces(settings, before), stop);
    if (!args.json) ui.notice(stopped === undefined ? `daemon started (pid ${pid})` : `daemon restarted (pid ${pid})`);
    const added = names.length === 0 ? [] : await completeSessions(context, names);
    if (args.json) output.line(formatJson({ pid, stopped, sessions: added }));
    else if (names.length > 0) ui.notice(`  sessions: ${added.length} of ${names.length} added again`);
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

/** The service manager starts it for the next connection; another daemon would find its socket taken. */
async function restartManaged(
  settings: Settings,
  { socket, sharedSocket }: DaemonStatus,
  stop: () => Promise<unknown>,
): Promise<{ readonly pid: number }> {
  await stop();
  // In shared mode it is the shared socket that is the manager's.
  const paths = { ...settings.paths, socket: sharedSocket ?? socket };
  return withDaemon({ ...settings, paths }, (link) => link.request("Hello", { version }), { isRepeatable: true });
}

async function sessionNames(link: Link): Promise<string[]> {
  const { sessions } = await link.request("List", {});
  return sessions.map((session) => session.config);
}

/**
 * Adds what the daemon could not bring back by itself: sessions whose source was keys in somebody's environment. They
 * get this one's.
 */
async function completeSessions(context: Caller, names: readonly string[]): Promise<string[]> {
  const back = new Set((await withDaemonIfAny(context.settings, sessionNames)) ?? []);
  const missing = names.filter((name) => !back.has(name));
  const results = await Promise.all(missing.map((name) => addAgain(context, name)));
  const failed = new Set(missing.filter((_, index) => !results[index]));
  return names.filter((name) => !failed.has(name));
}

/** One that fails does not keep the others from coming back. */
async function addAgain(context: Caller, name: string): Promise<boolean> {
  try {
    await withDaemon(context.settings, (link) => addSession(link, context, name, { verify: true, renew: false }));
    return true;
  } catch (error) {
    const { message, hint } = toKeyholeError(error);
    context.ui.warn(`session ${name} was not added again: ${message}`, hint);
    return false;
  }
}
