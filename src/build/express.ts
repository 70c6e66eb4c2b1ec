// The code that runs before Bun: what express/ compiles to.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { viewOf, writeAddress } from "./bytes.ts";
import { readSums, sha256 } from "./vendor.ts";
import type { Cpu } from "./vendor/packages.ts";

const folder = join(import.meta.dir, "express");

/** The code for one CPU. @throws Error if the file is not the one in SHA256SUMS, or not there */
export function loadExpress(cpu: Cpu): Uint8Array {
  const name = `${cpu}.bin`;
  const code = readFileSync(join(folder, name));
  if (sha256(code) !== readSums(folder).get(name))
    throw new Error(`src/build/express/${name} is not what SHA256SUMS has`);
  return code;
}

/** Where in the code the address stands at which it goes on (express.c). */
const GO_ON = 8;

/** Has the code go on at an address where it does not answer. */
export function goOnAt(code: Uint8Array, address: number): void {
  writeAddress(viewOf(code), GO_ON, address);
}
