// The host's side of grants, with any user's daemon, and what a sandbox says of itself, held against what the STS saw.
import { chownSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "bun:test";
import { as, publicExecutable } from "../e2e/daemons.ts";
import { keysOf } from "../e2e/granthost.ts";
import { moveKeysToFile } from "../e2e/keyfile.ts";
import { createMachine, type Result, roleArn } from "../e2e/machine.ts";
import { must } from "../interop/run.ts";
import { makeMemory, makeUsualMemory } from "../memory.ts";
import type { Key, StsServerOptions } from "../sts/server.ts";

export type AgentHost = Awaited<ReturnType<typeof startAgentHost>>;

/**
 * Seconds. A broker never vends what has less than 60 left, and renews the shortest sessions when half of what is above
 * that is gone (daemon/sessions/refresh.ts): here after one.
 */
export const LIFETIME = 62;

let hosts = 0;
/** Every other one. */
const isNextWithRuntime = () => (hosts += 1) % 2 === 0;

/** Who a sandbox was, and with which key. */
export interface Identity {
  readonly role: string;
  readonly key: string;
}

/**
 * @param uid whose daemon it is
 * @param hasRuntime whether XDG_RUNTIME_DIR is set, as su, cron and CI leave it out
 * @param parent of its home
 */
export async function startAgentHost(
  uid = 0,
  options: StsServerOptions = {},
  hasRuntime = isNextWithRuntime(),
  parent?: string,
) {
  const machine = await createMachine({ minDuration: LIFETIME, ...options }, parent);
  // What leases lie on, apart from those of other daemons of this user.
  const usual = hasRuntime ? undefined : makeUsualMemory(uid);
  const memory = usual ?? makeMemory(uid)!;
  const program = publicExecutable();
  for (const path of [machine.home, join(machine.home, "work"), ...moveKeysToFile(machine)]) chownSync(path, uid, uid);
  Object.assign(machine.environment, { USER: "keyhole-gate" }, usual === undefined && { XDG_RUNTIME_DIR: memory.path });

  // A person has more groups than one: where keyhole's user has not, root of a user namespace can list the grants.
  const user = as(uid).map((word) => (word === "--clear-groups" ? "--groups=100" : word));
  const run = (...words: string[]): Promise<Result> => machine.run(words, { under: user, program: program.path });
  async function keyhole(...words: string[]): Promise<string> {
    const result = await run(...words);
    expect({ words, ...result }).toMatchObject({ exitCode: 0 });
    return result.stdout;
  }
  /** A config whose role has this name, and a grant of the same name in front of it. @returns its directory */
  async function addGrant(name: string, settings: readonly string[], terms: readonly string[]): Promise<string> {
    await keyhole(...machine.adding(name, "Session.region_name=us-east-1"), ...settings);
    return (await keyhole("grant", "add", name, "--config", name, ...terms)).trimEnd();
  }
  await keyhole("daemon", "start");

  return {
    uid,
    machine,
    run,
    keyhole,
    addGrant: (name: string, ...terms: string[]) => addGrant(name, [], terms),
    /** One whose sessions live for LIFETIME. */
    addBriefGrant: (name: string, ...terms: string[]) =>
      addGrant(name, ["--set", `AssumeRole.DurationSeconds=${LIFETIME}`], terms),
    /** One that signs for the STS. */
    addSigningGrant: (name: string, ...terms: string[]) =>
      addGrant(name, ["--set", `Sign.endpoint_url=${machine.sts.url}`], terms),
    /** What is printed for a tool. */
    recipe: async (name: string, tool: string) => (await keyhole("grant", "show", name, "--for", tool)).trimEnd(),
    async restart() {
      await keyhole("daemon", "stop");
      await keyhole("daemon", "start");
    },
    /** Keys of a role that no grant gives. */
    async keysOf(role: string): Promise<Key & { sessionToken: string }> {
      await keyhole(...machine.adding(role));
      const { AccessKeyId } = JSON.parse(await keyhole("export", "-n", role, "-f", "credential-process")) as {
        AccessKeyId: string;
      };
      const key = machine.sts.issued.get(AccessKeyId)!;
      return { ...key, sessionToken: key.sessionToken! };
    },
    /** What stands in the definitions in the place of the directories' names, which is no secret. */
    grantIds: async () => {
      const directory = join(machine.paths.home, "grants");
      const files = readdirSync(directory).filter((file) => file.endsWith(".yaml"));
      return files.map((file) => /^id: '?([^'\n]+)/m.exec(readFileSync(join(directory, file), "utf8"))![1]!);
    },
    /** Gives a directory with all that is in it to the daemon's user. */
    own: (path: string) => must(["chown", "-R", `${uid}:${uid}`, path], { PATH: "/usr/bin:/bin" }),
    /** What was asked for through a grant, newest first. */
    async vends(name: string): Promise<Record<string, unknown>[]> {
      const lines = JSON.parse(await keyhole("audit", "--grant", name, "--json")) as Record<string, unknown>[];
      return lines.filter(({ kind }) => kind === "vend");
    },
    /** Who made the latest call, if the outcome is that of a client that got an answer. */
    identityOf(outcome: Result): Identity {
      expect(outcome).toMatchObject({ exitCode: 0, stderr: "" });
      const call = machine.sts.calls.findLast(({ action }) => action === "GetCallerIdentity")!;
      expect(call.outcome).toBe("ok");
      const [, role] = /^arn:aws:sts::111122223333:assumed-role\/([^/]+)\//.exec(outcome.stdout.trim())!;
      expect(call.arn).toBe(outcome.stdout.trim());
      return { role: role!, key: call.accessKeyId! };
    },
    /** The key of a `credential_process`'s answer, which the STS has given out for this role. */
    keyOf(outcome: Result, role: string): string {
      const key = keysOf(machine, outcome);
      expect(machine.sts.issued.get(key)?.roleArn).toBe(roleArn(role));
      return key;
    },
    /** The key in what an offline client prints, which the STS has given out for this role. */
    keyIn(outcome: Result, role: string): string {
      expect(outcome).toMatchObject({ exitCode: 0, stderr: "" });
      const [key] = /\bASIA[A-Z2-7]{16}\b/.exec(outcome.stdout)!;
      expect(machine.sts.issued.get(key)?.roleArn).toBe(roleArn(role));
      return key;
    },
    async stop() {
      await machine[Symbol.asyncDispose]();
      program.remove();
      memory.remove();
    },
  };
}

/** Programs of the Debian root that print the ARN of whoever they are. */
export const clients = {
  boto3: ["python3", "-c", 'import boto3; print(boto3.client("sts").get_caller_identity()["Arn"])'],
  "AWS CLI": ["aws", "sts", "get-caller-identity", "--query", "Arn", "--output", "text"],
} as const;

/** Prints its key as well, where `prepareIntrusion` has put it. */
export const javaScriptClient = ["node", "credentials.mjs"] as const;

/** The same without a network: the key that they have. */
export const offlineClients = {
  boto3: ["python3", "-c", "import boto3; print(boto3.Session().get_credentials().access_key)"],
  // Version 1 prints credentials nowhere but in what it signs.
  "AWS CLI": ["aws", "s3", "presign", "s3://bucket/key"],
} as const;
