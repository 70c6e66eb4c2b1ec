// `-n NAME` where no config has the name: the profile of that name, as `--profile NAME` has it.
import { existsSync } from "node:fs";
import { selectSourceEnvironment } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import { planSource } from "../../sources/resolve/profile-plan.ts";
import type { CommandContext } from "../command.ts";
import { withDaemonIfAny } from "../daemon/broker.ts";
import { keyholeProcessOf } from "../doctor/files.ts";
import { readSharedFiles } from "../reading-in-child.ts";
import { environmentOutside } from "../programs/nesting.ts";

type Caller = Pick<CommandContext, "settings" | "environment" | "host">;

/** Whether a profile may take the place: what a config of the name was used for must not become another identity. */
export async function mayStandIn(caller: Caller, name: string): Promise<boolean> {
  const { settings, environment, host } = caller;
  if (settings.isConfigDirNamed || settings.isSocketNamed) return false;
  // A mistyped KEYHOLE_HOME is where no config is; the one that is meant may have it.
  if (environment["KEYHOLE_HOME"] && !existsSync(settings.paths.configDir)) return false;
  const outside = selectSourceEnvironment(environmentOutside(environment), () => host.cwd());
  const { shared } = await readSharedFiles(host, outside);
  if (!shared.profiles.has(name)) return false;
  try {
    const { place } = planSource({ shared, environment: outside }, name);
    // It would ask for the very config that is not there.
    if (place.kind === "process" && keyholeProcessOf(place.command) !== undefined) return false;
  } catch (error) {
    // Why it gives none, the daemon says.
    if (!(error instanceof KeyholeError)) throw error;
  }
  return (
    (await withDaemonIfAny(settings, async (link) => {
      const [{ sessions }, { grants }] = await Promise.all([link.request("List", {}), link.request("GrantsList", {})]);
      return ![...sessions, ...grants].some(({ config }) => config === name);
    })) ?? settings.isInProcess
  );
}
