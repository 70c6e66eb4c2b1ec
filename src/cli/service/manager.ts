// Whether there is a service manager to talk to. Most containers have none, and `sudo -u` gives no session.
import { KeyholeError } from "../../errors.ts";
import type { CommandContext } from "../command.ts";

/** @throws KeyholeError `unreachable` in one line, before anything is written. */
export async function requireManager({ host }: Pick<CommandContext, "host">, isOwn: boolean): Promise<void> {
  if (host.platform === "darwin") return;
  const { status, stderr } = await host.runTool(["systemctl", ...(isOwn ? ["--user"] : []), "show-environment"]);
  if (status === 0) return;
  if (status === 127) throw new KeyholeError("unreachable", "there is no systemd here", "keyhole daemon start");
  const [reason = ""] = stderr.trim().split("\n");
  throw new KeyholeError(
    "unreachable",
    `${isOwn ? "your systemd" : "systemd"} does not answer${reason === "" ? "" : `: ${reason}`}`,
    isOwn ? "loginctl enable-linger" : "systemctl is-system-running",
  );
}
