// What a process may be denied: filters of system calls, as bwrap's --seccomp reads them; new executable memory.
import { quotePosix } from "../src/text/quoting.ts";

/** Numbers of system calls, by CPU. */
const CALLS = {
  x64: { socket: 41, connect: 42, mprotect: 10, clone: 56, clone3: 435 },
  arm64: { socket: 198, connect: 203, mprotect: 226, clone: 220, clone3: 435 },
} as const;

/** linux/bpf_common.h, linux/seccomp.h */
const LOAD_WORD = 0x20;
const JUMP_IF_EQUAL = 0x15;
const RETURN = 0x06;
const ALLOW = 0x7fff_0000;
const ERRNO = 0x0005_0000;
/** Of `struct seccomp_data`: the call's number. */
const NUMBER = 0;

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number];

type FilteredCall = keyof (typeof CALLS)["x64"];

/** A filter that answers these calls with an errno, as raw `struct sock_filter`. */
export function makeFilter(calls: FilteredCall | readonly FilteredCall[], errno: number): Buffer {
  const numbers = CALLS[process.arch as keyof typeof CALLS];
  const refuse = [calls].flat().flatMap((call): Instruction[] => [
    [JUMP_IF_EQUAL, 0, 1, numbers[call]],
    [RETURN, 0, 0, ERRNO | errno],
  ]);
  return encode([[LOAD_WORD, 0, 0, NUMBER], ...refuse, [RETURN, 0, 0, ALLOW]]);
}

/**
 * What a shell runs bwrap with, its own arguments behind these words.
 *
 * @param filter the path of a file with a filter, which gets into one of bwrap's descriptors
 */
export function underFilter(bwrap: readonly string[], filter: string | undefined): string {
  const words = bwrap.map(quotePosix).join(" ");
  return filter === undefined ? `${words} "$@"` : `${words} --seccomp 9 "$@" 9<${quotePosix(filter)}`;
}

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

/** linux/prctl.h: PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN; since Linux 6.3. Runs what follows. */
export const denyExecutableMemory = [
  "python3",
  "-c",
  "import ctypes, os, sys; sys.exit(99) if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) else os.execv(sys.argv[1], sys.argv[1:])",
];

export const canDenyExecutableMemory =
  process.platform === "linux" &&
  Bun.which("python3") !== null &&
  Bun.spawnSync([...denyExecutableMemory, Bun.which("true")!]).exitCode === 0;
