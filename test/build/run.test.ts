// Runs statically linked executables where there is nothing else: no loader, no library, no /proc, no /etc.
// A look at the headers is no test: a file with a zeroed segment has perfect headers.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { $ } from "bun";
import { viewOf } from "../../src/build/bytes.ts";
import { readSegment, segmentType } from "../../src/build/elf.ts";
import type { LinkResult } from "../../src/build/link.ts";
import type { Cpu } from "../../src/build/vendor/packages.ts";
import { compileStatically, compileTimeout } from "./executables.ts";
import { libcFunctions } from "./probed.ts";

const scratch = mkdtempSync(join(tmpdir(), "static-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const cpus: readonly { readonly cpu: Cpu; readonly emulator: string }[] = [
  { cpu: "x64", emulator: "qemu-x86_64-static" },
  { cpu: "arm64", emulator: "qemu-aarch64-static" },
];

const tools = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
const chroot = Bun.which("chroot", tools) ?? "chroot";
const unshare = Bun.which("unshare", tools) ?? "unshare";
/** Only root may change the root directory, or whoever may make a user namespace. */
const userNamespace: readonly string[] = process.getuid?.() === 0 ? [] : ["--map-root-user"];
const mayChroot =
  (await $`${[unshare, "--mount", ...userNamespace, chroot, "/", "/bin/true"]}`.nothrow().quiet()).exitCode === 0;

describe.each(cpus)("$cpu", ({ cpu, emulator }) => {
  const native = process.platform === "linux" && process.arch === cpu;
  const interpreter = native ? null : Bun.which(emulator);
  const missing = !mayChroot ? "chroot" : native || interpreter !== null ? undefined : emulator;
  if (missing !== undefined) console.error(`SKIPPED: ${cpu} executables are not run, for want of ${missing}`);

  let before: LinkResult;
  let after: LinkResult;
  beforeAll(async () => {
    ({ before, after } = await compileStatically(
      join(import.meta.dir, "probe.ts"),
      cpu,
      join(scratch, cpu),
      libcFunctions,
    ));
  }, compileTimeout);

  test("compiling the addresses in changes neither sizes nor addresses", () => {
    expect(after.executable.length).toBe(before.executable.length);
    expect(after.addresses).toEqual(before.addresses);
    expect([...after.addresses.values()].every((address) => address > 0x200000)).toBeTrue();
  });

  test("no interpreter, no dynamic section, no section table", () => {
    const view = viewOf(after.executable);
    const types = Array.from(
      { length: view.getUint16(56, true) },
      (_, index) => readSegment(view, 64 + index * 56).type,
    );
    expect(types).not.toContain(segmentType.interpreter);
    expect(types).not.toContain(segmentType.dynamic);
    expect(types.filter((type) => type === segmentType.load)).toHaveLength(5);
    expect([view.getBigUint64(40, true), view.getUint16(60, true)]).toEqual([0n, 0]);
  });

  test("the report says what came in and what stayed out", () => {
    const { replaced, members, absent, growth } = after.report;
    expect(replaced).toEqual(["libstdc++.so.6", expect.stringMatching(/^libc\.musl-/)]);
    expect(members).toContain("libc.a(flock.lo)");
    expect(absent).toContain("_DYNAMIC");
    expect(growth).toBeLessThan(400_000);
  });

  function emptyRoot(name: string): string {
    const root = join(scratch, `${cpu}-${name}`);
    mkdirSync(root);
    writeFileSync(join(root, "program"), after.executable, { mode: 0o755 });
    if (interpreter !== null) copyFileSync(interpreter, join(root, basename(interpreter)));
    return root;
  }

  async function run(root: string, namespaces: readonly string[]) {
    const command = interpreter === null ? ["/program"] : [`/${basename(interpreter)}`, "/program"];
    const words = [unshare, "--mount", ...userNamespace, ...namespaces, chroot, root, ...command];
    const { stdout, stderr, exitCode } = await $`${words}`.env({}).nothrow().quiet();
    return { stdout: stdout.toString(), stderr: stderr.toString(), exitCode };
  }

  const answer = {
    cpu,
    file: "written",
    threads: true,
    time: "1/1/70",
    locked: 0,
    dumpable: 0,
    refused: true,
    peer: true,
  };

  test.skipIf(missing !== undefined)(
    "it runs in an empty root",
    async () => {
      const { stdout, stderr, exitCode } = await run(emptyRoot("empty"), []);
      expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
      expect(JSON.parse(stdout)).toEqual(answer);
    },
    60_000,
  );

  test.skipIf(missing !== undefined)(
    "it runs in an empty root with /proc, as process 1",
    async () => {
      const root = emptyRoot("proc");
      mkdirSync(join(root, "proc"));
      const namespaces = ["--pid", "--fork", `--mount-proc=${join(root, "proc")}`];
      const { stdout, stderr, exitCode } = await run(root, namespaces);
      expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
      expect(JSON.parse(stdout)).toEqual(answer);
    },
    60_000,
  );
});
