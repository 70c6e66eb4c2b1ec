// install.sh where gzip is: half of the bytes, compared with their sum before and after; and none where nothing is new.
import { describe, expect, test } from "bun:test";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { baseTools, createHost, fakeExecutable, type Host, type InstallOptions, missing, usualTools } from "./host.ts";

const asset = "keyhole-linux-x64";
const packed = `${asset}.gz`;
const executableFile = ".local/bin/keyhole";
const tools = [...usualTools, "gzip"];

/** Installs from a server; also returns what was asked for. */
async function install(host: Host, options: InstallOptions = {}) {
  const asked: string[] = [];
  const url = host.serve((path) => void asked.push(path.replace("/latest/", "")));
  const outcome = await host.install({ tools, ...options, env: { KEYHOLE_BASE_URL: url } });
  return { ...outcome, asked };
}

/** An old version that must stay. */
async function refuse(message: RegExp, prepare: (host: Host) => void) {
  using host = createHost("0.2.0");
  host.installOld();
  prepare(host);
  const { stderr, exitCode, asked } = await install(host);
  expect(stderr).toMatch(message);
  expect([exitCode, host.files(), await host.ask("--version")]).toEqual([1, [executableFile], "keyhole 0.1.0"]);
  return asked;
}

function sumsWithout(host: Host, file: string): string {
  const sums = readFileSync(join(host.paths.releases, "latest", "SHA256SUMS"), "utf8").split("\n");
  return sums.filter((line) => !line.endsWith(`  ${file}`)).join("\n");
}

describe("the compressed file", () => {
  for (const tool of ["gzip", "busybox:gzip"]) {
    test.skipIf(missing(tool))(`is what is downloaded, with ${tool} (needs it)`, async () => {
      using host = createHost("0.2.0");
      const { stdout, exitCode, asked } = await install(host, { tools: [...usualTools, tool] });
      expect([stdout, exitCode, asked]).toEqual(["", 0, ["SHA256SUMS", packed]]);
      expect([await host.ask("--version"), host.files()]).toEqual(["keyhole 0.2.0", [executableFile]]);
    });
  }

  test("is read from a directory as well", async () => {
    using host = createHost("0.2.0");
    const { stderr, exitCode } = await host.install({ tools: [...baseTools, "sha256sum", "gzip"] });
    expect(stderr).toContain(`getting ${host.fileUrl}/latest/${packed}\n`);
    expect([exitCode, await host.ask("--version")]).toEqual([0, "keyhole 0.2.0"]);
  });

  test("is left alone where a release has none, or gzip is missing", async () => {
    using host = createHost("0.2.0");
    expect((await install(host, { tools: usualTools })).asked).toEqual(["SHA256SUMS", asset]);
    host.publish("0.3.0");
    host.spoil("SHA256SUMS", sumsWithout(host, packed));
    expect(await install(host)).toMatchObject({ exitCode: 0, asked: ["SHA256SUMS", asset] });
    expect(await host.ask("--version")).toBe("keyhole 0.3.0");
  });

  test("that was tampered with is not unpacked", async () => {
    const evil = Bun.gzipSync(fakeExecutable("6.6.6", asset));
    const wrong = /^keyhole: error: \S+x64\.gz has the wrong SHA-256: /m;
    expect(await refuse(wrong, (host) => host.spoil(packed, evil))).toEqual(["SHA256SUMS", packed]);
    await refuse(wrong, (host) => host.spoil(packed, evil.slice(0, -4)));
    await refuse(wrong, (host) => host.spoil(packed, ""));
  });

  test("that has its sum and holds something else is not installed", async () => {
    await refuse(/^keyhole: error: \S+x64 has the wrong SHA-256: /m, (host) => {
      host.publishFile("0.2.0", asset, fakeExecutable("6.6.6", asset));
      const lines = readFileSync(join(host.paths.releases, "latest", "SHA256SUMS"), "utf8");
      host.spoil("SHA256SUMS", lines.replace(/^[0-9a-f]{64}(?=  keyhole-linux-x64$)/m, "0".repeat(64)));
    });
  });

  test("that is not there", async () => {
    await refuse(/^keyhole: error: cannot download http:\S+x64\.gz$/m, (host) => {
      rmSync(join(host.paths.releases, "latest", packed));
    });
  });
});

describe("where the release is installed already", () => {
  test.each([
    ["with gzip", tools],
    ["without", usualTools],
  ])("nothing but the sums is downloaded, %s", async (_, own) => {
    using host = createHost("0.2.0");
    await install(host, { tools: own });
    const { ino } = statSync(host.paths.executable);
    const again = await install(host, { tools: own });
    expect(again).toMatchObject({ stdout: "", exitCode: 0, asked: ["SHA256SUMS"] });
    expect(again.stderr).toStartWith(`keyhole 0.2.0, as before, is installed: ${host.paths.executable}\n`);
    expect(statSync(host.paths.executable).ino).toBe(ino);
  });

  test("completions are written all the same", async () => {
    using host = createHost("0.2.0");
    await install(host);
    await install(host, { words: ["--completions"] });
    expect(host.files()).toHaveLength(4);
  });

  test("one that was changed is replaced", async () => {
    using host = createHost("0.2.0");
    await install(host);
    writeFileSync(host.paths.executable, fakeExecutable("6.6.6", "evil"));
    expect((await install(host)).asked).toEqual(["SHA256SUMS", packed]);
    expect(await host.ask("--version")).toBe("keyhole 0.2.0");
  });
});

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("%s in the middle leaves nothing", async (signal) => {
  using host = createHost("0.2.0");
  host.installOld();
  const asked = Promise.withResolvers<void>();
  const slow = new ReadableStream({
    start: (out) => out.enqueue(new Uint8Array(99_999)),
    pull: () => new Promise(() => {}),
  });
  const url = host.serve((path) => {
    if (!path.endsWith(packed)) return undefined;
    asked.resolve();
    return new Response(slow);
  });
  const { words, env, cwd } = host.command({ tools, env: { KEYHOLE_BASE_URL: url } });
  const child = Bun.spawn(words, { env, cwd, stdin: "ignore", stdout: "ignore", stderr: "ignore", detached: true });
  await asked.promise;
  process.kill(-child.pid, signal);
  expect(await child.exited).toBe(130);
  expect(host.files()).toEqual([executableFile]);
});
