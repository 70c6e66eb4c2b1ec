// A sandbox's settings as a file that has no name while anything stands in it, since they name a grant's directory; what the
// sandbox sees of them it can only read.
import { closeSync, constants, openSync, unlinkSync, writeFileSync } from "node:fs";
import { ensurePrivateDirectory } from "../../files/directories.ts";
import { temporaryName } from "../../files/writing.ts";

/** @throws KeyholeError `unsafe-path` */
export function openSettings(
  directory: string,
  name: string,
  content: string | Uint8Array,
): Disposable & { readonly descriptor: number } {
  ensurePrivateDirectory(directory);
  const path = `${directory}/${temporaryName(name)}`;
  const { O_WRONLY, O_RDONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const writer = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    const descriptor = openSync(path, O_RDONLY | O_NOFOLLOW);
    unlinkSync(path);
    writeFileSync(writer, content);
    return { descriptor, [Symbol.dispose]: () => closeSync(descriptor) };
  } finally {
    closeSync(writer);
  }
}
