// install.sh where something is wrong: what was there stays, no temporary file stays, and one line says why.
import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Result } from "../processes.ts";
import { generateCertificate } from "../sts/tls.ts";
import { baseTools, createHost, fakeExecutable, type Host, type InstallOptions, missing, run } from "./host.ts";

const executableFile = ".local/bin/keyhole";
const asset = "keyhole-linux-x64";

/** One error, one hint, at the end; what curl or cat says may stand in front. */
function expectRefusal({ stdout, stderr, exitCode }: Result, message: string | RegExp): void {
  const lines = stderr.trimEnd().split("\n");
  const [error, hint] = lines.slice(-2);
  expect(error).toMatch(message);
  expect(error).toStartWith("keyhole: error: ");
  expect(hint).toMatch(/^keyhole: hint: \S/);
  expect(lines.filter((line) => line.startsWith("keyhole: "))).toHaveLength(2);
  expect([stdout, exitCode]).toEqual(["", 1]);
}

async function expectUntouched(host: Host): Promise<void> {
  expect(host.files()).toEqual([executableFile]);
  expect(await host.ask("--version")).toBe("keyhole 0.1.0");
}

/** Installs over an old version, which must stay. */
async function refuse(message: string | RegExp, prepare: (host: Host) => InstallOptions | void): Promise<void> {
  using host = createHost("0.2.0");
  host.installOld();
  expectRefusal(await host.install(prepare(host) ?? {}), message);
  await expectUntouched(host);
}

function from(tools: readonly string[], url: string): InstallOptions {
  return { tools, env: { KEYHOLE_BASE_URL: url } };
}

/** An answer that announces more than it brings; Bun.serve does not make one. */
function serveTruncated(host: Host, part: string): { url: string; [Symbol.dispose](): void } {
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket, request) {
        const whole = request.toString().includes("SHA256SUMS");
        const sums = readFileSync(join(host.paths.releases, "latest", "SHA256SUMS"), "utf8");
        const body = whole ? sums : part;
        socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${whole ? sums.length : 100_000}\r\n\r\n${body}`);
      },
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, [Symbol.dispose]: () => server.stop(true) };
}

describe("the release", () => {
  const good = fakeExecutable("0.2.0", asset);
  const zeros = "0".repeat(64);

  test.each([
    [
      "a file that was tampered with",
      asset,
      good.replace("0.2.0", "6.6.6"),
      /has the wrong SHA-256: [0-9a-f]{64}, not/,
    ],
    ["a file that was cut", asset, good.slice(0, -10), "has the wrong SHA-256"],
    ["an empty file", asset, "", "has the wrong SHA-256"],
    ["another sum", "SHA256SUMS", `${zeros}  ${asset}\n`, `not ${zeros}`],
    ["two sums for the file", "SHA256SUMS", `${zeros}  ${asset}\n${zeros}  ${asset}\n`, `not ${zeros}`],
    ["no sum for the file", "SHA256SUMS", `${zeros}  keyhole-plan9-mips\n`, `SHA256SUMS has no line for ${asset}`],
    ["a name that only begins so", "SHA256SUMS", `${zeros}  ${asset}.zst\n`, `has no line for ${asset}`],
    ["no sums at all", "SHA256SUMS", "", `has no line for ${asset}`],
    ["a page in place of the sums", "SHA256SUMS", "<html>\n<p>Log in\n</html>\n", `has no line for ${asset}`],
  ])("%s is refused", async (_, file, content, message) => {
    await refuse(message, (host) => host.spoil(file, content));
    await refuse(message, (host) => {
      host.spoil(file, content);
      return { env: { KEYHOLE_BASE_URL: host.serve() } };
    });
  });

  test("a name marked as binary, as some programs write it, is the same name", async () => {
    using host = createHost("0.2.0");
    const sums = readFileSync(join(host.paths.releases, "latest", "SHA256SUMS"), "utf8");
    host.spoil("SHA256SUMS", sums.replaceAll("  ", " *"));
    expect((await host.install()).exitCode).toBe(0);
  });

  test.each([
    ["that fails", "#!/bin/sh\nexit 1\n"],
    ["of another system", "\x7fELF, but no more of it"],
    ["that is text", ""],
  ])("an executable %s does not replace one that runs", async (_, content) => {
    using host = createHost("0.2.0");
    host.installOld();
    host.publishFile("0.2.0", asset, content === "" ? "#!/nonexistent/sh\n" : content);
    expectRefusal(await host.install(), `${asset} does not run here`);
    await expectUntouched(host);
  });
});

describe("the download", () => {
  for (const downloader of ["curl", "wget", "busybox:wget"]) {
    const tools = [...baseTools, downloader, "sha256sum"];

    test.skipIf(missing(downloader))(
      `${downloader} is cut off (needs it)`,
      async () => {
        using host = createHost("0.2.0");
        host.installOld();
        using server = serveTruncated(host, fakeExecutable("0.2.0", asset).slice(0, 100));
        const outcome = await host.install({ tools, env: { KEYHOLE_BASE_URL: server.url } });
        expectRefusal(outcome, /cannot download http:\S+linux-x64$|has the wrong SHA-256/);
        await expectUntouched(host);
      },
      20_000,
    );

    test.skipIf(missing(downloader))(
      `${downloader} finds nothing, nobody, or a failure (needs it)`,
      async () => {
        await refuse(/cannot download http:\S+\/latest\/SHA256SUMS$/, (host) => from(tools, `${host.serve()}/nothing`));
        await refuse(/cannot download http:\S+\/latest\/SHA256SUMS$/, () => from(tools, "http://127.0.0.1:1"));
        await refuse(/cannot download http:\S+\/latest\/keyhole-linux-x64$/, (host) => {
          rmSync(join(host.paths.releases, "latest", asset));
          return from(tools, host.serve());
        });
        await refuse(/cannot download http:\S+\/latest\/keyhole-linux-x64$/, (host) =>
          from(
            tools,
            host.serve((path) => (path.endsWith(asset) ? new Response("no", { status: 503 }) : undefined)),
          ),
        );
      },
      20_000,
    );
  }

  test("a file:// that is not there", async () => {
    await refuse(/cannot download file:\S+\/latest\/SHA256SUMS$/, () => ({
      env: { KEYHOLE_BASE_URL: "file:///nonexistent" },
    }));
    await refuse(/cannot download file:\S+linux-x64$/, (host) => rmSync(join(host.paths.releases, "latest", asset)));
  });

  test.skipIf(missing("curl", "openssl"))("is not led from https to http (needs curl, openssl)", async () => {
    const tls = generateCertificate();
    const install = async (follow: boolean): Promise<[Result, string[]]> => {
      using host = createHost("0.2.0");
      const bundle = join(host.paths.root, "ca.pem");
      writeFileSync(bundle, tls.cert);
      const plain = host.serve();
      const secure = host.serve((path) => (follow ? Response.redirect(`${plain}${path}`) : undefined), tls);
      const outcome = await host.install({ env: { KEYHOLE_BASE_URL: secure, CURL_CA_BUNDLE: bundle } });
      return [outcome, host.files()];
    };
    const [outcome, files] = await install(true);
    expectRefusal(outcome, "cannot download https:");
    expect(files).toEqual([]);
    const [direct, installed] = await install(false);
    expect([direct.exitCode, installed]).toEqual([0, [executableFile]]);
  });

  test.each(["ftp://host/x", "/srv/keyhole", "file://host/x", "releases"])("%s is no address", async (url) => {
    await refuse("no address of releases here or in KEYHOLE_BASE_URL", () => ({ env: { KEYHOLE_BASE_URL: url } }));
  });
});

describe("the host", () => {
  test.each([
    ["neither curl nor wget", [...baseTools, "sha256sum"], "neither curl nor wget is here"],
    ["no program for sums", [...baseTools, "curl"], "neither sha256sum, shasum nor openssl is here"],
  ])("%s", async (_, tools, message) => {
    await refuse(message, (host) => ({ tools, env: { KEYHOLE_BASE_URL: host.serve() } }));
  });

  test.each(["cat", "chmod", "mkdir", "mktemp", "mv"])("without %s nothing is changed", async (tool) => {
    using host = createHost("0.2.0");
    host.installOld();
    const { exitCode } = await host.install({ tools: [...baseTools, "sha256sum"].filter((name) => name !== tool) });
    expect(exitCode).not.toBe(0);
    await expectUntouched(host);
  });

  test("without HOME", async () => {
    await refuse("HOME is not set", () => ({ env: { HOME: undefined } }));
    await refuse("HOME is not set", () => ({ env: { HOME: "" } }));
  });

  test("a directory in the executable's place", async () => {
    using host = createHost("0.2.0");
    mkdirSync(host.paths.executable, { recursive: true });
    expectRefusal(await host.install(), `${host.paths.executable} is a directory`);
    expect(host.files()).toEqual([]);
  });

  test("a file in the directory's place", async () => {
    using host = createHost("0.2.0");
    writeFileSync(join(host.paths.home, ".local"), "");
    expectRefusal(await host.install(), `cannot make the directory ${host.paths.bin}`);
    expect(host.files()).toEqual([".local"]);
  });

  test("a file in the place of a completion's directory: the executable is there, and it says what is not", async () => {
    using host = createHost("0.2.0");
    writeFileSync(join(host.paths.home, ".config"), "");
    expectRefusal(
      await host.install({ words: ["--completions"] }),
      /cannot make the directory \S+\/fish\/completions$/,
    );
    expect(host.files()).toContain(executableFile);
  });
});

describe("the file system", () => {
  const unshare = process.getuid?.() === 0 ? ["unshare", "-m"] : ["unshare", "-rm"];
  const cannotMount = missing("unshare") || !Bun.spawnSync([...unshare, "true"]).success;

  /** Runs the script with ~/.local/bin on a tmpfs of its own, which has the old version; then lists what is there. */
  async function installOn(host: Host, size: string, remount: string, words: readonly string[] = []) {
    host.installOld();
    const command = host.command({ words });
    const { bin } = host.paths;
    const program = `
      cp "${bin}/keyhole" "${host.paths.root}/old" && mount -t tmpfs -o size=${size} none "${bin}" &&
      cp "${host.paths.root}/old" "${bin}/keyhole" && ${remount} || exit 99
      env -i "$@"
      code=$?
      ls -A "${bin}" >"${host.paths.root}/left"
      cat "${bin}/keyhole" >"${host.paths.root}/kept"
      exit $code`;
    const variables = Object.entries(command.env).map(([name, value]) => `${name}=${value}`);
    const outcome = await run([...unshare, "sh", "-c", program, "sh", ...variables, ...command.words], {
      env: { PATH: process.env["PATH"]! },
      cwd: command.cwd,
    });
    expect(readFileSync(join(host.paths.root, "left"), "utf8")).toBe("keyhole\n");
    expect(readFileSync(join(host.paths.root, "kept"), "utf8")).toBe(fakeExecutable("0.1.0", "old"));
    return outcome;
  }

  const large = `${fakeExecutable("0.2.0", asset)}${"#".repeat(1_000_000)}\n`;

  test.skipIf(cannotMount)("is full (needs unshare and the right to mount)", async () => {
    using host = createHost();
    host.publishFile("0.2.0", asset, large);
    expectRefusal(await installOn(host, "64k", "true"), `no room in ${host.paths.bin}`);
  });

  test.skipIf(cannotMount)("is read-only (needs unshare and the right to mount)", async () => {
    using host = createHost("0.2.0");
    const remount = `mount -o remount,ro "${host.paths.bin}"`;
    expectRefusal(await installOn(host, "8m", remount), `cannot write to ${host.paths.bin}`);
    expectRefusal(await installOn(host, "8m", remount, ["--uninstall"]), `cannot remove ${host.paths.executable}`);
  });

  test.skipIf(cannotMount)("is mounted noexec (needs unshare and the right to mount)", async () => {
    using host = createHost("0.2.0");
    const remount = `mount -o remount,noexec "${host.paths.bin}"`;
    expectRefusal(await installOn(host, "8m", remount), `${asset} does not run here`);
  });
});

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
  "%s in the middle of the download leaves no file",
  async (signal) => {
    using host = createHost("0.2.0");
    host.installOld();
    const slow = new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(100_000)),
        pull: () => new Promise(() => {}),
      }),
    );
    const asked = Promise.withResolvers<void>();
    const url = host.serve((path) => {
      if (!path.endsWith(asset)) return undefined;
      asked.resolve();
      return slow;
    });
    const { words, env, cwd } = host.command({ env: { KEYHOLE_BASE_URL: url } });
    // A group of its own, as a terminal's job is.
    const child = Bun.spawn(words, { env, cwd, stdin: "ignore", stdout: "ignore", stderr: "ignore", detached: true });
    // Not earlier: a shell that is about to start curl would wait for it, and curl would not have had the signal.
    await asked.promise;
    expect(host.files()).toHaveLength(2);
    process.kill(-child.pid, signal);
    expect(await child.exited).toBe(130);
    await expectUntouched(host);
  },
);
