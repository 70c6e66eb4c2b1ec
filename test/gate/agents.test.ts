// The recipes of coding agents, bubblewrap and firejail in the tools that they are for, as they are printed: what the grant gives is
// there, and one attacker's script finds everything else closed, with and without XDG_RUNTIME_DIR; doctor agrees.
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { copyFileSync, lstatSync } from "node:fs";
import { dirname, join } from "node:path";
import { executable } from "../e2e/machine.ts";
import { until } from "../interop/run.ts";
import { type AgentHost, offlineClients, startAgentHost } from "./agenthost.ts";
import { PROGRAMS } from "./holder.ts";
import {
  type Agent,
  askClaudeDoctor,
  bareAgent,
  bubblewrapAgent,
  codexAgent,
  codexServer,
  firejailAgent,
  pastedAgent,
  srtAgent,
} from "./reach/agents.ts";
import { isReady, rigs, testWith } from "./rigs/rigs.ts";
import type { Shell } from "./shell.ts";

/** Of no user of the machine, and of no other run's: its /run/user is its own. */
const USER = 100_000 + process.pid;

const agents: Readonly<Record<string, Agent>> = {
  "bubblewrap, over a socket": bubblewrapAgent("socket"),
  "bubblewrap, over a file": bubblewrapAgent("file"),
  "firejail, over a socket": firejailAgent("socket"),
  "firejail, over a file": firejailAgent("file"),
  "sandbox-runtime, over a file": srtAgent(),
  "codex sandbox, over a socket": codexAgent("socket"),
  "codex sandbox, over a file": codexAgent("file"),
  "Codex's app server, over a socket": codexServer("socket"),
  "Codex's app server, over a file": codexServer("file"),
};

/** Milliseconds: programs of 100 MB are copied. */
const PATIENCE = 60_000;

for (const hasRuntime of [true, false])
  describe(hasRuntime ? "with XDG_RUNTIME_DIR" : "without XDG_RUNTIME_DIR", () => {
    let host: AgentHost;
    let others: string[];
    beforeAll(async () => {
      if (!isReady()) return;
      // Codex keeps what it starts in its home, and refuses one below /tmp; firejail empties /var/tmp.
      host = await startAgentHost(USER, {}, hasRuntime, "/home");
      copyFileSync(`${PROGRAMS}/intruder.py`, join(host.machine.home, "work", "intruder.py"));
      copyFileSync(executable, join(host.machine.home, "work", "keyhole"));
      others = [
        await host.addGrant("prod", "--mount-at", "host"),
        await host.addGrant("prod-file", "--deliver", "file", "--mount-at", "host"),
      ];
    }, PATIENCE);
    afterAll(async () => host?.stop(), PATIENCE);

    for (const [at, [title, agent]] of Object.entries(agents).entries())
      testWith(agent.needs)(`${title}: the grant is delivered, and nothing else lies open`, async () => {
        const grant = `agent-${at}`;
        await host.addGrant(grant, ...agent.terms);
        await using sandbox = await agent.start(host, grant);
        const give = 'eval "$(sed -n "s/^credential_process = //p" "$AWS_CONFIG_FILE" | head -n 1)"';
        const key = host.keyOf(await sandbox.run(["sh", "-c", give]), grant);
        for (const client of Object.values(offlineClients))
          expect(host.keyIn(await sandbox.run(client), grant)).toBe(key);
        expect(await intrude(host, sandbox, others)).toEqual([]);
        expect(await examine(sandbox)).toEqual([]);
        // It is as it was: daemon, grants, and that nobody can list them.
        expect(host.machine.daemonPid()).toBeDefined();
        for (const path of others) expect(lstatSync(dirname(path)).mode & 0o777).toBe(0o311);
        const { state } = JSON.parse(await host.keyhole("grant", "show", "prod", "--json")) as { state: string };
        expect(state).toBe("active");
        // Another daemon finds the place again, whose name stands nowhere.
        await host.restart();
        host.keyOf(await sandbox.run(["sh", "-c", give]), grant);
        await host.keyhole("grant", "revoke", grant);
        for (const client of Object.values(offlineClients)) {
          const { exitCode, stdout } = await sandbox.run(client);
          expect({ client, isRefused: exitCode !== 0, stdout }).toEqual({ client, isRefused: true, stdout: "" });
        }
      });

    testWith(srtAgent().needs)(
      "sandbox-runtime: SDKs read a lease that was renewed, and say why one has ended",
      async () => {
        await host.addBriefGrant("brief", ...srtAgent().terms);
        await using sandbox = await srtAgent().start(host, "brief");
        const keyOf = async (client: keyof typeof offlineClients) =>
          host.keyIn(await sandbox.run(offlineClients[client]), "brief");
        const first = await keyOf("boto3");
        await until("a new lease", 30, async () => (await keyOf("AWS CLI")) !== first);
        await host.keyhole("grant", "revoke", "brief");
        expect((await sandbox.run(offlineClients.boto3)).stderr).toContain("keyhole: this grant was revoked");
      },
    );

    testWith(srtAgent().needs)(
      "sandbox-runtime: a socket fails with exit 8, and the advice is a grant that works",
      async () => {
        const directory = await host.addGrant("refused", "--mount-at", "host");
        await host.addGrant("taken", ...srtAgent().terms);
        const recipe = (await host.recipe("taken", "srt")).replace('"allowRead": [', `"allowRead": ["${directory}",`);
        await using sandbox = await pastedAgent(host, recipe);
        expect(await sandbox.run([`${directory}/keyhole`])).toEqual({
          exitCode: 8,
          stdout: "",
          stderr:
            "keyhole: error: this sandbox does not permit Unix sockets\n" +
            "keyhole: hint: on the host: keyhole grant add NAME --config CONFIG --deliver file --mount-at host\n",
        });
      },
    );

    testWith([rigs.agents])("claude doctor accepts the settings, and finds a mistake in them", async () => {
      await host.addGrant("claude", "--deliver", "file", "--mount-at", "host");
      const settings = await host.recipe("claude", "claude-code");
      expect(await askClaudeDoctor(host, settings)).not.toContain("Invalidsettings");
      const wrong = settings.replace('"enabled": true', '"enabled": "yes"');
      expect(await askClaudeDoctor(host, wrong)).toContain("Invalidsettings");
    });

    testWith([])("without a sandbox the same script finds all of it open, and doctor says so", async () => {
      const agent = bareAgent();
      await host.addGrant("bare", ...agent.terms);
      await using shell = await agent.start(host, "bare");
      const ids = (await examine(shell)).map(({ id }) => id);
      expect(ids).toContainValues(["aws-files", "control-socket"]);
      const found = await intrude(host, shell, others);
      // It made what grants are in readable, as a sandbox may that sees it writable.
      expect((await examine(shell)).map(({ id }) => id)).toContain("other-grants");
      expect(found).toContainValues([
        "control socket",
        "keyhole grant add stolen --config prod",
        "keyhole daemon stop",
        "the daemon in /proc",
        "the daemon's signals",
        "the grant's own place can be changed",
        `file ${host.machine.home}/.aws/credentials`,
      ]);
      for (const part of ["grant ", "keyhole's home: /configs/", "keyhole's home: /grants/"])
        expect(found.some((each) => each.startsWith(part))).toBe(true);
      // Nor then can the daemon be read, whatever its user is.
      expect(found).not.toContainAnyValues(["the daemon's mem", "the daemon's environ"]);
    });
  });

/** What the script finds, which knows all that is no secret. */
async function intrude(host: AgentHost, sandbox: Shell, others: readonly string[]): Promise<string[]> {
  const { home, paths } = host.machine;
  const known = {
    home,
    keyhole: paths.home,
    files: [`${home}/.aws/credentials`, `${home}/.aws/config`],
    parents: [
      ...new Set([...others.map((path) => dirname(path)), `${paths.home}/g`, `/dev/shm/keyhole-${host.uid}/g`]),
    ],
    grants: ["prod", "prod-file"],
    ids: await host.grantIds(),
    pid: host.machine.daemonPid(),
  };
  const { stdout, stderr, exitCode } = await sandbox.run(["python3", "-B", "intruder.py", JSON.stringify(known)]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return JSON.parse(stdout) as string[];
}

/** What doctor calls a problem there. */
async function examine(sandbox: Shell): Promise<{ readonly id: string; readonly level: string }[]> {
  const { stdout } = await sandbox.run(["./keyhole", "doctor", "--inside", "--json"]);
  const findings = JSON.parse(stdout) as { readonly id: string; readonly level: string }[];
  return findings.filter(({ level }) => level === "problem");
}
