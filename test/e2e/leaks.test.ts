// A canary in every token, code, key and helper's words that a source has, every source used and refused, and then a search
// of what keyhole writes and of every command line meanwhile.
import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Person } from "../cli/fakes/person.ts";
import { type Question, refusal } from "../sts/aws.ts";
import { makeWorld, SSO, type World } from "./awsworld.ts";
import { type Canaries, leaksIn, secretKey, textsBelow, watchProcesses } from "./canaries.ts";
import { executable } from "./machine.ts";

const DEVICE = "arn:aws:iam::111122223333:mfa/";
const LOGIN = "arn:aws:iam::123456789012:user/admin";
const ROLE = "role_arn = arn:aws:iam::111122223333:role/r\nregion = eu-west-1\n";

/** What no log, file, screen or command line may have. */
const planted = {
  "access token of a sign-in": secretKey(),
  "refresh token of a sign-in": secretKey(),
  "client secret of a sign-in": secretKey(),
  "refresh token of aws login": secretKey(),
  "token of aws login": secretKey(),
  "key of aws login": secretKey(),
  "web identity token of a file": `eyJ${secretKey()}.${secretKey()}`,
  "web identity token of a command": `eyJ${secretKey()}.${secretKey()}`,
  "stderr of a web identity command": secretKey(),
  "key of a process": secretKey(),
  "token of a process": secretKey(),
  "stderr of a process": secretKey(),
  "stderr of a process that fails": secretKey(),
  "stderr of an MFA command": secretKey(),
  "key of a profile": secretKey(),
  "external id of a hop": `external-${secretKey().replaceAll(/[/+=]/g, "_")}`,
  "container's token": secretKey(),
} satisfies Canaries;

/** By the stand-in, in every test: the environment of a command that is given credentials has them. */
const issued: Canaries = { key: "wJalrXUtnFEMI/K7MDENG+EXAMPLEKEY=", token: "token-ASIA0" };

/** Above the ids of processes. */
const codes = { typed: "918273", answered: "928374", asked: "938475", "of a command": "948576", wrong: "958677" };

const leaks = (text: string): string[] => leaksIn(text, { ...planted, ...issued, ...codes });

const device = (name: string) => `mfa_serial = ${DEVICE}${name}\n`;
const hop = (name: string, more = "", source = "keys") =>
  `[profile ${name}]\n${ROLE}source_profile = ${source}\n${more}`;

const CONFIG = `${SSO}${hop("hop", `external_id = ${planted["external id of a hop"]}\n`)}
[profile process]\ncredential_process = HOME/bin/process\nregion = eu-west-1
[profile failing]\ncredential_process = HOME/bin/failing\n${hop("on-process", "", "process")}
[profile web]\n${ROLE}web_identity_token_file = HOME/token.jwt
[profile login]\nlogin_session = ${LOGIN}\nregion = eu-west-1
${hop("typed", device("typed"))}${hop("answered", device("answered"))}${hop("asked", device("asked"))}`;

const CREDENTIALS = `[keys]\naws_access_key_id = AKIAKEYS000000000000\naws_secret_access_key = ${planted["key of a profile"]}\n`;

const set = (...values: string[]) => values.flatMap((value) => ["--set", value]);
const digest = (algorithm: "sha1" | "sha256", text: string) =>
  new Bun.CryptoHasher(algorithm).update(text).digest("hex");

/** A home with everything that the profiles name; the sign-ins are over, and are renewed. */
async function makePlanted(): Promise<World> {
  const world = await makeWorld(CONFIG, CREDENTIALS);
  const { home } = world.machine;
  const put = (path: string, text: string, mode = 0o600) => {
    mkdirSync(join(home, path, ".."), { recursive: true });
    writeFileSync(join(home, path), text, { mode });
  };
  const script = (name: string, text: string) => put(`bin/${name}`, `#!/bin/sh\n${text}\n`, 0o755);
  const process = {
    Version: 1,
    AccessKeyId: "ASIAPROCESS000000000",
    SecretAccessKey: planted["key of a process"],
    SessionToken: planted["token of a process"],
    Expiration: new Date(Date.now() + 3_600_000).toISOString(),
  };
  script("process", `echo '${planted["stderr of a process"]}' >&2; echo '${JSON.stringify(process)}'`);
  script("failing", `echo '${planted["stderr of a process that fails"]}' >&2; exit 7`);
  const told = planted["stderr of a web identity command"];
  script("web", `echo '${told}' >&2; echo '${planted["web identity token of a command"]}'`);
  script("web-failing", `echo '${told}' >&2; exit 7`);
  script("code", `echo '${planted["stderr of an MFA command"]}' >&2; echo ${codes["of a command"]}`);
  script("no-code", `echo '${planted["stderr of an MFA command"]} ${codes["of a command"]}' >&2; exit 7`);
  script("askpass", `echo ${codes.asked}`);
  put("token.jwt", planted["web identity token of a file"]);
  const ended = { expiresAt: new Date(Date.now() - 60_000).toISOString() };
  const signIn = {
    ...ended,
    startUrl: "https://d-1234567890.awsapps.com/start",
    region: "eu-west-1",
    accessToken: planted["access token of a sign-in"],
    refreshToken: planted["refresh token of a sign-in"],
    clientId: "client",
    clientSecret: planted["client secret of a sign-in"],
    registrationExpiresAt: new Date(Date.now() + 86_400_000).toISOString(),
  };
  put(`.aws/sso/cache/${digest("sha1", "corp")}.json`, JSON.stringify(signIn));
  const { privateKey } = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign"]);
  const pem = Buffer.from(await crypto.subtle.exportKey("pkcs8", privateKey)).toString("base64");
  const accessToken = {
    ...ended,
    accessKeyId: "ASIALOGIN00000000000",
    secretAccessKey: planted["key of aws login"],
    sessionToken: planted["token of aws login"],
    accountId: "123456789012",
  };
  const login = {
    accessToken,
    tokenType: "aws_sigv4",
    clientId: "arn:aws:signin:::devtools/same-device",
    refreshToken: planted["refresh token of aws login"],
    idToken: "x.y.z",
    dpopKey: `-----BEGIN PRIVATE KEY-----\n${pem}\n-----END PRIVATE KEY-----\n`,
  };
  put(`.aws/login/cache/${digest("sha256", LOGIN)}.json`, JSON.stringify(login));
  const role = ["--role-arn", "arn:aws:iam::111122223333:role/c"];
  const mfa = (name: string, command: string) => [
    ...role,
    ...set(
      "Session.profile_name=keys",
      `AssumeRole.SerialNumber=${DEVICE}${name}`,
      `MFA.command=${home}/bin/${command}`,
    ),
  ];
  for (const [name, words] of Object.entries({
    "web-command": [...role, ...set(`WebIdentity.command=${home}/bin/web`)],
    "web-failing": [...role, ...set(`WebIdentity.command=${home}/bin/web-failing`)],
    "mfa-command": mfa("command", "code"),
    "mfa-failing": mfa("failing", "no-code"),
    session: set("Session.profile_name=keys", "GetSessionToken.DurationSeconds=3600"),
    "on-session": [...role, ...set("Source=session")],
    container: [...role, ...set("STS.region_name=eu-west-1")],
  }))
    expect(await world.run(["config", "add", "-n", name, ...words])).toMatchObject({ exitCode: 0 });
  return world;
}

/** Beside the name: what it needs, and how it ends. */
const sources: readonly (readonly [string, exit: number])[] = [
  ["sso-dev", 0],
  ["hop", 0],
  ["process", 0],
  ["on-process", 0],
  ["failing", 5],
  ["web", 0],
  ["login", 0],
  ["web-command", 0],
  ["web-failing", 5],
  ["mfa-command", 0],
  ["mfa-failing", 5],
  ["session", 0],
  ["on-session", 0],
  ["container", 0],
];

/** What is in a form of AWS's is known for a secret wherever it is; an external id only where it was sent. */
const { "external id of a hop": _, ...known } = planted;

/** AWS repeats in every refusal what it was sent, as it does now and then, and all else. */
const repeating = ({ action, by, parameters }: Question) => {
  const message = `${action} by ${by} with ${JSON.stringify(parameters)}, not ${Object.values(known).join(" nor ")}`;
  if (action === "GetRoleCredentials" || action === "CreateToken")
    return Response.json({ message, error: "invalid_grant", error_description: message }, { status: 400 });
  return refusal("AccessDenied", message);
};

test("no token, code or helper's word of any source is in a log, a file, an error or a command line", async () => {
  await using world = await makePlanted();
  const { machine, aws } = world;
  const container = {
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${aws.machine}/container`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: planted["container's token"],
  };
  const { "container's token": __, ...inNoEnvironment } = planted;
  const watch = watchProcesses(inNoEnvironment, { ...planted, ...issued, ...codes });
  const seen = new Map<string, string>();
  const run = async (words: readonly string[], env: Readonly<Record<string, string>> = {}, stdin?: string) => {
    const result = await world.run(words, env, stdin);
    seen.set(`stderr of ${words.join(" ")}`, result.stderr);
    if (words[0] !== "export") seen.set(`stdout of ${words.join(" ")}`, result.stdout);
    return result;
  };
  const environmentOf = (name: string) => (name === "container" ? container : {});
  await run(["daemon", "start"]);
  for (const [name, exit] of sources) {
    const { exitCode, stderr } = await run(["export", "-n", name], environmentOf(name));
    expect({ name, exitCode, stderr }).toMatchObject({ name, exitCode: exit });
  }
  // A code that is given to `answer`, one of a program, and one that is typed, after one that AWS refuses.
  expect(await run(["export", "-n", "answered"])).toMatchObject({ exitCode: 5 });
  const id = /^(\d+) /m.exec((await run(["pending"])).stdout)?.[1] ?? "";
  aws.intercept = repeating;
  await run(["answer", id], {}, `${codes.wrong}\n`);
  aws.intercept = undefined;
  expect(await run(["answer", id], {}, `${codes.answered}\n`)).toMatchObject({ exitCode: 0 });
  const askpass = { KEYHOLE_ASKPASS: join(machine.home, "bin/askpass") };
  expect(await run(["export", "-n", "asked"], askpass)).toMatchObject({ exitCode: 0 });
  const environment = { ...machine.environment, AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "" };
  const way = { HTTPS_PROXY: aws.proxy, AWS_CA_BUNDLE: join(machine.home, "ca.pem") };
  await using person = new Person([executable, "exec", "-n", "typed", "--", "true"], { ...environment, ...way });
  await person.answers("MFA code of", `${codes.typed}\r`);
  expect(await person.exit()).toBe(0);
  expect(aws.questions.flatMap(({ parameters }) => parameters["TokenCode"] ?? []).toSorted()).toEqual(
    Object.values(codes).toSorted(),
  );

  aws.intercept = repeating;
  for (const [name] of sources) await run(["daemon", "add", "--force", "-n", name], environmentOf(name));
  for (const words of [
    "daemon status",
    "daemon list --json",
    "daemon logs -t 0",
    "audit list",
    "config validate --all",
    "doctor",
    "pending",
    "daemon restart",
    "daemon stop",
  ])
    await run(words.split(" "));

  expect(await watch.stop()).toEqual([]);
  const found = [...seen].flatMap(([where, text]) => leaks(text).map((what) => `${what} in ${where}`));
  const texts = textsBelow(machine.home);
  // The search finds what is there.
  const own = ["bin", ".aws", "token.jwt"].map((name) => join(machine.home, name));
  const inOwn = new Set(
    [...texts].flatMap(([path, text]) => (own.some((each) => path.startsWith(each)) ? leaks(text) : [])),
  );
  expect(inOwn.size).toBeGreaterThan(15);
  for (const path of [machine.paths.log, join(machine.paths.home, "logs/audit.jsonl")])
    expect(statSync(path).size).toBeGreaterThan(1_000);
  for (const [path, text] of texts)
    if (!own.some((each) => path.startsWith(each))) found.push(...leaks(text).map((what) => `${what} in ${path}`));
  expect(found).toEqual([]);
  expect(readFileSync(machine.paths.log, "utf8")).toContain("renewal failed");
}, 60_000);
