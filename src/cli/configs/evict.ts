// A config that is gone takes its session with it.
import { KeyholeError } from "../../errors.ts";
import { withDaemonIfAny } from "../daemon/broker.ts";
import type { CommandContext } from "../command.ts";
import { sessionOf } from "./names.ts";

/** Best effort: a daemon that does not answer, or does not know the session, is no reason to fail. */
export async function evictSession(name: string, { settings, ui }: Pick<CommandContext, "settings" | "ui">) {
  try {
    await withDaemonIfAny(settings, (connection) =>
      connection.request("Remove", { config: sessionOf(name, settings.paths) }),
    );
  } catch (error) {
    if (!(error instanceof KeyholeError)) throw error;
    if (error.kind === "no-such-session" || error.kind === "no-such-config") return;
    ui.warn(`the session of ${name} may still be there: ${error.message}`, `keyhole daemon remove -n ${name}`);
  }
}
