// keyhole daemon status: what the daemon is doing. Exit status 3 where none is running.
import type { Link } from "../../../client/patience.ts";
import { errors, KeyholeError } from "../../../errors.ts";
import { parseSeconds } from "../../../numbers.ts";
import type { Settings } from "../../../settings.ts";
import { version } from "../../../version.ts";
import type { DaemonStatus, GrantInfo } from "../../../wire/messages.ts";
import { withDaemonIfAny } from "../../daemon/broker.ts";
import { defineCommand, type Host } from "../../command.ts";
import { jsonOption, printJson, statusToJson } from "../../json.ts";
import { renderStatus } from "../../daemon/status.ts";

/** Milliseconds between two looks. */
const INTERVAL = 20;
/** Seconds, up to a day: a longer wait is a mistake of units. */
const WAIT = { most: 86_400, mayBeZero: true };

export default defineCommand({
  meta: { name: "daemon status", description: "Show the daemon and its sessions; exit status 3 if it is not running" },
  args: {
    wait: {
      type: "string",
      default: "0",
      valueHint: "SECONDS",
      description: "Wait that long for a daemon that answers",
    },
    json: jsonOption,
  },
  async run({ args, settings, output, ui, host }) {
    const wait = parseSeconds(args.wait, "--wait", WAIT, "keyhole daemon status --help");
    const found = await find(settings, wait, host);
    const { socket, log } = settings.paths;
    if (found === undefined) {
      output.line(
        args.json ? printJson({ running: false, socket, log }) : `daemon is not running\n  socket  ${socket}`,
      );
      if (!args.json) ui.hint("keyhole daemon start");
      return errors.unreachable.exit;
    }
    const { status, grants } = found;
    const now = host.now();
    output.line(args.json ? printJson(statusToJson(status, grants, now)) : renderStatus(status, grants, now));
    if (status.version === version) return 0;
    ui.warn(`the daemon is of release ${status.version}, this keyhole of ${version}`, "keyhole daemon restart");
    return 0;
  },
});

interface Found {
  readonly status: DaemonStatus;
  /** Undefined if the daemon does not say: it may be of a release that knows none. */
  readonly grants: readonly GrantInfo[] | undefined;
}

async function find(settings: Settings, wait: number, host: Host): Promise<Found | undefined> {
  const until = host.now() + wait;
  for (;;) {
    const found = await withDaemonIfAny(settings, ask, { isRepeatable: true });
    if (found !== undefined || host.now() >= until) return found;
    await host.wait(INTERVAL);
  }
}

async function ask(link: Link): Promise<Found> {
  const status = await link.request("Status", {});
  try {
    return { status, grants: (await link.request("GrantList", {})).grants };
  } catch (error) {
    // Whatever it is, what is known is worth showing; a daemon that went away meanwhile is asked anew.
    if (!(error instanceof KeyholeError) || error.kind === "unreachable") throw error;
    return { status, grants: undefined };
  }
}
