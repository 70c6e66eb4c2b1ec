// One list of attacks for all sandboxes: a program of the same user that knows all that is no secret.
import { expect } from "bun:test";
import { chmodSync, copyFileSync, lstatSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { executable } from "../e2e/machine.ts";
import type { AgentHost } from "./agenthost.ts";
import { PROGRAMS } from "./holder.ts";
import { NODE } from "./rigs/rigs.ts";
import type { Shell } from "./shell.ts";

/** A host with grants that nobody in a sandbox was given. */
export interface Besieged {
  readonly host: AgentHost;
  /** Directories of those grants. */
  readonly others: readonly string[];
  /** What is the user's, and not keyhole's. */
  readonly bystanders: { readonly file: string; readonly socket: string };
  stop(): void;
}

/** Puts into the host's directory of work what attacks and asks there. */
export async function prepareIntrusion(host: AgentHost): Promise<Besieged> {
  const { home } = host.machine;
  const work = join(home, "work");
  copyFileSync(`${PROGRAMS}/intruder.py`, join(work, "intruder.py"));
  copyFileSync(executable, join(work, "keyhole"));
  const entrypoints = [`${PROGRAMS}/credentials.ts`];
  await Bun.build({ entrypoints, target: "node", format: "esm", outdir: work, naming: "credentials.mjs" });
  const others = [
    await host.addGrant("prod", "--mount-at", "host"),
    await host.addGrant("prod-file", "--deliver", "file", "--mount-at", "host"),
  ];
  const bystanders = { file: join(home, "notes.txt"), socket: join(home, "agent.sock") };
  writeFileSync(bystanders.file, "notes", { mode: 0o644 });
  const listener = Bun.listen({ unix: bystanders.socket, socket: { data: () => {} } });
  chmodSync(bystanders.socket, 0o666);
  return { host, others, bystanders, stop: () => listener.stop(true) };
}

/** Options of an engine whose image has a Python: the directory of work, and what the SDK for JavaScript runs on. */
export function workOptions({ machine }: AgentHost): string[] {
  return [`--volume=${machine.home}/work:/work`, "--workdir=/work", `--volume=${NODE}:${NODE}:ro`];
}

/** What lies open. */
export async function intrude({ host, others, bystanders }: Besieged, sandbox: Shell): Promise<string[]> {
  const { home, paths } = host.machine;
  const known = {
    home,
    keyhole: paths.home,
    bystanders,
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

/** It is as it was: daemon, grants, and that nobody can list them. */
export async function expectUnharmed({ host, others }: Besieged): Promise<void> {
  expect(host.machine.daemonPid()).toBeDefined();
  for (const path of others) expect(lstatSync(dirname(path)).mode & 0o777).toBe(0o311);
  const { state } = JSON.parse(await host.keyhole("grant", "show", "prod", "--json")) as { state: string };
  expect(state).toBe("active");
}

/** What doctor calls a problem there. */
export async function examine(sandbox: Shell): Promise<{ readonly id: string; readonly level: string }[]> {
  const { stdout } = await sandbox.run(["./keyhole", "doctor", "--inside", "--json"]);
  const findings = JSON.parse(stdout) as { readonly id: string; readonly level: string }[];
  return findings.filter(({ level }) => level === "problem");
}
