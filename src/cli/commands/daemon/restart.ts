// keyhole daemon restart: another daemon, with the sessions that the first one had.
import type { Link } from "../../../client/patience.ts";
import { addSession, requireDaemon, withDaemon, withDaemonIfAny } from "../../broker.ts";
import { type CommandContext, defineCommand } from "../../command.ts";
import { jsonOption, printJson } from "../../json.ts";
import { stopDaemon } from "../../lifecycle.ts";
import { toKeyholeError } from "../../ui.ts";

export default defineCommand({
  meta: { name: "daemon restart", description: "Stop the daemon, start it again and add its sessions again" },
  args: { json: jsonOption },
  async run(context) {
    const { args, settings, output, ui, host } = context;
    requireDaemon(settings, "daemon restart");
    const names = (await withDaemonIfAny(settings, sessionNames)) ?? [];
    const stopped = await stopDaemon(settings, host);
    const { pid } = await host.launch(settings);
    if (!args.json) ui.notice(stopped === undefined ? `daemon started (pid ${pid})` : `daemon restarted (pid ${pid})`);
    const results = await Promise.all(names.map((name) => addAgain(context, name)));
    const added = names.filter((_, index) => results[index]);
    if (args.json) output.line(printJson({ pid, stopped, sessions: added }));
    else if (names.length > 0) ui.notice(`  sessions: ${added.length} of ${names.length} added again`);
  },
});

async function sessionNames(link: Link): Promise<string[]> {
  const { sessions } = await link.request("List", {});
  return sessions.map((session) => session.config);
}

/** One that fails does not keep the others from coming back. */
async function addAgain(
  context: Pick<CommandContext, "settings" | "environment" | "host" | "ui">,
  name: string,
): Promise<boolean> {
  try {
    await withDaemon(context.settings, (link) => addSession(link, context, name, { verify: true, renew: false }));
    return true;
  } catch (error) {
    const { message, hint } = toKeyholeError(error);
    context.ui.warn(`session ${name} was not added again: ${message}`, hint);
    return false;
  }
}
