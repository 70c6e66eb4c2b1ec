// Starting a daemon because a command needs one: where that is not to be, the command fails as where no daemon answers.
import { lstatSync, readdirSync } from "node:fs";
import { isErrorOf, KeyholeError } from "../../errors.ts";
import { directoryOf } from "../../paths.ts";
import type { Settings } from "../../settings.ts";
import type { CommandContext } from "../command.ts";

/**
 * @throws KeyholeError `unreachable` where autostart is off, where the place of the socket is not safe to start a daemon
 *   in, and inside a container to which the place belongs to the host; what the daemon itself says otherwise.
 */
export async function startDaemon({ settings, host }: Pick<CommandContext, "settings" | "host">): Promise<void> {
  const { autostart, paths } = settings;
  const nobody = `no daemon answers at ${paths.socket}`;
  if (autostart === "never") throw new KeyholeError("unreachable", `${nobody} (autostart is off)`);
  if (!settings.isAutostartMeant && host.isContainer() && !isOfContainer(settings)) {
    const hint = "on the host: keyhole daemon start, and mount the directory of its socket, not the socket alone";
    throw new KeyholeError("unreachable", `${nobody}, and inside a container none is started`, hint);
  }
  try {
    await host.launch({ ...settings, once: autostart === "once" });
  } catch (error) {
    if (!isErrorOf(error, "unsafe-path")) throw error;
    throw new KeyholeError("unreachable", `${nobody}, and none is started: ${error.message}`, error.hint);
  }
}

/**
 * Whether a container has a keyhole of its own, with configs, and not a part of the host's that is mounted into it: what
 * is mounted is on another device than the container's root. A daemon inside would answer the host's clients, or nobody.
 */
function isOfContainer({ paths }: Settings): boolean {
  try {
    return deviceOf(paths.socket) === deviceOf("/") && readdirSync(paths.configDir).length > 0;
  } catch {
    return false;
  }
}

/** Of a path, or of the nearest directory above it that is there. */
function deviceOf(path: string): number {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats === undefined ? deviceOf(directoryOf(path)) : stats.dev;
}
