// keyhole run, as far as it comes before a program begins, and with programs that stand for sandboxes.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KeyholeError } from "../../../src/errors.ts";
import type { RequestOf } from "../../../src/wire/messages.ts";
import { terminalFilter } from "../../../src/cli/recipes/bwrap.ts";
import { type FakeDaemon, startFakeDaemon } from "../fakes/daemon.ts";
import { grantInfo } from "../../grants/fakes/grants.ts";
import { keyhole, type WorldOptions } from "../fakes/world.ts";

let daemon: FakeDaemon;
let bin: string;

beforeEach(() => {
  bin = fs.mkdtempSync(join(tmpdir(), "keyhole-run-"));
  daemon = startFakeDaemon({
    GrantRun: ({ name, config, deliver, mountAt }) =>
      grantInfo({ name, config, deliver, mountAt, directory: "/g/AAAAAAAAAAAAAAAAAAAAAA" }),
    GrantRemove: () => ({}),
  });
});
afterEach(async () => {
  await daemon[Symbol.asyncDispose]();
  fs.rmSync(bin, { recursive: true });
});

/** A tool that writes down its arguments, environment and settings. */
function install(...names: readonly string[]): void {
  const script = `printf '%s\\0' "$@" >${bin}/words; env -0 >${bin}/environment; cat /dev/fd/3 >${bin}/settings 2>/dev/null; exit 7`;
  for (const name of names) {
    fs.writeFileSync(join(bin, name), `#!/bin/sh\nPATH=/usr/bin:/bin\n${script}\n`);
    fs.chmodSync(join(bin, name), 0o755);
  }
}

const wordsGiven = () => fs.readFileSync(join(bin, "words"), "utf8").split("\0").slice(0, -1);
const defaults = (text: string) => fs.writeFileSync(join(daemon.home, "run.yaml"), text);

function run(words: string, options: WorldOptions = {}) {
  const environment = {
    KEYHOLE_HOME: daemon.home,
    KEYHOLE_SOCKET: daemon.socket,
    HOME: "/home/ada",
    PATH: bin,
    ...options.environment,
  };
  return keyhole(["run", ...words.split(" ")], { ...options, environment });
}

const requested = () => daemon.requests.find(({ name }) => name === "GrantRun")?.body as RequestOf<"GrantRun">;

describe("where the sandbox is not said", () => {
  test("nobody is asked without a terminal, and nothing is made", async () => {
    const { exit, stderr } = await run("--config dev -- sh -c x");
    expect({ exit, requests: daemon.requests }).toEqual({ exit: 2, requests: [] });
    expect(stderr).toContain("keyhole run --config dev --in SANDBOX -- sh -c x\n");
  });

  test("the hint keeps what limits the grant", async () => {
    const typed = ["run", "--config", "dev", "--ttl", "8h", "--policy=read-only", "--tag", "a=b c", "--confirm"];
    const { stderr } = await keyhole([...typed, "--tool-option=-x", "--", "true"], {
      environment: { KEYHOLE_HOME: daemon.home, KEYHOLE_SOCKET: daemon.socket },
    });
    const options = "--config dev --ttl 8h --policy read-only --tag 'a=b c' --confirm --tool-option=-x";
    expect(stderr).toContain(`keyhole: hint: keyhole run ${options} --in SANDBOX -- true\n`);
    install("srt", "bwrap", "socat", "rg");
    const refused = await run("--config dev --in srt --ttl 8h --deliver socket -- true");
    expect(refused.stderr).toContain(
      "keyhole: hint: keyhole run --config dev --in srt --ttl 8h --deliver file -- true\n",
    );
    install("docker");
    expect((await run("--config dev --ttl 8h --in docker -- true")).stderr).toContain(
      "keyhole: hint: keyhole run --config dev --ttl 8h --in docker --image IMAGE -- true\n",
    );
  });

  test("a person chooses one, which is kept if wanted", async () => {
    install("firejail");
    expect(await run("--config dev -- true", { answers: ["firejail", true] })).toMatchObject({ exit: 7 });
    expect(fs.readFileSync(join(daemon.home, "run.yaml"), "utf8")).toBe("in: firejail\n");
    expect(await run("--config dev -- true")).toMatchObject({ exit: 7 });
  });

  test("what else stands in run.yaml stays, and nothing is kept that is not wanted", async () => {
    install("docker");
    defaults("# mine\nimage: box");
    expect(await run("--config dev -- true", { answers: ["docker", false] })).toMatchObject({ exit: 7 });
    expect(fs.readFileSync(join(daemon.home, "run.yaml"), "utf8")).toBe("# mine\nimage: box");
    await run("--config dev -- true", { answers: ["docker", true] });
    expect(fs.readFileSync(join(daemon.home, "run.yaml"), "utf8")).toBe("# mine\nimage: box\nin: docker\n");
  });

  test.each([
    ["# nothing yet", "# nothing yet\nin: docker\n"],
    ["{image: box}\n", "image: box\nin: docker\n"],
    ["image: box # mine\ntool-options: [--init]\n", "image: box # mine\ntool-options: [--init]\nin: docker\n"],
  ])("the answer is kept in %j", async (before, after) => {
    install("docker");
    defaults(before);
    await run("--config dev --image box -- true", { answers: ["docker", true] });
    expect(fs.readFileSync(join(daemon.home, "run.yaml"), "utf8")).toBe(after);
  });
});

describe("run.yaml", () => {
  test("has what options do not say; words for its own tool stand before those of the command line", async () => {
    install("docker", "firejail");
    defaults("in: docker\nimage: box\ntool-options:\n  - --network=none\n  - --read-only\n");
    expect(await run("--config dev --tool-option=--user=1 -- sh -c x")).toMatchObject({ exit: 7 });
    expect(wordsGiven().slice(-8)).toEqual([
      "--interactive",
      "--network=none",
      "--read-only",
      "--user=1",
      "box",
      "sh",
      "-c",
      "x",
    ]);
    await run("--config dev --in firejail -- true");
    expect(wordsGiven()).not.toContain("--read-only");
  });

  test.each([
    ["in: docker\nimages: box\n", "line 2: images is no key of this file: it has in, image, tool-options"],
    ["in: chroot\n", "line 1: in must be one of bwrap, srt"],
    ["tool-options: --read-only\n", "line 1: tool-options must be a list of texts"],
    ["\nimage: [box]\n", "line 2: image must be text"],
    ["- in\n", "must be a mapping"],
    ["in: none\nin: bwrap\n", "line 2"],
  ])("is refused with its line: %j", async (text, message) => {
    defaults(text);
    const { exit, stderr } = await run("--config dev -- true");
    expect({ exit, requests: daemon.requests }).toEqual({ exit: 1, requests: [] });
    expect(stderr).toContain(`${daemon.home}/run.yaml: ${message}`);
  });

  test("that others may write is not obeyed", async () => {
    defaults("in: none\n");
    fs.chmodSync(join(daemon.home, "run.yaml"), 0o666);
    expect(await run("--config dev -- true")).toMatchObject({ exit: 1, stdout: "" });
    expect(daemon.requests).toEqual([]);
  });
});

test.each(["-d", "--detach", "--detach=true", "-itd", "-dit"])(
  "docker's %s is refused before anything is made",
  async (option) => {
    install("docker");
    for (const words of [`--tool-option=${option}`, `--tool-option=--rm --tool-option=${option}`]) {
      const { exit, stderr } = await run(`--config dev --in docker --image box ${words} -- true`);
      expect({ exit, requests: daemon.requests }).toEqual({ exit: 2, requests: [] });
      expect(stderr).toContain("would leave the program to itself");
    }
  },
);

test("a tool that is not there is 127, with how to install it, before a grant is made", async () => {
  const { exit, stderr } = await run("--config dev --in srt -- true");
  expect({ exit, requests: daemon.requests }).toEqual({ exit: 127, requests: [] });
  expect(stderr).toBe(
    "keyhole: error: srt, bwrap, socat, rg are not installed, which --in srt needs\n" +
      "keyhole: hint: npm install --global @anthropic-ai/sandbox-runtime && sudo apt-get install bubblewrap socat ripgrep\n",
  );
});

test.each([
  ["--config dev --in docker -- true", "--in docker wants an image"],
  ["--config dev --in srt --image box -- true", "--image is for docker and podman"],
  ["--config dev --in srt --deliver socket -- true", "--in srt works with --deliver file alone"],
  ["--config dev --in codex --mount-at /run/keyhole -- true", "--in codex works with --mount-at host alone"],
  ["--config dev --in none --tool-option=reboot -- true", "--tool-option is for a sandbox"],
  ["--config dev --in bwrap --", "no command is given"],
  ["--config dev --in bwrap true", "the program to run and its arguments come after --"],
  ["--in bwrap -- true", "--config is missing, or --profile"],
])("%s is refused", async (words, message) => {
  install("docker", "srt", "bwrap", "socat", "rg", "codex");
  const { exit, stderr } = await run(words);
  expect({ exit, requests: daemon.requests }).toEqual({ exit: 2, requests: [] });
  expect(stderr).toContain(message);
});

test("bwrap shows no home: neither the user's nor keyhole's, nor what they lie in", async () => {
  install("bwrap");
  for (const directory of ["/", "/home", "/home/ada", daemon.home]) {
    const { exit, stderr } = await run("--config dev --in bwrap -- true", { host: { cwd: () => directory } });
    expect({ exit, requests: daemon.requests }).toEqual({ exit: 2, requests: [] });
    expect(stderr).toContain("shows all that lies below the working directory");
  }
  expect(await run("--config dev --in bwrap -- true", { host: { cwd: () => "/home/ada/work" } })).toMatchObject({
    exit: 7,
  });
  const words = wordsGiven();
  expect(words.slice(words.indexOf("--bind"), words.indexOf("--bind") + 3)).toEqual([
    "--bind",
    "/home/ada/work",
    "/work",
  ]);
  // A program that keyhole leaves behind goes on.
  expect(words).not.toContain("--die-with-parent");
  // Nor does it type into the terminal.
  expect(words.slice(-4)).toEqual(["--seccomp", "3", "--", "true"]);
  expect(fs.readFileSync(join(bin, "settings"))).toEqual(Buffer.from(terminalFilter()));
});

test("bwrap shows nothing of keyhole's home or ~/.aws, nor what they lie in behind a link", async () => {
  install("bwrap");
  const home = join(bin, "real");
  fs.mkdirSync(join(home, ".aws"), { recursive: true });
  fs.symlinkSync(home, join(bin, "link"));
  const environment = { HOME: join(bin, "link") };
  for (const directory of [home, join(home, ".aws"), join(home, ".aws/sso"), join(daemon.home, "g")]) {
    const { exit, stderr } = await run("--config dev --in bwrap -- true", {
      environment,
      host: { cwd: () => directory },
    });
    expect({ exit, requests: daemon.requests }).toEqual({ exit: 2, requests: [] });
    expect(stderr).toContain("shows all that lies below the working directory");
  }
  const work = { environment, host: { cwd: () => join(home, "work") } };
  expect(await run("--config dev --in bwrap -- true", work)).toMatchObject({ exit: 7 });
});

test("words for a sandbox are not the program where there is none", async () => {
  install("mine");
  defaults("tool-options: [mine]\n");
  expect(await run("--config dev --in none -- /bin/sh -c true")).toMatchObject({ exit: 0 });
  expect(fs.existsSync(join(bin, "words"))).toBe(false);
});

test("the grant is bound, of a name of its own, what the sandbox takes, and removed at the end", async () => {
  install("srt", "bwrap", "socat", "rg");
  const environment = { AWS_ACCESS_KEY_ID: "AKIA", AWS_SECRET_ACCESS_KEY: "secret", AWS_PROFILE: "prod" };
  const result = await run("--config dev --ttl 1h --in srt -- sh -c x", { environment });
  expect(result).toEqual({ exit: 7, stdout: "", stderr: "", questions: [] });
  const { name, config, deliver, mountAt, ttlSeconds } = requested();
  expect({ config, deliver, mountAt, ttlSeconds }).toEqual({
    config: "dev",
    deliver: "file",
    mountAt: "host",
    ttlSeconds: 3600,
  });
  expect(name).toMatch(/^run-[0-9a-f]{8}$/);
  expect(daemon.requests.at(-1)).toEqual({ name: "GrantRemove", body: { name } });
  expect(wordsGiven()).toEqual(["--settings", "/dev/fd/3", "--", "sh", "-c", "x"]);
  expect(JSON.parse(fs.readFileSync(join(bin, "settings"), "utf8")).filesystem.allowRead).toEqual([
    "/g/AAAAAAAAAAAAAAAAAAAAAA",
  ]);
  const given = fs.readFileSync(join(bin, "environment"), "utf8").split("\0");
  expect(given).toContainValues(["AWS_CONFIG_FILE=/g/AAAAAAAAAAAAAAAAAAAAAA/aws-config", "AWS_SECRET_ACCESS_KEY="]);
  expect(given.filter((variable) => /^KEYHOLE_(?!AUTOSTART)|AKIA|secret|prod/.test(variable))).toEqual([]);
  // Nothing of the settings stays.
  expect(fs.existsSync(join(daemon.home, "run", `${name}.json`))).toBe(false);
});

test("words that are not UTF-8 are refused before anything is made: another file would be meant", async () => {
  const { exit, stderr } = await run("--config dev --in none -- rm \ufffd");
  expect({ exit, requests: daemon.requests }).toEqual({ exit: 2, requests: [] });
  expect(stderr).toContain("argument 1 of the program is not UTF-8");
});

test("a program that cannot be started leaves no grant", async () => {
  expect(await run("--config dev --in none -- no-such-program")).toMatchObject({ exit: 127 });
  expect(daemon.requests.at(-1)!.name).toBe("GrantRemove");
});

test("an end that the daemon does not hear of is said, and the program's status stays", async () => {
  install("firejail");
  await daemon[Symbol.asyncDispose]();
  daemon = startFakeDaemon({
    GrantRun: () => grantInfo({ name: "run-00000000", mountAt: "host" }),
    GrantRemove: () => {
      throw new KeyholeError("unsafe-path", "cannot remove it");
    },
  });
  const { exit, stderr } = await run("--config dev --in firejail -- true");
  expect(exit).toBe(7);
  expect(stderr).toContain("keyhole: hint: keyhole grant remove --yes run-00000000\n");
});
