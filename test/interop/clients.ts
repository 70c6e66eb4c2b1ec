// The tools that read `credential_process`, each with its command lines for one call to STS and two to S3.
// Their credentials and, where the tool can read it from there, their endpoint come from the profile in AWS_PROFILE.
import { executables, type Rig, rigs } from "./rigs.ts";

export interface Client {
  readonly rig: Rig;
  /** Prints the ARN of GetCallerIdentity. */
  readonly whoami?: (endpoint: string) => string[];
  /**
   * In a sandbox whose requests are signed: prints the ARN of a role by IAM's GetRole, and by STS's AssumeRole that of its
   * session `next`.
   */
  readonly role?: (endpoint: (service: string) => string, arn: string) => string[];
  /** Prints the keys of a bucket. */
  readonly list: (endpoint: string, bucket: string) => string[];
  /** Uploads a file. */
  readonly put: (endpoint: string, bucket: string, key: string, file: string) => string[];
}

const awsV1: Client = {
  rig: rigs.awsV1,
  whoami: () => [executables.awsV1, "sts", "get-caller-identity", "--query", "Arn", "--output", "text"],
  role: (_endpoint, arn) => roleByCli([executables.awsV1], [executables.awsV1], arn),
  list: (_endpoint, bucket) => [executables.awsV1, "s3", "ls", `s3://${bucket}`],
  put: (_endpoint, bucket, key, file) => [executables.awsV1, "s3", "cp", file, `s3://${bucket}/${key}`],
};

/** Debian's 2.9.19 knows no `endpoint_url` in a profile. */
const awsV2: Client = {
  rig: rigs.awsV2,
  whoami: (endpoint) => [...awsV2Command(endpoint), "sts", "get-caller-identity", "--query", "Arn", "--output", "text"],
  role: (endpoint, arn) => roleByCli(awsV2Command(endpoint("iam")), awsV2Command(endpoint("sts")), arn),
  list: (endpoint, bucket) => [...awsV2Command(endpoint), "s3", "ls", `s3://${bucket}`],
  put: (endpoint, bucket, key, file) => [...awsV2Command(endpoint), "s3", "cp", file, `s3://${bucket}/${key}`],
};

function roleByCli(iam: readonly string[], sts: readonly string[], arn: string): string[] {
  const get = [
    ...iam,
    "iam",
    "get-role",
    "--output",
    "text",
    "--query",
    "Role.Arn",
    "--role-name",
    arn.split("/").pop()!,
  ];
  const assume = [...sts, "sts", "assume-role", "--output", "text", "--query", "AssumedRoleUser.Arn"];
  const lines = [get, [...assume, "--role-session-name", "next", "--role-arn", arn]];
  return ["sh", "-ec", lines.map((line) => line.join(" ")).join("\n")];
}

function awsV2Command(endpoint: string): string[] {
  return [executables.awsV2, "--endpoint-url", endpoint];
}

/** A program of ours around an SDK: `whoami`, `list BUCKET`, `put BUCKET KEY FILE`. */
function program(rig: Rig, ...command: string[]): Client {
  return {
    rig,
    whoami: () => [...command, "whoami"],
    role: (_endpoint, arn) => [...command, "role", arn],
    list: (_endpoint, bucket) => [...command, "list", bucket],
    put: (_endpoint, bucket, key, file) => [...command, "put", bucket, key, file],
  };
}

/**
 * @param checksum of AWS_REQUEST_CHECKSUM_CALCULATION: with `when_supported`, the SDK's own choice, a body that is signed in
 *     chunks has trailers
 */
export function javaCommand(checksum: "when_supported" | "when_required", ...words: readonly string[]): string[] {
  const [classes, libraries] = executables.javaClasses;
  // The compiler for speed costs a program that ends at once more than it gives.
  const options = ["-XX:TieredStopAtLevel=1", `-Daws.requestChecksumCalculation=${checksum.toUpperCase()}`];
  return [executables.java, ...options, "-cp", `${classes}:${libraries}/*`, "Client", ...words];
}

/** Debian's aws-sdk-core 3.168 knows no `endpoint_url` in a profile, and runs the process twice for each client. */
const ruby: Client = {
  rig: rigs.ruby,
  whoami: (endpoint) => [...rubyCommand, endpoint, "whoami"],
  list: (endpoint, bucket) => [...rubyCommand, endpoint, "list", bucket],
  put: (endpoint, bucket, key, file) => [...rubyCommand, endpoint, "put", bucket, key, file],
};

const rubyCommand = [executables.ruby, `${import.meta.dir}/ruby/client.rb`];

/** It speaks S3 alone. One attempt each, because it would repeat a refusal too. */
const rclone: Client = {
  rig: rigs.rclone,
  list: (endpoint, bucket) => [...rcloneCommand, "lsf", rcloneRemote(endpoint, bucket)],
  put: (endpoint, bucket, key, file) => [...rcloneCommand, "copyto", file, rcloneRemote(endpoint, `${bucket}/${key}`)],
};

const rcloneCommand = [executables.rclone, "--config", "/dev/null", "--retries", "1", "--low-level-retries", "1"];

function rcloneRemote(endpoint: string, path: string): string {
  const options = `provider=Ceph,env_auth=true,region=us-east-1,force_path_style=true,no_check_bucket=true`;
  return `:s3,${options},endpoint="${endpoint}":${path}`;
}

export const clients: readonly Client[] = [
  awsV1,
  awsV2,
  program(rigs.boto3, executables.python, `${import.meta.dir}/python/client.py`),
  program(rigs.node, executables.node ?? "node", executables.nodeClient),
  program(rigs.go, executables.goClient),
  // RGW 16 knows no trailers.
  program(rigs.java, ...javaCommand("when_required")),
  ruby,
  rclone,
];

/**
 * Makes a repository in a bucket. restic looks for `credential_process` in the credentials file alone, and runs it
 * without a shell.
 */
export function resticInit(endpoint: string, path: string): string[] {
  return [executables.restic, "--no-cache", "-r", `s3:${endpoint}/${path}`, "init"];
}
