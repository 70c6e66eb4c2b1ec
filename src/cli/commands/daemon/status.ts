// keyhole daemon status: what the daemon is doing. Exit status 3 where none is running.
import type { Link } from "../../../client/asking.ts";
import { errors } from "../../../errors.ts";
import { parseSeconds } from "../../../text/numbers.ts";
import { version } from "../../../version.ts";
import { askStatusWithKeys, type FullStatus, renderShared, renderStatus, statusToJson } from "../../daemon/status.ts";
import { withDaemonIfAny } from "../../daemon/broker.ts";
import { type CommandContext, defineCommand } from "../../command.ts";
import { formatJson, jsonOption, wideOption, widthFor } from "../../answers.ts";
import { findSharedService } from "../../vending/shared.ts";

/** Milliseconds between two looks. */
const INTERVAL = 20;
/** Seconds, up to a day: a longer wait is a mistake of units. */
const WAIT = { most: 86_400, mayBeZero: true };

export default defineCommand({
  meta: { name: "daemon status", description: "Show the daemon and its sessions; exit status 3 if it is not running" },
  examples: ["keyhole daemon status", "keyhole daemon status --wait 5"],
  where: "host",
  args: {
    wait: {
      type: "string",
      default: "0",
      valueHint: "SECONDS",
      description: "Wait that long for a daemon that answers",
    },
    json: jsonOption,
    wide: wideOption,
  },
  async run(context) {
    const { args, settings, output, ui, host } = context;
    const wait = parseSeconds(args.wait, "--wait", WAIT, "keyhole daemon status --help");
    const found = await find(context, wait);
    const { socket, log } = settings.paths;
    const shared =
      found?.status.sharedSocket === undefined ? await findSharedService(settings, host.userId()) : undefined;
    if (found === undefined && shared !== undefined) {
      output.line(args.json ? formatJson({ running: false, socket, log, shared }) : renderShared(shared));
      return 0;
    }
    if (found === undefined) {
      output.line(
        args.json ? formatJson({ running: false, socket, log }) : `daemon is not running\n  socket  ${socket}`,
      );
      if (!args.json) ui.hint("keyhole daemon start");
      return errors.unreachable.exit;
    }
    const { status, grants } = found;
    const now = host.now();
    output.line(
      args.json
        ? formatJson({ ...statusToJson(status, grants, now), shared })
        : [
            renderStatus(status, grants, now, widthFor(args.wide, output)),
            ...(shared === undefined ? [] : [renderShared(shared)]),
          ].join("\n\n"),
    );
    if (status.version === version) return 0;
    ui.warn(`the daemon is of release ${status.version}, this keyhole of ${version}`, "keyhole daemon restart");
    return 0;
  },
});

type Caller = Pick<CommandContext, "settings" | "environment" | "host">;

async function find(caller: Caller, wait: number): Promise<FullStatus | undefined> {
  const { settings, host } = caller;
  const ask = (link: Link) => askStatusWithKeys(link, caller);
  const until = host.now() + wait;
  for (;;) {
    const found = await withDaemonIfAny(settings, ask, { isRepeatable: true });
    if (found !== undefined || host.now() >= until) return found;
    await host.wait(INTERVAL);
  }
}
