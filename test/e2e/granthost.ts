// A machine with a config that grants can be made of, and what a sandbox does with a grant.
import { expect } from "bun:test";
import { moveKeysToFile } from "./keyfile.ts";
import { createMachine, type Machine, type Result } from "./machine.ts";
import { makeMemory } from "../memory.ts";

/** A machine whose source credentials are in a file, so that a grant still has them after a restart of the daemon. */
export async function createHost(): Promise<Machine> {
  const machine = await createMachine();
  moveKeysToFile(machine);
  await machine.addConfig("dev");
  // Leases are not in the home, and what a daemon that is killed leaves there stays.
  const memory = makeMemory();
  if (memory === undefined) return machine;
  machine.environment["XDG_RUNTIME_DIR"] = memory.path;
  return {
    ...machine,
    async [Symbol.asyncDispose]() {
      await machine[Symbol.asyncDispose]();
      memory.remove();
    },
  };
}

/** Makes a grant; returns its directory. */
export async function addGrant(machine: Machine, words = "agent-a --config dev --mount-at host"): Promise<string> {
  return (await machine.keyhole(`grant add ${words}`)).trimEnd();
}

/** What a sandbox has of its environment: nothing that leads to the host's keyhole. */
export const inside = { HOME: undefined } as const;

/** Runs the executable of a grant's directory. */
export function runIn(directory: string, machine: Machine, words: readonly string[] = [], env = {}): Promise<Result> {
  return machine.run(words, { program: `${directory}/keyhole`, env: { ...inside, ...env } });
}

/** The answer of a `credential_process`, with keys that the STS has given out. */
export function keysOf(machine: Machine, { stdout, stderr, exitCode }: Result): string {
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  const answer = JSON.parse(stdout) as Record<string, string>;
  expect(machine.sts.issued.get(answer["AccessKeyId"]!)?.secretAccessKey).toBe(answer["SecretAccessKey"]);
  return answer["AccessKeyId"]!;
}
