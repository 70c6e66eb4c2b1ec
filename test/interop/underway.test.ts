// An upload that is under way when its grant is revoked, and when the daemon is restarted, by clients that try again by
// themselves, in a sandbox without a network.
import { expect } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { dial, request } from "../e2e/attacker.ts";
import { type Signing, startSigning } from "../e2e/signing.ts";
import { isAlive, until } from "../e2e/machine.ts";
import type { Arrived } from "../e2e/upstream.ts";
import { childrenOf } from "../processes.ts";
import { executables, type Rig, rigs, testWith } from "./rigs.ts";
import { bubblewrap } from "./signed.ts";

/** Milliseconds. */
const IN_FORCE = 100;
/** A machine that others use is slow now and then. */
const ROUNDS = 3;
const MIB = 2 ** 20;
const SANDBOX = "bwrap --die-with-parent --dev-bind / / --unshare-net --".split(" ");

interface Uploader {
  readonly needs: readonly Rig[];
  /** Of a file to s3://bucket/key. */
  readonly command: (file: string) => readonly string[];
  /** MiB. */
  readonly size: number;
  /** Which of its requests has a body. */
  readonly first: number;
  readonly refusal: RegExp;
}

const python = `
import boto3, sys
from botocore.exceptions import ClientError
try:
    boto3.client("s3").put_object(Bucket="bucket", Key="key", Body=open(sys.argv[1], "rb"))
except ClientError as error:
    sys.exit(str(error))
`;

const node = `
import { readFileSync } from "node:fs";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
const parameters = { Bucket: "bucket", Key: "key", Body: readFileSync(process.argv[1]) };
await new S3Client({}).send(new PutObjectCommand(parameters)).catch(({ name, message }) => {
  console.error(name + ": " + message);
  process.exitCode = 1;
});
`;

const uploaders: Readonly<Record<string, Uploader>> = {
  boto3: {
    needs: [rigs.boto3],
    command: (file) => [executables.python, "-c", python, file],
    size: 1024,
    first: 1,
    refusal: /when calling the PutObject operation: keyhole: this grant was revoked/,
  },
  "the AWS CLI": {
    needs: [rigs.awsV1],
    command: (file) => [executables.awsV1, "s3", "cp", "--no-progress", file, "s3://bucket/key"],
    size: 1024,
    first: 2,
    refusal: /when calling the UploadPart operation: keyhole: this grant was revoked/,
  },
  "the JavaScript SDK": {
    needs: [rigs.node],
    // Where its packages are.
    command: (file) => [
      "sh",
      "-c",
      'cd "$0" && exec "$@"',
      dirname(executables.call),
      executables.node!,
      "--no-warnings",
      "--input-type=module",
      "-e",
      node,
      file,
    ],
    // It sends again what it has in memory alone.
    size: 256,
    first: 1,
    refusal: /^AccessDeniedException: keyhole: this grant was revoked$/m,
  },
};

/** Takes parts, as S3 does; answers what has a body once it may. */
function createBucket() {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  async function answer({ request: { method, query } }: Arrived, response: ServerResponse) {
    if (method === "PUT") {
      await released;
      response.setHeader("etag", '"etag"').end();
    } else if (query === "uploads")
      response.end("<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>");
    else response.end("<CompleteMultipartUploadResult><ETag>etag</ETag></CompleteMultipartUploadResult>");
  }
  return { release, answer: (arrived: Arrived, response: ServerResponse) => void answer(arrived, response) };
}

/** What has arrived in the end, part by part. */
function digestOf({ upstream: { arrived } }: Signing): string {
  const puts = arrived.filter(({ request: { method } }) => method === "PUT");
  const latest = new Map(
    puts.map(({ request: { query }, body }) => [Number(/partNumber=(\d+)/.exec(query)?.[1] ?? 0), body]),
  );
  const hash = createHash("sha256");
  for (const [, body] of [...latest].toSorted(([a], [b]) => a - b)) hash.update(body);
  return hash.digest("hex");
}

/** Milliseconds from the request to the cut. */
async function revoke({ machine, upstream }: Signing): Promise<number> {
  const peer = await dial(machine.paths.socket);
  const began = performance.now();
  await peer.write(request("GrantRevoke", { name: "box" }));
  await until(() => upstream.cutAt() !== undefined);
  peer.close();
  return upstream.cutAt()! - began;
}

for (const [name, { needs, command, size, first, refusal }] of Object.entries(uploaders)) {
  testWith([...needs, bubblewrap])(
    `${name}: a revocation cuts an upload of ${size} MiB within ${IN_FORCE} ms, and the next request is refused`,
    async () => {
      const times: number[] = [];
      while (times.length < ROUNDS && !(times.at(-1)! < IN_FORCE)) {
        const { answer } = createBucket();
        await using it = await startSigning({ answer });
        const file = join(it.machine.home, "file");
        writeFileSync(file, "");
        truncateSync(file, size * MIB);
        const child = it.spawn(command(file), { AWS_MAX_ATTEMPTS: "2" }, SANDBOX);
        const errors = new Response(child.stderr).text();
        await until(() => it.upstream.begun() >= first);
        times.push(await revoke(it));
        expect(await errors).toMatch(refusal);
        expect(await child.exited).not.toBe(0);
      }
      console.log(`${name}: cut after ${times.map((time) => time.toFixed(1)).join(", ")} ms`);
      expect(Math.min(...times)).toBeLessThan(IN_FORCE);
    },
    120_000,
  );

  testWith([...needs, bubblewrap])(
    `${name}: a restart of the daemon in the middle of an upload is one more attempt`,
    async () => {
      const { answer, release } = createBucket();
      await using it = await startSigning({ answer });
      const file = join(it.machine.home, "file");
      const content = randomBytes(48 * MIB);
      writeFileSync(file, content);
      const child = it.spawn(command(file), {}, SANDBOX);
      const errors = new Response(child.stderr).text();
      await until(() => it.upstream.begun() >= first);
      const [signer] = childrenOf(it.machine.daemonPid()!, "--signer");
      await it.machine.keyhole("daemon restart");
      await until(() => !isAlive(signer!));
      release();
      expect([await errors, await child.exited]).toEqual(["", 0]);
      expect(it.upstream.cutAt()).toBeDefined();
      expect(it.upstream.arrived.every(({ isSigned }) => isSigned)).toBe(true);
      expect(digestOf(it)).toBe(createHash("sha256").update(content).digest("hex"));
    },
    120_000,
  );
}

testWith([rigs.awsV1, bubblewrap])(
  "the AWS CLI: a restart of the daemon in the middle of a download is one more attempt",
  async () => {
    const content = randomBytes(32 * MIB);
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    async function answer({ request: { method, headers } }: Arrived, response: ServerResponse) {
      const range = headers.find(([name]) => name === "range")?.[1];
      const [from = 0, to = content.length - 1] = range?.match(/\d+/g)?.map(Number) ?? [];
      const part = content.subarray(from, to + 1);
      response.writeHead(range === undefined ? 200 : 206, {
        "content-length": part.length,
        "content-range": `bytes ${from}-${to}/${content.length}`,
        "last-modified": new Date(0).toUTCString(),
        etag: '"etag"',
      });
      if (method === "GET") {
        response.write(part.subarray(0, part.length / 2));
        await released;
      }
      response.end(method === "GET" ? part.subarray(part.length / 2) : undefined);
    }
    await using it = await startSigning({ answer: (arrived, response) => void answer(arrived, response) });
    const file = join(it.machine.home, "file");
    const child = it.spawn([executables.awsV1, "s3", "cp", "--no-progress", "s3://bucket/key", file], {}, SANDBOX);
    const errors = new Response(child.stderr).text();
    await until(() => it.upstream.arrived.length > 1);
    await it.machine.keyhole("daemon restart");
    await until(() => it.upstream.cutAt() !== undefined);
    release();
    expect([await errors, await child.exited]).toEqual(["", 0]);
    expect(readFileSync(file).equals(content)).toBe(true);
  },
  120_000,
);
