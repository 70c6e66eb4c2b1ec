// Which platform's libc. The last entry refuses, so that an unknown platform never runs without its protections.
import { loadDarwin } from "./darwin.ts";
import { loadLinux } from "./linux.ts";
import type { Native } from "./native.ts";

/** @throws Error on a platform that keyhole does not know. */
export function loadNative(): Native {
  switch (process.platform) {
    case "linux":
      return loadLinux();
    case "darwin":
      return loadDarwin();
    default:
      throw new Error(`keyhole does not run on ${process.platform}`);
  }
}
