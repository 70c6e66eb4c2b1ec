// bun src/build/express/make.ts [FOLDER]
//
// Makes table.h of the words and numbers in ../../client/express.ts, compiles express.c for each CPU with Debian 12's
// compilers (README.md), and small.c likewise; writes what came of them, *.bin, and SHA256SUMS. FOLDER is where they go;
// without it, this folder.
// The same compilers give the same bytes.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "../archive.ts";
import type { Cpu } from "../vendor/packages.ts";
import { type CodeName, codeNames, fileOf } from "../express.ts";
import { failureInside, GVISOR, insideErrors, PATIENCE } from "../../cli/vending/grant-socket.ts";
import { ENDED_BY_SIGPIPE, stdoutErrors } from "../../cli/stdout.ts";
import { lane } from "../../client/express.ts";
import { CHAIN_VARIABLE } from "../../environment.ts";
import { errors, type KeyholeError } from "../../errors.ts";
import { refusalOfWalk } from "../../loop.ts";

interface Toolchain {
  readonly prefix: string;
  readonly flags: readonly string[];
}

const toolchains: Readonly<Record<Cpu, Toolchain>> = {
  arm64: { prefix: "aarch64-linux-gnu-", flags: ["-mcmodel=tiny", "-mbranch-protection=none", "-mno-outline-atomics"] },
  x64: { prefix: "x86_64-linux-gnu-", flags: ["-fcf-protection=none"] },
};

/** Nothing of a libc, no call to one, no table of addresses, and no register that Bun's entry could miss. */
const FLAGS = (
  "-Os -std=gnu11 -Wall -Wextra -Werror -ffreestanding -fno-builtin -fno-tree-loop-distribute-patterns " +
  "-fno-stack-protector -fno-asynchronous-unwind-tables -fno-jump-tables -fno-ident -fpie -mgeneral-regs-only " +
  "-nostdlib -static -Wl,--build-id=none -Wl,--no-warn-rwx-segments"
).split(" ");

/** The version that made what is here; another makes other bytes. */
export const COMPILER = "12.2.0-14";

/** What the compiler for a CPU says of itself; undefined where there is none. */
export function compilerOf(cpu: Cpu): string | undefined {
  const result = spawnSync(`${toolchains[cpu].prefix}gcc`, ["--version"], { encoding: "utf8" });
  return result.status === 0 ? /\(Debian ([^)]+)\)/.exec(result.stdout)?.[1] : undefined;
}

function quote(word: string): string {
  return JSON.stringify(word);
}

/** Each with a zero byte at its end; the compiler adds that of the list. */
function quoteAll(words: readonly string[]): string {
  return words.map((word) => `"${word}\\0"`).join(" \\\n  ");
}

function named(variable: string): string {
  return `${variable}=`;
}

/** What small.c says of an error: exit status, message and hint. */
function rowOf({ exitStatus, message, hint = "" }: KeyholeError): string {
  return `${exitStatus}, ${quote(message)}, ${quote(hint)}`;
}

/** By number; one that is none is an internal error, as errorNameOf() has it. */
function errorRows() {
  const rows = Object.values(errors);
  const numbers = Array.from({ length: Math.max(...rows.map(({ number }) => number)) + 1 }, (_, number) => number);
  return numbers.map((number) => rows.find((row) => row.number === number) ?? errors.internal);
}

/** Below a mount, and in the directory that the host has, whose name is said to be one. */
const INSIDE = "/run/keyhole/sock";
const AT_HOST = `/g/${"A".repeat(22)}/sock`;

/** The C header of the table, and of what small.c says. */
export function formatTable(): string {
  const walk = refusalOfWalk({ [CHAIN_VARIABLE]: "!" })!;
  const strings = {
    EXPORT: quote(lane.command),
    FORMAT: quote(lane.format),
    SOCKET_WORDS: quoteAll(lane.socketWords),
    FORMAT_WORDS: quoteAll(lane.formatWords),
    NAME_WORDS: quoteAll(lane.nameWords),
    DECIDING: quoteAll(lane.deciding.map(named)),
    CHOOSING: quoteAll(lane.choosing.map(named)),
    FILE_VARIABLE: quote(named(lane.files[0])),
    CREDENTIALS_VARIABLE: quote(named(lane.files[1])),
    GIVEN_VARIABLE: quote(named(lane.files[2])),
    GIVEN_CREDENTIALS: quote(lane.givenCredentials),
    GRANT_SOCKET: quote(lane.grantSocket),
    GRANT_CONFIG: quote(lane.grantConfig),
    HOME_SOCKET: quote(lane.homeSocket),
    SOCKET_VARIABLE: quote(named("KEYHOLE_SOCKET")),
    ANSWER_VARIABLE: quote(named(lane.answerVariable)),
    CHAIN_VARIABLE: quote(named(CHAIN_VARIABLE)),
    GVISOR: quote(GVISOR),
    WALK: quote(walk.message),
    LOOP: rowOf(walk),
    UNREACHABLE: rowOf(failureInside("unreachable")),
    BLOCKED: rowOf(failureInside("blocked", INSIDE)),
    BLOCKED_AT_HOST: rowOf(failureInside("blocked", AT_HOST)),
    GVISOR_BLOCKED: rowOf(insideErrors.gvisor(INSIDE)),
    GVISOR_AT_HOST: rowOf(insideErrors.gvisor(AT_HOST)),
    TIMEOUT: rowOf(failureInside("timeout")),
    MALFORMED: rowOf(failureInside("unsupported-version")),
    OTHER_NAME: rowOf(insideErrors.otherName()),
    CLOSED: rowOf(stdoutErrors.closed()),
    UNWRITABLE: rowOf(stdoutErrors.unwritable()),
    EXITS: `{${errorRows()
      .map(({ exit }) => exit)
      .join(", ")}}`,
    HINTS: quoteAll(errorRows().map(({ hint = "" }) => hint)),
  };
  const numbers = {
    VERSION: lane.version,
    VEND: lane.vend,
    FETCH: lane.fetch,
    ERROR: lane.error,
    LONGEST_NAME: lane.longestName,
    SILENCE: lane.silence,
    FETCH_DEADLINE: lane.fetchDeadline,
    SHUTTING_DOWN: lane.shuttingDown,
    UNSUPPORTED_VERSION: errors["unsupported-version"].number,
    PATIENCE,
    ENDED_BY_SIGPIPE,
  };
  return [
    "/* Made by make.ts of the table in ../../client/express.ts. */",
    ...Object.entries(strings).map(([name, value]) => `#define ${name} ${value}`),
    `enum { ${Object.entries(numbers)
      .map(([name, value]) => `${name} = ${value}`)
      .join(", ")} };`,
    "",
  ].join("\n");
}

/** The code for one CPU. @throws Error with what the compiler says */
export function compileExpress(name: CodeName, cpu: Cpu): Uint8Array {
  const { prefix, flags } = toolchains[cpu];
  const source = `${name}.c`;
  const scratch = mkdtempSync(join(tmpdir(), "express-"));
  try {
    for (const file of ["express.c", source, "code.ld"]) copyFileSync(join(import.meta.dir, file), join(scratch, file));
    writeFileSync(join(scratch, "table.h"), formatTable());
    run([`${prefix}gcc`, ...FLAGS, ...flags, "-Wl,-T,code.ld", source, "-o", "code.elf"], scratch);
    run([`${prefix}objcopy`, "-O", "binary", "code.elf", "code.bin"], scratch);
    return readFileSync(join(scratch, "code.bin"));
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function run([program, ...words]: readonly [string, ...string[]], cwd: string): void {
  const { status, stderr } = spawnSync(program, words, { cwd, encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} has failed: ${stderr}`);
}

if (import.meta.main) {
  const folder = process.argv[2] ?? import.meta.dir;
  writeFileSync(join(folder, "table.h"), formatTable());
  let sums = "";
  for (const [name, cpu] of codeNames.flatMap((each) => [[each, "arm64"] as const, [each, "x64"] as const])) {
    const code = compileExpress(name, cpu);
    const file = fileOf(name, cpu);
    writeFileSync(join(folder, file), code);
    sums += `${sha256(code)}  ${file}\n`;
    console.error(`${file}: ${code.length} bytes`);
  }
  writeFileSync(join(folder, "SHA256SUMS"), sums);
}
