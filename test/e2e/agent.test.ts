// What it is all for: a program in a sandbox that works for longer than any session lives, and never sees one expire.
import { expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { type AgentHost, LIFETIME } from "../gate/agenthost.ts";
import { bubblewrapReach } from "../gate/reach/machines.ts";
import { useReach } from "../gate/reach/fixture.ts";
import { testWith } from "../gate/rigs/rigs.ts";
import type { Shell } from "../gate/shell.ts";
import type { Result } from "../processes.ts";

/**
 * How much faster the STS's clock is than everybody else's: its sessions live for 62 of its seconds, the shortest of
 * which a broker vends anything, and so for six of everybody's. The broker learns of it from each answer. In the end it
 * is three minutes ahead, of which it forgives a signature five.
 */
const HASTE = 10;
let began: number | undefined;
const stsNow = () => (began === undefined ? Date.now() : began + (Date.now() - began) * HASTE);

const { kinds, hostOf } = useReach(() => [bubblewrapReach(0)], { now: stsNow });
const [bubblewrap] = kinds;

/** One client for its whole life, as a service has, and a new process for each call, as a shell has; until told to end. */
const AGENT = `
python3 -c '
import boto3, os, time
client = boto3.client("sts")
while not os.path.exists("/work/stop"):
    print(client.get_caller_identity()["Arn"])
    time.sleep(0.2)
' || exit &
while [ ! -e /work/stop ]; do
  aws sts get-caller-identity --query Arn --output text || exit
done
wait $!`;

const grants = { "agent-socket": "socket", "agent-file": "file" } as const;

testWith(bubblewrap.needs)(
  "agents work for three lifetimes without an error, over a socket and over a file",
  async () => {
    const host = hostOf(bubblewrap);
    const { sts, home } = host.machine;
    await using sandboxes = new AsyncDisposableStack();
    const agents: { readonly grant: string; readonly sandbox: Shell }[] = [];
    for (const [grant, deliver] of Object.entries(grants)) {
      await host.addBriefGrant(grant, "--deliver", deliver);
      agents.push({ grant, sandbox: sandboxes.use(await bubblewrap.start(host, grant)) });
    }
    began = Date.now();
    const end = began + 3 * LIFETIME * 1000;
    const working = agents.map(({ sandbox }) => sandbox.run(["sh", "-c", AGENT]));
    // Whatever goes wrong ends it, too.
    await Promise.race([sts.until(() => stsNow() > end), ...working]);
    writeFileSync(`${home}/work/stop`, "");
    for (const [at, { grant }] of agents.entries()) expectUnbroken(host, grant, await working[at]!, end);
  },
);

/** Every call was this role's, and most of the keys that they were made with were dead before the end. */
function expectUnbroken({ machine: { sts } }: AgentHost, grant: string, outcome: Result, end: number): void {
  expect({ grant, ...outcome }).toMatchObject({ grant, exitCode: 0, stderr: "" });
  const lines = outcome.stdout.trim().split("\n");
  const isOfGrant = (arn: string | undefined) => arn?.includes(`:assumed-role/${grant}/keyhole-${grant}-`) === true;
  expect(lines.filter((line) => !isOfGrant(line))).toEqual([]);
  const calls = sts.calls.filter(({ action, arn }) => action === "GetCallerIdentity" && isOfGrant(arn));
  expect(calls.filter((call) => call.outcome !== "ok")).toEqual([]);
  expect(calls.length).toBe(lines.length);
  const keys = new Set(calls.map(({ accessKeyId }) => accessKeyId!));
  expect([...keys].filter((key) => sts.issued.get(key)!.expiresAt! < end).length).toBeGreaterThan(3);
}
