// What the recipes print, as the program that it is for would take it apart.
import { describe, expect, test } from "bun:test";
import { type RecipeName, recipeNames, recipes } from "../../../src/cli/recipes/table.ts";
import { grantVariables } from "../../../src/grants/mount.ts";
import { resolvePaths } from "../../../src/paths.ts";
import type { GrantInfo } from "../../../src/wire/messages.ts";
import { thrownBy } from "../../thrown.ts";
import { grantInfo } from "../../grants/fakes/grants.ts";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { terminalFilter } from "../../../src/cli/recipes/bwrap.ts";

/** Whatever a home's path may have in it. */
const NASTY = `/home/a d'a "$x",%y:z/.keyhole/g/AAAAAAAAAAAAAAAAAAAAAA`;
const PLAIN = "/run/user/1000/keyhole/g/AAAAAAAAAAAAAAAAAAAAAA";

const socket = grantInfo({ directory: NASTY });
const file = grantInfo({ directory: NASTY, deliver: "file", executable: "none" });
const shared = grantInfo({ directory: PLAIN, deliver: "file", executable: "none", mountAt: "host" });

const atHost = grantInfo({ mountAt: "host" });

const paths = resolvePaths({ HOME: "/home/ada" }, {}, () => "/");
const LEASES = "/run/user/1000/keyhole/g";
const host = { platform: "linux", paths, leaseParents: [LEASES] } as const;
const textOf = (name: RecipeName, grant: GrantInfo) => recipes[name](grant, host).text;
const variables = grantVariables("/run/keyhole", { deliver: "socket" });

/** The words that a shell gives to a program. */
function wordsOf(program: string, script: string): string[] {
  const stub = `${program}() { printf '%s\\0' "$@"; }\n${script}\n`;
  const { stdout, stderr, exitCode } = Bun.spawnSync(["sh", "-c", stub], {
    cwd: "/",
    env: { PATH: "/usr/bin:/bin", PWD: "/" },
  });
  expect({ stderr: stderr.toString(), exitCode }).toEqual({ stderr: "", exitCode: 0 });
  return stdout.toString().split("\0").slice(0, -1);
}

/** What stands behind an option, each time that it is there. */
const behind = (words: readonly string[], option: string, count = 1) =>
  words.flatMap((word, at) => (word === option ? [words.slice(at + 1, at + 1 + count)] : []));

const below = (directory: string) => (name: string) => `${directory}/${name}`;

/** A line of CSV with doubled quotes, as Docker and Podman read `--mount`. */
function csvFields(line: string): string[] {
  const fields = line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))/g);
  return [...fields].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? "");
}

describe.each(["docker", "podman"] as const)("%s", (engine) => {
  test.each([
    ["socket", socket],
    ["file", file],
  ])("mounts the directory of a %s read-only and sets the variables", (_, grant) => {
    const words = wordsOf(engine, textOf(engine, grant));
    expect(words.slice(0, 2)).toEqual(["run", "--rm"]);
    const [[mount]] = behind(words, "--mount") as [[string]];
    const readOnly = engine === "docker" ? "readonly" : "ro=true";
    expect(csvFields(mount)).toEqual(["type=bind", `src=${NASTY}`, "dst=/run/keyhole", readOnly]);
    expect(behind(words, "--env-file")).toEqual([[`${NASTY}/env`]]);
    expect(words.at(-1)).toBe("IMAGE");
  });

  test("says of SELinux what its delivery needs", () => {
    expect(textOf(engine, socket)).toContain("--security-opt label=disable");
    expect(textOf(engine, file)).toContain(":ro,z");
  });

  test("mounts at the host's path where that is where it is seen", () => {
    const [[mount]] = behind(wordsOf(engine, textOf(engine, shared)), "--mount") as [[string]];
    expect(mount).toContain(`dst=${PLAIN}`);
  });
});

test("compose mounts the directory read-only, never makes one, and sets the variables", () => {
  const { services, volumes } = Bun.YAML.parse(textOf("compose", socket)) as any;
  const device = NASTY.replace("$", "$$$$");
  const [[source, definition]] = Object.entries(volumes) as [[string, object]];
  expect(source).toMatch(/^keyhole-[0-9a-f]{8}$/);
  expect(definition).toEqual({ driver_opts: { type: "none", o: "bind", device } });
  const mount = { type: "volume", source, target: "/run/keyhole", read_only: true, volume: { nocopy: true } };
  expect(services.app.volumes).toEqual([mount]);
  expect(services.app.environment).toEqual(variables);
});

test("devcontainer mounts the directory read-only and sets the variables", () => {
  const { mounts, containerEnv } = JSON.parse(textOf("devcontainer", socket));
  expect(csvFields(mounts[0])).toEqual(["type=bind", `source=${NASTY}`, "target=/run/keyhole", "readonly"]);
  expect(containerEnv).toEqual(variables);
});

test("bwrap binds the directory read-only into an empty world, and sets the variables", () => {
  const words = wordsOf("bwrap", textOf("bwrap", socket));
  expect(words).toContain("--clearenv");
  expect(behind(words, "--ro-bind", 2)).toContainEqual([NASTY, "/run/keyhole"]);
  const set = Object.fromEntries(behind(words, "--setenv", 2) as [string, string][]);
  expect(set).toMatchObject({ AWS_CONFIG_FILE: "/run/keyhole/aws-config", AWS_EC2_METADATA_DISABLED: "true" });
  expect(words.slice(-2)).toEqual(["--", "sh"]);
  // What is bound later lies above what was bound before.
  expect(words.indexOf(NASTY)).toBeGreaterThan(words.lastIndexOf("--tmpfs"));
});

test("kubernetes mounts the directory read-only and sets the variables", () => {
  const { kind, spec } = Bun.YAML.parse(textOf("kubernetes", socket)) as any;
  expect(kind).toBe("Pod");
  expect(spec.volumes).toEqual([{ name: "keyhole", hostPath: { path: NASTY, type: "Directory" } }]);
  const [container] = spec.containers;
  expect(container.volumeMounts).toEqual([{ name: "keyhole", mountPath: "/run/keyhole", readOnly: true }]);
  expect(container.env).toEqual(Object.entries(variables).map(([name, value]) => ({ name, value })));
});

/** The value of a line of a unit, whose strings are JSON's but for specifiers. */
const unquote = (line: string) => (JSON.parse(line.slice(line.indexOf("=") + 1)) as string).replaceAll("%%", "%");

test("systemd binds the directory read-only and sets the variables, each as one word without a specifier", () => {
  const lines = textOf("systemd", socket)
    .split("\n")
    .filter((line) => !line.startsWith("#"));
  expect(lines[0]).toBe("[Service]");
  // Each quoted by itself: a colon in quotes separates nothing.
  const [source, target] = lines[1]!.split(/(?<="):/);
  expect(unquote(source!)).toBe(NASTY);
  expect(target).toBe('"/run/keyhole"');
  expect(lines[1]).not.toMatch(/(?<!%)%(?!%)/);
  expect(lines.slice(2).map(unquote)).toEqual(Object.entries(variables).map((pair) => pair.join("=")));
});

test("lima mounts the directory of a file read-only and sets the variables", () => {
  const { mounts, env } = Bun.YAML.parse(textOf("lima", file)) as any;
  expect(mounts).toEqual([{ location: NASTY, mountPoint: "/run/keyhole", writable: false }]);
  expect(env).toEqual(variables);
});

test("what lima's comment advises to run is quoted, too", () => {
  const comment = textOf("lima", { ...file, mountAt: "host" }).split("\n")[1]!;
  expect(wordsOf("cat", comment.slice(comment.indexOf("cat ")))).toEqual([`${NASTY}/lease.json`]);
});

test.each([
  ["file", shared, ["~/.aws", "/home/ada/.keyhole"]],
  [
    "socket",
    atHost,
    [
      "~/.aws",
      ...["sock", "logs", "configs", "grants", "run", "run.yaml", "bin", "shared.yaml"].map(
        below("/home/ada/.keyhole"),
      ),
      LEASES,
    ],
  ],
] as const)(
  "codex denies what leads to other credentials beside a %s, and inherits no variable",
  (_, grant, denied) => {
    const settings = Bun.TOML.parse(textOf("codex", grant)) as any;
    const { shell_environment_policy: policy, permissions, default_permissions: profile } = settings;
    expect(policy).toEqual({ exclude: ["AWS_*"], set: grantVariables(grant.directory, { deliver: "socket" }) });
    expect(Object.entries(permissions[profile].filesystem)).toEqual(denied.map((path) => [path, "deny"]));
    expect(permissions[profile]).toMatchObject({ extends: ":workspace", network: { enabled: true } });
    // It and the profile exclude each other.
    expect(settings).not.toContainKey("sandbox_mode");
  },
);

test("codex denies whatever lies in keyhole's home, but for the place of grants", () => {
  const { filesystem } = (Bun.TOML.parse(textOf("codex", atHost)) as any).permissions.keyhole;
  const open = Object.entries(paths)
    .filter(([name, path]) => path.startsWith(`${paths.home}/`) && name !== "grantMounts")
    .filter(([, path]) => !Object.keys(filesystem).some((denied) => path === denied || path.startsWith(`${denied}/`)));
  expect(open).toEqual([]);
});

test("codex denies what of keyhole's lies outside of its home, and never what the grant lies in", () => {
  const elsewhere = { configDir: "/srv/configs", socket: "/srv/k.sock", log: "/srv/k.log" };
  for (const grant of [shared, atHost]) {
    const { text } = recipes.codex(grant, { ...host, paths: { ...paths, ...elsewhere } });
    const { filesystem } = (Bun.TOML.parse(text) as any).permissions.keyhole;
    expect(Object.keys(filesystem)).toContainValues(Object.values(elsewhere));
    expect(Object.keys(filesystem).filter((path) => grant.directory.startsWith(`${path}/`))).toEqual([]);
  }
});

/** The settings that a recipe gives a program by a descriptor, and the environment that it starts it with. */
function givenTo(program: string, script: string) {
  const stub = `${program}() { cat "$2"; printf '\\0%s\\0' "$4"; env -0; }\n${script}\n`;
  const { stdout } = Bun.spawnSync(["sh", "-c", stub], { cwd: "/", env: { PATH: "/usr/bin:/bin" } });
  const [settings, command, ...set] = stdout.toString().split("\0");
  return { settings: JSON.parse(settings!), command, set };
}

test.each([
  ["srt", ["~/.aws", "/home/ada/.keyhole", "/run/user/1000/keyhole/g"], [PLAIN]],
  ["fence", ["~/.aws", "/home/ada/.keyhole"], undefined],
] as const)("%s gets its settings by no file, and the variables as its own", (name, denyRead, allowRead) => {
  const { settings, command, set } = givenTo(name, textOf(name, shared));
  expect(command).toBe("sh");
  expect(settings.filesystem).toMatchObject({ denyRead, ...(allowRead && { allowRead }), allowWrite: ["."] });
  expect(settings.network).toEqual({ allowedDomains: ["*.amazonaws.com"], deniedDomains: [] });
  expect(set).toContainValues(
    Object.entries(grantVariables(PLAIN, { deliver: "socket" })).map((pair) => pair.join("=")),
  );
});

test("firejail shows the grant's place alone, hides ~/.aws, and keyhole's home where the grant is not in it", () => {
  const words = wordsOf("firejail", textOf("firejail", atHost));
  expect(words).toContainValues(["--blacklist=${HOME}/.aws", `--whitelist=${atHost.directory}`]);
  // What is blacklisted stays hidden where the working directory is the home.
  expect(words).toContainValues(["--whitelist=/", "--blacklist=/home/ada/.keyhole/sock", `--blacklist=${LEASES}`]);
  expect(words).not.toContain("--blacklist=/home/ada/.keyhole");
  expect(wordsOf("firejail", textOf("firejail", shared))).toContain("--blacklist=/home/ada/.keyhole");
  const set = words.filter((word) => word.startsWith("--env=")).map((word) => word.slice(6));
  expect(set).toEqual(
    Object.entries(grantVariables(atHost.directory, { deliver: "socket" })).map((pair) => pair.join("=")),
  );
});

test("gVisor is Docker's runtime, and says what a socket needs", () => {
  const words = wordsOf("docker", textOf("gvisor", socket));
  expect(words.slice(0, 3)).toEqual(["run", "--rm", "--runtime=runsc"]);
  expect(textOf("gvisor", socket)).toContain("--host-uds=open");
  expect(textOf("gvisor", file)).not.toContain("--host-uds=open");
});

test("gemini mounts the directory into its container and sets the variables there", () => {
  const stub = `gemini() { printf '%s\\0' "$SANDBOX_MOUNTS" "$SANDBOX_ENV" "$GEMINI_SANDBOX"; }\n`;
  const { stdout } = Bun.spawnSync(["sh", "-c", stub + textOf("gemini", socket)], { env: { PATH: "/usr/bin:/bin" } });
  const [mounts, variable, kind] = stdout.toString().split("\0");
  expect([mounts, kind]).toEqual([`${NASTY}:/run/keyhole:ro`, "docker"]);
  expect(variable!.split(",")).toEqual(Object.entries(variables).map((pair) => pair.join("=")));
});

test("nono looks at the paths of sockets, and lets the grant's through", () => {
  const profile = JSON.parse(textOf("nono", atHost));
  expect(profile.linux).toEqual({ af_unix_mediation: "pathname" });
  expect(profile.filesystem).toEqual({ read: [atHost.directory], unix_socket: [`${atHost.directory}/sock`] });
  expect(JSON.parse(textOf("nono", shared)).filesystem.unix_socket).toEqual([]);
});

test("claude-code sets the variables, opens the directory, and closes what else leads to credentials", () => {
  const denied = ["~/.aws", "//home/ada/.keyhole", "//run/user/1000/keyhole/g"];
  const { env, permissions, sandbox } = JSON.parse(textOf("claude-code", shared));
  expect(env).toEqual(grantVariables(PLAIN, { deliver: "socket" }));
  expect(sandbox.filesystem.allowRead).toEqual([`/${PLAIN}`]);
  expect(sandbox.filesystem.denyRead).toEqual(denied);
  expect(permissions.deny).toEqual(denied.map((path) => `Read(${path}/**)`));
  expect(sandbox).toMatchObject({ enabled: true, failIfUnavailable: true, allowUnsandboxedCommands: false });
  expect(sandbox.network).not.toContainKeys(["allowUnixSockets", "allowAllUnixSockets"]);
});

test("claude-code on macOS may be given a socket, by its path", () => {
  const grant = grantInfo({ directory: PLAIN, mountAt: "host" });
  const { text } = recipes["claude-code"](grant, { ...host, platform: "darwin" });
  expect(JSON.parse(text).sandbox.network.allowUnixSockets).toEqual([`${PLAIN}/sock`]);
});

test.each([
  [
    "claude-code",
    grantInfo({ mountAt: "host" }),
    "keyhole grant add agent-a-file --config dev --deliver file --mount-at host",
  ],
  ["claude-code", file, "keyhole grant add agent-a-file --config dev --deliver file --mount-at host"],
  ["srt", atHost, "keyhole grant add agent-a-file --config dev --deliver file --mount-at host"],
  ["fence", atHost, "keyhole grant add agent-a-file --config dev --deliver file --mount-at host"],
  ["codex", file, "keyhole grant add agent-a-file --config dev --deliver file --mount-at host"],
  ["lima", socket, "keyhole grant add agent-a-file --config dev --deliver file"],
] as const)("%s refuses a grant that it cannot reach, and says which it can", (name, grant, hint) => {
  expect(thrownBy(() => textOf(name, grant))).toMatchObject({ kind: "usage", hint });
});

test.each(["claude-code", "codex", "srt", "fence", "nono", "firejail"] as const)(
  "%s refuses a lease that lies below /dev, which it covers, and says how to have it elsewhere",
  (name) => {
    const directory = "/dev/shm/keyhole-1000/g/AAAAAAAAAAAAAAAAAAAAAA";
    expect(thrownBy(() => textOf(name, { ...shared, directory }))).toMatchObject({
      kind: "usage",
      hint: "keyhole grant remove --yes agent-a && keyhole grant add agent-a --config dev --deliver file --mount-at host",
    });
  },
);

const hintOf = (grant: GrantInfo) => thrownBy(() => textOf("nono", grant)).hint;

test("the other grant may do no more than this one", () => {
  const terms = {
    policyArns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
    tags: [{ key: "team", value: "a b" }],
    sourceIdentity: "ada",
    durationSeconds: 900,
    allowUids: [1000],
    rate: { count: 1, milliseconds: 60_000 },
    maxUses: 5,
    confirm: true,
  };
  const grant = grantInfo({ ...terms, endsAt: grantInfo().createdAt + 3_600_000 });
  const options =
    "--ttl 1h --policy-arn arn:aws:iam::aws:policy/ReadOnlyAccess --tag 'team=a b' --source-identity ada " +
    "--duration 15m --allow-uid 1000 --rate 1/m --max-uses 5 --confirm";
  expect(hintOf(grant)).toBe(`keyhole grant add agent-a-file --config dev --deliver file --mount-at host ${options}`);
  const old = { ...shared, directory: "/dev/shm/keyhole-1000/g/AAAAAAAAAAAAAAAAAAAAAA" };
  expect(hintOf({ ...old, durationSeconds: 900 })).toEndWith("--deliver file --mount-at host --duration 15m");
  expect(hintOf({ ...old, policy: "{}" })).toBe(
    "keyhole grant add agent-a-file --config dev --deliver file --mount-at host --policy POLICY",
  );
});

test("a name that is as long as may be leaves room for the other grant's", () => {
  const long = grantInfo({ name: "a".repeat(32) });
  expect(thrownBy(() => textOf("lima", long)).hint).toContain(` ${"a".repeat(27)}-file `);
});

test.each(recipeNames)("%s holds no key, and is marked where nothing here runs it", (name) => {
  const { text, remarks } = recipes[name](shared, host);
  expect(text).not.toContain("ASIA");
  const isMarked = [text.split("\n")[0], ...remarks].some((line) => line!.includes("documentation, not run here"));
  expect(isMarked).toBe(["gvisor", "nono", "kubernetes", "lima"].includes(name));
});

test("srt lets a grant that signs out to its port alone, and wants it to listen there", () => {
  const sign = { allow: [], deny: [], confirm: [], regions: [], resources: [], port: 4711, listen: true };
  const grant = grantInfo({ mountAt: "host", deliver: "sign", executable: "full", sign });
  const text = textOf("srt", grant);
  expect(text).toContain(`"allowedDomains": [\n      "127.0.0.1:4711"\n    ]`);
  expect(text).toContain("/keyhole relay -- sh");
  const deaf = () => textOf("srt", { ...grant, sign: { ...sign, listen: false } });
  expect(thrownBy(deaf)).toMatchObject({ kind: "usage", hint: expect.stringContaining("--sign --listen") });
  const mac = () => recipes.srt(grant, { ...host, platform: "darwin" });
  expect(thrownBy(mac)).toMatchObject({ message: expect.stringContaining("no recipe for sandbox-runtime") });
});

/** The four operations of BPF that it has. */
function verdict(data: Readonly<Record<number, number>>): number {
  const filter = Buffer.from(terminalFilter());
  let word = 0;
  for (let at = 0; at < filter.length; at += 8) {
    const operation = filter.readUInt16LE(at);
    const value = filter.readUInt32LE(at + 4);
    if (operation === 0x20) word = data[value]!;
    else if (operation === 0x54) word = (word & value) >>> 0;
    else if (operation === 0x15) at += 8 * filter[word === value ? at + 2 : at + 3]!;
    else if (operation === 0x06) return value;
    else throw new Error(`operation ${operation}`);
  }
  throw new Error("no end");
}

const ALLOWED = 0x7fff0000;
const EPERM = 0x00050001;
const IOCTLS = [
  ["x64", 0xc000003e, 16],
  ["x32", 0xc000003e, 0x40000000 + 514],
  ["x64 with x32's bit", 0xc000003e, 0x40000000 + 16],
  ["arm64", 0xc00000b7, 29],
  ["i386", 0x40000003, 54],
  ["arm", 0x40000028, 54],
] as const;

test.each(IOCTLS)("typing into a terminal is refused on %s, and all else is not", (_, arch, call) => {
  const ask = (number: number, request: number) => verdict({ 0: number, 4: arch, 24: request });
  expect([0x5412, 0x541c].map((request) => ask(call, request))).toEqual([EPERM, EPERM]);
  // TCGETS, TIOCGWINSZ, TIOCSPGRP
  expect([0x5401, 0x5413, 0x5410].map((request) => ask(call, request))).toEqual([ALLOWED, ALLOWED, ALLOWED]);
  expect([0, 1, 59, 221].map((number) => ask(number, 0x5412))).toEqual([ALLOWED, ALLOWED, ALLOWED, ALLOWED]);
});

const run = (...words: string[]) => Bun.spawnSync(words, { stdio: ["ignore", "ignore", "ignore"] }).exitCode;
const world = "--unshare-all --ro-bind / / --dev /dev --proc /proc".split(" ");
const canRun = Bun.which("bwrap") !== null && Bun.which("perl") !== null && run("bwrap", ...world, "true") === 0;

test.skipIf(!canRun)("a program in bwrap gets EPERM, and without the filter what the kernel says", () => {
  const directory = mkdtempSync(join(tmpdir(), "keyhole-terminal-"));
  try {
    const path = join(directory, "filter");
    writeFileSync(path, terminalFilter());
    // /dev/null is no terminal: ENOTTY.
    const type = ["perl", "-e", `my $byte = "x"; ioctl(STDIN, 0x5412, $byte); exit($! + 0)`];
    expect(run("bwrap", ...world, ...type)).toBe(25);
    expect(run("sh", "-c", `exec "$@" 3<${path}`, "sh", "bwrap", ...world, "--seccomp", "3", "--", ...type)).toBe(1);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
