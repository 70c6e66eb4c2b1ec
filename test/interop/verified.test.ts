// SDKs in a sandbox without a network and without a credential. moto verifies, by botocore's code, that each of their
// requests came out signed with the keys and the token that its own STS has issued.
import { afterAll, beforeAll, expect } from "bun:test";
import { type Broker, startBroker } from "./broker.ts";
import { javaCommand } from "./clients.ts";
import { type Server, startVerifyingMoto, verifiedRole } from "./moto.ts";
import { executables, isMissing, type Rig, rigs, testWith } from "./rigs.ts";
import { must, scratch } from "./run.ts";
import { bubblewrap, type SignedSandbox, signIn } from "./signed.ts";
import { terraformTable } from "./terraform.ts";

const directory = scratch("verified");

let moto: Server | undefined;
let broker: Broker | undefined;
let sandbox: SignedSandbox | undefined;

beforeAll(async () => {
  if (isMissing(rigs.moto) || isMissing(bubblewrap)) return;
  const { keys, ...server } = await startVerifyingMoto(directory.path);
  moto = server;
  broker = await startBroker(`${directory.path}/home`, moto.endpoint, keys);
  await broker.add("aws", verifiedRole, { "Sign.endpoint_url": moto.endpoint });
  const options = ["--config", "aws", "--deny", "*:Delete*"];
  sandbox = await signIn(broker, keys, { name: "box", options, work: `${directory.path}/work` });
}, 60_000);

afterAll(async () => {
  await broker?.stop();
  await moto?.stop();
  directory.remove();
});

const boto3 = [executables.python, `${import.meta.dir}/python/services.py`];
const cli = (name: string, executable: string, paths: string) => [
  "sh",
  `${import.meta.dir}/services.sh`,
  executable,
  name,
  sandbox!.endpoint("").slice(0, -1),
  ...paths.split(" "),
];

/** Prints a line for each service. The name is that of all it makes. */
const programs: readonly { readonly rig: Rig; readonly command: (name: string) => string[] }[] = [
  { rig: rigs.boto3, command: (name) => [...boto3, "services", name] },
  // It goes to a host of its own where SQS, EMR, RDS or Health is not on its command line.
  { rig: rigs.awsV1, command: (name) => cli(name, executables.awsV1, "sqs") },
  // Debian's 2.9.19 knows no `endpoint_url` in a profile.
  {
    rig: rigs.awsV2,
    command: (name) => cli(name, executables.awsV2, "dynamodb sqs sns lambda ec2 secretsmanager kms states iam sts"),
  },
  { rig: rigs.node, command: (name) => [executables.node!, executables.nodeServices, "services", name] },
  { rig: rigs.go, command: (name) => [executables.goClient, "services", name] },
  { rig: rigs.java, command: (name) => javaCommand("when_supported", "services", name) },
];

/** Another one where a test is repeated. */
const nameOfRun = () => `it-${Bun.randomUUIDv7()}`;

for (const { rig, command } of programs)
  testWith([rigs.moto, rig, bubblewrap])(
    `${rig.name} calls services of each protocol, and moto finds the signature of its own session`,
    async () => {
      const name = nameOfRun();
      const { stdout, stderr, exitCode } = await sandbox!.run(command(name));
      const lines = [
        "dynamodb \u00fc",
        "sqs hello",
        `sns arn:aws:sns:us-east-1:123456789012:${name}`,
        "lambda 0",
        "ec2 1",
        `secretsmanager ${name}`,
        "kms 36",
        "stepfunctions 0",
        "iam aws",
        expect.stringMatching(/^sts arn:aws:sts::123456789012:assumed-role\/aws\/.+$/),
      ];
      const said = { stdout: stdout.trimEnd().split("\n"), exitCode, stderr: exitCode === 0 ? "" : stderr };
      expect(said).toEqual({ stdout: lines, exitCode: 0, stderr: "" });
    },
    120_000,
  );

const denied = (title: string) =>
  `('AccessDeniedException', "keyhole: this grant denies ${title} (--deny '*:Delete*')")`;

testWith([rigs.moto, rigs.boto3, bubblewrap])(
  "boto3 is refused in the shape of each protocol, and by moto in moto's words",
  async () => {
    const outcome = await sandbox!.run([...boto3, "refusals"]);
    const arn = "arn:aws:sts::123456789012:assumed-role/aws/";
    const lines = [
      "cloudwatch []",
      "query ('AccessDeniedException', 'keyhole: iam:CreateAccessKey hands out AWS credentials: this grant denies it unless --allow names it in full')",
      `wall ('AccessDenied', 'User: ${arn}SESSION is not authorized to perform: iam:GetUser')`,
      `json ${denied("dynamodb:DeleteTable")}`,
      `rest-json ${denied("lambda:DeleteFunction")}`,
      `rest-xml ${denied("s3:DeleteBucket")}`,
      `ec2's ${denied("ec2:DeleteVpc")}`,
      `cbor ${denied("cloudwatch:DeleteAlarms")}`,
    ];
    const stdout = outcome.stdout.replace(/keyhole-box-[0-9a-f]{8}/, "SESSION");
    expect({ ...outcome, stdout }).toMatchObject({ stdout: `${lines.join("\n")}\n`, exitCode: 0 });
  },
  60_000,
);

testWith([rigs.moto, rigs.terraform, bubblewrap])(
  "Terraform makes a table, and may not destroy it",
  async () => {
    const name = nameOfRun();
    const { arn, destroy } = await terraformTable(`${directory.path}/work/${name}`, sandbox!.must, name);
    expect(arn).toBe(`arn:aws:dynamodb:us-east-1:123456789012:table/${name}`);
    expect(await destroy().catch(String)).toMatch(
      /AccessDeniedException:\s+(?:│ )?keyhole: this grant denies dynamodb:DeleteTable \(--deny '\*:Delete\*'\)/,
    );
  },
  180_000,
);

testWith([rigs.moto, rigs.boto3, bubblewrap])(
  "moto refuses the same keys at each service with another secret, and with another token",
  async () => {
    const { AccessKeyId, SecretAccessKey, SessionToken } = await broker!.export("aws");
    const place = { HOME: directory.path, AWS_ENDPOINT_URL: moto!.endpoint, AWS_DEFAULT_REGION: "us-east-1" };
    const statuses = async (secret: string, token: string) => {
      const keys = { AWS_ACCESS_KEY_ID: AccessKeyId, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token };
      return (await must([...boto3, "statuses"], { ...keys, ...place })).trimEnd().split("\n");
    };
    const services = "dynamodb sqs sns lambda ec2 secretsmanager kms stepfunctions iam sts".split(" ");
    const each = (status: number, ec2: number) => services.map((name) => `${name} ${name === "ec2" ? ec2 : status}`);
    expect(await statuses(SecretAccessKey, SessionToken)).toEqual(each(200, 200));
    expect(await statuses("another", SessionToken)).toEqual(each(403, 401));
    expect(await statuses(SecretAccessKey, "another")).toEqual(each(403, 401));
  },
  60_000,
);
