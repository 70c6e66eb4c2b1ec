// Each tool reads and writes S3 with what its `credential_process` gave it. The gateway (Ceph RGW) verifies signature,
// session token, expiry and policy, so a call that succeeds was signed with what keyhole got from this gateway's STS.
import { afterAll, beforeAll, expect } from "bun:test";
import { S3Client } from "bun";
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { type Broker, type ProcessCredentials, startBroker, writeProfiles } from "./broker.ts";
import { type Cluster, startCeph } from "./ceph.ts";
import { clients, javaCommand, resticInit } from "./clients.ts";
import { executables, isMissing, rigs, testWith } from "./rigs.ts";
import { type Environment, run, scratch, until } from "./run.ts";
import { bucket, keysOf, makeAccount, nextRoleArn, roleArn, source, trustProvider, webRoleArn } from "./account.ts";
import { startProvider } from "./provider.ts";
import { bubblewrap, type SignedSandbox, signIn } from "./signed.ts";
import { startIn, terraformBackend, terraformPut } from "./terraform.ts";

const directory = scratch("ceph");
const home = `${directory.path}/home`;
const body = `${directory.path}/body`;

let cluster: Cluster | undefined;
let broker: Broker | undefined;
let short: ProcessCredentials;
let profile: (name: string) => Environment;
let sandbox: SignedSandbox | undefined;
/** As `sandbox`, of a grant with a session policy. */
let narrow: SignedSandbox | undefined;
/** Of a grant for IAM and STS alone. */
let roles: SignedSandbox | undefined;
const AUDIENCE = "sts.amazonaws.com";
const large = `${directory.path}/work/large`;

beforeAll(async () => {
  if (isMissing(rigs.ceph)) return;
  cluster = await startCeph(directory.path);
  await makeAccount(cluster);
  broker = await startBroker(home, cluster.endpoint, source);
  await broker.add("demo", roleArn);
  await broker.add("reader", roleArn, { "AssumeRole.Policy": denyPutObject });
  short = await takeShortSession(broker);
  const commands = {
    demo: broker.command("demo"),
    reader: broker.command("reader"),
    forged: printing("forged", forge(await broker.export("demo"))),
    // Without its Expiration, because SDKs would refuse it by themselves.
    expired: printing("expired", { ...short, Expiration: undefined }),
  };
  profile = writeProfiles(home, cluster.endpoint, commands);
  writeFileSync(body, "out of the keyhole\n");
  await broker.add("aws", roleArn, { "Sign.endpoint_url": cluster.endpoint });
  const options = ["--config", "aws", "--allow", "s3:*", "--deny", "s3:Delete*", "--region", "us-east-1"];
  const policy = `${directory.path}/policy.json`;
  writeFileSync(policy, denyPutObject);
  const work = `${directory.path}/work`;
  if (!isMissing(bubblewrap)) {
    sandbox = await signIn(broker, source, { name: "box", options, work });
    const allowed = ["--allow", "iam:GetRole", "--allow", "sts:AssumeRole"];
    roles = await signIn(broker, source, { name: "roles", options: ["--config", "aws", ...allowed], work });
    narrow = await signIn(broker, source, { name: "narrow", options: [...options, "--policy", policy], work });
  }
  writeFileSync(large, randomBytes(40 * 2 ** 20));
}, 120_000);

afterAll(async () => {
  await broker?.stop();
  await cluster?.stop();
  directory.remove();
});

/** Compact, because RGW mistakes the `+` of a space in a form. */
const denyPutObject = JSON.stringify({
  Version: "2012-10-17",
  Statement: [
    { Effect: "Allow", Action: "s3:*", Resource: "arn:aws:s3:::*" },
    { Effect: "Deny", Action: "s3:PutObject", Resource: "arn:aws:s3:::*" },
  ],
});

/** The daemon vends nothing with less than 60 s left, so a session of 20 s more gives a slow machine time to take it. */
async function takeShortSession(from: Broker): Promise<ProcessCredentials> {
  await from.add("short", roleArn, { "AssumeRole.DurationSeconds": "80" });
  const credentials = await from.export("short");
  await from.remove("short");
  return credentials;
}

/** The right key id and token with a secret that is wrong in one character. */
function forge(credentials: ProcessCredentials): ProcessCredentials {
  const secret = credentials.SecretAccessKey;
  return { ...credentials, SecretAccessKey: secret.slice(0, -1) + (secret.endsWith("A") ? "B" : "A") };
}

async function sizesOf(prefix: string) {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = source;
  const client = new S3Client({
    accessKeyId,
    secretAccessKey,
    region: "us-east-1",
    endpoint: cluster!.endpoint,
    bucket,
  });
  const { contents = [] } = await client.list({ prefix });
  return { contents: contents.map(({ key, size }) => [key, size]) };
}

/** A `credential_process` that prints this document. */
function printing(name: string, document: object): string {
  const file = `${directory.path}/${name}.json`;
  writeFileSync(file, JSON.stringify({ Version: 1, ...document }), { mode: 0o600 });
  return `/bin/cat ${file}`;
}

testWith([rigs.ceph])(
  "the short session is good while it lasts",
  async () => {
    expect(await keysOf(cluster!, short)).toEqual([]);
  },
  30_000,
);

for (const { rig, list, put } of clients) {
  const key = `${rig.name.replaceAll(" ", "-")}.txt`;

  testWith([rigs.ceph, rig])(
    `${rig.name} writes and lists a bucket`,
    async () => {
      expect(await run(put(cluster!.endpoint, bucket, key, body), profile("demo"))).toMatchObject({ exitCode: 0 });
      expect(await keysOf(cluster!, source)).toContain(key);
      const listed = await run(list(cluster!.endpoint, bucket), profile("demo"));
      expect(listed).toMatchObject({ exitCode: 0, stdout: expect.stringContaining(key) });
    },
    150_000,
  );

  testWith([rigs.ceph, rig])(
    `${rig.name} may list but not write where the config's session policy denies it`,
    async () => {
      const answers = await refused(put(cluster!.endpoint, bucket, `denied-${key}`, body), profile("reader"));
      expect(answers).toContain(403);
      expect(await keysOf(cluster!, source)).not.toContain(`denied-${key}`);
      expect(await run(list(cluster!.endpoint, bucket), profile("reader"))).toMatchObject({ exitCode: 0 });
    },
    150_000,
  );

  testWith([rigs.ceph, rig])(
    `${rig.name} is refused with a forged secret`,
    async () => {
      const answers = await refused(list(cluster!.endpoint, bucket), profile("forged"));
      expect(new Set(answers)).toEqual(new Set([403]));
    },
    90_000,
  );
}

for (const { rig, list, put } of clients) {
  const key = `signed-${rig.name.replaceAll(" ", "-")}.txt`;

  testWith([rigs.ceph, rig, bubblewrap])(
    `${rig.name} writes and lists a bucket without a credential and without a network`,
    async () => {
      const endpoint = sandbox!.endpoint("s3");
      const mounts = [`--ro-bind ${body} ${body}`];
      expect(await sandbox!.run(put(endpoint, bucket, key, body), mounts)).toMatchObject({ exitCode: 0 });
      expect(await sandbox!.run(put(endpoint, bucket, `${key}-large`, large))).toMatchObject({ exitCode: 0 });
      const { contents } = await sizesOf(key);
      expect(contents).toEqual([
        [key, 19],
        [`${key}-large`, 40 * 2 ** 20],
      ]);
      const listed = await sandbox!.run(list(endpoint, bucket));
      expect(listed).toMatchObject({ exitCode: 0, stdout: expect.stringContaining(key) });
    },
    180_000,
  );
}

testWith([rigs.ceph, rigs.java, bubblewrap])(
  "the AWS SDK for Java uploads in parts, each signed chunk by chunk, and gets the same bytes back",
  async () => {
    const back = `${directory.path}/work/back`;
    rmSync(back, { force: true });
    for (const words of [
      ["parts", bucket, "java-parts", large],
      ["get", bucket, "java-parts", back],
    ])
      expect(await sandbox!.run(javaCommand("when_required", ...words))).toMatchObject({ stderr: "", exitCode: 0 });
    expect(readFileSync(back).equals(readFileSync(large))).toBe(true);
  },
  120_000,
);

testWith([rigs.ceph, rigs.awsV1, bubblewrap])(
  "an operation that the grant denies is the tool's own error, and keyhole's words",
  async () => {
    const words = ["s3", "rm", `s3://${bucket}/signed-boto3.txt`];
    const refusal = await sandbox!.run([executables.awsV1, ...words]);
    expect(refusal).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("keyhole: this grant denies s3:DeleteObject (--deny 's3:Delete*')"),
    });
  },
  60_000,
);

testWith([rigs.ceph, rigs.terraform])(
  "Terraform writes an object",
  async () => {
    const object = { bucket, key: "terraform.txt", content: "out of the keyhole\n" };
    await terraformPut(`${directory.path}/terraform`, cluster!.endpoint, startIn(profile("demo")), object);
    expect(await keysOf(cluster!, source)).toContain("terraform.txt");
  },
  180_000,
);

testWith([rigs.ceph, rigs.boto3, rigs.java, bubblewrap])(
  "behind what the grant allows stands the session policy: the gateway's own refusal is the SDK's error",
  async () => {
    const boto3 = [executables.python, `${import.meta.dir}/python/client.py`];
    for (const [command, words] of [
      [boto3, "(AccessDenied) when calling the PutObject operation"],
      [javaCommand("when_required"), "s3.model.AccessDeniedException:  (Service: S3, Status Code: 403, "],
    ] as const) {
      const refusal = await narrow!.run([...command, "put", bucket, "narrow", large]);
      expect(refusal).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(words) });
      expect(await narrow!.run([...command, "list", bucket])).toMatchObject({ exitCode: 0 });
    }
    expect(await keysOf(cluster!, source)).not.toContain("narrow");
  },
  90_000,
);

testWith([rigs.ceph, rigs.terraform, bubblewrap])(
  "Terraform keeps its state in a bucket and writes an object, without a credential and without a network",
  async () => {
    const object = { bucket, key: "terraform-signed.txt", content: "out of the keyhole\n" };
    await terraformBackend(`${directory.path}/work/terraform`, sandbox!.must, object);
    const keys = await keysOf(cluster!, source);
    expect(keys.filter((key) => key.startsWith(object.key))).toEqual([object.key, `${object.key}.tfstate`]);
  },
  180_000,
);

testWith([rigs.ceph, rigs.restic])(
  "restic makes a repository",
  async () => {
    const credentials = `${home}/restic-credentials`;
    writeFileSync(credentials, `[default]\ncredential_process = ${broker!.command("demo")}\n`);
    const { AWS_PROFILE: _, AWS_CONFIG_FILE: __, ...environment } = profile("demo");
    const variables = { ...environment, AWS_SHARED_CREDENTIALS_FILE: credentials, RESTIC_PASSWORD: "rig" };
    expect(await run(resticInit(cluster!.endpoint, `${bucket}/restic`), variables)).toMatchObject({ exitCode: 0 });
    expect(await keysOf(cluster!, source)).toContain("restic/config");
  },
  90_000,
);

testWith([rigs.ceph])(
  "credentials end when their Expiration says so",
  async () => {
    const expiration = Date.parse(short.Expiration!);
    await until("the gateway to refuse the short session", 100, async () => !(await accepted(short)));
    expect(Date.now()).toBeGreaterThanOrEqual(expiration);
  },
  120_000,
);

for (const { rig, list } of clients)
  testWith([rigs.ceph, rig])(
    `${rig.name} is refused with expired credentials`,
    async () => {
      const answers = await refused(list(cluster!.endpoint, bucket), profile("expired"));
      expect(new Set(answers)).toEqual(new Set([403]));
    },
    90_000,
  );

testWith([rigs.ceph])(
  "all of this cost one AssumeRole per config, and one per grant",
  async () => {
    const calls = (await cluster!.requests()).filter(({ method, path }) => method === "POST" && path === "/");
    // Four configs, three grants.
    expect(calls.map(({ status }) => status)).toEqual(Array.from({ length: 7 }, () => 200));
  },
  30_000,
);

// After the calls were counted.
for (const { rig, role } of clients) {
  if (role === undefined) continue;
  testWith([rigs.ceph, rig, bubblewrap])(
    `${rig.name} calls the gateway's IAM and STS without a credential and without a network`,
    async () => {
      const said = await roles!.must(role(roles!.endpoint, nextRoleArn));
      expect(said).toBe(`${nextRoleArn}\narn:aws:sts:::assumed-role/next/next\n`);
    },
    60_000,
  );
}

testWith([rigs.ceph])(
  "a web identity of a file, or of a command, is the proof of a role, and the gateway verifies it",
  async () => {
    const provider = await startProvider();
    try {
      await trustProvider(cluster!, provider, AUDIENCE);
      const [file, command] = [`${directory.path}/token.jwt`, `${directory.path}/token.sh`];
      const good = await provider.token(AUDIENCE, 600);
      writeFileSync(file, good);
      writeFileSync(command, `#!/bin/sh\ncat ${file}\n`, { mode: 0o755 });
      const sources = {
        "web-file": { "WebIdentity.token_file": file },
        "web-command": { "WebIdentity.command": command },
      };
      for (const [name, setting] of Object.entries(sources)) {
        await broker!.add(name, webRoleArn, setting);
        expect(await keysOf(cluster!, await broker!.export(name))).toBeArray();
      }
      const [head, body_, signature = ""] = good.split(".");
      const forged = [head, body_, `${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`].join(".");
      for (const bad of [forged, await provider.token(AUDIENCE, -30), await provider.token("another", 600)]) {
        writeFileSync(file, bad);
        // Read anew each time; what was issued is still vended.
        for (const name of Object.keys(sources)) {
          const told = await broker!.run(["daemon", "add", "--force", "-n", name], source).catch(String);
          expect(told).toMatch(/exit status 6\nkeyhole: error: AccessDenied\nkeyhole: hint: /);
          await broker!.export(name);
        }
      }
    } finally {
      await provider.stop();
    }
  },
  60_000,
);

/**
 * Runs a command that must fail, and returns the gateway's answers to it. Not its words: RGW's errors have an empty
 * message, over which AWS CLI stumbles.
 */
async function refused(argv: string[], environment: Environment): Promise<number[]> {
  const before = (await cluster!.requests()).length;
  expect((await run(argv, environment)).exitCode).not.toBe(0);
  let answers: number[] = [];
  await until("the gateway's log", 10, async () => {
    answers = (await cluster!.requests()).slice(before).map(({ status }) => status);
    return answers.length > 0;
  });
  return answers;
}

async function accepted(credentials: ProcessCredentials): Promise<boolean> {
  return await keysOf(cluster!, credentials).then(
    () => true,
    () => false,
  );
}
