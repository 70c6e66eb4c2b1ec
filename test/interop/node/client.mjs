// The JavaScript SDK's client of the interop tests: one call with whatever credentials the default chain finds.
// client.mjs whoami | list BUCKET | put BUCKET KEY FILE | role ARN
// Node 20 cannot run TypeScript, and install.sh copies this file to where its packages are.
import { GetRoleCommand, IAMClient } from "@aws-sdk/client-iam";
import { ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { readFileSync } from "node:fs";

const operations = {
  async whoami() {
    console.log((await new STSClient().send(new GetCallerIdentityCommand())).Arn);
  },
  async list(bucket) {
    const page = await storage().send(new ListObjectsV2Command({ Bucket: bucket }));
    for (const item of page.Contents ?? []) console.log(item.Key);
  },
  async put(bucket, key, file) {
    await storage().send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: readFileSync(file) }));
  },
  async role(arn) {
    console.log((await new IAMClient().send(new GetRoleCommand({ RoleName: arn.split("/").pop() }))).Role.Arn);
    const assume = new AssumeRoleCommand({ RoleArn: arn, RoleSessionName: "next" });
    console.log((await new STSClient().send(assume)).AssumedRoleUser.Arn);
  },
};

function storage() {
  return new S3Client({ forcePathStyle: true });
}

const [name, ...operands] = process.argv.slice(2);
await operations[name](...operands);
