// keyhole daemon start. What talks to a daemon is loaded while one starts, and not before, unless one may be there.
import { mayBeThere } from "../../../client/target.ts";
import { directoryOf } from "../../../paths.ts";
import { version } from "../../../version.ts";
import { formatJson, jsonOption } from "../../answers.ts";
import { defineCommand, ownOption } from "../../command.ts";
import { describeStart } from "../../daemon/launching.ts";
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
    const { pid } = running ?? (await host.launch(settings));
    if (settings.socketMode !== 0o600) {
      const what =
        "KEYHOLE_SOCKET_MODE gives no other user access: the control socket answers its owner and root alone";
      ui.warn(what, "sudo keyhole setup agent-access --agent-user USER");
    }
    // One that is launched is told them by then.
    if (running !== undefined && environment["AWS_ACCESS_KEY_ID"]) {
      const { offerKeys, withDaemonIfAny } = await broker();
      await withDaemonIfAny(settings, (link) => offerKeys(link, context));
    }
    if (args.json) return output.line(formatJson({ started: running === undefined, pid, socket, log }));
    for (const line of describeStart(pid, running === undefined, settings.paths)) ui.notice(line);
  },
});

async function broker() {
  const [{ withDaemonIfAny }, { offerKeys }] = await Promise.all([
    import("../../daemon/broker.ts"),
    import("../../daemon/source-variables.ts"),
  ]);
  return { withDaemonIfAny, offerKeys };
}
