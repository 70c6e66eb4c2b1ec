// A client that was not written here: boto3, skipped where it is not installed. The AWS CLI has its turn in e2e and gate.
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assume, ROLE_ARN } from "./sdk.ts";
import { type Key, startSts } from "./server.ts";

const DEVICE = { serialNumber: "arn:aws:iam::111122223333:mfa/developer", code: "123456" };
const sts = startSts({ mfa: DEVICE });
const home = mkdtempSync(join(tmpdir(), "sts-boto-"));
afterAll(async () => {
  await sts.stop();
  rmSync(home, { recursive: true, force: true });
});
beforeEach(() => sts.reset());

/** Milliseconds; a Python that loads botocore takes about one second on a quiet machine. */
const PATIENCE = 60_000;

const boto3 = await isThere("python3", "-c", "import boto3");
if (!boto3) console.warn("SKIPPED: boto3 is not installed");

describe.skipIf(!boto3)("boto3", () => {
  test(
    "assumes a role and calls with what it got",
    async () => {
      const output = await python(`
role = sts.assume_role(RoleArn="${ROLE_ARN}", RoleSessionName="from+boto", DurationSeconds=900,
  Policy='{"Version":"2012-10-17","Statement":[]}', PolicyArns=[{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}],
  Tags=[{"Key": "Größe", "Value": "a b+c/ü"}], TransitiveTagKeys=["Größe"], ExternalId="id/1",
  SourceIdentity="ann", SerialNumber="${DEVICE.serialNumber}", TokenCode="${DEVICE.code}")
c = role["Credentials"]
session = boto3.client("sts", aws_access_key_id=c["AccessKeyId"], aws_secret_access_key=c["SecretAccessKey"],
  aws_session_token=c["SessionToken"])
print(json.dumps({**session.get_caller_identity(), "id": c["AccessKeyId"], "end": c["Expiration"].timestamp(),
  "packed": role["PackedPolicySize"], "source": role["SourceIdentity"]}))`);
      const answer = JSON.parse(output) as Record<string, unknown>;
      expect(answer).toMatchObject({
        Arn: "arn:aws:sts::444455556666:assumed-role/deploy/from+boto",
        Account: "444455556666",
        source: "ann",
      });
      const key = sts.issued.get(answer["id"] as string)!;
      expect(answer["end"]).toBe(key.expiresAt! / 1000);
      expect(answer["packed"]).toBeWithin(1, 100);
      expect([...key.transitiveTags]).toEqual([["Größe", "a b+c/ü"]]);
    },
    PATIENCE,
  );

  test(
    "makes a presigned URL, which holds for as long as it says and as it is",
    async () => {
      const key = await assume(sts);
      const url = (
        await python(`print(sts.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET"))`, key)
      ).trim();
      expect(await get(url)).toContain(key.arn);
      expect(await get(url.replace("Expires=60", "Expires=61"))).toContain("SignatureDoesNotMatch");
      expect(await get(url.replace(/X-Amz-Signature=..../, "X-Amz-Signature=0000"))).toContain("SignatureDoesNotMatch");
      expect(await get(url.replace(/&?X-Amz-Signature=[^&]*/, ""))).toContain("IncompleteSignature");
      sts.clockOffset = 62_000;
      expect(await get(url)).toContain("Signature expired");
    },
    PATIENCE,
  );
});

/** stdout of a command that knows the server and one key, and nothing of this machine's AWS. */
async function run(command: string[], key: Key = sts.root): Promise<string> {
  const env = {
    PATH: Bun.env["PATH"] ?? "",
    HOME: home,
    AWS_ENDPOINT_URL_STS: sts.url,
    AWS_REGION: "eu-west-1",
    AWS_DEFAULT_REGION: "eu-west-1",
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_ACCESS_KEY_ID: key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
    ...(key.sessionToken !== undefined && { AWS_SESSION_TOKEN: key.sessionToken }),
  };
  const child = Bun.spawn(command, { env, stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) !== 0) throw new Error(`${command[0]} failed: ${stderr}`);
  return stdout;
}

/** What a few lines of Python with an STS client print. */
async function python(code: string, key?: Key): Promise<string> {
  return run(["python3", "-c", `import boto3, json\nsts = boto3.client("sts")\n${code}`], key);
}

async function get(url: string): Promise<string> {
  return (await fetch(url)).text();
}

async function isThere(...command: string[]): Promise<boolean> {
  if (Bun.which(command[0]!) === null) return false;
  const env = { PATH: Bun.env["PATH"] ?? "", HOME: home };
  return (await Bun.spawn(command, { env, stdout: "ignore", stderr: "ignore" }).exited) === 0;
}
