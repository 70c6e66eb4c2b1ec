// The code of src/build/express as an executable of its own, which ends with HANDED_OVER where it would go on to Bun.
import { writeFileSync } from "node:fs";
import { linkAlone, loadCode } from "../../../src/build/express.ts";
import type { Cpu } from "../../../src/build/vendor/packages.ts";

export const HANDED_OVER = 99;

/** exit_group(HANDED_OVER) */
const ends: Readonly<Record<Cpu, Uint8Array>> = {
  // mov $231, %eax; mov $99, %edi; syscall
  x64: Uint8Array.of(0xb8, 231, 0, 0, 0, 0xbf, HANDED_OVER, 0, 0, 0, 0x0f, 0x05),
  // mov x0, #99; mov x8, #94; svc #0
  arm64: new Uint8Array(Uint32Array.of(0xd2800000 | (HANDED_OVER << 5), 0xd2800bc8, 0xd4000001).buffer),
};

const emulators: Readonly<Record<Cpu, string>> = { x64: "qemu-x86_64-static", arm64: "qemu-aarch64-static" };

/** The words that run an executable for a CPU: none for this one's; undefined where qemu-user is missing. */
export function runnerOf(cpu: Cpu): readonly string[] | undefined {
  if (process.platform !== "linux") return undefined;
  const path = process.arch === cpu ? [] : Bun.which(emulators[cpu]);
  return path === null ? undefined : [path].flat();
}

export function writeAlone(path: string, cpu: Cpu): void {
  writeFileSync(path, linkAlone(loadCode("express", cpu), cpu, ends[cpu]), { mode: 0o755 });
}
