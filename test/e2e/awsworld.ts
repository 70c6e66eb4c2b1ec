// A machine whose way leads to a stand-in for all of AWS.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Aws, startAws } from "../sts/aws.ts";
import { createMachine, type Machine } from "./machine.ts";

export interface World extends AsyncDisposable {
  readonly machine: Machine;
  readonly aws: Aws;
  run(
    words: readonly string[],
    env?: Readonly<Record<string, string | undefined>>,
    stdin?: string,
  ): ReturnType<Machine["run"]>;
}

export const SSO = `[sso-session corp]
sso_start_url = https://d-1234567890.awsapps.com/start
sso_region = eu-west-1
[profile sso-dev]
sso_session = corp
sso_account_id = 222222222222
sso_role_name = PowerUser
region = eu-central-1
`;

/** A person's home with these files, and the way to all of AWS. */
export async function makeWorld(config: string, credentials = ""): Promise<World> {
  const [machine, aws] = await Promise.all([createMachine(), startAws()]);
  const put = (path: string, text: string) => {
    mkdirSync(join(machine.home, path, ".."), { recursive: true });
    writeFileSync(join(machine.home, path), text);
  };
  put(".aws/config", config.replaceAll("HOME", machine.home));
  put(".aws/credentials", credentials);
  put("ca.pem", aws.certificate);
  put("token.jwt", "a-token");
  const token = { startUrl: "https://d-1234567890.awsapps.com/start", region: "eu-west-1", accessToken: "good" };
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  const cache = new Bun.CryptoHasher("sha1").update("corp").digest("hex");
  put(`.aws/sso/cache/${cache}.json`, JSON.stringify({ ...token, expiresAt }));
  const environment = {
    AWS_ACCESS_KEY_ID: undefined,
    AWS_SECRET_ACCESS_KEY: undefined,
    HTTPS_PROXY: aws.proxy,
    AWS_CA_BUNDLE: join(machine.home, "ca.pem"),
  };
  return {
    machine,
    aws,
    run: (words, env, stdin) =>
      machine.run(words, { env: { ...environment, ...env }, ...(stdin !== undefined && { stdin }) }),
    async [Symbol.asyncDispose]() {
      await machine[Symbol.asyncDispose]();
      await aws.stop();
    },
  };
}
