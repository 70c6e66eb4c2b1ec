// The filter as the kernel would run it, and bwrap with it.
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { terminalFilter } from "../../../src/cli/recipes/terminal.ts";

/** The four operations of BPF that it has. */
function verdict(data: Readonly<Record<number, number>>): number {
  const filter = Buffer.from(terminalFilter());
  let word = 0;
  for (let at = 0; at < filter.length; at += 8) {
    const operation = filter.readUInt16LE(at);
    const value = filter.readUInt32LE(at + 4);
    if (operation === 0x20) word = data[value]!;
    else if (operation === 0x54) word = (word & value) >>> 0;
    else if (operation === 0x15) at += 8 * filter[word === value ? at + 2 : at + 3]!;
    else if (operation === 0x06) return value;
    else throw new Error(`operation ${operation}`);
  }
  throw new Error("no end");
}

const ALLOWED = 0x7fff0000;
const EPERM = 0x00050001;
const IOCTLS = [
  ["x64", 0xc000003e, 16],
  ["x32", 0xc000003e, 0x40000000 + 514],
  ["x64 with x32's bit", 0xc000003e, 0x40000000 + 16],
  ["arm64", 0xc00000b7, 29],
  ["i386", 0x40000003, 54],
  ["arm", 0x40000028, 54],
] as const;

test.each(IOCTLS)("typing into a terminal is refused on %s, and all else is not", (_, arch, call) => {
  const ask = (number: number, request: number) => verdict({ 0: number, 4: arch, 24: request });
  expect([0x5412, 0x541c].map((request) => ask(call, request))).toEqual([EPERM, EPERM]);
  // TCGETS, TIOCGWINSZ, TIOCSPGRP
  expect([0x5401, 0x5413, 0x5410].map((request) => ask(call, request))).toEqual([ALLOWED, ALLOWED, ALLOWED]);
  expect([0, 1, 59, 221].map((number) => ask(number, 0x5412))).toEqual([ALLOWED, ALLOWED, ALLOWED, ALLOWED]);
});

const run = (...words: string[]) => Bun.spawnSync(words, { stdio: ["ignore", "ignore", "ignore"] }).exitCode;
const world = "--unshare-all --ro-bind / / --dev /dev --proc /proc".split(" ");
const canRun = Bun.which("bwrap") !== null && Bun.which("perl") !== null && run("bwrap", ...world, "true") === 0;

test.skipIf(!canRun)("a program in bwrap gets EPERM, and without the filter what the kernel says", () => {
  const directory = mkdtempSync(join(tmpdir(), "keyhole-terminal-"));
  try {
    const path = join(directory, "filter");
    writeFileSync(path, terminalFilter());
    // /dev/null is no terminal: ENOTTY.
    const type = ["perl", "-e", `my $byte = "x"; ioctl(STDIN, 0x5412, $byte); exit($! + 0)`];
    expect(run("bwrap", ...world, ...type)).toBe(25);
    expect(run("sh", "-c", `exec "$@" 3<${path}`, "sh", "bwrap", ...world, "--seccomp", "3", "--", ...type)).toBe(1);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
