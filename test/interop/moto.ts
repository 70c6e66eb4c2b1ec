// moto, an STS that issues credentials to anybody and tells whose they are: it shows which credentials a client used.
import { policy } from "./account.ts";
import { executables } from "./rigs.ts";
import { type Environment, freePort, must, serve, until } from "./run.ts";

export interface Server {
  readonly endpoint: string;
  stop(): Promise<void>;
}

export async function startMoto(directory: string): Promise<Server> {
  const port = freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const log = `${directory}/moto.log`;
  const child = serve([executables.moto, "-H", "127.0.0.1", "-p", `${port}`], { PATH: "/usr/bin:/bin" }, log);
  await until("moto to answer", 30, async () => {
    if (child.exitCode !== null) throw new Error(await Bun.file(log).text());
    return (await fetch(`${endpoint}/moto-api/data.json`)).ok;
  });
  return {
    endpoint,
    async stop() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** What moto gives to a client that names no other. */
const ACCOUNT = "123456789012";

export const verifiedRole = `arn:aws:iam::${ACCOUNT}:role/aws`;

/**
 * A moto that verifies the signature and the session token of every request, by botocore's own code. It has one user, who may
 * do everything, and one role, which that user may assume and to which IAM denies `iam:GetUser`.
 * @returns with the user's keys, as variables of the environment
 */
export async function startVerifyingMoto(directory: string): Promise<Server & { readonly keys: Environment }> {
  const moto = await startMoto(directory);
  try {
    const anybody = { AWS_ACCESS_KEY_ID: "AKIAX", AWS_SECRET_ACCESS_KEY: "x", AWS_DEFAULT_REGION: "us-east-1" };
    const iam = (...words: string[]) =>
      must([executables.awsV1, "--endpoint-url", moto.endpoint, "iam", ...words], { HOME: directory, ...anybody });
    const wall = policy({ Effect: "Deny", Action: "iam:GetUser", Resource: "*" });
    const everything = policy({ Effect: "Allow", Action: "*", Resource: "*" });
    const principal = { AWS: `arn:aws:iam::${ACCOUNT}:user/u` };
    const trust = policy({ Effect: "Allow", Action: "sts:AssumeRole", Principal: principal });
    await iam("create-user", "--user-name", "u");
    await iam("put-user-policy", "--user-name", "u", "--policy-name", "p", "--policy-document", everything);
    const { AccessKey } = JSON.parse(await iam("create-access-key", "--user-name", "u"));
    await iam("create-role", "--role-name", "aws", "--assume-role-policy-document", trust);
    await iam("put-role-policy", "--role-name", "aws", "--policy-name", "p", "--policy-document", everything);
    await iam("put-role-policy", "--role-name", "aws", "--policy-name", "wall", "--policy-document", wall);
    // From the next request on. It takes no form.
    const headers = { "content-type": "application/octet-stream" };
    await fetch(`${moto.endpoint}/moto-api/reset-auth`, { method: "POST", body: "0", headers });
    const keys = { AWS_ACCESS_KEY_ID: AccessKey.AccessKeyId, AWS_SECRET_ACCESS_KEY: AccessKey.SecretAccessKey };
    return { ...moto, keys };
  } catch (error) {
    await moto.stop();
    throw error;
  }
}
