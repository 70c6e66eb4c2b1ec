// Tests of what an ordinary user may not do, run by root as well.
import { dlopen } from "bun:ffi";
import { chownSync } from "node:fs";

/** Whom nobody knows, on Debian and elsewhere: nobody. */
const NOBODY = 65_534;

/**
 * Runs `action` as an ordinary user: root becomes one, by its real and its effective ids, and is root again behind it.
 * These paths are given to that user before.
 */
export async function asOrdinaryUser<Result>(
  paths: readonly string[],
  action: () => Result | Promise<Result>,
): Promise<Result> {
  if (process.getuid?.() !== 0) return action();
  const ids = { args: ["u32", "u32", "u32"], returns: "i32" } as const;
  const libc = dlopen("libc.so.6", { setresuid: ids, setresgid: ids });
  const become = (id: number) => {
    // The saved ids stay root's, so that there is a way back. Root's rights are needed for the group.
    if (id !== 0) libc.symbols.setresgid(id, id, 0);
    if (libc.symbols.setresuid(id, id, 0) !== 0) throw new Error("setresuid failed");
    if (id === 0) libc.symbols.setresgid(0, 0, 0);
  };
  for (const path of paths) chownSync(path, NOBODY, NOBODY);
  become(NOBODY);
  try {
    return await action();
  } finally {
    become(0);
    libc.close();
  }
}
