// keyhole as a user runs it: the compiled executable, a home of its own, a daemon, configs added from the shell.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Environment, must } from "./run.ts";

/** KEYHOLE_EXECUTABLE tests another build, one that was installed for instance. */
const executable = process.env["KEYHOLE_EXECUTABLE"] ?? resolve(import.meta.dir, "../../dist/keyhole");

export interface Broker {
  /** What stands behind `credential_process =` for a config. */
  command(config: string): string;
  /** Saves a config and assumes its role; settings are those of `config add --set`. */
  add(config: string, roleArn: string, settings?: Readonly<Record<string, string>>): Promise<void>;
  /** Ends a session. */
  remove(config: string): Promise<void>;
  /** Runs keyhole with these words in this environment, beside its own. */
  run(words: readonly string[], environment: Environment): Promise<string>;
  /** What a client is given: one line of JSON. */
  export(config: string): Promise<ProcessCredentials>;
  stop(): Promise<void>;
}

/** The document of https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html */
export interface ProcessCredentials {
  readonly AccessKeyId: string;
  readonly SecretAccessKey: string;
  readonly SessionToken: string;
  readonly Expiration?: string;
}

/**
 * @param endpoint of STS, in each config
 * @param source the source credentials, as variables of whoever runs `daemon add`
 */
export async function startBroker(home: string, endpoint: string, source: Environment): Promise<Broker> {
  if (!existsSync(executable)) throw new Error(`${executable} is missing: npm run build`);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const socket = `${home}/.keyhole/sock/daemon.sock`;
  const plain = { ...base, HOME: home };
  const keyhole = (environment: Environment, ...argv: string[]): Promise<string> =>
    must([executable, "--socket-path", socket, ...argv], environment);
  await keyhole(plain, "daemon", "start");
  return {
    command: (config) => `${executable} --socket-path ${socket} export --format credential-process -n ${config}`,
    async add(config, roleArn, settings = {}) {
      const sets = Object.entries({ "STS.endpoint_url": endpoint, "Session.region_name": "us-east-1", ...settings });
      const options = sets.flatMap(([path, value]) => ["--set", `${path}=${value}`]);
      await keyhole(plain, "config", "add", "-n", config, "--role-arn", roleArn, ...options);
      await keyhole({ ...plain, ...source }, "daemon", "add", "-n", config);
    },
    async remove(config) {
      await keyhole(plain, "daemon", "remove", "-n", config);
    },
    run: (words, environment) => keyhole({ ...plain, ...environment }, ...words),
    async export(config) {
      return JSON.parse(await keyhole(plain, "export", "--format", "credential-process", "-n", config));
    },
    async stop() {
      await keyhole(plain, "daemon", "stop");
    },
  };
}

/** Nothing of the developer's environment, and no way out of this machine for a client that misses its endpoint. */
const base = { PATH: "/usr/bin:/bin", HTTPS_PROXY: "http://127.0.0.1:9", AWS_EC2_METADATA_DISABLED: "true" };

/** A home whose AWS_PROFILE is the one that calls keyhole, as people choose it, and which has no daemon and no session. */
export async function makeColdHome(
  home: string,
  endpoint: string,
): Promise<{ environment: Environment; end(): Promise<void> }> {
  mkdirSync(`${home}/.aws`, { recursive: true, mode: 0o700 });
  const environment = { ...base, HOME: home, AWS_PROFILE: "staging", AWS_SDK_LOAD_CONFIG: "1" };
  const keyhole = (...argv: string[]) => must([executable, ...argv], environment);
  const role = ["--role-arn", "arn:aws:iam::111122223333:role/staging", "--set", `STS.endpoint_url=${endpoint}`];
  await keyhole("config", "add", "-n", "staging", ...role, "--set", "AssumeRole.RoleSessionName=cold@keyhole");
  const process = `${executable} export --format credential-process -n staging`;
  writeFileSync(
    `${home}/.aws/config`,
    `[default]\nregion = us-east-1\n\n[profile staging]\nregion = us-east-1\nendpoint_url = ${endpoint}\ncredential_process = ${process}\n`,
  );
  const keys = "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = source-secret\n";
  writeFileSync(`${home}/.aws/credentials`, `[default]\n${keys}`, { mode: 0o600 });
  return { environment, end: async () => void (await keyhole("daemon", "stop")) };
}

/** The files that clients read; the returned function gives the environment that selects a profile. */
export function writeProfiles(
  home: string,
  endpoint: string,
  commands: Readonly<Record<string, string>>,
): (profile: string) => Environment {
  const sections = Object.entries(commands).map(
    ([name, command]) => `[profile ${name}]
region = us-east-1
credential_process = ${command}
endpoint_url = ${endpoint}
request_checksum_calculation = when_required
s3 =
  addressing_style = path
`,
  );
  writeFileSync(`${home}/aws-config`, sections.join(""));
  writeFileSync(`${home}/aws-credentials`, "");
  return (profile) => ({
    ...base,
    HOME: home,
    AWS_PROFILE: profile,
    AWS_CONFIG_FILE: `${home}/aws-config`,
    AWS_SHARED_CREDENTIALS_FILE: `${home}/aws-credentials`,
    AWS_SDK_LOAD_CONFIG: "1",
  });
}
