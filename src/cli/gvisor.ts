// gVisor, which answers ECONNREFUSED where connecting to a socket of the host is not permitted; its releases before 2026
// said EPERM.
import { readFileSync } from "node:fs";

/** How /proc/version ends under gVisor of any release, whatever kernel is below. */
export const GVISOR = "#1 SMP Sun Jan 10 15:06:54 PST 2016";

export function isGvisor(kernel = "/proc/version"): boolean {
  try {
    return readFileSync(kernel, "latin1").includes(GVISOR);
  } catch {
    return false;
  }
}
