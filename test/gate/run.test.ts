// `keyhole run` in every sandbox that it knows, the real one: the grant, signals, a terminal and exit status pass; and the
// grant is gone within a second of the program's end, of keyhole's, and after a restart of the daemon.
import { afterAll, beforeAll, expect } from "bun:test";
import { chmodSync, copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { quotePosix } from "../../src/text/quoting.ts";
import { shell } from "../e2e/daemons.ts";
import { executable, isAlive } from "../e2e/machine.ts";
import type { Rig } from "../interop/rigs.ts";
import { scratch, until } from "../interop/run.ts";
import { resultOf } from "../processes.ts";
import { type AgentHost, startAgentHost } from "./agenthost.ts";
import { asUser, nameUser } from "./reach/agents.ts";
import { docker } from "./rigs/docker.ts";
import { podman } from "./rigs/podman.ts";
import { isReady, rigs, testWith } from "./rigs/rigs.ts";
import { makeRoots } from "./rigs/roots.ts";
import { canType, isTypedInto, TYPIST } from "./terminal.ts";

/** Of no user of the machine, and of no other file's. */
const USER = 200_000 + process.pid;
/** Milliseconds. */
const PATIENCE = 60_000;
const SECOND = 1000;

const roots = makeRoots(executable);
const engines = { docker: docker(roots, { images: ["busybox", "debian"] }), podman: podman(roots, 0, ["busybox"]) };
const wrappers = scratch("run");
const hosts = new Map<number, AgentHost>();

interface Kind {
  readonly needs: readonly Rig[];
  readonly uid: number;
  /** Of keyhole run. */
  readonly options: readonly string[];
  /** Runs what follows as the host's user. */
  readonly enter: (host: AgentHost) => readonly string[];
}

const alone = (...needs: readonly Rig[]): Kind => ({
  needs: [rigs.debian, rigs.sdk, ...needs],
  uid: USER,
  options: [],
  enter: asUser,
});

const kinds: Readonly<Record<string, Kind>> = {
  none: alone(),
  bwrap: alone(rigs.bubblewrap),
  srt: alone(rigs.agents, rigs.bubblewrap, rigs.socat, rigs.ripgrep),
  codex: alone(rigs.agents, rigs.bubblewrap),
  fence: alone(rigs.fence, rigs.bubblewrap, rigs.socat),
  firejail: { ...alone(rigs.firejail), enter: (host) => asUser(host, nameUser(host)) },
  docker: ofEngine("docker"),
  podman: ofEngine("podman"),
};

/** In the rig's own namespaces, where a program of that name is the rig's engine. */
function ofEngine(name: "docker" | "podman"): Kind {
  const rig = engines[name];
  return {
    needs: [...rig.needs, rigs.busybox],
    uid: 0,
    options: ["--image", "keyhole-gate/busybox", "--tool-option=--network=none"],
    enter({ machine }) {
      const { XDG_RUNTIME_DIR: runtime = "" } = machine.environment;
      const { client = [], engine = [] } = rig as { client?: readonly string[]; engine?: readonly string[] };
      const words =
        name === "docker" ? [Bun.which("docker")!, ...client.slice(1)] : engine.slice(engine.indexOf("env"));
      writeFileSync(
        `${wrappers.path}/${name}`,
        `#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin exec ${words.map(quotePosix).join(" ")} "$@"\n`,
      );
      chmodSync(`${wrappers.path}/${name}`, 0o755);
      const variables = [`HOME=${machine.home}`, `PATH=${wrappers.path}:/usr/bin:/bin`, `XDG_RUNTIME_DIR=${runtime}`];
      return [...rig.network(), "env", "-i", ...variables.filter((variable) => !variable.endsWith("="))];
    },
  };
}

beforeAll(async () => {
  for (const engine of Object.values(engines)) if (isReady(...engine.needs)) await engine.open?.();
  if (!isReady()) return;
  // Codex refuses a home below /tmp.
  for (const uid of new Set(Object.values(kinds).map((kind) => kind.uid))) {
    const host = await startAgentHost(uid, {}, true, "/home");
    await host.keyhole(...host.machine.adding("dev", "Session.region_name=us-east-1"));
    copyFileSync(executable, programOf(host));
    chmodSync(programOf(host), 0o755);
    hosts.set(uid, host);
  }
}, PATIENCE);
afterAll(async () => {
  await Promise.allSettled([...hosts.values()].map((host) => host.stop()));
  await Promise.allSettled(Object.values(engines).map(async (engine) => engine.close?.()));
  wrappers.remove();
  roots.remove();
}, PATIENCE);

/** Says all the time what the grant gives; ends by itself, since a sandbox may outlive its test. */
const LOOP = `trap 'echo trapped; exit 9' TERM
turn=0
while [ $turn -lt 300 ]; do
  command=$(while IFS= read -r line; do case $line in credential_process*) echo "\${line#*= }"; break;; esac; done <"$AWS_CONFIG_FILE")
  case $(eval "$command" 2>/dev/null) in *ASIA*) echo given;; *) echo refused;; esac
  sleep 0.1; turn=$((turn + 1))
done`;

/** Where every sandbox's user may run it. */
function programOf({ machine }: AgentHost): string {
  return join(machine.home, "keyhole");
}

/** Files of definitions. */
const grantsOf = ({ machine }: AgentHost) =>
  readdirSync(join(machine.paths.home, "grants")).filter((name) => name.endsWith(".yaml"));

/** Its grant's definition has keyhole's pid. */
async function runnerOf(host: AgentHost): Promise<number> {
  let pid = 0;
  await until("a grant", 20, () => {
    const [name] = grantsOf(host);
    const text = readFileSync(join(host.machine.paths.home, "grants", name!), "utf8");
    pid = Number(/^ +pid: (\d+)$/m.exec(text)![1]);
    return name!.startsWith("run-") && pid > 0;
  });
  return pid;
}

for (const [name, kind] of Object.entries(kinds)) {
  const words = (program: readonly string[], host: AgentHost) => [
    ...kind.enter(host),
    ...shell(`cd ${quotePosix(`${host.machine.home}/work`)}`),
    programOf(host),
    ..."run --config dev --in".split(" "),
    name,
    ...kind.options,
    "--",
    ...program,
  ];
  const start = (program: readonly string[], host: AgentHost) =>
    Bun.spawn(words(program, host), { env: {}, stdin: "ignore", stdout: "pipe", stderr: "pipe" });

  testWith(kind.needs)(`${name}: the grant, its end, exit status, arguments and a terminal`, async () => {
    const host = hosts.get(kind.uid)!;
    // podman 4.3 loses what a container printed that has ended before it listens.
    const script = `[ "$1" = "it's  a \\"\\$x" ] && test -t 0 && test -t 1 && echo terminal; sleep 1; exit 7`;
    const program = ["sh", "-c", script, "sh", `it's  a "$x`];
    const line = words(program, host).map(quotePosix).join(" ");
    const command = ["script", "--quiet", "--return", "--command", line, "/dev/null"];
    const terminal = await resultOf(Bun.spawn(command, { env: {}, stdin: "ignore", stdout: "pipe", stderr: "pipe" }));
    expect(terminal).toMatchObject({ exitCode: 7, stdout: expect.stringContaining("terminal") });
    expect(grantsOf(host)).toEqual([]);
    expect(readdirSync(join(host.machine.paths.home, "g"))).toEqual([]);
  });

  // An engine gives its program a terminal of its own.
  if (canType && kind.uid !== 0)
    testWith(kind.needs)(
      `${name}: ${name === "none" ? "the program can" : "nothing in it can"} type into the terminal`,
      async () => expect(await isTypedInto(words(TYPIST, hosts.get(kind.uid)!))).toBe(name === "none"),
    );

  testWith(kind.needs)(`${name}: a signal reaches the program, and its status comes back`, async () => {
    const host = hosts.get(kind.uid)!;
    const child = start(["sh", "-c", LOOP], host);
    const output = listen(child.stdout);
    await output.seen("given");
    process.kill(await runnerOf(host), "SIGTERM");
    expect(await child.exited).toBe(9);
    expect(grantsOf(host)).toEqual([]);
    await output.seen("trapped");
  });

  testWith(kind.needs)(`${name}: the grant outlives the daemon, and not keyhole, whose program goes on`, async () => {
    const host = hosts.get(kind.uid)!;
    const child = start(["sh", "-c", LOOP], host);
    const output = listen(child.stdout);
    await output.seen("given");
    const pid = await runnerOf(host);
    await host.restart();
    output.forget();
    await output.seen("given");
    const from = performance.now();
    process.kill(pid, "SIGKILL");
    await until("the end of the grant", 5, () => grantsOf(host).length === 0);
    expect(performance.now() - from).toBeLessThan(SECOND);
    output.forget();
    await output.seen("refused");
    expect(readdirSync(join(host.machine.paths.home, "g"))).toEqual([]);
    child.kill("SIGKILL");
  });

  testWith(kind.needs)(
    `${name}: a daemon that did not run at keyhole's end removes the grant at its start`,
    async () => {
      const host = hosts.get(kind.uid)!;
      const child = start(["sh", "-c", LOOP], host);
      const output = listen(child.stdout);
      await output.seen("given");
      const pid = await runnerOf(host);
      await host.keyhole("daemon", "stop");
      process.kill(pid, "SIGKILL");
      await until("keyhole's end", 5, () => !isAlive(pid));
      expect(grantsOf(host)).not.toEqual([]);
      await host.keyhole("daemon", "start");
      expect(grantsOf(host)).toEqual([]);
      expect(readdirSync(join(host.machine.paths.home, "g"))).toEqual([]);
      output.forget();
      await output.seen("refused");
      child.kill("SIGKILL");
    },
  );
}

// Of srt, whose seccomp filter forbids Unix sockets, its proxy is the one way out; of the others, without a network, the
// grant's directory.
for (const [name, options] of [
  ["srt", []],
  ["firejail", []],
  ["docker", ["--image", "keyhole-gate/debian"]],
] as const) {
  const { needs, uid, enter } = kinds[name]!;
  testWith([...needs, rigs.debian])(`${name}: the AWS CLI without a key, whose requests the host signs`, async () => {
    const host = hosts.get(uid)!;
    const config = `signed-${name}`;
    const { url } = host.machine.sts;
    await host.keyhole(...host.machine.adding(config, "Session.region_name=us-east-1", `Sign.endpoint_url=${url}`));
    const wordsOf = (command: string) => [
      ...enter(host),
      ...shell(`cd ${quotePosix(`${host.machine.home}/work`)}`),
      programOf(host),
      ...`run --config ${config} --sign --allow sts:GetCallerIdentity --in ${name}`.split(" "),
      ...options,
      "--",
      "sh",
      "-c",
      command,
    ];
    const run = (command: string) =>
      resultOf(Bun.spawn(wordsOf(command), { env: {}, stdin: "ignore", stdout: "pipe", stderr: "pipe" }));

    const identity = await run("aws sts get-caller-identity --query Arn --output text");
    // firejail tells there what it does.
    const told = name === "firejail" ? { ...identity, stderr: "" } : identity;
    expect(host.identityOf(told).role).toBe(config);
    const refused = await run("aws iam list-users");
    expect(refused.stderr).toContain("iam:ListUsers");
    expect(refused.exitCode).not.toBe(0);
    const other = await run(`python3 -c "import urllib.request as u; u.urlopen('${url}/')"`);
    expect(other.stderr).toContain("URLError");

    const again = "AWS_MAX_ATTEMPTS=1 aws sts get-caller-identity --query Arn --output text";
    const child = Bun.spawn(wordsOf(`${again} && echo first && for turn in $(seq 60); do ${again} || exit 3; done`), {
      env: {},
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const output = listen(child.stdout);
    await output.seen("first");
    await host.keyhole("grant", "revoke", grantsOf(host)[0]!.replace(".yaml", ""));
    expect(await child.exited).toBe(3);
    // The port of a revoked grant is closed; its socket says why.
    const end = name !== "srt" ? "grant run-[0-9a-f]{8} is revoked|this grant was revoked" : "Connection was closed";
    expect(await new Response(child.stderr).text()).toMatch(new RegExp(end));
  });
}

/** Lines of a stream. */
function listen(stream: ReadableStream<Uint8Array>) {
  let text = "";
  void (async () => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) text += decoder.decode(bytes, { stream: true });
  })();
  return {
    forget: () => void (text = ""),
    seen: (line: string) => until(line, 20, () => text.split("\n").includes(line)),
  };
}
