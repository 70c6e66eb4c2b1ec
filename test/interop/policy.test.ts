// Every row of the policy of a grant that signs, by real calls of two SDKs: what is refused is the SDK's own error, in
// keyhole's words, and has reached nothing.
import { expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startSigning } from "../e2e/signing.ts";
import { executables, rigs, testWith } from "./rigs.ts";

/** What call.py and call.mjs are told. */
interface Wish {
  readonly service: "s3" | "dynamodb" | "sts";
  readonly operation: string;
  readonly parameters: object;
  readonly target?: string;
}

const object = { Bucket: "bucket", Key: "dir/key" };
const get: Wish = { service: "s3", operation: "GetObject", parameters: object };
const put: Wish = { service: "s3", operation: "PutObject", parameters: { ...object, Body: "body" } };
const head: Wish = { service: "s3", operation: "HeadObject", parameters: object };
const remove: Wish = { service: "s3", operation: "DeleteObject", parameters: object };
const list: Wish = { service: "s3", operation: "ListObjectsV2", parameters: { Bucket: "bucket", Prefix: "dir/" } };
const scan: Wish = { service: "dynamodb", operation: "Scan", parameters: { TableName: "table" } };
const unheard: Wish = { ...scan, target: "DynamoDB_20120810.Unheard" };
const assume: Wish = {
  service: "sts",
  operation: "AssumeRole",
  parameters: { RoleArn: "arn:aws:iam::111122223333:role/other", RoleSessionName: "out" },
};

type Row = readonly [words: string, answer: "yes" | "no" | undefined, wish: Wish, message: string | undefined];

/** Of `--confirm`, what a person answers; no message where the call goes through. */
const rows: readonly Row[] = [
  ["", undefined, put, undefined],
  ["", undefined, scan, undefined],
  ["--allow s3:Get*", undefined, get, undefined],
  ["--allow s3:Get*", undefined, head, undefined],
  ["--allow s3:Get*", undefined, put, "this grant does not allow s3:PutObject (--allow)"],
  ["--allow S3:get*", undefined, scan, "this grant does not allow dynamodb:Scan (--allow)"],
  ["--deny *:Put*", undefined, put, "this grant denies s3:PutObject (--deny '*:Put*')"],
  ["--deny *:Put*", undefined, get, undefined],
  ["--allow s3:PutObject --deny s3:*", undefined, put, "this grant denies s3:PutObject (--deny 's3:*')"],
  ["--region eu-west-1", undefined, get, undefined],
  ["--region us-east-1", undefined, scan, "this grant has no region eu-west-1 (--region)"],
  ["--resource s3:bucket/dir/*", undefined, list, undefined],
  [
    "--resource s3:bucket/other/*",
    undefined,
    put,
    "this grant does not allow s3:PutObject on bucket/dir/key (--resource)",
  ],
  ["--resource dynamodb:t*", undefined, scan, undefined],
  ["--resource dynamodb:other", undefined, scan, "this grant does not allow dynamodb:Scan on table (--resource)"],
  ["--confirm s3:Delete*", "yes", remove, undefined],
  ["--confirm s3:Delete*", "no", remove, "the owner of this grant did not confirm s3:DeleteObject"],
  ["--confirm s3:Delete*", "no", get, undefined],
  ["--confirm s3:* --deny s3:Delete*", "yes", remove, "this grant denies s3:DeleteObject (--deny 's3:Delete*')"],
  [
    "--allow sts:* --allow *:AssumeRole",
    undefined,
    assume,
    "sts:AssumeRole hands out AWS credentials: this grant denies it unless --allow names it in full",
  ],
  ["--allow STS:assumerole", undefined, assume, undefined],
  ["--allow dynamodb:*", undefined, unheard, "keyhole knows no operation of AWS with this request"],
];

const bodies = { s3: "<R/>", dynamodb: "{}", sts: "<R><AssumeRoleResult/></R>" } as const;

for (const [options, answer, wish, message] of rows)
  testWith([rigs.boto3, rigs.node])(
    `${options || "no option"}${answer === undefined ? "" : ` (${answer})`}: ${wish.service}:${wish.target ?? wish.operation} ${message === undefined ? "goes through" : "is refused"}`,
    async () => {
      await using it = await startSigning({
        words: options,
        answer: (_, response) => void response.end(bodies[wish.service]),
        prepare: (machine) => {
          const askpass = join(machine.home, "askpass");
          writeFileSync(askpass, `#!/bin/sh\n[ ${answer} = yes ]\n`, { mode: 0o700 });
          machine.environment["KEYHOLE_ASKPASS"] = askpass;
        },
      });
      const calls = 'for call in "$1 $2" "$3 $4"; do $call "$0"; done';
      const words = [executables.python, `${import.meta.dir}/python/call.py`, executables.node!, executables.call];
      const { stdout, exitCode } = await it.run(["sh", "-c", calls, JSON.stringify(wish), ...words]);
      const refusal = `keyhole: ${message}`;
      const lines = [
        `An error occurred (AccessDeniedException) when calling the ${wish.operation} operation: ${refusal}`,
        `AccessDeniedException: ${refusal}`,
      ];
      expect([stdout.trimEnd().split("\n"), exitCode]).toEqual([message === undefined ? ["ok", "ok"] : lines, 0]);
      expect(it.upstream.arrived.map(({ isSigned }) => isSigned)).toEqual(message === undefined ? [true, true] : []);
    },
    60_000,
  );
