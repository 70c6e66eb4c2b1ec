import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type Clock, systemClock } from "../../src/clock.ts";
import { resolveInChild } from "../../src/sources/resolve/spawn.ts";
import { isAlive, pidIn, until } from "../processes.ts";
import { rejectionOf } from "../thrown.ts";
import { makeWorld, RESOLVER, ROLE, SOCKET, type World } from "./fixture.ts";
import type { Surroundings } from "../../src/surroundings.ts";

let world: World;
let log: string;

beforeAll(() => {
  world = makeWorld();
  const { accessKeyId, secretAccessKey } = world.sts.root;
  log = `${world.home.path}/log`;
  const answer = JSON.stringify({ Version: 1, AccessKeyId: "AKIAPROCESS", SecretAccessKey: "canary-secret" });
  const looping = `${process.execPath} ${join(import.meta.dir, "looping.ts")}`;
  const sso = "sso_account_id = 111122223333\nsso_role_name = r\n";
  world.home.write(
    ".aws/credentials",
    `[static]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`,
  );
  world.home.write(
    ".aws/config",
    `
[profile bare]
region = eu-west-1
[profile role]
role_arn = ${ROLE}
source_profile = static
role_session_name = nested
[profile refused]
role_arn = arn:aws:iam::111122223333:role/refused
source_profile = static
[profile mfa]
role_arn = ${ROLE}
source_profile = static
mfa_serial = arn:aws:iam::111122223333:mfa/x
[profile orphan]
role_arn = ${ROLE}
source_profile = nowhere
[profile cycle]
role_arn = ${ROLE}
source_profile = cycle2
[profile cycle2]
role_arn = ${ROLE}
source_profile = cycle
[profile process]
credential_process = echo run >> ${log}; echo '${answer}'
[profile failing]
credential_process = echo run >> ${log}; echo canary-stdout; echo canary-stderr >&2; echo its last line >&2; exit 3
[profile garbage]
credential_process = echo canary-stdout
[profile old]
credential_process = echo '${JSON.stringify({ Version: 1, AccessKeyId: "A", SecretAccessKey: "canary", Expiration: "2020-01-01T00:00:00Z" })}'
[profile hanging]
credential_process = echo $$ > ${log}.new; mv ${log}.new ${log}; exec sleep 600
[profile itself]
credential_process = ${looping} demo
[profile another]
credential_process = ${looping} other
[profile silent]
credential_process = ${looping} other 2> /dev/null
[profile deaf]
credential_process = ${looping} other > /dev/null
[profile behind]
role_arn = ${ROLE}
source_profile = another
[profile direct]
role_arn = ${ROLE}
source_profile = static
endpoint_url = ${world.sts.url}
[profile dead]
role_arn = ${ROLE}
source_profile = static
endpoint_url = http://127.0.0.1:1
[profile "with space"]
AWS_ACCESS_KEY_ID = AKIASPACE
aws_secret_access_key: s
[profile halves] # two sources
role_arn = ${ROLE}
source_profile = static
credential_source = Environment
[profile nosource]
role_arn = ${ROLE}
credential_process = echo run >> ${log}
[profile signedin]
${sso}sso_session = s
credential_process = echo run >> ${log}
[profile commented]
credential_process = echo '${answer}' # '; echo run >> ${log}
[profile sso]
sso_session = s
${sso}
[sso-session s]
sso_start_url = https://sso.invalid/start
sso_region = us-east-1
[profile legacy]
sso_start_url = https://sso.invalid/start
sso_region = us-east-1
${sso}
[profile login]
login_session = arn:aws:iam::111122223333:user/x
`,
  );
});
afterEach(async () => {
  world.sts.reset();
  await Bun.file(log)
    .delete()
    .catch(() => {});
});
afterAll(() => world.end());

interface Change {
  readonly name?: string;
  readonly profile?: string;
  readonly environment?: Record<string, string>;
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
  readonly command?: readonly string[];
  readonly surroundings?: Surroundings;
  readonly asksSurroundings?: boolean;
  readonly timeout?: number;
}

async function resolve(change: Change) {
  const { name = "demo", profile, environment, clock = systemClock, signal, command = RESOLVER } = change;
  const { surroundings, asksSurroundings = false, timeout = 60_000 } = change;
  const { source } = await resolveInChild(
    { command, base: {}, socketPath: SOCKET, user: () => "tester", clock },
    {
      name,
      profile,
      wants: "source",
      verify: undefined,
      environment: { ...world.environment, ...environment },
      surroundings,
      asksSurroundings,
      timeout,
      webIdentity: undefined,
      signal: signal ?? new AbortController().signal,
    },
  );
  return source!;
}

/** How often a credential_process ran. */
async function runs(): Promise<number> {
  return (await Bun.file(log).text()).split("\n").length - 1;
}

describe("source credentials", () => {
  test("of a profile with keys", async () => {
    const source = await resolve({ profile: "static" });
    expect(source).toMatchObject({ description: "profile static (credentials file)", chained: false });
    expect(source.credentials.secretAccessKey).toBe(world.sts.root.secretAccessKey);
  });

  test("of the default profile where nobody names one", async () => {
    const path = world.home.write("default", "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = s\n");
    const source = await resolve({ environment: { AWS_CONFIG_FILE: path } });
    expect(source.credentials.accessKeyId).toBe("AKIADEFAULT");
    expect(source.description).toBe("profile default (config file)");
  });

  test("of a role that a profile assumes, which makes a chain", async () => {
    const source = await resolve({ profile: "role" });
    expect(source).toMatchObject({
      description: "profile role (role, credentials file of profile static)",
      chained: true,
    });
    expect(source.credentials.accountId).toBe("111122223333");
    expect(world.sts.calls).toHaveLength(1);
    expect(world.sts.calls[0]).toMatchObject({ issuedKeyId: source.credentials.accessKeyId, outcome: "ok" });
  });

  test("of a credential_process, which may give anything", async () => {
    const source = await resolve({ profile: "process" });
    expect(source).toMatchObject({ description: "profile process (credential_process)", chained: false });
    expect(source.credentials.secretAccessKey).toBe("canary-secret");
    expect(await runs()).toBe(1);
  });

  test("of a web identity", async () => {
    const claims = { sub: "s", iss: "https://issuer", aud: "sts", exp: Math.floor(Date.now() / 1000) + 600 };
    const token = ["{}", JSON.stringify(claims), "x"].map((part) => Buffer.from(part).toString("base64url")).join(".");
    const environment = { AWS_ROLE_ARN: ROLE, AWS_WEB_IDENTITY_TOKEN_FILE: world.home.write("token", token) };
    expect(await resolve({ environment })).toMatchObject({ description: "web identity", chained: true });
  });

  test("of a container endpoint", async () => {
    const answer = {
      AccessKeyId: "ASIACONTAINER",
      SecretAccessKey: "s",
      Token: "t",
      Expiration: "2099-01-01T00:00:00Z",
    };
    const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => Response.json(answer) });
    try {
      const environment = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${server.port}/` };
      const source = await resolve({ environment });
      expect(source).toMatchObject({ description: "container", chained: false });
      expect(source.credentials.expiresAt).toBe(Date.UTC(2099, 0, 1));
    } finally {
      await server.stop(true);
    }
  });

  test("of a container endpoint that wants a token out of a file", async () => {
    const answer = { AccessKeyId: "ASIAC", SecretAccessKey: "s", Token: "t", Expiration: "2099-01-01T00:00:00Z" };
    const tokens: (string | null)[] = [];
    const fetch = (request: Request) => {
      tokens.push(request.headers.get("authorization"));
      return Response.json(answer);
    };
    const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch });
    try {
      await resolve({
        environment: {
          AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${server.port}/`,
          AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: world.home.write("container-token", "the-token"),
        },
      });
      expect(tokens).toEqual(["the-token"]);
    } finally {
      await server.stop(true);
    }
  });

  test("of a sign-in, by way of the endpoint that the requester names for every service", async () => {
    const roleCredentials = {
      accessKeyId: "ASIASSO",
      secretAccessKey: "s",
      sessionToken: "t",
      expiration: Date.UTC(2099, 0, 1),
    };
    const asked: string[] = [];
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request) => {
        asked.push(`${new URL(request.url).pathname} ${request.headers.get("x-amz-sso_bearer_token")}`);
        return Response.json({ roleCredentials });
      },
    });
    const token = { accessToken: "canary-token", expiresAt: new Date(Date.now() + 3_600_000).toISOString() };
    const file = new Bun.CryptoHasher("sha1").update("s").digest("hex");
    const path = world.home.write(`.aws/sso/cache/${file}.json`, JSON.stringify(token));
    try {
      const environment = { AWS_ENDPOINT_URL: `http://127.0.0.1:${server.port}` };
      const source = await resolve({ profile: "sso", environment });
      expect(source).toMatchObject({ chained: true, renewal: "aws sso login --profile sso" });
      expect(source.credentials).toMatchObject({ accessKeyId: "ASIASSO", expiresAt: roleCredentials.expiration });
      expect(asked).toEqual(["/federation/credentials canary-token"]);
    } finally {
      await server.stop(true);
      await Bun.file(path).delete();
    }
  });

  test("of another session, as long as it is another", async () => {
    const source = await resolve({ profile: "another", environment: { KEYHOLE_CHAIN: `first@${SOCKET}` } });
    expect(source.credentials.secretAccessKey).toBe(`first@${SOCKET},demo@${SOCKET}`);
  });

  test("of two requesters at once are each one's own", async () => {
    const profiles = ["one", "two"].map((name) =>
      world.home.write(name, `[default]\naws_access_key_id = AKIA${name}\naws_secret_access_key = s\n`),
    );
    const sources = await Promise.all(profiles.map((path) => resolve({ environment: { AWS_CONFIG_FILE: path } })));
    expect(sources.map(({ credentials }) => credentials.accessKeyId)).toEqual(["AKIAone", "AKIAtwo"]);
  });
});

describe("a named profile", () => {
  const DEFAULT = "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = s\n";
  const KEYS = { AWS_ACCESS_KEY_ID: "AKIAOTHER", AWS_SECRET_ACCESS_KEY: "other" };

  test.each([
    { title: "the default profile's keys", environment: {} },
    { title: "keys of the environment", environment: KEYS },
    {
      title: "a web identity of the environment",
      environment: { AWS_ROLE_ARN: ROLE, AWS_WEB_IDENTITY_TOKEN_FILE: "/nonexistent" },
    },
  ])("that gives none never becomes $title", async ({ environment }) => {
    const path = world.home.write("named", `${DEFAULT}[profile bare]\nregion = eu-west-1\n`);
    const files = { AWS_CONFIG_FILE: path, AWS_SHARED_CREDENTIALS_FILE: "/dev/null", ...environment };
    for (const named of [{ profile: "bare" }, { environment: { AWS_PROFILE: "bare" } }]) {
      const refused = await rejectionOf(resolve({ ...named, environment: { ...files, ...named.environment } }));
      expect(refused).toMatchObject({ kind: "no-source-credentials", exitStatus: 5 });
      expect(refused.message).toContain("profile 'bare' gives no credentials: no keys, role");
      expect(refused.message).toContain("instance metadata is turned off");
    }
    expect(world.sts.calls).toBeEmpty();
  });

  test("has what the machine has for everybody on it", async () => {
    const answer = { AccessKeyId: "ASIAMACHINE", SecretAccessKey: "s", Token: "t", Expiration: "2099-01-01T00:00:00Z" };
    const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => Response.json(answer) });
    try {
      const environment = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${server.port}/` };
      const source = await resolve({ profile: "bare", environment });
      expect(source).toMatchObject({ description: "profile bare (container)" });
    } finally {
      await server.stop(true);
    }
  });

  test("may be called anything, and its keys may be in capitals", async () => {
    expect((await resolve({ profile: "with space" })).credentials.accessKeyId).toBe("AKIASPACE");
  });

  test("assumes its role where its own settings lead", async () => {
    await resolve({ profile: "direct", environment: { AWS_ENDPOINT_URL_STS: "" } });
    expect(world.sts.calls.at(-1)).toMatchObject({
      outcome: "ok",
      parameters: { RoleSessionName: "keyhole-tester-direct" },
    });
  });

  test.each([
    ["halves", "both source_profile and credential_source"],
    ["nosource", "role_arn, and neither source_profile nor credential_source"],
  ])("%s that the AWS CLI refuses is refused", async (profile, what) => {
    expect((await rejectionOf(resolve({ profile }))).message).toContain(what);
  });

  test("is signed in to before its credential_process is run", async () => {
    expect((await rejectionOf(resolve({ profile: "signedin" }))).hint).toBe("aws sso login --profile signedin");
    expect(await Bun.file(log).exists()).toBeFalse();
  });

  test("has a credential_process to its end, whatever stands in it", async () => {
    expect((await resolve({ profile: "commented" })).credentials.accessKeyId).toBe("AKIAPROCESS");
  });

  test("behind which nobody answers is the network's fault", async () => {
    const unreachable = { AWS_ENDPOINT_URL_STS: "", AWS_ENDPOINT_URL: "http://127.0.0.1:1" };
    expect(await rejectionOf(resolve({ profile: "dead", environment: unreachable }))).toMatchObject({
      kind: "network",
      message: "profile 'dead': no answer from STS at 127.0.0.1: ECONNREFUSED",
    });
    const token = { accessToken: "canary", expiresAt: new Date(Date.now() + 3_600_000).toISOString() };
    const file = new Bun.CryptoHasher("sha1").update("s").digest("hex");
    const path = world.home.write(`.aws/sso/cache/${file}.json`, JSON.stringify(token));
    const refused = await rejectionOf(resolve({ profile: "sso", environment: unreachable }));
    expect(refused).toMatchObject({
      kind: "network",
      message: "profile 'sso': no answer from the sign-in's server at 127.0.0.1: ECONNREFUSED",
    });
    await Bun.file(path).delete();
  });
});

describe("a profile of the environment that calls keyhole", () => {
  const FILE = "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = s\n";

  test.each(["another", "itself", "silent", "deaf", "behind"])("counts as not set: %s", async (profile) => {
    const credentials = world.home.write(
      "fallback",
      `${FILE}[static]\naws_access_key_id = A\naws_secret_access_key = s\n`,
    );
    const environment = { AWS_PROFILE: profile, AWS_SHARED_CREDENTIALS_FILE: credentials };
    const source = await resolve({ environment });
    expect(source.credentials.accessKeyId).toBe("AKIADEFAULT");
    expect(source.description).toBe("profile default (credentials file)");
    const called = profile === "behind" ? "another" : profile;
    expect(source.notes).toEqual([
      `profile '${called}' calls keyhole itself: the source is profile default (credentials file) instead`,
    ]);
    expect(world.sts.calls).toBeEmpty();
  });

  test("leaves nothing where there is nothing else", async () => {
    const refused = await rejectionOf(resolve({ environment: { AWS_PROFILE: "another" } }));
    expect(refused.kind).toBe("no-source-credentials");
    expect(refused.message).toContain("profile 'another' calls keyhole itself, and without it: no keys");
  });

  test("is passed over as the default profile as well", async () => {
    const looping = `${process.execPath} ${join(import.meta.dir, "looping.ts")}`;
    const config = world.home.write("callingdefault", `[default]\ncredential_process = ${looping} other\n`);
    const refused = await rejectionOf(resolve({ environment: { AWS_CONFIG_FILE: config } }));
    expect(refused.message).toContain("profile 'default' calls keyhole itself, and without it");
  });

  test("is a source where the config names it", async () => {
    expect((await resolve({ profile: "another" })).credentials.accessKeyId).toBe("AKIALOOP");
    expect((await rejectionOf(resolve({ profile: "itself" }))).kind).toBe("credential-loop");
  });
});

describe("no source credentials", () => {
  test.each([
    {
      profile: "nowhere",
      kind: "no-source-credentials",
      what: "no profile 'nowhere'",
      hint: "aws configure list-profiles",
    },
    { profile: "orphan", kind: "no-source-credentials", what: "no profile 'nowhere'", hint: "--profile orphan" },
    {
      profile: "bare",
      kind: "no-source-credentials",
      what: "profile 'bare' gives no credentials",
      hint: "--profile bare",
    },
    { profile: undefined, kind: "no-source-credentials", what: "for config demo", hint: "aws configure list" },
    {
      profile: "failing",
      kind: "no-source-credentials",
      what: "credential_process of profile 'failing' failed with status 3",
      hint: "--profile failing",
    },
    { profile: "garbage", kind: "no-source-credentials", what: "returned invalid JSON", hint: "--profile garbage" },
    { profile: "old", kind: "no-source-credentials", what: "returned expired credentials", hint: "--profile old" },
    { profile: "cycle", kind: "credential-loop", what: "profile 'cycle'", hint: "--profile cycle" },
    { profile: "itself", kind: "credential-loop", what: "demo -> demo", hint: "keyhole config get -n demo" },
    { profile: "sso", kind: "person-needed", what: "profile 'sso'", hint: "aws sso login --profile sso" },
    { profile: "legacy", kind: "person-needed", what: "profile 'legacy'", hint: "aws sso login --profile legacy" },
    { profile: "login", kind: "person-needed", what: "profile 'login'", hint: "aws login --profile login" },
  ] as const)("of profile $profile: $kind", async ({ profile, kind, what, hint }) => {
    const refused = await rejectionOf(resolve(profile === undefined ? {} : { profile }));
    expect(refused.kind).toBe(kind);
    expect(refused.message).toContain(what);
    expect(refused.hint).toContain(hint);
    expect(`${refused.message} ${refused.hint}`).not.toContain("canary");
  });

  test("where AWS refuses the profile's role, without the secret that it repeats", async () => {
    const message = `no: ${world.sts.root.secretAccessKey}`;
    world.sts.faults.add({ fail: { code: "AccessDenied", message, status: 403 } });
    const refused = await rejectionOf(resolve({ profile: "refused" }));
    expect(refused).toMatchObject({ kind: "aws-refused", message: "profile 'refused': AccessDenied: no: ***" });
  });

  test("after one run of a credential_process that fails", async () => {
    expect(await rejectionOf(resolve({ profile: "failing" }))).toMatchObject({ said: "its last line" });
    expect(await runs()).toBe(1);
  });

  test("within its time of a credential_process that hangs, which is ended", async () => {
    const resolving = rejectionOf(resolve({ profile: "hanging", timeout: 1_000 }));
    const pid = await pidIn(log);
    const message = "the credential_process of profile 'hanging' did not end within 1 s";
    expect(await resolving).toMatchObject({ kind: "person-needed", message, exitStatus: 5 });
    await until(() => !isAlive(pid));
  });

  test("before a helper is run whose surroundings are to be asked for", async () => {
    const refused = await rejectionOf(resolve({ profile: "failing", asksSurroundings: true }));
    expect(refused).toMatchObject({ kind: "surroundings-wanted" });
    expect(refused.message).toStartWith("the credential_process of profile 'failing' wants");
    expect(await Bun.file(log).exists()).toBeFalse();
  });

  test("for who has given up, and the credential_process is ended", async () => {
    const controller = new AbortController();
    const resolving = rejectionOf(resolve({ profile: "hanging", signal: controller.signal }));
    const pid = await pidIn(log);
    controller.abort();
    expect((await resolving).kind).toBe("timeout");
    await until(() => !isAlive(pid));
  });

  test.each([
    { title: "says nothing", script: "exit 0" },
    { title: "fails", script: "echo '{'; exit 9" },
    { title: "says something else", script: `echo '{"credentials":{}}'` },
    { title: "says null", script: "echo null" },
    { title: "says too much", script: "yes canary" },
  ])("of a child that $title", async ({ script }) => {
    const refused = await rejectionOf(resolve({ command: ["sh", "-c", script] }));
    expect(refused.kind).toBe("internal");
    expect(refused.message).not.toContain("canary");
  });
});

describe("assuming with a profile", () => {
  test("resolves the profile once for many configs", async () => {
    world.home.write("process", `[default]\ncredential_process = echo run >> ${log}; cat ${world.home.path}/answer\n`);
    const { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey } = world.sts.root;
    world.home.write("answer", JSON.stringify({ Version: 1, AccessKeyId, SecretAccessKey }));
    const environment = { AWS_CONFIG_FILE: `${world.home.path}/process` };
    const names = Array.from({ length: 50 }, (_, index) => `config-${index}`);
    const assumed = await Promise.all(names.map((name) => world.source.assume(world.request({ name, environment }))));
    expect(new Set(assumed.map(({ arn }) => arn)).size).toBe(50);
    expect(assumed[0]!.sourceDescription).toStartWith("profile default (credential_process), STS at 127.0.0.1:");
    expect(await runs()).toBe(1);
  });

  test("renews source credentials that AWS does not know any more, once", async () => {
    const { accessKeyId, secretAccessKey } = world.sts.root;
    const answer = (id: string) => JSON.stringify({ Version: 1, AccessKeyId: id, SecretAccessKey: secretAccessKey });
    const script = `if [ -e ${log} ]; then echo '${answer(accessKeyId)}'; else echo '${answer("AKIASTALE")}'; fi; echo run >> ${log}`;
    const environment = { AWS_CONFIG_FILE: world.home.write("stale", `[default]\ncredential_process = ${script}\n`) };
    await world.source.assume(world.request({ environment }));
    expect(world.sts.calls.map(({ outcome }) => outcome)).toEqual(["InvalidClientTokenId", "ok"]);
    expect(await runs()).toBe(2);
  });

  test("does not ask for more than a chained role may have", async () => {
    const request = world.request({
      config: { Session: { profile_name: "role" } },
      environment: {},
      assume: { DurationSeconds: 43_200 },
    });
    const assumed = await world.source.assume(request);
    expect(assumed.notes[0]).toContain("3600 instead of 43200");
    expect(world.sts.calls.map(({ outcome }) => outcome)).toEqual(["ok", "ok"]);
  });

  test("puts no key of a config into an environment", async () => {
    const command = world.home.write("code", `#!/bin/sh\nenv > ${log}; echo 123456\n`, 0o700);
    const { accessKeyId, secretAccessKey } = world.sts.root;
    const SerialNumber = "arn:aws:iam::111122223333:mfa/tester";
    world.sts.mfa = { serialNumber: SerialNumber, code: "123456" };
    await world.source.assume(
      world.request({
        environment: {},
        assume: { SerialNumber },
        config: { MFA: { command }, STS: { aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey } },
      }),
    );
    const seen = await Bun.file(log).text();
    expect(seen).toContain(`KEYHOLE_CHAIN=demo@${SOCKET}`);
    expect(seen).not.toContain(secretAccessKey);
  });
});
