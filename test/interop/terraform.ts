// Terraform, where a machine has it and a mirror of its AWS provider: nothing is downloaded.
import { mkdirSync, writeFileSync } from "node:fs";
import { executables } from "./rigs.ts";
import { type Environment, must } from "./run.ts";

/** Runs a command to its end, and gives what it wrote to stdout. @throws where it fails */
type Start = (argv: string[]) => Promise<string>;

/** In exactly this environment. */
export const startIn =
  (environment: Environment): Start =>
  (argv) =>
    must(argv, environment, 120);

/** Applies a configuration whose one output is the ARN of GetCallerIdentity. */
export async function terraformWhoami(directory: string, endpoint: string, start: Start): Promise<string> {
  const terraform = await workspace(directory, start, {
    provider: { aws: { region: "us-east-1", endpoints: [{ sts: endpoint }] } },
    data: { aws_caller_identity: { me: {} } },
    output: { arn: { value: "${data.aws_caller_identity.me.arn}" } },
  });
  await terraform("apply", "-auto-approve");
  return await terraform("output", "-raw", "arn");
}

/** Makes a table. All that Terraform knows of the place is in its environment. */
export async function terraformTable(directory: string, start: Start, name: string) {
  const key = { name: "k", type: "S" };
  const table = { name, billing_mode: "PAY_PER_REQUEST", hash_key: key.name, attribute: [key] };
  const terraform = await workspace(directory, start, {
    provider: { aws: {} },
    resource: { aws_dynamodb_table: { it: table } },
    output: { arn: { value: "${aws_dynamodb_table.it.arn}" } },
  });
  await terraform("apply", "-auto-approve");
  return {
    arn: await terraform("output", "-raw", "arn"),
    destroy: () => terraform("destroy", "-auto-approve", "-no-color"),
  };
}

/** Of a gateway whose STS knows no GetCallerIdentity. */
const skipping = { skip_requesting_account_id: true, skip_credentials_validation: true };

interface Stored {
  readonly bucket: string;
  readonly key: string;
  readonly content: string;
}

/** Applies a configuration whose one resource is an object in a bucket. */
export async function terraformPut(directory: string, endpoint: string, start: Start, object: Stored): Promise<void> {
  const provider = { region: "us-east-1", endpoints: [{ s3: endpoint }], s3_use_path_style: true, ...skipping };
  const terraform = await workspace(directory, start, {
    provider: { aws: provider },
    resource: { aws_s3_object: { it: object } },
  });
  await terraform("apply", "-auto-approve");
}

/** As `terraformPut`, with its state in the same bucket, and all that it knows of the place in its environment. */
export async function terraformBackend(directory: string, start: Start, object: Stored): Promise<void> {
  const s3 = { bucket: object.bucket, key: `${object.key}.tfstate`, region: "us-east-1", ...skipping };
  const terraform = await workspace(directory, start, {
    terraform: { backend: { s3 } },
    provider: { aws: skipping },
    resource: { aws_s3_object: { it: object } },
  });
  await terraform("apply", "-auto-approve");
}

async function workspace(directory: string, start: Start, configuration: object) {
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${directory}/main.tf.json`, JSON.stringify(configuration));
  const mirror = `provider_installation {\n  filesystem_mirror {\n    path = "${executables.terraformProviders}"\n  }\n}\n`;
  writeFileSync(`${directory}/terraform.rc`, mirror);
  const variables = [`TF_CLI_CONFIG_FILE=${directory}/terraform.rc`, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1"];
  const terraform = (...argv: string[]): Promise<string> =>
    start(["/usr/bin/env", ...variables, executables.terraform!, `-chdir=${directory}`, ...argv]);
  await terraform("init", "-no-color");
  return terraform;
}
