// What a sandbox can see of a grant that signs, written down by a client in it that calls every operation that hands out
// credentials, with the grant's keys and without, and then looks into all that it may read. The server behind the grant
// answers each with credentials, and quotes what it was sent.
import { expect } from "bun:test";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { vendingOperations, vendingReason } from "../../src/signer/vending-operations.ts";
import { type Canaries, leaksIn, secretKey } from "../e2e/canaries.ts";
import { type Signing, startSigning } from "../e2e/signing.ts";
import type { Arrived } from "../e2e/upstream.ts";
import { executables, rigs, testWith } from "./rigs.ts";
import { bubblewrap } from "./signed.ts";

const handedOut = { "key id": "ASIAHANDEDOUT0000000", secret: secretKey(), token: secretKey() } satisfies Canaries;

/** Every other one is an error, which is read in another way. */
function createAnswer() {
  let count = 0;
  return ({ request: { method, path, headers }, body }: Arrived, response: ServerResponse): void => {
    const keys = { AccessKeyId: handedOut["key id"], SecretAccessKey: handedOut.secret, SessionToken: handedOut.token };
    const sent = Object.fromEntries(headers);
    for (const name of ["authorization", "x-amz-security-token"]) response.setHeader(`x-sent-${name}`, sent[name]!);
    response.statusCode = (count += 1) % 2 === 0 ? 403 : 200;
    response.setHeader("content-type", "application/json");
    const isHarmless = String(body).startsWith("Action=GetCallerIdentity&") || `${method} ${path}` === "GET /";
    response.end(JSON.stringify({ credentials: isHarmless ? undefined : keys, sent }));
  };
}

/** What each call says, and what there is to see. */
async function look(it: Signing, titles: readonly string[]) {
  const out = join(it.machine.home, "out");
  mkdirSync(out);
  const cache = resolve(executables.moto, "../../..");
  const shown = ["/usr", "/etc", cache, `${homedir()}/.pyenv`, import.meta.dir, it.directory].filter(existsSync);
  const sandbox = [
    ..."bwrap --unshare-all --die-with-parent --clearenv --proc /proc --dev /dev --tmpfs /tmp".split(" "),
    ..."--symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 --setenv PATH /usr/bin".split(" "),
    ...shown.flatMap((path) => ["--ro-bind", path, path]),
    "--bind",
    out,
    out,
    "--",
  ];
  const script = [executables.python, `${import.meta.dir}/python/canary.py`, out, ...titles];
  expect(await it.run(script, {}, sandbox)).toEqual({ exitCode: 0, stdout: "", stderr: "" });
  const json = (name: string): unknown => JSON.parse(readFileSync(join(out, `${name}.json`), "utf8"));
  const records = ["connections", "mount", "processes"].map(
    (kind) => [kind, readFileSync(join(out, kind), "latin1")] as const,
  );
  return {
    answers: json("answers") as Readonly<Record<string, readonly [signed: string, unsigned: string]>>,
    /** What could be read of each process, by the first words of its command line. */
    processes: json("seen") as Readonly<Record<string, readonly string[]>>,
    /** @returns `canary in record` */
    find: (canaries: Canaries) =>
      records.flatMap(([kind, text]) => leaksIn(text, canaries).map((name) => `${name} in ${kind}`)),
  };
}

/** Of the sessions that the grant signs with, and of those who made them. */
function realKeys({ machine: { sts } }: Signing): Canaries {
  const keys = [sts.root, ...sts.issued.values()];
  return Object.fromEntries(
    keys.flatMap(({ accessKeyId, secretAccessKey, sessionToken }) => [
      [`id of ${accessKeyId}`, accessKeyId],
      [`secret of ${accessKeyId}`, secretAccessKey],
      ...(sessionToken === undefined ? [] : [[`token of ${accessKeyId}`, sessionToken]]),
    ]),
  );
}

function dummyOf({ directory }: Signing): Canaries {
  const config = readFileSync(join(directory, "aws-config"), "utf8");
  return { dummy: /^aws_secret_access_key = (.*)$/m.exec(config)![1]! };
}

const MEMORY = ["environ", "cmdline", "maps", "status", "net/unix", "mountinfo", "mem"];
const UNSIGNED = "keyhole: the request is not signed with this grant's keys";

testWith([rigs.boto3, bubblewrap])(
  "no operation that hands out credentials reaches AWS, and no key is seen",
  async () => {
    await using it = await startSigning({ answer: createAnswer() });
    const seen = await look(it, ["sts:GetCallerIdentity", "s3:ListBuckets", ...vendingOperations]);
    const refusals = vendingOperations.map((title) => {
      const refusal = `keyhole: ${title} ${vendingReason(title)}: this grant denies it unless --allow names it in full`;
      return [title, [refusal, UNSIGNED]];
    });
    expect(seen.answers).toMatchObject(Object.fromEntries(refusals));
    expect(it.upstream.arrived.map(({ isSigned }) => isSigned)).toEqual([true, true]);
    // The relay's memory too: there is nothing in it that is not in the grant's directory.
    expect(Object.values(seen.processes)).toEqual([MEMORY, MEMORY, MEMORY]);
    expect(Object.keys(seen.processes).filter((words) => words.endsWith("/keyhole relay"))).toHaveLength(1);
    expect(seen.find(dummyOf(it))).toEqual(["dummy in mount", "dummy in processes"]);
    expect(seen.find({ ...handedOut, ...realKeys(it) })).toEqual([]);
  },
  120_000,
);

testWith([rigs.boto3, bubblewrap])(
  "what was allowed by its full name is seen, and the keys that signed for it are not, in answers that quote them",
  async () => {
    const words = vendingOperations.map((title) => `--allow ${title}`).join(" ");
    await using it = await startSigning({ answer: createAnswer(), words });
    const seen = await look(it, vendingOperations);
    expect(it.upstream.arrived.every(({ isSigned }) => isSigned)).toBe(true);
    expect(Object.values(seen.answers).filter(([signed]) => signed.includes("keyhole: "))).toEqual([]);
    expect(new Set(Object.values(seen.answers).map(([, unsigned]) => unsigned))).toEqual(new Set([UNSIGNED]));
    const found = seen.find(handedOut);
    for (const name of Object.keys(handedOut)) expect(found).toContain(`${name} in connections`);
    expect(seen.find(realKeys(it))).toEqual([]);
  },
  120_000,
);
