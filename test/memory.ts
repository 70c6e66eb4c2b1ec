// A directory in memory outside of /dev, where leases go: XDG_RUNTIME_DIR for a test's machine.
import { chownSync, existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync } from "node:fs";
import { isInMemory } from "../src/grants/leases.ts";

export interface Memory {
  readonly path: string;
  remove(): void;
}

/** In the runtime directory of this user; root, who may have none, mounts one. Undefined where neither can be had. */
export function makeMemory(uid = process.getuid?.() ?? 0): Memory | undefined {
  const runtime = `/run/user/${process.getuid?.()}`;
  if (process.getuid?.() !== 0)
    return isInMemory(runtime) ? within(mkdtempSync(`${runtime}/keyhole-test-`)) : undefined;
  const path = mkdtempSync("/run/keyhole-test-");
  return mountAt(path, uid);
}

/** Where a daemon without XDG_RUNTIME_DIR looks. Undefined where that is somebody's. */
export function makeUsualMemory(uid: number): Memory | undefined {
  const path = `/run/user/${uid}`;
  if (process.getuid?.() !== 0 || existsSync(path)) return undefined;
  mkdirSync(path, { recursive: true });
  return mountAt(path, uid);
}

function within(path: string): Memory {
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

function mountAt(path: string, uid: number): Memory {
  const options = `uid=${uid},gid=${uid},mode=0700`;
  const { exitCode } = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path]);
  if (exitCode !== 0) {
    // A container that may not mount; its /run may be in memory.
    chownSync(path, uid, uid);
    return within(path);
  }
  return {
    path,
    remove() {
      // Lazily: what a test has killed may still be ending.
      Bun.spawnSync(["umount", "--lazy", path]);
      rmdirSync(path);
    },
  };
}
