// Which tool's sandbox this is, as far as it shows, so that advice is in that tool's words.
import { quotePosix } from "../../text/quoting.ts";
import { lookAt } from "./files.ts";
import type { InsideMachine } from "./insidemachine.ts";

/** What to do about a path, in a tool's words. */
export interface Tool {
  readonly hide: (path: string) => string;
  readonly protect: (path: string) => string;
}

const settings = (section: string): Tool => ({
  hide: (path) => `add ${JSON.stringify(path)} to ${section}.denyRead`,
  protect: (path) => `take what ${JSON.stringify(path)} lies in out of ${section}.allowWrite`,
});

const codex: Tool = {
  hide: (path) => `in [permissions.keyhole.filesystem] of ~/.codex/config.toml: ${JSON.stringify(path)} = "deny"`,
  protect: (path) => `in [permissions.keyhole.filesystem] of ~/.codex/config.toml: ${JSON.stringify(path)} = "read"`,
};

const firejail: Tool = {
  hide: (path) => `firejail --blacklist=${quotePosix(path)}`,
  protect: (path) => `firejail --read-only=${quotePosix(path)}`,
};

const nono: Tool = {
  hide: (path) => `add ${JSON.stringify(path)} to filesystem.deny of the profile`,
  protect: (path) => `move ${JSON.stringify(path)} to filesystem.read of the profile`,
};

const container: Tool = {
  hide: (path) => `start this container without a mount of ${quotePosix(path)}`,
  protect: () => "mount it read-only: --mount type=bind,readonly,…",
};

const unknown: Tool = {
  hide: (path) => `start this sandbox without ${quotePosix(path)}`,
  protect: (path) => `start this sandbox with ${quotePosix(path)} read-only`,
};

export function toolOf({ environment, places }: Pick<InsideMachine, "environment" | "places">): Tool {
  const has = (prefix: string) => Object.keys(environment).some((name) => name.startsWith(prefix));
  if (has("CODEX_")) return codex;
  if (has("FENCE_SANDBOX")) return settings("filesystem");
  if (has("SANDBOX_RUNTIME")) return settings(has("CLAUDECODE") ? "sandbox.filesystem" : "filesystem");
  if (has("NONO_")) return nono;
  if (environment["container"] === "firejail" || has("FIREJAIL_")) return firejail;
  const isContainer = has("KUBERNETES_") || places.containerMarks.some((path) => lookAt(path) !== undefined);
  return isContainer ? container : unknown;
}
