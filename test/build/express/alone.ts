// The code of src/build/express as an executable of its own, which ends with HANDED_OVER where it would go on to Bun.
import { writeFileSync } from "node:fs";
import { linkAlone, loadCode } from "../../../src/build/express.ts";

export const HANDED_OVER = 99;

/** Only this CPU has the code of the end below. */
export const canRun = process.platform === "linux" && process.arch === "x64";

// mov $231, %eax (exit_group); mov $99, %edi; syscall
const end = Uint8Array.of(0xb8, 231, 0, 0, 0, 0xbf, HANDED_OVER, 0, 0, 0, 0x0f, 0x05);

/** Writes it to a file. */
export function writeAlone(path: string): void {
  writeFileSync(path, linkAlone(loadCode("express", "x64"), "x64", end), { mode: 0o755 });
}
