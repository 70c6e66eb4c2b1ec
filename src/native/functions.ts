// The functions of libc that keyhole calls, for the static linker and for the program it links. Imports nothing.

/**
 * In the order in which their addresses are compiled in. A static executable has no dlopen: build.ts asks the linker
 * for these, and the program finds them by address (libc.ts).
 */
export const LIBC_FUNCTIONS = [
  "__errno_location",
  "close",
  "connect",
  "execve",
  "fcntl",
  "flock",
  "getsockname",
  "getsockopt",
  "poll",
  "prctl",
  "sendto",
  "setrlimit",
  "signal",
  "socket",
  "waitpid",
] as const;

/** Hexadecimal digits of one address. */
const ADDRESS_DIGITS = 16;

/**
 * The addresses of `names`, 0 for those that are not known yet, as one string of fixed length: several short ones might
 * be merged, and the size of what they are compiled into would change.
 */
export function encodeAddresses(names: readonly string[], addresses: ReadonlyMap<string, number>): string {
  return names.map((name) => (addresses.get(name) ?? 0).toString(16).padStart(ADDRESS_DIGITS, "0")).join("");
}

/** The address at that place in such a string. */
export function decodeAddress(encoded: string, index: number): number {
  return Number.parseInt(encoded.slice(index * ADDRESS_DIGITS, (index + 1) * ADDRESS_DIGITS), 16);
}
