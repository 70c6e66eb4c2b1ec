// keyhole daemon start, stop and kill.
import { version } from "../../../version.ts";
import { requireDaemon, withDaemonIfAny } from "../../daemon/broker.ts";
import { offerKeys } from "../../daemon/source-variables.ts";
import { defineCommand } from "../../command.ts";
import { formatJson, jsonOption } from "../../answers.ts";
import { ownOption, refuseBesideShared } from "../../vending/shared.ts";
import { killDaemon, stopDaemon } from "../../daemon/lifecycle.ts";

export const start = defineCommand({
  meta: { name: "daemon start", description: "Start the daemon in the background" },
  where: "host",
  args: { own: ownOption, json: jsonOption },
  async run(context) {
    const { args, settings, output, ui, host } = context;
    requireDaemon(settings, "daemon start");
    // No patience with a refusal: a daemon that is launched takes the lock, and so knows for certain.
    const patience = { isPatient: false };
    const running = await withDaemonIfAny(settings, (link) => link.request("Hello", { version }), patience);
    if (running === undefined) {
      await refuseBesideShared(context, { name: undefined, isMeant: args.own, hint: "keyhole daemon status" });
    }
    const { pid } = running ?? (await host.launch(settings));
    if (settings.socketMode !== 0o600) {
      const what =
        "KEYHOLE_SOCKET_MODE gives no other user access: the control socket answers its owner and root alone";
      ui.warn(what, "sudo keyhole setup agent-access --agent-user USER");
    }
    await withDaemonIfAny(settings, (link) => offerKeys(link, context));
    const { socket, log } = settings.paths;
    if (args.json) return output.line(formatJson({ started: running === undefined, pid, socket, log }));
    ui.notice(running === undefined ? `daemon started (pid ${pid})` : `daemon is already running (pid ${pid})`);
    ui.notice(`  socket: ${socket}`);
    ui.notice(`  log:    ${log}`);
  },
});

export const stop = defineCommand({
  meta: { name: "daemon stop", description: "Stop the daemon" },
  where: "host",
  args: { json: jsonOption },
  async run({ args, settings, output, ui, host }) {
    const pid = await stopDaemon(settings, host);
    if (args.json) return output.line(formatJson({ stopped: pid !== undefined, pid }));
    return ui.notice(pid === undefined ? "daemon is not running" : `daemon stopped (pid ${pid})`);
  },
});

export const kill = defineCommand({
  meta: { name: "daemon kill", description: "Kill a daemon that does not stop" },
  where: "host",
  args: { json: jsonOption },
  async run({ args, settings, output, ui, host }) {
    const pid = await killDaemon(settings, host);
    if (args.json) return output.line(formatJson({ killed: pid !== undefined, pid }));
    return ui.notice(pid === undefined ? "daemon is not running" : `daemon killed (pid ${pid})`);
  },
});
