// A grant's directory in a sandbox of bubblewrap's that holds nothing else, and filters that forbid what it needs.
import type { Machine, Result } from "./machine.ts";

const bwrap = Bun.which("bwrap");
/** Whether sandboxes can be made here. */
export const isLinux = process.platform === "linux" && bwrap !== null;

interface SandboxOptions {
  readonly options?: readonly string[];
  readonly filter?: string;
  readonly under?: readonly string[];
}

/**
 * Runs words in a root that holds a grant's directory and nothing else, with an empty environment.
 *
 * @param options.options bwrap's own, behind those that make the root
 * @param options.filter the path of a seccomp filter, which gets into bwrap's descriptors
 * @param options.under runs bwrap: in other namespaces
 */
export function runSandboxed(
  machine: Machine,
  directory: string,
  words: readonly string[],
  { options = [], filter, under = [] }: SandboxOptions = {},
): Promise<Result> {
  const sandbox = [
    "--unshare-all",
    "--die-with-parent",
    "--clearenv",
    "--ro-bind",
    directory,
    "/run/keyhole",
    ...options,
    ...(filter === undefined ? [] : ["--seccomp", "9"]),
    "--",
  ];
  const script = `exec ${bwrap} "$@"${filter === undefined ? "" : ` 9<'${filter}'`}`;
  const [program = "", ...rest] = words;
  return machine.run(rest, { under: [...under, "sh", "-c", script, "sh", ...sandbox], program });
}

/** Numbers of socket(2) and connect(2), by CPU. */
const CALLS = {
  x64: { socket: 41, connect: 42 },
  arm64: { socket: 198, connect: 203 },
} as const;

/** linux/bpf_common.h, linux/seccomp.h */
const LOAD_WORD = 0x20;
const JUMP_IF_EQUAL = 0x15;
const RETURN = 0x06;
const ALLOW = 0x7fff_0000;
const ERRNO = 0x0005_0000;

/** A seccomp filter that answers one call with an errno, as raw `struct sock_filter`. */
export function makeFilter(call: keyof (typeof CALLS)["x64"], errno: number): Buffer {
  const number = CALLS[process.arch as keyof typeof CALLS][call];
  const program: readonly (readonly [number, number, number, number])[] = [
    // struct seccomp_data begins with the number.
    [LOAD_WORD, 0, 0, 0],
    [JUMP_IF_EQUAL, 0, 1, number],
    [RETURN, 0, 0, ERRNO | errno],
    [RETURN, 0, 0, ALLOW],
  ];
  const bytes = Buffer.alloc(program.length * 8);
  for (const [at, [code, ifTrue, ifFalse, value]] of program.entries()) {
    bytes.writeUInt16LE(code, at * 8);
    bytes.writeUInt8(ifTrue, at * 8 + 2);
    bytes.writeUInt8(ifFalse, at * 8 + 3);
    bytes.writeUInt32LE(value >>> 0, at * 8 + 4);
  }
  return bytes;
}
