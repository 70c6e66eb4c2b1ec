import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { PendingCode } from "../../src/sources/codes.ts";
import { Credentials } from "../../src/credentials.ts";
import type { Config } from "../../src/config/config.ts";
import type { AssumeRequest, SourceEnvironment } from "../../src/sources/source.ts";
import { startProxy } from "../sts/proxy.ts";
import type { RoleDefinition } from "../sts/roles.ts";
import { hasOpenssl } from "../sts/tls.ts";
import { rejectionOf } from "../thrown.ts";
import { makeWorld, ROLE, type World } from "./fixture.ts";

let world: World;

beforeAll(() => {
  delete process.env["AWS_CA_BUNDLE"];
  world = makeWorld();
});
afterEach(() => world.sts.reset());
afterAll(() => world.end());

/** As a source's description has it. */
function stsOf({ sts }: World): string {
  return `STS at ${new URL(sts.url).host}`;
}

function lastParameters(): Readonly<Record<string, string>> {
  return world.sts.calls.at(-1)!.parameters;
}

const DEVICE = "arn:aws:iam::111122223333:mfa/developer";

/** A request without a role. */
function sessionRequest(config: Config, environment?: SourceEnvironment): AssumeRequest {
  return { ...world.request(environment === undefined ? {} : { environment }), config };
}

describe("a user's own session", () => {
  test("is what GetSessionToken gives, for as long as the config says, with the code of a device", async () => {
    world.sts.mfa = { serialNumber: DEVICE, code: "654321" };
    const GetSessionToken = { DurationSeconds: 129_600, SerialNumber: DEVICE };
    const before = Date.now();
    const { credentials, ...shown } = await world.source.assume(
      sessionRequest({ GetSessionToken, MFA: { command: "echo 654321" } }),
    );
    expect(shown).toMatchObject({ arn: "", sourceDescription: `environment, ${stsOf(world)}`, ungrantable: undefined });
    expect(world.sts.issued.get(credentials.accessKeyId)).toMatchObject({ mfa: true });
    expect(credentials.sessionToken).toBeString();
    expect(credentials.expiresAt).toBeGreaterThan(before + 129_590_000);
    expect(world.sts.calls.map(({ action }) => action)).toEqual(["GetSessionToken"]);
    expect(lastParameters()).toMatchObject({ DurationSeconds: "129600", SerialNumber: DEVICE });
  });

  test("wants one code, however much of its grant is left at each attempt", async () => {
    const SerialNumber = "arn:aws:iam::111122223333:mfa/left";
    world.sts.mfa = { serialNumber: SerialNumber, code: "135791" };
    let left = 3_000;
    // Later with each `grant add`, until one makes the grant.
    let end = Date.now() + 3_010_000;
    const attempt = (): AssumeRequest => ({
      ...sessionRequest({ GetSessionToken: { DurationSeconds: left, SerialNumber } }),
      bound: { until: end, left: () => left },
    });
    for (; left > 2_997; left -= 1)
      expect(await rejectionOf(world.source.assume(attempt()))).toMatchObject({ kind: "code-wanted" });
    left = 2_900;
    expect(await world.codes.answer(wantedOf(SerialNumber).id, "135791")).toBeUndefined();
    // What was left at the first attempt would outlive the grant.
    expect(lastParameters()).toMatchObject({ DurationSeconds: "2900" });
    left = 2_890;
    end += 100_000;
    await world.source.assume(attempt());
    expect(world.codes.pending()).toEqual([]);
    expect(world.sts.calls.filter(({ action }) => action === "GetSessionToken")).toHaveLength(1);
  });

  test("is refused to who has a session already, with the way out", async () => {
    const { credentials } = await assume();
    const { accessKeyId, secretAccessKey, sessionToken } = credentials;
    const environment = {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken!,
    };
    const error = await rejectionOf(world.source.assume(sessionRequest({ GetSessionToken: {} }, environment)));
    expect(error).toMatchObject({
      kind: "aws-refused",
      hint: expect.stringContaining("keyhole config update -n demo --set Session.profile_name="),
    });
  });
});

const configOf = (name: string): Config => ({ AssumeRole: { RoleArn: `arn:aws:iam::111122223333:role/${name}` } });

type Changes = Parameters<typeof world.request>[0];
const assume = (changes: Changes = {}) => world.source.assume(world.request(changes));
const failureOf = (changes: Changes = {}) => rejectionOf(assume(changes));

describe("another config as the source", () => {
  test("is assumed first, however deep, and once for all of a minute", async () => {
    const sources = [
      { name: "mid", config: { ...configOf("mid"), Source: "base" } },
      { name: "base", config: configOf("base") },
    ];
    const request = sessionRequest({ ...configOf("top"), Source: "mid", sources });
    const assumed = await world.source.assume(request);
    expect(assumed).toMatchObject({ sourceDescription: `config mid, ${stsOf(world)}`, ungrantable: undefined });
    await world.source.assume(request);
    const names = world.sts.calls.map(({ parameters }) => parameters["RoleSessionName"]);
    expect(names).toEqual(["base", "mid", "demo", "demo"].map((name) => `keyhole-tester-${name}`));
    const [base, mid, top] = world.sts.calls;
    expect([mid!.accessKeyId, top!.accessKeyId]).toEqual([base!.issuedKeyId, mid!.issuedKeyId]);
  });

  test("is refused by its own name, and where it was not read", async () => {
    world.sts.roles.set("arn:aws:iam::111122223333:role/base", { deny: true });
    const sources = [{ name: "base", config: configOf("base") }];
    const refused = await rejectionOf(
      world.source.assume(sessionRequest({ ...configOf("top"), Source: "base", sources })),
    );
    expect(refused).toMatchObject({ kind: "aws-refused", hint: expect.stringContaining("--role-name base") });
    const unread = await rejectionOf(world.source.assume(sessionRequest({ ...configOf("top"), Source: "base" })));
    expect(unread).toMatchObject({ kind: "internal" });
  });
});

describe("assume", () => {
  test("gives what STS issued", async () => {
    const before = Date.now();
    const assumed = await assume();
    const issued = world.sts.issued.get(assumed.credentials.accessKeyId)!;
    expect(assumed.credentials.secretAccessKey).toBe(issued.secretAccessKey);
    expect(assumed.credentials.sessionToken).toBe(issued.sessionToken);
    expect(assumed.credentials.expiresAt).toBeGreaterThan(before + 3_590_000);
    expect(assumed.credentials.accountId).toBe("111122223333");
    expect(assumed.arn).toBe("arn:aws:sts::111122223333:assumed-role/demo/keyhole-tester-demo");
    expect(assumed.assumedRoleId).toMatch(/^AROA\w+:keyhole-tester-demo$/);
    expect(assumed).toMatchObject({ region: undefined, sourceDescription: `environment, ${stsOf(world)}`, notes: [] });
    expect(world.sts.count()).toBe(1);
  });

  test("takes Ceph RGW's answer, which misspells the role id and has no account", async () => {
    const expiration = "2099-01-01T00:00:00.250000000Z";
    const keys = "<AccessKeyId>id</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>";
    const credentials = `<Credentials>${keys}<SessionToken>token</SessionToken><Expiration>${expiration}</Expiration></Credentials>`;
    const user = "<Arn>arn:aws:sts:::assumed-role/demo/session</Arn><AssumeRoleId>a-b-c:session</AssumeRoleId>";
    const result = `<AssumeRoleResult>${credentials}<AssumedRoleUser>${user}</AssumedRoleUser></AssumeRoleResult>`;
    const document = `<AssumeRoleResponse>${result}</AssumeRoleResponse>`;
    using gateway = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(document) });
    const environment = { ...world.keys, AWS_ENDPOINT_URL_STS: gateway.url.origin };
    const assumed = await assume({ environment });
    expect(assumed).toMatchObject({ arn: "arn:aws:sts:::assumed-role/demo/session", assumedRoleId: "" });
    expect(assumed.credentials.accountId).toBeUndefined();
    expect(assumed.credentials.expiresAt).toBe(Date.parse("2099-01-01T00:00:00.250Z"));
  });

  test("sends every parameter of the config", async () => {
    await assume({
      assume: {
        RoleSessionName: "mine",
        PolicyArns: ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::111122223333:policy/own"],
        Policy: '{"Version":"2012-10-17","Statement":[]}',
        DurationSeconds: 1_800,
        ExternalId: "external-1",
        Tags: [{ Key: "team", Value: "blue" }],
        TransitiveTagKeys: ["team"],
        SourceIdentity: "alice",
        ProvidedContexts: [{ ProviderArn: "arn:aws:iam::aws:contextProvider/x", ContextAssertion: "assertion" }],
      },
    });
    expect(lastParameters()).toMatchObject({
      RoleArn: ROLE,
      RoleSessionName: "mine",
      "PolicyArns.member.1.arn": "arn:aws:iam::aws:policy/ReadOnlyAccess",
      "PolicyArns.member.2.arn": "arn:aws:iam::111122223333:policy/own",
      Policy: '{"Version":"2012-10-17","Statement":[]}',
      DurationSeconds: "1800",
      ExternalId: "external-1",
      "Tags.member.1.Key": "team",
      "Tags.member.1.Value": "blue",
      "TransitiveTagKeys.member.1": "team",
      SourceIdentity: "alice",
      "ProvidedContexts.member.1.ProviderArn": "arn:aws:iam::aws:contextProvider/x",
    });
  });

  test("sends nothing that the config does not say", async () => {
    await assume();
    expect(Object.keys(lastParameters()).toSorted()).toEqual(["Action", "RoleArn", "RoleSessionName", "Version"]);
  });

  test("signs for the region that the config names, and says so", async () => {
    const assumed = await assume({ config: { STS: { region_name: "eu-north-1" } } });
    expect(assumed.region).toBe("eu-north-1");
    expect(world.sts.calls.at(-1)!.region).toBe("eu-north-1");
  });

  test.each(["STS", "Session"])(
    "takes the keys of the config's %s section before the environment's",
    async (section) => {
      const { accessKeyId, secretAccessKey } = world.sts.root;
      const keys = { aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey };
      const assumed = await assume({
        config: { [section]: keys },
        environment: { AWS_ACCESS_KEY_ID: "AKIAWRONG", AWS_SECRET_ACCESS_KEY: "wrong" },
      });
      expect(assumed.sourceDescription).toBe(`config, ${stsOf(world)}`);
    },
  );

  test("is not moved by the daemon's own environment and home", async () => {
    const home = world.home.write(
      "poisoned/.aws/config",
      "[default]\nregion = xx-poison-1\nendpoint_url = http://127.0.0.1:1\nmax_attempts = 1\nretry_mode = poison\n" +
        "use_fips_endpoint = true\nuse_dualstack_endpoint = true\ndefaults_mode = poison\nsdk_ua_app_id = poison\n" +
        "auth_scheme_preference = sigv4a\nsigv4a_signing_region_set = poison\ncredential_process = false\n",
    );
    const poison: Record<string, string> = {
      HOME: home.slice(0, -"/.aws/config".length),
      AWS_ACCESS_KEY_ID: "AKIAPOISON",
      AWS_SECRET_ACCESS_KEY: "poison",
      AWS_REGION: "xx-poison-1",
      AWS_ENDPOINT_URL: "http://127.0.0.1:1",
      AWS_ENDPOINT_URL_STS: "http://127.0.0.1:1",
      AWS_MAX_ATTEMPTS: "1",
      AWS_RETRY_MODE: "poison",
      AWS_USE_FIPS_ENDPOINT: "true",
      AWS_USE_DUALSTACK_ENDPOINT: "true",
      AWS_DEFAULTS_MODE: "poison",
      AWS_SDK_UA_APP_ID: "poison",
      AWS_PROFILE: "poison",
    };
    const saved = Object.keys(poison).map((name) => [name, process.env[name]] as const);
    Object.assign(process.env, poison);
    // So that the number of attempts shows.
    world.sts.faults.add({ fail: "SlowDown", times: 1 });
    try {
      await assume();
    } finally {
      for (const [name, value] of saved) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
    const call = world.sts.calls.at(-1)!;
    expect(call).toMatchObject({ outcome: "ok", region: "us-east-1", accessKeyId: world.sts.root.accessKeyId });
    expect(call.userAgent).not.toContain("poison");
  });

  test("measures how far STS's clock is ahead, and gets by with it", async () => {
    const skewed = makeWorld({ clockOffset: 3_600_000 });
    try {
      for (let round = 0; round < 2; round++) {
        const assumed = await skewed.source.assume(skewed.request());
        expect(Math.abs(assumed.clockSkew! - 3_600_000)).toBeLessThan(2_000);
      }
      // The first call found out by a refusal; the second knew.
      expect(skewed.sts.calls.map(({ outcome }) => outcome)).toEqual(["SignatureDoesNotMatch", "ok", "ok"]);
    } finally {
      await skewed.end();
    }
  });

  test("fails at once when the request is aborted", async () => {
    world.sts.faults.add({ hang: true });
    const controller = new AbortController();
    const assuming = failureOf({ signal: controller.signal });
    await world.sts.until(() => world.sts.count() === 1);
    controller.abort();
    expect((await assuming).kind).toBe("network");
  });
});

describe("a failure", () => {
  test.each([
    { fail: "Throttling" as const, calls: 3, kind: "throttled" },
    { fail: { code: "InternalFailure", message: "oh", status: 500 }, calls: 3, kind: "network" },
    { fail: { code: "AccessDenied", message: "no", status: 403 }, calls: 1, kind: "aws-refused" },
  ])("of kind $kind makes $calls calls", async ({ fail, calls, kind }) => {
    world.sts.faults.add({ fail });
    expect((await failureOf()).kind).toBe(kind as "throttled");
    expect(world.sts.count()).toBe(calls);
  });

  test.each(["cut", "garbage"] as const)("that passes (%s) is not seen", async (fault) => {
    world.sts.faults.add(fault === "cut" ? { cut: "before", times: 1 } : { fail: "SlowDown", times: 2 });
    await assume();
    expect(world.sts.calls.at(-1)!.outcome).toBe("ok");
  });

  test.each(["text", "html", "wrong-shape", "empty"] as const)(
    "to understand the answer (%s) is the network's",
    async (garbage) => {
      world.sts.faults.add({ garbage });
      expect((await failureOf()).kind).toBe("network");
    },
  );

  test("to find an Expiration is the network's", async () => {
    world.sts.faults.add({ omitExpiration: true });
    expect((await failureOf()).kind).toBe("network");
  });

  test("to connect names no address", async () => {
    const refused = await failureOf({ environment: { ...world.keys, AWS_ENDPOINT_URL_STS: "http://127.0.0.1:1" } });
    expect(refused).toMatchObject({ kind: "network", message: "no answer from STS at 127.0.0.1: ECONNREFUSED" });
  });

  test("tells AWS's code and message, without the secret that the message repeats", async () => {
    const { secretAccessKey } = world.sts.root;
    const message = `you sent ${secretAccessKey} and ${encodeURIComponent(secretAccessKey)}\u001b[31m\r\nkeyhole: hint: rm`;
    world.sts.faults.add({ fail: { code: "AccessDenied", message, status: 403 } });
    const refused = await failureOf();
    expect(refused.message).toStartWith("AccessDenied: you sent *** and ***");
    expect(refused.message).not.toContain(secretAccessKey);
    expect(refused.message).not.toMatch(/\p{Cc}/u);
  });

  test("of a source that expired needs a person", async () => {
    world.sts.faults.add({ fail: { code: "ExpiredToken", message: "The security token is expired", status: 403 } });
    const refused = await failureOf();
    expect(refused).toMatchObject({ kind: "person-needed", exitStatus: 5 });
    expect(refused.hint).toContain("keyhole daemon add -n demo");
  });
});

/** A role's session, as its owner exports it. */
async function chainedKeys() {
  const { credentials } = await assume({ name: "first" });
  return {
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_SESSION_TOKEN: credentials.sessionToken!,
  };
}

describe("role chaining", () => {
  test("retries once with 3,600 s when STS refuses the duration, and notes it", async () => {
    const environment = await chainedKeys();
    const assumed = await assume({ environment, assume: { DurationSeconds: 7_200 } });
    expect(assumed.notes).toHaveLength(1);
    expect(assumed.notes[0]).toContain("3600 instead of 7200");
    expect(world.sts.calls.slice(1).map(({ parameters }) => parameters["DurationSeconds"])).toEqual(["7200", "3600"]);
  });

  test("leaves a duration alone that it allows", async () => {
    const environment = await chainedKeys();
    const assumed = await assume({ environment, assume: { DurationSeconds: 1_800 } });
    expect(assumed.notes).toEqual([]);
    expect(lastParameters()["DurationSeconds"]).toBe("1800");
  });

  test("does not retry a duration over the role's own maximum", async () => {
    world.sts.roles.set(ROLE, { maxSessionDuration: 3_600 });
    const refused = await failureOf({ assume: { DurationSeconds: 7_200 } });
    expect(refused).toMatchObject({ kind: "aws-refused" });
    expect(refused.hint).toContain("--max-session-duration");
    expect(world.sts.count()).toBe(1);
  });
});

/** The only one of the device. */
function wantedOf(serial: string): PendingCode {
  const [wanted, ...more] = world.codes.pending().filter((each) => each.serial === serial);
  if (wanted === undefined || more.length > 0) throw new Error("not one code is wanted");
  return wanted;
}

function countingCommand(code: string): { command: string; runs: () => Promise<string> } {
  const log = `${world.home.path}/codes-${code}`;
  const command = world.home.write(
    `code-${code}`,
    `#!/bin/sh\necho run >> ${log}\necho "your code is ${code}"\n`,
    0o700,
  );
  return { command, runs: () => Bun.file(log).text() };
}

describe("MFA", () => {
  const SERIAL = "arn:aws:iam::111122223333:mfa/tester";

  let devices = 0;

  /** One that was not used before. */
  function useDevice(role: RoleDefinition = {}): { SerialNumber: string; code: string } {
    devices += 1;
    const device = { serialNumber: `${SERIAL}${devices}`, code: `${123_456 + devices}`, once: true };
    world.sts.mfa = device;
    world.sts.roles.set(ROLE, { requireMfa: true, ...role });
    return { SerialNumber: device.serialNumber, code: device.code };
  }

  test("of a command serves every role of the device", async () => {
    const { SerialNumber, code } = useDevice();
    const { command, runs } = countingCommand(code);
    const config = { MFA: { command } };
    const requests = ["a", "b", "c", "d", "e"].map((name) => world.request({ name, assume: { SerialNumber }, config }));
    const roles = await Promise.all(requests.map((request) => world.source.assume(request)));
    expect(new Set(roles.map(({ arn }) => arn)).size).toBe(5);
    expect(world.sts.count("GetSessionToken")).toBe(1);
    expect(await runs()).toBe("run\n");
  });

  test("goes into AssumeRole itself for a role that wants more than an hour", async () => {
    const { SerialNumber, code } = useDevice({ maxSessionDuration: 7_200 });
    const { command } = countingCommand(code);
    const terms = { SerialNumber, DurationSeconds: 7_200 };
    await assume({ assume: terms, config: { MFA: { command } } });
    expect(world.sts.count("GetSessionToken")).toBe(0);
  });

  test("of a person is wanted once, by however many, and serves all of them", async () => {
    const { SerialNumber, code } = useDevice();
    const requests = Array.from({ length: 100 }, (_, at) =>
      world.request({ name: `c${at}`, assume: { SerialNumber } }),
    );
    const wanted = await Promise.all(requests.map((request) => rejectionOf(world.source.assume(request))));
    expect(new Set(wanted.map(({ kind }) => kind))).toEqual(new Set(["code-wanted"]));
    const pending = wantedOf(SerialNumber);
    expect(pending.keyId).toBe(world.sts.root.accessKeyId);
    expect(new Set(wanted.map(({ hint }) => hint))).toEqual(new Set([`keyhole answer ${pending.id}`]));
    expect(await world.codes.answer(pending.id, "654321")).toContain("MultiFactorAuthentication failed");
    expect(await world.codes.answer(pending.id, code)).toBeUndefined();
    await Promise.all(requests.map((request) => world.source.assume(request)));
    expect(world.sts.count("GetSessionToken")).toBe(2);
    expect(() => wantedOf(SerialNumber)).toThrow();
  });

  test("of a person serves a session of the user's own and the roles that wait with it", async () => {
    const { SerialNumber, code } = useDevice();
    const session = sessionRequest({ GetSessionToken: { DurationSeconds: 3_600, SerialNumber } });
    const role = world.request({ assume: { SerialNumber } });
    for (const request of [session, role])
      expect(await rejectionOf(world.source.assume(request))).toMatchObject({ kind: "code-wanted" });
    await world.codes.answer(wantedOf(SerialNumber).id, code);
    for (const request of [session, role]) await world.source.assume(request);
    expect(world.sts.count("GetSessionToken")).toBe(1);
    expect(lastParameters()).not.toHaveProperty("SerialNumber");
    // One that AWS takes no more is forgotten, whomever it was opened for.
    world.sts.faults.add({ fail: { code: "ExpiredToken", message: "The security token is expired", status: 403 } });
    for (const request of [role, session])
      expect(await rejectionOf(world.source.assume(request))).toMatchObject({ kind: "code-wanted" });
  });

  test("of a person opens the one role that wants more than an hour, once", async () => {
    const { SerialNumber, code } = useDevice({ maxSessionDuration: 7_200 });
    const request = world.request({ assume: { SerialNumber, DurationSeconds: 7_200 } });
    await rejectionOf(world.source.assume(request));
    await world.codes.answer(wantedOf(SerialNumber).id, code);
    expect((await world.source.assume(request)).arn).toContain("/demo/");
    expect(await rejectionOf(world.source.assume(request))).toMatchObject({ kind: "code-wanted" });
    expect(world.sts.count("GetSessionToken")).toBe(0);
  });

  test("of a person opens a role of a grant, up to the grant's end at the time of the answer", async () => {
    const { SerialNumber, code } = useDevice({ maxSessionDuration: 7_200 });
    let left = 6_000;
    const attempt = () => ({
      ...world.request({ assume: { SerialNumber, DurationSeconds: left } }),
      bound: { until: Date.UTC(2040, 0), left: () => left },
    });
    await rejectionOf(world.source.assume(attempt()));
    left = 5_900;
    expect(await world.codes.answer(wantedOf(SerialNumber).id, code)).toBeUndefined();
    expect(lastParameters()).toMatchObject({ DurationSeconds: "5900" });
    left = 5_800;
    expect((await world.source.assume(attempt())).arn).toContain("/demo/");
  });

  test("of a profile's device is asked for as that of a config's", async () => {
    const { SerialNumber, code } = useDevice();
    const { accessKeyId, secretAccessKey } = world.sts.root;
    const outer = "arn:aws:iam::111122223333:role/outer";
    world.sts.roles.set(outer, { requireMfa: true });
    world.sts.roles.set(ROLE, {});
    world.home.write(
      ".aws/config",
      `[profile keys]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n` +
        `[profile p]\nrole_arn = ${outer}\nsource_profile = keys\nmfa_serial = ${SerialNumber}\n`,
    );
    const config = { Session: { profile_name: "p" } };
    const requests = ["a", "b"].map((name) => world.request({ name, config, environment: {} }));
    for (const request of requests)
      expect(await rejectionOf(world.source.assume(request))).toMatchObject({ kind: "code-wanted" });
    await world.codes.answer(wantedOf(SerialNumber).id, code);
    for (const request of requests) await world.source.assume(request);
    const made = world.sts.calls.filter(({ outcome }) => outcome === "ok").map(({ action }) => action);
    expect(made).toEqual(["GetSessionToken", "AssumeRole", "AssumeRole", "AssumeRole"]);
  });

  test("is asked for again where AWS takes the session no more", async () => {
    const { SerialNumber, code } = useDevice();
    const request = world.request({ assume: { SerialNumber } });
    await rejectionOf(world.source.assume(request));
    await world.codes.answer(wantedOf(SerialNumber).id, code);
    await world.source.assume(request);
    const fail = { code: "ExpiredToken", message: "The security token is expired", status: 403 };
    // Also where two find that out at once.
    for (let count = 0; count < 2; count += 1) world.sts.faults.add({ fail });
    const refused = await Promise.all([1, 2].map(() => rejectionOf(world.source.assume(request))));
    expect(refused).toMatchObject([{ kind: "code-wanted" }, { kind: "code-wanted" }]);
  });

  test("says that a wrong code needs a person", async () => {
    const { SerialNumber } = useDevice();
    const refused = await failureOf({ assume: { SerialNumber, TokenCode: "654321" } });
    expect(refused.kind).toBe("person-needed");
    expect(refused.message).not.toContain("654321");
  });
});

describe("identify", () => {
  test("asks with the credentials it was given", async () => {
    const { credentials } = await assume();
    expect(await world.source.identify(world.request(), credentials)).toEqual({
      userId: expect.stringMatching(/^AROA\w+:keyhole-tester-demo$/),
      account: "111122223333",
      arn: "arn:aws:sts::111122223333:assumed-role/demo/keyhole-tester-demo",
    });
  });

  test("refuses with AWS's words", async () => {
    const credentials = new Credentials({ accessKeyId: "ASIANOBODY", secretAccessKey: "x", sessionToken: "y" });
    const refused = await rejectionOf(world.source.identify(world.request(), credentials));
    expect(refused).toMatchObject({ kind: "aws-refused", message: expect.stringContaining("InvalidClientTokenId") });
  });
});

describe.skipIf(!hasOpenssl())("over TLS", () => {
  let secure: World;
  let bundle: string;

  beforeAll(() => {
    secure = makeWorld({ tls: true });
    bundle = secure.home.write("ca.pem", secure.sts.certificate!);
  });
  afterAll(() => secure.end());

  test("trusts the bundle that AWS_CA_BUNDLE of the requester names", async () => {
    await secure.source.assume(secure.request({ environment: { ...secure.keys, AWS_CA_BUNDLE: bundle } }));
    expect(secure.sts.calls.at(-1)!.outcome).toBe("ok");
  });

  test.each([{ verify: "" }, { verify: false }])("does what STS.verify says: $verify", async ({ verify }) => {
    const config = { STS: { verify: verify === "" ? bundle : verify } };
    await secure.source.assume(secure.request({ config }));
    expect(secure.sts.calls.at(-1)!.outcome).toBe("ok");
  });

  test("goes to the regional endpoint, through the requester's proxy, whatever the daemon's environment says", async () => {
    const proxy = await startProxy({ upstream: secure.sts.url });
    // No such region exists, so that a request that missed the proxy would find nobody.
    const { AWS_ENDPOINT_URL_STS: _, ...environment } = secure.request().environment;
    const request = {
      ...secure.request({ config: { STS: { region_name: "xx-test-1", verify: false } } }),
      environment: { ...environment, HTTPS_PROXY: proxy.url },
    };
    process.env["HTTPS_PROXY"] = "http://127.0.0.1:1";
    process.env["AWS_ENDPOINT_URL_STS"] = "http://127.0.0.1:1";
    try {
      await secure.source.assume(request);
    } finally {
      delete process.env["HTTPS_PROXY"];
      delete process.env["AWS_ENDPOINT_URL_STS"];
      await proxy.stop();
    }
    expect(proxy.targets).toEqual(["sts.xx-test-1.amazonaws.com:443"]);
    expect(secure.sts.calls.at(-1)).toMatchObject({ outcome: "ok", region: "xx-test-1" });
  });

  test("names the proxy that does not answer, without its password", async () => {
    const environment = { ...secure.keys, HTTPS_PROXY: "http://user:canary@127.0.0.1:1" };
    const refused = await rejectionOf(secure.source.assume(secure.request({ environment })));
    expect(refused).toMatchObject({ kind: "network" });
    expect(refused.message).toEndWith("through the proxy 127.0.0.1:1");
  });

  test("trusts what the requester's NODE_EXTRA_CA_CERTS holds beside the built-in roots", async () => {
    const environment = { ...secure.keys, NODE_EXTRA_CA_CERTS: bundle };
    expect((await secure.source.assume(secure.request({ environment }))).arn).toContain("assumed-role/demo");
  });

  test("refuses a certificate that nobody vouched for, once", async () => {
    const refused = await rejectionOf(secure.source.assume(secure.request()));
    expect(refused).toMatchObject({ kind: "network" });
    expect(refused.message).toContain("certificate");
  });
});
