// The recipes of coding agents, bubblewrap and firejail in the tools that they are for, as they are printed: what the grant gives is
// there, and one attacker's script finds everything else closed, with and without XDG_RUNTIME_DIR; doctor agrees.
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { quotePosix } from "../../src/text/quoting.ts";
import { until } from "../interop/run.ts";
import { type AgentHost, clients as callers, javaScriptClient, offlineClients, startAgentHost } from "./agenthost.ts";
import { type Besieged, examine, expectUnharmed, intrude, prepareIntrusion } from "./intrusion.ts";
import {
  type Agent,
  askClaudeDoctor,
  bareAgent,
  bubblewrapAgent,
  codexAgent,
  codexServer,
  fenceAgent,
  firejailAgent,
  pastedAgent,
  srtAgent,
} from "./reach/agents.ts";
import { isReady, rigs, testWith } from "./rigs/rigs.ts";
import { expectRow } from "./rows.ts";
import { canType, isTypedInto, TYPIST } from "./terminal.ts";

/** Of no user of the machine, and of no other run's: its /run/user is its own. */
const USER = 100_000 + process.pid;

const agents: Readonly<Record<string, Agent>> = {
  "bubblewrap, over a socket": bubblewrapAgent("socket"),
  "bubblewrap, over a file": bubblewrapAgent("file"),
  "firejail, over a socket": firejailAgent("socket"),
  "firejail, over a file": firejailAgent("file"),
  "sandbox-runtime, over a file": srtAgent("file"),
  "fence, over a file": fenceAgent(),
  "codex sandbox, over a socket": codexAgent("socket"),
  "codex sandbox, over a file": codexAgent("file"),
  "Codex's app server, over a socket": codexServer("socket"),
  "Codex's app server, over a file": codexServer("file"),
};

const clients = { ...offlineClients, "JavaScript SDK": javaScriptClient };

/** Whether what runs in it can type into the terminal; where Linux lets nobody, what the recipe says. */
async function opensTerminal({ words, recipe }: Agent, host: AgentHost, grant: string): Promise<boolean> {
  if (words === undefined || recipe === undefined) return false;
  if (!canType) return (await host.recipe(grant, recipe)).split("\n")[0]!.includes("your terminal");
  writeFileSync(join(host.machine.home, "work", "typist.sh"), TYPIST.map(quotePosix).join(" "), { mode: 0o644 });
  const fromFile = ["sh", "-c", 'exec "$@" <"$0"', `${host.machine.home}/work/typist.sh`];
  return isTypedInto([...fromFile, ...(await words(host, grant))]);
}

/** Milliseconds: programs of 100 MB are copied. */
const PATIENCE = 60_000;

for (const hasRuntime of [true, false])
  describe(hasRuntime ? "with XDG_RUNTIME_DIR" : "without XDG_RUNTIME_DIR", () => {
    let host: AgentHost;
    let besieged: Besieged;
    beforeAll(async () => {
      if (!isReady()) return;
      // Codex keeps what it starts in its home, and refuses one below /tmp; firejail empties /var/tmp.
      host = await startAgentHost(USER, {}, hasRuntime, "/home");
      besieged = await prepareIntrusion(host);
    }, PATIENCE);
    afterAll(async () => {
      besieged?.stop();
      await host?.stop();
    }, PATIENCE);

    for (const [at, [title, agent]] of Object.entries(agents).entries()) {
      // Where sockets are does not depend on it.
      if (!hasRuntime && agent.deliver === "socket") continue;
      testWith(agent.needs)(`${title}: the grant is delivered and renewed, and nothing else lies open`, async () => {
        const grant = `agent-${at}`;
        await host.addBriefGrant(grant, ...agent.terms);
        await using sandbox = await agent.start(host, grant);
        const give = 'eval "$(sed -n "s/^credential_process = //p" "$AWS_CONFIG_FILE" | head -n 1)"';
        const keyOf = async () => host.keyOf(await sandbox.run(["sh", "-c", give]), grant);
        const first = await keyOf();
        for (const client of Object.values(clients)) host.keyIn(await sandbox.run(client), grant);
        const open = await intrude(besieged, sandbox);
        if (await opensTerminal(agent, host, grant)) open.push("your terminal");
        expect(await examine(sandbox)).toEqual([]);
        await expectUnharmed(besieged);
        await until("a new key", 30, async () => (await keyOf()) !== first);
        // Another daemon finds the place again, whose name stands nowhere.
        await host.restart();
        await keyOf();
        await host.keyhole("grant", "revoke", grant);
        for (const client of Object.values(clients)) {
          const { exitCode, stdout } = await sandbox.run(client);
          expect({ client, isRefused: exitCode !== 0, stdout }).toEqual({ client, isRefused: true, stdout: "" });
        }
        if (agent.deliver === "file")
          expect((await sandbox.run(clients.boto3)).stderr).toContain("keyhole: this grant was revoked");
        const tried = ["SDKs", "attacks", "renewal", "restart", "revoke"] as const;
        await expectRow(agent.tool, { deliver: agent.deliver, tried, open });
        if (open.length > 0 && agent.recipe !== undefined)
          expect((await host.recipe(grant, agent.recipe)).split("\n")[0]).toStartWith(
            `# open in it: ${open.join(", ")}`,
          );
      });
    }

    if (hasRuntime)
      for (const agent of [bubblewrapAgent("signature"), srtAgent("signature")])
        testWith(agent.needs)(`${agent.tool}: requests are signed for it, and nothing else lies open`, async () => {
          const grant = `signed-${agent.recipe}`;
          await host.addSigningGrant(grant, ...agent.terms);
          await using sandbox = await agent.start(host, grant);
          const call = async () => {
            for (const caller of Object.values(callers))
              expect(host.identityOf(await sandbox.run(caller)).role).toBe(grant);
          };
          await call();
          const open = await intrude(besieged, sandbox);
          expect(await examine(sandbox)).toEqual([]);
          await expectUnharmed(besieged);
          await host.restart();
          await call();
          await host.keyhole("grant", "revoke", grant);
          for (const caller of Object.values(callers)) {
            const { exitCode, stdout, stderr } = await sandbox.run(caller, { AWS_MAX_ATTEMPTS: "1" });
            expect({ isRefused: exitCode !== 0, stdout }).toEqual({ isRefused: true, stdout: "" });
            // The port of a revoked grant is closed; its socket says why.
            expect(stderr).toMatch(/keyhole: this grant was revoked|Connection was closed/);
          }
          const tried = ["SDKs", "attacks", "restart", "revoke"] as const;
          await expectRow(agent.tool, { deliver: agent.deliver, tried, open });
        });

    testWith(srtAgent("file").needs)(
      "sandbox-runtime: a socket fails with exit 8, and the advice is a grant that works",
      async () => {
        const directory = await host.addGrant("refused", "--mount-at", "host");
        await host.addGrant("taken", ...srtAgent("file").terms);
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
      await expectRow("Claude Code", { deliver: "file", tried: ["validation"], open: ["your other files"] });
      const wrong = settings.replace('"enabled": true', '"enabled": "yes"');
      expect(await askClaudeDoctor(host, wrong)).toContain("Invalidsettings");
    });

    testWith([])("without a sandbox the same script finds all of it open, and doctor says so", async () => {
      const agent = bareAgent();
      await host.addGrant("bare", ...agent.terms);
      await using shell = await agent.start(host, "bare");
      const ids = (await examine(shell)).map(({ id }) => id);
      expect(ids).toContainValues(["aws-files", "control-socket"]);
      const found = await intrude(besieged, shell);
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
