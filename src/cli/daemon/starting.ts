// Starting a daemon because a command needs one: where it may not, the command fails as if no daemon answered.
import { existsSync, lstatSync, readdirSync } from "node:fs";
import { isErrorOf, KeyholeError } from "../../errors.ts";
import { directoryOf } from "../../paths.ts";
import type { Settings } from "../../settings.ts";
import type { CommandContext } from "../command.ts";
import { insideErrors, isGvisor } from "../vending/grant-socket.ts";

/**
 * @throws KeyholeError `blocked` where gVisor is what stands between; `unreachable` where autostart is off, where the place of the socket is not safe to start a daemon
 *   in, and inside a container whose keyhole is the host's, or has no configs and no profile is meant; what the daemon itself says otherwise.
 */
export async function startDaemon(
  { settings, host }: Pick<CommandContext, "settings" | "host">,
  isProfileMeant: boolean,
): Promise<void> {
  const { autostart, paths } = settings;
  const missing = `no daemon answers at ${paths.socket}`;
  if (autostart === "never") throw new KeyholeError("unreachable", `${missing} (autostart is off)`);
  // gVisor refuses what it does not permit as the kernel refuses a socket without a listener.
  if (!settings.isAutostartMeant && existsSync(paths.socket) && isGvisor() && isMounted(settings))
    throw insideErrors.gvisor(paths.socket);
  if (!settings.isAutostartMeant && host.isContainer()) {
    const hint = adviceInside(settings, isProfileMeant);
    if (hint !== undefined)
      throw new KeyholeError("unreachable", `${missing}, and inside a container none is started`, hint);
  }
  try {
    await host.launch({ ...settings, once: autostart === "once" });
  } catch (error) {
    if (!isErrorOf(error, "unsafe-path")) throw error;
    throw new KeyholeError("unreachable", `${missing}, and none is started: ${error.message}`, error.hint);
  }
}

const ON_HOST = "on the host: keyhole daemon start, and mount the directory of its socket, not the socket alone";

/** What to do where no daemon is to be started inside a container; undefined where one may be. */
function adviceInside(settings: Settings, isProfileMeant: boolean): string | undefined {
  if (isMounted(settings)) return ON_HOST;
  return isProfileMeant || hasConfigs(settings) ? undefined : `keyhole config add; or ${ON_HOST}`;
}

/**
 * Whether the place of the socket is a part of the host's keyhole that is mounted into this container: a daemon inside
 * would answer the host's clients. What is mounted is on another device than what lies around it.
 */
function isMounted({ paths }: Settings): boolean {
  const isAtHome = paths.socket.startsWith(`${paths.home}/`);
  try {
    return deviceOf(paths.socket) !== deviceOf(isAtHome ? directoryOf(paths.home) : "/");
  } catch {
    return true;
  }
}

function hasConfigs({ paths }: Settings): boolean {
  try {
    return readdirSync(paths.configDir).length > 0;
  } catch {
    return false;
  }
}

/** Of a path, or of the nearest directory above it that is there. */
function deviceOf(path: string): number {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats === undefined ? deviceOf(directoryOf(path)) : stats.dev;
}
