// A host with more than one tenant: what a holder of agent-a must neither learn of nor change.
import { expect } from "bun:test";
import { shell, startForeground } from "../e2e/daemons.ts";
import { createHost, keysOf, runIn } from "../e2e/granthost.ts";
import { isAlive, type Machine, roleArn } from "../e2e/machine.ts";

export type Tenants = Awaited<ReturnType<typeof createTenants>>;

/** So that it holds back no attack. */
const RATE = "--rate 100000/s";

/**
 * Configs dev, prod and admin, the latter two with sessions of their own; agent-a gives dev, agent-b prod. The daemon
 * has 1,024 descriptors.
 *
 * @param terms more words of `grant add agent-a`
 */
export async function createTenants(...terms: readonly string[]) {
  const machine = await createHost();
  try {
    return await settle(machine, terms);
  } catch (error) {
    await machine[Symbol.asyncDispose]();
    throw error;
  }
}

async function settle(machine: Machine, terms: readonly string[]) {
  for (const name of ["prod", "admin"]) await machine.addConfig(name);
  const daemon = await startForeground(machine, { under: shell("ulimit -n 1024") });
  const add = async (words: readonly string[]) => {
    const all = [...words, ...(words.includes("--deliver file") ? [] : [RATE])];
    return (await machine.keyhole(["grant add", ...all].join(" "))).trimEnd();
  };
  // Attacked with all that keyhole can do.
  const a = await add(["agent-a --config dev --executable full", ...terms]);
  const b = await add(["agent-b --config prod"]);
  for (const name of ["prod", "admin"]) await machine.keyhole(`daemon add -n ${name}`);

  /** What everybody but agent-a has. */
  async function look() {
    const sessions = JSON.parse(await machine.keyhole("daemon list --json")) as {
      config: string;
      accessKeyId: string;
    }[];
    const grants = JSON.parse(await machine.keyhole("grant list --json")) as Record<string, unknown>[];
    return {
      isAlive: isAlive(daemon.pid),
      configs: await machine.keyhole("config list"),
      sessions: sessions.map(({ config, accessKeyId }) => `${config} ${accessKeyId}`).toSorted(),
      grants: grants.map(({ name, state, directory, sessionName }) => [name, state, directory, sessionName]),
      keyOfB: keysOf(machine, await runIn(b, machine)),
    };
  }
  const before = await look();
  const calls = machine.sts.count("AssumeRole");

  return {
    machine,
    daemon,
    a,
    b,
    /** Secrets that agent-a was not given. */
    canaries: () =>
      [...machine.sts.issued.values()]
        .filter((key) => key.roleArn !== roleArn("dev"))
        .flatMap(({ secretAccessKey, sessionToken }) => [secretAccessKey, ...(sessionToken ? [sessionToken] : [])]),
    /** Everybody has what they had, and nothing was asked of STS. */
    async expectUnharmed() {
      expect(await look()).toEqual(before);
      expect(machine.sts.count("AssumeRole")).toBe(calls);
    },
    /** The answers of `keyhole audit`, from new to old. */
    audit: async () => JSON.parse(await machine.keyhole("audit --json --limit 1000")) as Record<string, any>[],
    [Symbol.asyncDispose]: () => machine[Symbol.asyncDispose](),
  };
}
