// Terraform, where a machine has it and a mirror of its AWS provider: nothing is downloaded.
import { mkdirSync, writeFileSync } from "node:fs";
import { executables } from "./rigs.ts";
import { type Environment, must } from "./run.ts";

/** Applies a configuration whose one output is the ARN of GetCallerIdentity. */
export async function terraformWhoami(directory: string, endpoint: string, environment: Environment): Promise<string> {
  const terraform = await workspace(directory, environment, {
    provider: { aws: { region: "us-east-1", endpoints: [{ sts: endpoint }] } },
    data: { aws_caller_identity: { me: {} } },
    output: { arn: { value: "${data.aws_caller_identity.me.arn}" } },
  });
  await terraform("apply", "-auto-approve");
  return await terraform("output", "-raw", "arn");
}

/** Applies a configuration whose one resource is an object in a bucket; RGW's STS knows no GetCallerIdentity. */
export async function terraformPut(
  directory: string,
  endpoint: string,
  environment: Environment,
  object: { readonly bucket: string; readonly key: string; readonly content: string },
): Promise<void> {
  const provider = {
    region: "us-east-1",
    endpoints: [{ s3: endpoint }],
    s3_use_path_style: true,
    skip_requesting_account_id: true,
    skip_credentials_validation: true,
  };
  const resource = { aws_s3_object: { it: object } };
  const terraform = await workspace(directory, environment, { provider: { aws: provider }, resource });
  await terraform("apply", "-auto-approve");
}

async function workspace(directory: string, environment: Environment, configuration: object) {
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${directory}/main.tf.json`, JSON.stringify(configuration));
  const mirror = `provider_installation {\n  filesystem_mirror {\n    path = "${executables.terraformProviders}"\n  }\n}\n`;
  writeFileSync(`${directory}/terraform.rc`, mirror);
  const variables = { ...environment, TF_CLI_CONFIG_FILE: `${directory}/terraform.rc`, CHECKPOINT_DISABLE: "1" };
  const terraform = (...argv: string[]): Promise<string> =>
    must([executables.terraform!, ...argv], { ...variables, TF_IN_AUTOMATION: "1" }, 120, directory);
  await terraform("init", "-no-color");
  return terraform;
}
