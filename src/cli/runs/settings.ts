// A sandbox's settings as a file that has no name: what the sandbox sees of them it can only read.
import { closeSync, constants, openSync } from "node:fs";
import { ensurePrivateDirectory } from "../../files/directories.ts";
import { removeFile, writeAtomically } from "../../files/writing.ts";

/** @throws KeyholeError `unsafe-path` */
export function openSettings(
  directory: string,
  name: string,
  content: string | Uint8Array,
): Disposable & { readonly descriptor: number } {
  ensurePrivateDirectory(directory);
  const path = `${directory}/${name}.json`;
  writeAtomically(path, content, { exclusive: false, durable: false });
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  removeFile(path);
  return { descriptor, [Symbol.dispose]: () => closeSync(descriptor) };
}
