// keyhole daemon start. What talks to a daemon is loaded while one starts, and not before, unless one may be there.
import { mayBeThere } from "../../../client/target.ts";
import { directoryOf } from "../../../paths.ts";
import { version } from "../../../version.ts";
import { formatJson, jsonOption } from "../../answers.ts";
import { defineCommand, ownOption } from "../../command.ts";
import { requireDaemon } from "../../where.ts";

export default defineCommand({
  meta: { name: "daemon start", description: "Start the daemon in the background" },
  examples: ["keyhole daemon start", "keyhole daemon start --json"],
  where: "host",
  args: { own: ownOption, json: jsonOption },
  async run(context) {
    const { args, settings, output, ui, host, environment } = context;
    const { socket, sharedSocket, log } = settings.paths;
    requireDaemon(settings, "daemon start");
    // No patience with a refusal: a daemon that is launched takes the lock, and so knows for certain.
    const patience = { isPatient: false };
    const running = (await mayBeThere(socket))
      ? await (await broker()).withDaemonIfAny(settings, (link) => link.request("Hello", { version }), patience)
      : undefined;
    if (running === undefined && (await mayBeThere(directoryOf(sharedSocket)))) {
      const { refuseBesideShared } = await import("../../vending/shared.ts");
      await refuseBesideShared(context, { name: undefined, isMeant: args.own, hint: "keyhole daemon status" });
    }
    const hasKeys = Boolean(environment["AWS_ACCESS_KEY_ID"]);
    const [{ pid }] = await Promise.all([running ?? host.launch(settings), hasKeys && broker()]);
    if (settings.socketMode !== 0o600) {
      const what =
        "KEYHOLE_SOCKET_MODE gives no other user access: the control socket answers its owner and root alone";
      ui.warn(what, "sudo keyhole setup agent-access --agent-user USER");
    }
    if (hasKeys) {
      const { offerKeys, withDaemonIfAny } = await broker();
      await withDaemonIfAny(settings, (link) => offerKeys(link, context));
    }
    if (args.json) return output.line(formatJson({ started: running === undefined, pid, socket, log }));
    ui.notice(running === undefined ? `daemon started (pid ${pid})` : `daemon is already running (pid ${pid})`);
    ui.notice(`  socket: ${socket}`);
    ui.notice(`  log:    ${log}`);
  },
});

async function broker() {
  const [{ withDaemonIfAny }, { offerKeys }] = await Promise.all([
    import("../../daemon/broker.ts"),
    import("../../daemon/source-variables.ts"),
  ]);
  return { withDaemonIfAny, offerKeys };
}
