// libc through dlopen: what the platforms' files share. A statically linked build has no dlopen and will bring
// addresses instead; that back end will stand beside this one.
import { dlopen, type FFIFunction, ptr } from "bun:ffi";

/** Opens the first library that loads, and looks up `symbols` in it. */
export function openLibrary<const Symbols extends Record<string, FFIFunction>>(
  names: readonly string[],
  symbols: Symbols,
) {
  const failures: string[] = [];
  for (const name of names) {
    try {
      return dlopen(name, symbols).symbols;
    } catch (error) {
      failures.push(`${name}: ${String(error)}`);
    }
  }
  throw new Error(`libc cannot be loaded (${failures.join("; ")})`);
}

/** A C string; the buffer must stay referenced while C uses it. */
export function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

/** A NULL-terminated array of pointers to `strings`, which must stay referenced while C uses it. */
export function pointerArray(strings: readonly Buffer[]): BigUint64Array {
  const array = new BigUint64Array(strings.length + 1);
  strings.forEach((string, index) => {
    array[index] = BigInt(ptr(string));
  });
  return array;
}

/** The argument and environment blocks of execve(2), and the strings they point to. */
export function executeBlocks(argv: readonly string[], environment: Readonly<Record<string, string>>) {
  const argvStrings = argv.map(cString);
  const environmentStrings = Object.entries(environment).map(([name, value]) => cString(`${name}=${value}`));
  return {
    argv: pointerArray(argvStrings),
    environment: pointerArray(environmentStrings),
    strings: [argvStrings, environmentStrings],
  };
}
