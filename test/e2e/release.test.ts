// A whole release, built in two places, each with what `npm ci` installs there, and its executables run where they can
// be: x64 here, arm64 under qemu-user. Those for macOS are only looked at.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readMachO, readSignature } from "../../src/build/macho.ts";
import { resultOf } from "../processes.ts";
import { createMachine } from "./machine.ts";

const repository = join(import.meta.dir, "..", "..");
const scratch = mkdtempSync(join(tmpdir(), "keyhole-release-"));
afterAll(() => rmSync(scratch, { recursive: true }), 120_000);

const commit = "0123456789ab";
const baseUrl = "https://example.com/keyhole";
const out = join(scratch, "release");
const executables = ["keyhole-linux-x64", "keyhole-linux-arm64", "keyhole-darwin-arm64", "keyhole-darwin-x64"];

/** All that a build reads. Copied first, because files may change between two builds. */
const inputs = [
  "build.ts",
  "bunfig.toml",
  "install.sh",
  "LICENSE",
  "package-lock.json",
  "package.json",
  "src",
  "tsconfig.json",
];
const sources = join(scratch, "sources");
const elsewhere = join(scratch, "another", "place");

async function install(root: string) {
  const words = ["npm", "ci", "--prefer-offline", "--no-audit", "--no-fund"];
  const child = Bun.spawn(words, { cwd: root, env: process.env, stdout: "pipe", stderr: "pipe" });
  expect(await resultOf(child)).toMatchObject({ exitCode: 0 });
}

function tryRelease(root: string, cwd: string, target: string) {
  const words = ["build.ts", "--release", "--base-url", baseUrl, "--out", target, "--commit", commit];
  const [script, ...options] = words;
  const { HOME = "/", PATH = "" } = process.env;
  const child = Bun.spawnSync([process.execPath, join(root, script!), ...options], { cwd, env: { HOME, PATH } });
  return { exitCode: child.exitCode, stderr: child.stderr.toString() };
}

function release(root: string, cwd: string, target: string) {
  expect(tryRelease(root, cwd, target)).toMatchObject({ exitCode: 0 });
}

const read = (file: string) => readFileSync(join(out, file));

beforeAll(async () => {
  for (const input of inputs) cpSync(join(repository, input), join(sources, input), { recursive: true });
  cpSync(sources, elsewhere, { recursive: true });
  await Promise.all([install(sources), install(elsewhere)]);
  release(sources, sources, out);
}, 480_000);

test("it has these files, with these modes", () => {
  const files = readdirSync(out).map((file) => [file, (statSync(join(out, file)).mode & 0o777).toString(8)]);
  expect(Object.fromEntries(files)).toEqual({
    ...Object.fromEntries([...executables, "install.sh"].map((file) => [file, "755"])),
    ...Object.fromEntries(executables.map((file) => [`${file}.gz`, "644"])),
    ...Object.fromEntries(["SHA256SUMS", "THIRD-PARTY-NOTICES.txt", "keyhole.cdx.json"].map((file) => [file, "644"])),
  });
});

interface Sbom {
  readonly components: readonly { readonly type: string; readonly name: string; readonly purl?: string }[];
}

const bom = () => JSON.parse(read("keyhole.cdx.json").toString()) as Sbom;

test("installed from the lock once more, elsewhere, it is the same to the byte", () => {
  const second = join(scratch, "second");
  release(elsewhere, "/", second);
  expect(readdirSync(second).toSorted()).toEqual(readdirSync(out).toSorted());
  const differing = readdirSync(out).filter(
    (file) => Buffer.compare(read(file), readFileSync(join(second, file))) !== 0,
  );
  expect(differing).toEqual([]);
}, 240_000);

test("what is installed beside the lock stops it", () => {
  const manifest = join(elsewhere, "node_modules", "bowser", "package.json");
  const { version, ...rest } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
  writeFileSync(manifest, JSON.stringify({ ...rest, version: "2.999.0" }));
  mkdirSync(join(elsewhere, "node_modules", "stray"));
  expect(tryRelease(elsewhere, "/", join(scratch, "third"))).toEqual({
    exitCode: 1,
    stderr:
      "build.ts: what is installed is not what package-lock.json says: run npm ci\n" +
      `node_modules/bowser is 2.999.0, not ${version}\nnode_modules/stray is not in it\n`,
  });
});

test("sha256sum finds every file as its line says", () => {
  const { stdout, exitCode } = Bun.spawnSync(["sha256sum", "--check", "--strict", "SHA256SUMS"], { cwd: out });
  const others = readdirSync(out).filter((file) => file !== "SHA256SUMS");
  expect(stdout.toString().trimEnd().split("\n").toSorted()).toEqual(others.map((file) => `${file}: OK`).toSorted());
  expect(exitCode).toBe(0);
});

test("install.sh has the address", () => {
  expect(read("install.sh").toString()).toContain(`\nbase_url='${baseUrl}'`);
  expect(read("install.sh").toString()).not.toContain("@BASE_URL@");
});

test("the bill of materials and the notices name what is inside", () => {
  const names = bom().components.map(({ name }) => name);
  const { dependencies } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  for (const name of [...executables, ...Object.keys(dependencies), "bun", "musl-dev", "libstdc++-14-dev"]) {
    expect(names).toContain(name);
  }
  const notices = read("THIRD-PARTY-NOTICES.txt").toString();
  for (const { type, name } of bom().components) if (type !== "file") expect(notices).toContain(`\n${name} `);
});

test.each(executables)("%s obeys none of Bun's variables, and says nothing of where it was built", (file) => {
  const bytes = read(file);
  for (const text of ["BUN_BE_BUN", "BUN_OPTIONS", "BUN_INSPECT", scratch, repository]) {
    expect([text, bytes.indexOf(text)]).toEqual([text, -1]);
  }
  // KEYHOLE_TARGET, which `keyhole --version --json` prints.
  for (const name of executables.map((executable) => executable.slice("keyhole-".length))) {
    expect([name, bytes.includes(`"${name}"`)]).toEqual([name, `keyhole-${name}` === file]);
  }
});

describe.each(["keyhole-darwin-arm64", "keyhole-darwin-x64"])("%s (not run here)", (file) => {
  test("every page is as it was signed, ad hoc, in the form of Bun's own signatures for arm64", () => {
    expect(readSignature(read(file))).toMatchObject({
      identifier: "keyhole",
      version: 0x20400,
      flags: 0x20002,
      isComplete: true,
      mismatches: [],
    });
  });

  test("its segments follow each other, in the file and in memory", () => {
    const { segments, signature } = readMachO(read(file));
    expect(segments.map(({ name }) => name)).toEqual([
      "__PAGEZERO",
      "__TEXT",
      "__DATA_CONST",
      "__DATA",
      "__BUN",
      "__LINKEDIT",
    ]);
    segments.slice(1).forEach((segment, index) => {
      expect(segment.address).toBeGreaterThanOrEqual(segments[index]!.address + segments[index]!.memorySize);
      expect(segment.offset).toBe(segments[index]!.offset + segments[index]!.size);
    });
    expect(signature.offset + signature.size).toBe(read(file).length);
  });
});

/** What Bun would obey: be the Bun command line, load a file first, listen for a debugger. */
const bunVariables = {
  BUN_BE_BUN: "1",
  BUN_OPTIONS: "--preload=/nowhere.js",
  BUN_INSPECT: "ws://127.0.0.1:0/keyhole",
  BUN_INSPECT_CONNECT_TO: "ws://127.0.0.1:1/",
  BUN_INSPECT_PRELOAD: "/nowhere.js",
};

/** Lets this process's children run arm64, in a namespace of their own (Linux 6.7): what they start must, too. */
const registration =
  ":keyhole-arm64:M::" +
  String.raw`\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:` +
  String.raw`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:`;
const qemu = Bun.which("qemu-aarch64-static");
const register =
  "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc; " +
  'printf %s "$0" >/proc/sys/fs/binfmt_misc/register; exec "$@"';
const namespaces = ["--user", "--map-root-user", "--mount"];
const emulated = ["unshare", ...namespaces, "sh", "-ec", register, `${registration}${qemu}:F`];
const mayEmulate = qemu !== null && Bun.spawnSync([...emulated, "true"], { stderr: "ignore" }).exitCode === 0;

const machines = [
  { cpu: "x64", under: process.arch === "x64" ? [] : undefined, needs: "x64" },
  {
    cpu: "arm64",
    under: process.arch === "arm64" ? [] : mayEmulate ? emulated : undefined,
    needs: "qemu-user-static and Linux 6.7",
  },
];

for (const { cpu, under, needs } of machines) {
  test.skipIf(under === undefined)(
    `linux-${cpu} says what it is, vends from a daemon of its own and becomes a program (needs ${needs})`,
    async () => {
      await using machine = await createMachine();
      const options = { program: join(out, `keyhole-linux-${cpu}`), under: under! };
      const version = JSON.parse(await machine.keyhole("--version --json", options)) as object;
      expect(version).toMatchObject({ commit, target: `linux-${cpu}` });
      const disguised = await machine.run(["--version"], { ...options, env: bunVariables });
      expect(disguised).toEqual({ stdout: expect.stringMatching(/^keyhole \S+\n$/), stderr: "", exitCode: 0 });

      await machine.keyhole(machine.adding("dev").join(" "), options);
      await machine.keyhole("daemon start", options);
      const text = await machine.keyhole("export -f json -n dev", options);
      expect(JSON.parse(text)).toMatchObject({ access_key: expect.stringMatching(/^ASIA/) });
      expect(machine.sts.count("AssumeRole")).toBe(1);
      // The daemon is that executable, too; under an emulator only its command line says so.
      const daemon = readFileSync(`/proc/${machine.daemonPid()}/cmdline`, "utf8");
      expect(daemon).toContain(`keyhole-linux-${cpu}\0--daemon`);

      const exec = await machine.run(
        ["exec", "-n", "dev", "--", "sh", "-c", "echo $AWS_ACCESS_KEY_ID; exit 7"],
        options,
      );
      expect(exec).toMatchObject({ stdout: expect.stringMatching(/^ASIA\w+\n$/), exitCode: 7 });
      expect(machine.sts.count("AssumeRole")).toBe(1);
      await machine.keyhole("daemon stop", options);
      expect(machine.daemonPid()).toBeUndefined();
    },
    120_000,
  );
}
