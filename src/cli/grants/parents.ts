// The directories that grants' own are in: they cannot be listed, because a process that knows a name can use that grant.
import { lstatSync } from "node:fs";
import type { Environment } from "../../environment.ts";
import { leaseParents } from "../../grants/leases.ts";
import type { Settings } from "../../settings.ts";
import type { Ui } from "../ui.ts";

/** Who knows a grant's directory can enter it; only root can list them. */
const MODE = 0o311;

/** One whose mode is another. */
interface Loose {
  readonly path: string;
  readonly mode: number;
}

/** Those that have another mode, a sandbox's doing where it sees them writable; the daemon mends them. */
export function looseParents(
  { paths }: Pick<Settings, "paths">,
  environment: Environment,
  uid: number,
  places = { run: "/run", devices: "/dev" },
): Loose[] {
  const parents = [paths.grantMounts, ...leaseParents({ environment, uid, ...places })];
  return parents.flatMap((path) => {
    const mode = modeOf(path);
    return mode === undefined || mode === MODE ? [] : [{ path, mode }];
  });
}

/** Says what was mended meanwhile. */
export function tellMended(loose: readonly Loose[], ui: Pick<Ui, "warn">): void {
  for (const { path, mode } of loose) {
    if (modeOf(path) !== MODE) continue;
    ui.warn(
      `${path} had mode ${formatMode(mode)}, by which the directories of grants could be found, and is mended`,
      "keyhole grant list: make those anew that a sandbox may have found",
    );
  }
}

export function formatMode(mode: number): string {
  return `0${mode.toString(8)}`;
}

function modeOf(path: string): number | undefined {
  try {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    return stats?.isDirectory() === true ? stats.mode & 0o777 : undefined;
  } catch {
    return undefined;
  }
}
