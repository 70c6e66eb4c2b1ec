// Filters of system calls, as bwrap's --seccomp reads them: what coding agents' sandboxes forbid.
import { writeFileSync } from "node:fs";
import { scratch } from "../../interop/run.ts";

/** Numbers of socket(2) and connect(2), by CPU. */
const CALLS = { x64: { socket: 41, connect: 42 }, arm64: { socket: 198, connect: 203 } } as const;

/** linux/bpf_common.h, linux/seccomp.h */
const LOAD_WORD = 0x20;
const JUMP_IF_EQUAL = 0x15;
const RETURN = 0x06;
const ALLOW = 0x7fff_0000;
const ERRNO = 0x0005_0000;
/** Of `struct seccomp_data`: the call's number, and the lower half of its first argument on a little-endian CPU. */
const NUMBER = 0;
const FIRST_ARGUMENT = 16;

const EPERM = 1;
const AF_UNIX = 1;

const forbidden = {
  /** Claude Code's sandbox on Linux and Codex's newer ones (SANDBOXES.md, 5). */
  "socket(AF_UNIX)": ["socket", AF_UNIX],
  /** Codex's older ones, with all of the network. */
  "connect()": ["connect", undefined],
} as const satisfies Record<string, readonly [call: keyof (typeof CALLS)["x64"], firstArgument: number | undefined]>;

/** A file with a filter that answers EPERM to one kind of call. */
export function makeFilter(kind: keyof typeof forbidden): { readonly path: string; remove(): void } {
  const directory = scratch("filter");
  const path = `${directory.path}/filter`;
  const [call, firstArgument] = forbidden[kind];
  writeFileSync(path, encode(programOf(call, firstArgument)));
  return { path, remove: () => directory.remove() };
}

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number];

function programOf(call: keyof (typeof CALLS)["x64"], firstArgument: number | undefined): Instruction[] {
  const number = CALLS[process.arch as keyof typeof CALLS][call];
  const argument: Instruction[] =
    firstArgument === undefined
      ? []
      : [
          [LOAD_WORD, 0, 0, FIRST_ARGUMENT],
          [JUMP_IF_EQUAL, 0, 1, firstArgument],
        ];
  return [
    [LOAD_WORD, 0, 0, NUMBER],
    [JUMP_IF_EQUAL, 0, argument.length + 1, number],
    ...argument,
    [RETURN, 0, 0, ERRNO | EPERM],
    [RETURN, 0, 0, ALLOW],
  ];
}

/** An array of `struct sock_filter`. */
function encode(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [at, [code, ifTrue, ifFalse, value]] of program.entries()) {
    bytes.writeUInt16LE(code, at * 8);
    bytes.writeUInt8(ifTrue, at * 8 + 2);
    bytes.writeUInt8(ifFalse, at * 8 + 3);
    bytes.writeUInt32LE(value >>> 0, at * 8 + 4);
  }
  return bytes;
}
