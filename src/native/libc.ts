// How the platforms' files reach libc: by address in a static executable, which has no dlopen, and by name elsewhere.
import { CFunction, dlopen, type FFIFunction, ptr } from "bun:ffi";
import { KeyholeError } from "../errors.ts";
import { decodeAddress, LIBC_FUNCTIONS } from "./functions.ts";

/** build.ts compiles in the functions' addresses (functions.ts); empty or absent where there is dlopen. */
declare const KEYHOLE_LIBC: string | undefined;

type Functions = Readonly<Record<string, FFIFunction>>;
/** What dlopen makes of a table of functions. */
export type Library<Table extends Functions> = ReturnType<typeof dlopen<Table>>["symbols"];

/**
 * What libc's file may be called; the first that loads is taken. glibc's name before musl's, whose loader takes any
 * `libc.*` for itself; an absolute soname is there as well.
 */
const LIBRARIES: readonly string[] =
  process.platform === "darwin"
    ? ["libSystem.B.dylib"]
    : ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];

/**
 * The functions of libc, callable. @throws Error where there is no libc, or it lacks one of them; KeyholeError `blocked`
 * where no new memory may be executed, in which Bun makes what calls them
 */
export function openLibc<const Table extends Functions>(table: Table): Library<Table> {
  const addresses = typeof KEYHOLE_LIBC === "string" ? KEYHOLE_LIBC : "";
  try {
    return addresses === "" ? openLibrary(table) : callByAddress(addresses, table);
  } catch (error) {
    // Bun 1.4.5: "bun:ffi requires the JIT", which JavaScriptCore does without where it gets no such memory.
    if (error instanceof Error && error.message.includes("requires the JIT")) throw noExecutableMemory();
    throw error;
  }
}

function noExecutableMemory(): KeyholeError {
  return new KeyholeError(
    "blocked",
    "this needs new executable memory, which is forbidden or too little here (MemoryDenyWriteExecute, ulimit -v)",
    "ulimit -v unlimited; unset BUN_JSC_useJIT; in the unit: MemoryDenyWriteExecute=no",
  );
}

function callByAddress<Table extends Functions>(addresses: string, table: Table): Library<Table> {
  const entries = Object.entries(table).map(([name, type]) => {
    const index = (LIBC_FUNCTIONS as readonly string[]).indexOf(name);
    if (index === -1) throw new Error(`${name} is not among the functions that build.ts links`);
    return [name, CFunction({ ...type, ptr: decodeAddress(addresses, index) as never })] as const;
  });
  return Object.fromEntries(entries) as unknown as Library<Table>;
}

function openLibrary<Table extends Functions>(table: Table): Library<Table> {
  const failures: string[] = [];
  for (const library of LIBRARIES) {
    try {
      return dlopen(library, table).symbols;
    } catch (error) {
      failures.push(`${library}: ${String(error)}`);
    }
  }
  throw new Error(`libc cannot be loaded (${failures.join("; ")})`);
}

/** A C string; the buffer must stay referenced while C uses it. */
export function cString(text: string): Buffer {
  return encodeBytes(`${text}\0`);
}

/** A NULL-terminated array of pointers to `strings`, which must stay referenced while C uses it. */
function pointerArray(strings: readonly Buffer[]): BigUint64Array {
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

// Texts of the system, which need not be UTF-8: names of files, arguments, variables. Each byte that is none stands as a
// lone surrogate, U+DC80 to U+DCFF, as in Python (PEP 383), and comes out as the byte that it was.

const ESCAPES = /[\udc80-\udcff]/u;
const FIRST_ESCAPE = 0xdc00;

/** What `decodeBytes` gave, as it was; every other text as UTF-8. */
export function encodeBytes(text: string): Buffer {
  if (!ESCAPES.test(text)) return Buffer.from(text);
  return Buffer.concat(
    Array.from(text, (character) => {
      return ESCAPES.test(character) ? Buffer.of(character.charCodeAt(0) - FIRST_ESCAPE) : Buffer.from(character);
    }),
  );
}

export function decodeBytes(bytes: Uint8Array): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const [character, length] = decodeNext(bytes.subarray(at, at + 4), decoder);
    text += character;
    at += length;
  }
  return text;
}

/** One character of the up to four bytes that it may have, and how many it has. */
function decodeNext(bytes: Uint8Array, decoder: TextDecoder): [character: string, length: number] {
  for (let length = 1; length <= bytes.length; length += 1) {
    try {
      return [decoder.decode(bytes.subarray(0, length)), length];
    } catch {
      // Too few bytes, or none of UTF-8's.
    }
  }
  return [String.fromCharCode(FIRST_ESCAPE + bytes[0]!), 1];
}
