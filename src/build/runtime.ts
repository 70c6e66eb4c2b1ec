// The Bun that is inside an executable: npm's package of it, by the sum that the lock has. What Bun itself downloads for
// another platform, it compares with nothing.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Locked, readLock } from "./lock.ts";
import type { Target } from "./release.ts";

/** Bun's packages have its own names for CPUs, and what is static is linked from the one for musl. */
function packageOf({ platform, cpu }: Target): string {
  return `@oven/bun-${platform}-${cpu === "arm64" ? "aarch64" : cpu}${platform === "linux" ? "-musl" : ""}`;
}

/**
 * Fetches it by npm, which may have it already.
 * @param root the repository
 * @param folder a new one
 * @returns the executable, in that folder
 * @throws Error if it is not what the lock says
 */
export function fetchRuntime(root: string, target: Target, folder: string): string {
  const name = packageOf(target);
  const locked = readLock(join(root, "package-lock.json"))[`node_modules/${name}`];
  if (locked === undefined) throw new Error(`package-lock.json does not have ${name}`);
  mkdirSync(folder);
  run(folder, "npm", "pack", "--silent", "--prefer-offline", `${name}@${locked.version}`);
  const [archive] = readdirSync(folder);
  if (archive === undefined) throw new Error(`npm has not packed ${name}`);
  refuseOther(name, readFileSync(join(folder, archive)), locked);
  run(folder, "tar", "-xzf", archive, "package/bin/bun");
  return join(folder, "package", "bin", "bun");
}

export function refuseOther(name: string, archive: Uint8Array, { integrity }: Pick<Locked, "integrity">): void {
  const found = `sha512-${createHash("sha512").update(archive).digest("base64")}`;
  if (found !== integrity) throw new Error(`${name} is not what package-lock.json says: ${found}, not ${integrity}`);
}

function run(cwd: string, program: string, ...words: readonly string[]): void {
  const { status, error } = spawnSync(program, words, { cwd, stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) throw new Error(`${program} ${words.join(" ")} has failed`, { cause: error });
}
