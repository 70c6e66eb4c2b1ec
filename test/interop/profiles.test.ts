// A profile means in keyhole what it means in the AWS CLI: for each profile of the files in profiles/, `aws --profile P
// sts assume-role` and `keyhole export` of a config with that profile ask the same hosts for the same, as the same key.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Aws, startAws } from "../sts/aws.ts";
import { executables, rigs, testWith } from "./rigs.ts";
import { type Environment, run, scratch } from "./run.ts";

const executable = process.env["KEYHOLE_EXECUTABLE"] ?? resolve(import.meta.dir, "../../dist/keyhole");
const corpus = join(import.meta.dir, "profiles");
const directory = scratch("profiles");
const ROLE = "arn:aws:iam::999999999999:role/target";
/** Where files of the corpus have what belongs to the person. */
const PERSON = "/home/jo";

let aws: Aws;

beforeAll(async () => {
  aws = await startAws();
  writeFileSync(`${directory.path}/ca.pem`, aws.certificate);
});

afterAll(async () => {
  await aws.stop();
  directory.remove();
});

/**
 * Where keyhole differs on purpose. What was asked for is then compared without the hosts and regions, or not at all.
 */
const wanted: Readonly<
  Record<string, { readonly reason: string; readonly refused?: RegExp; readonly answered?: true }>
> = {
  "03-role-from-default private": { reason: "`output` is of the CLI, which knows no yaml-stream", answered: true },
  "05-bastion-mfa-on-source prod": {
    reason: "the CLI asks stdin for the code, keyhole a person alone",
    refused: /config c wants the code of arn:aws:iam::/,
  },
};

/**
 * The CLI v1 without a region asks `sts.amazonaws.com`, which keyhole does where a profile says so alone: tokens of a
 * region are good in all.
 */
const GLOBAL = "sts.amazonaws.com";

for (const file of readdirSync(corpus).filter((name) => name.endsWith(".ini") && !name.includes(".credentials."))) {
  const name = file.replace(/\.ini$/, "");
  const text = readFileSync(join(corpus, file), "utf8");
  for (const profile of profilesOf(name, text)) {
    testWith([rigs.awsV1])(
      `${name}: profile ${profile}`,
      async () => {
        const environment = makeHome(`${name} ${profile}`, name, text);
        const cli = await ask(
          [
            executables.awsV1,
            "--profile",
            profile,
            "sts",
            "assume-role",
            "--role-arn",
            ROLE,
            "--role-session-name",
            "target",
          ],
          environment,
        );
        const own = await askKeyhole(profile, environment);
        const isSaid = /^sts_regional_endpoints/m.test(text);
        const difference = wanted[`${name} ${profile}`];
        if (difference?.refused !== undefined) {
          expect(own.stderr).toMatch(difference.refused);
          expect([own.exitCode, own.questions]).toEqual([5, []]);
        } else if (difference?.answered !== undefined) {
          expect(own).toMatchObject({ exitCode: 0 });
        } else if (cli.exitCode === 0) {
          expect(own).toEqual({ ...own, exitCode: 0, questions: isSaid ? cli.questions : cli.questions.map(regional) });
        } else {
          // 1: a profile that is its own source is a mistake in the file.
          const exitCode = /^\s*Infinite loop/.test(cli.stderr) ? 1 : 5;
          expect({ cli: cli.stderr, ...own }).toEqual({ cli: cli.stderr, ...own, exitCode, questions: [] });
        }
      },
      60_000,
    );
  }
}

test("every wanted difference is one of a profile that is there", () => {
  const all = readdirSync(corpus).map((file) => file.replace(/(\.credentials)?\.ini$/, ""));
  for (const name of Object.keys(wanted)) expect(all).toContain(name.split(" ")[0]!);
});

interface Asked {
  readonly exitCode: number;
  readonly stderr: string;
  readonly questions: readonly unknown[];
}

/** What was asked, without session names that are neither the CLI's nor ours to compare. */
async function ask(command: string[], environment: Environment): Promise<Asked> {
  aws.questions.length = 0;
  const { exitCode, stderr } = await run(command, environment, 50);
  const questions = aws.questions.map(
    ({ parameters: { RoleSessionName: session = "", ...parameters }, ...question }) => ({
      ...question,
      parameters,
      session: /^(botocore-session-\d+|keyhole-.*|target)$/.test(session) ? "" : session,
    }),
  );
  return { exitCode, stderr, questions };
}

async function askKeyhole(profile: string, environment: Environment): Promise<Asked> {
  const words = ["config", "add", "-n", "c", "--role-arn", ROLE, "--set", `Session.profile_name=${profile}`];
  const added = await run([executable, ...words], environment);
  expect(added).toMatchObject({ exitCode: 0 });
  try {
    return await ask([executable, "export", "-n", "c"], environment);
  } finally {
    await run([executable, "daemon", "stop"], environment);
  }
}

function regional<Question>(question: Question): Question {
  const { host, ...rest } = question as { readonly host: string };
  return { ...rest, host: host === GLOBAL ? "sts.us-east-1.amazonaws.com" : host } as Question;
}

/** By the reader of the CLI itself, so that a name is what it is there. */
function profilesOf(name: string, text: string): string[] {
  const credentials = join(corpus, `${name}.credentials.ini`);
  const files = [text, existsSync(credentials) ? readFileSync(credentials, "utf8") : ""];
  const names = files.flatMap((each, index) =>
    [...each.matchAll(/^\[([^\]]+)\]/gm)].flatMap(([, header = ""]) => {
      if (index === 1 || header === "default") return [header];
      const [, quote = "", profile = ""] = /^profile\s+(["']?)(.*?)\1$/.exec(header) ?? [];
      void quote;
      return profile === "" ? [] : [profile];
    }),
  );
  return [...new Set(names)];
}

/** A person's home with everything that the files of the corpus name. */
function makeHome(title: string, name: string, text: string): Environment {
  const home = join(directory.path, title.replaceAll(/[^\w]/g, "_"));
  const put = (path: string, content: string, mode = 0o600) => {
    mkdirSync(join(home, path, ".."), { recursive: true });
    writeFileSync(join(home, path), content, { mode });
  };
  const credentials = join(corpus, `${name}.credentials.ini`);
  put(".aws/config", text.replaceAll(PERSON, home));
  if (existsSync(credentials)) put(".aws/credentials", readFileSync(credentials, "utf8"));
  const process = { Version: 1, AccessKeyId: "AKIAFROMPROCESS00000", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG" };
  put("bin/helper.sh", `#!/bin/sh\necho '${JSON.stringify(process)}'\n`, 0o755);
  put("token.jwt", "a-token\n");
  for (const session of ["corp", "My Corp", "https://old.awsapps.com/start"]) putSignIn(put, session);
  const login = {
    accessToken: {
      accessKeyId: "ASIALOGIN00000000000",
      secretAccessKey: "wJalrXUtnFEMI/K7MDENG",
      sessionToken: "login-token",
      accountId: "123456789012",
      expiresAt: new Date(Date.now() + 900_000).toISOString(),
    },
    tokenType: "aws_sigv4",
    clientId: "arn:aws:signin:::devtools/same-device",
    refreshToken: "refresh",
    idToken: "x.y.z",
    dpopKey: "-----BEGIN EC PRIVATE KEY-----",
  };
  put(`.aws/login/cache/${hash("sha256", "arn:aws:iam::123456789012:user/admin")}.json`, JSON.stringify(login));
  return {
    HOME: home,
    PATH: "/usr/bin:/bin",
    HTTPS_PROXY: aws.proxy,
    AWS_CA_BUNDLE: `${directory.path}/ca.pem`,
    AWS_EC2_METADATA_SERVICE_ENDPOINT: aws.machine,
  };
}

function putSignIn(put: (path: string, content: string) => void, session: string): void {
  const token = { startUrl: "https://d-1234567890.awsapps.com/start", region: "eu-west-1", accessToken: "good" };
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+/, "");
  put(`.aws/sso/cache/${hash("sha1", session)}.json`, JSON.stringify({ ...token, expiresAt }));
}

function hash(algorithm: "sha1" | "sha256", text: string): string {
  return new Bun.CryptoHasher(algorithm).update(text).digest("hex");
}
