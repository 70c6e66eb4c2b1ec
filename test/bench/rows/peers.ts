// The same warm answer from others: elhaz's daemon and the AWS CLI's cache, where they are on PATH. Interleaved with
// keyhole, against one test STS.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exportCommand, type Machine, roleArn, startWarmMachine } from "../machines.ts";
import { ratioTo, type Report, type Row } from "../report.ts";
import type { Command, Tools } from "../tools.ts";

interface Peer {
  readonly name: string;
  readonly program: string;
  /** Makes `words` answer from a cache. */
  readonly prepare: (machine: Machine, program: string) => Promise<void>;
  readonly words: Command;
  readonly cleanUp?: (machine: Machine, program: string) => Promise<void>;
}

const peers: readonly Peer[] = [
  {
    name: "elhaz export",
    program: "elhaz",
    prepare: async (machine, program) => {
      const configs = join(machine.home, ".elhaz", "configs");
      mkdirSync(configs, { recursive: true });
      const name = "\n  RoleSessionName: elhaz";
      writeFileSync(join(configs, "first.yaml"), `AssumeRole:\n  RoleArn: ${roleArn("first")}${name}\n`);
      await runIn(machine, [program, "daemon", "start"]);
      await runIn(machine, [program, "daemon", "add", "-n", "first"]);
    },
    words: ["export", "--format", "credential-process", "-n", "first"],
    // It often answers a stop that worked with exit 1.
    cleanUp: (machine, program) => runIn(machine, [program, "daemon", "stop"]).catch(() => {}),
  },
  {
    name: "aws configure export-credentials",
    program: "aws",
    prepare: async (machine) => {
      const lines = ["[profile first]", `role_arn = ${roleArn("first")}`, "credential_source = Environment", ""];
      mkdirSync(join(machine.home, ".aws"));
      writeFileSync(join(machine.home, ".aws", "config"), lines.join("\n"));
    },
    words: ["configure", "export-credentials", "--profile", "first"],
  },
];

export async function measurePeers({ isQuick, keyhole, spawnRounds }: Tools): Promise<Report> {
  await using machine = await startWarmMachine();
  const rows: Row[] = [];
  for (const peer of peers) {
    const program = Bun.which(peer.program);
    if (program === null) {
      console.error(`  ${peer.program} is not on PATH: skipped`);
      continue;
    }
    try {
      await peer.prepare(machine, program);
      const commands = [exportCommand(keyhole, "first"), [program, ...peer.words]];
      const env = peerEnvironment(machine);
      const first = await spawnRounds(1, commands, env);
      if (first[1]!.failures > 0) {
        console.error(`  ${peer.name} fails here: skipped\n${first[1]!.stderr.slice(0, 300)}`);
        continue;
      }
      const [ours, theirs] = await spawnRounds(isQuick ? 3 : 12, commands, env);
      rows.push({
        what: peer.name,
        unit: "ms",
        values: theirs!.wall,
        ratio: ratioTo("keyhole", theirs!.wall, ours!.wall),
      });
    } finally {
      await peer.cleanUp?.(machine, program);
    }
  }
  return { rows };
}

/** A peer's region has no default, and a Python of pyenv needs to find itself. */
function peerEnvironment(machine: Machine): Record<string, string> {
  return { ...machine.environment, AWS_DEFAULT_REGION: "eu-west-1", PATH: process.env["PATH"] ?? "" };
}

async function runIn(machine: Machine, words: readonly string[]): Promise<void> {
  const child = Bun.spawn([...words], {
    env: peerEnvironment(machine),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [said, status] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (status !== 0) throw new Error(`${words.join(" ")} ended with ${status}: ${said}`);
}
