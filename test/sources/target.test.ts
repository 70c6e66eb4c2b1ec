import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Config } from "../../src/config/config.ts";
import { systemClock } from "../../src/clock.ts";
import { resolveChain } from "../../src/sources/resolve/chain.ts";
import { type Target, type Way, refuseOwnWay, targetOf } from "../../src/sources/sts/target.ts";
import { rejectionOf, thrownBy } from "../thrown.ts";
import { type Home, ROLE, makeHome } from "./fixture.ts";
import { proxiesOf, proxyFor } from "../../src/sources/sts/proxy.ts";

let home: Home;
let bundle: string;

beforeAll(() => {
  home = makeHome();
  bundle = home.write("ca.pem", "-----BEGIN CERTIFICATE-----\n");
  home.write(
    ".aws/config",
    `[default]\n[profile regional]\nregion = from-profile\n[profile global]\nendpoint_url = http://profile\n` +
      `[profile served]\nservices = s\nendpoint_url = http://profile\n[services s]\nsts =\n  endpoint_url = http://services\n` +
      `[profile deaf]\nignore_configured_endpoint_urls = true\nendpoint_url = http://profile\n[profile fips]\nuse_fips_endpoint = true\n[profile ca]\nca_bundle = ${bundle}\n`,
  );
});
afterAll(() => home.remove());

async function resolve(
  config: Omit<Config, "AssumeRole">,
  variables: Record<string, string> = {},
  RoleArn = ROLE,
): Promise<Target> {
  return targetOf({ ...config, AssumeRole: { RoleArn } }, await wayOf(config, variables));
}

async function wayOf({ STS, Session }: Omit<Config, "AssumeRole">, variables: Record<string, string>): Promise<Way> {
  const environment = { HOME: home.path, ...variables };
  const { way } = await resolveChain({
    name: "demo",
    user: "tester",
    profile: Session?.profile_name,
    wants: "way",
    verify: STS?.verify,
    environment,
    helper: undefined,
    asksSurroundings: false,
    timeout: 0,
    webIdentity: undefined,
    clock: systemClock,
    waitsFor: () => {},
  });
  return way;
}

describe("what a file says of the way is for those alone who name it", () => {
  const file = "/elsewhere/config";
  test.each<[boolean, Record<string, string>, string | undefined]>([
    [true, { AWS_CONFIG_FILE: file }, file],
    [true, { HOME: "/other" }, "/other/.aws/config:/other/.aws/credentials"],
    [true, { AWS_SHARED_CREDENTIALS_FILE: file }, `/h/.aws/config:${file}`],
    [true, { AWS_CONFIG_FILE: "/a:/b" }, "/a%3A/b"],
    [true, {}, undefined],
    [true, { HOME: "/h", AWS_CONFIG_FILE: "~/.aws/config" }, undefined],
    [false, { AWS_CONFIG_FILE: file }, undefined],
  ])("%p in %p: %p", (isOfFile, environment, is) => {
    const refuse = () => refuseOwnWay({ isOfFile } as Way, environment, "/h");
    if (is === undefined) refuse();
    else expect(thrownBy(refuse)).toMatchObject({ kind: "no-such-session", files: is });
  });

  test.each<[string, Record<string, string>, boolean]>([
    ["global", {}, true],
    ["global", { AWS_ENDPOINT_URL: "http://variable" }, false],
    ["served", {}, true],
    ["deaf", {}, false],
    ["fips", {}, true],
    ["fips", { AWS_USE_FIPS_ENDPOINT: "true" }, false],
    ["regional", {}, false],
  ])("profile %s with %p: %p", async (profile, variables, is) => {
    const way = await wayOf({ Session: { profile_name: profile } }, variables);
    expect(way.isOfFile).toBe(is);
  });
});

describe("the region", () => {
  const both = { AWS_REGION: "from-variable", AWS_DEFAULT_REGION: "from-default" };
  test.each([
    {
      STS: { region_name: "from-sts" },
      Session: { region_name: "from-session" },
      environment: both,
      is: "from-sts",
      named: "from-sts",
    },
    {
      Session: { region_name: "from-session", profile_name: "regional" },
      environment: both,
      is: "from-session",
      named: "from-session",
    },
    { Session: { profile_name: "regional" }, environment: both, is: "from-variable", named: "from-profile" },
    { environment: { AWS_PROFILE: "regional" }, is: "from-profile", named: "from-profile" },
    { environment: both, is: "from-variable", named: undefined },
    { environment: { AWS_DEFAULT_REGION: "from-default" }, is: "from-default", named: undefined },
  ])("that is asked is $is, that a child is given $named", async ({ STS, Session, environment, is, named }) => {
    expect(await resolve({ STS, Session }, environment)).toMatchObject({ region: is, namedRegion: named });
  });

  test.each([
    ["aws", "us-east-1"],
    ["aws-cn", "cn-north-1"],
    ["aws-us-gov", "us-gov-west-1"],
    ["aws-iso", "us-iso-east-1"],
    ["aws-iso-b", "us-isob-east-1"],
    ["aws-eusc", "eusc-de-east-1"],
    ["aws-unheard-of", "us-east-1"],
  ])("is, unnamed in partition %s, %s", async (partition, region) => {
    const target = await resolve({}, {}, `arn:${partition}:iam::111122223333:role/demo`);
    expect(target).toMatchObject({ region, namedRegion: undefined });
  });
});

describe("the endpoint", () => {
  const both = { AWS_ENDPOINT_URL_STS: "http://sts-variable", AWS_ENDPOINT_URL: "http://variable" };
  test.each([
    { STS: { endpoint_url: "http://config" }, environment: both, is: "http://config" },
    { environment: { ...both, AWS_PROFILE: "served" }, is: "http://sts-variable" },
    { environment: { AWS_ENDPOINT_URL: "http://variable", AWS_PROFILE: "served" }, is: "http://variable" },
    { environment: { AWS_PROFILE: "served" }, is: "http://services" },
    { environment: { AWS_PROFILE: "global" }, is: "http://profile" },
    { environment: {}, is: undefined },
    { environment: { ...both, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "true" }, is: undefined },
    { environment: { AWS_PROFILE: "deaf" }, is: undefined },
    {
      STS: { endpoint_url: "http://config" },
      environment: { AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "TRUE" },
      is: "http://config",
    },
  ])("is $is", async ({ STS, environment, is }) => {
    expect((await resolve({ STS }, environment as Record<string, string>)).endpoint).toBe(is);
  });
});

describe("certificates", () => {
  test.each([
    { title: "the config's", STS: () => ({ verify: bundle }), environment: () => ({}) },
    { title: "the requester's", STS: () => ({}), environment: () => ({ AWS_CA_BUNDLE: bundle }) },
    { title: "the profile's", STS: () => ({}), environment: () => ({ AWS_PROFILE: "ca" }) },
  ])("come from $title bundle", async ({ STS, environment }) => {
    const { tls } = await resolve({ STS: STS() }, environment());
    expect(tls).toEqual({ enabled: true, verify: true, ca: "-----BEGIN CERTIFICATE-----\n", extraCa: undefined });
  });

  test.each([true, false])("are the built-in ones where verify is %p", async (verify) => {
    const { tls } = await resolve({ STS: { verify } }, { AWS_CA_BUNDLE: "/nonexistent" });
    expect(tls).toEqual({ enabled: true, verify, ca: undefined, extraCa: undefined });
  });

  test.each([
    ["relative/path", "invalid-config", "not an absolute path"],
    ["/nonexistent/bundle", "person-needed", "/nonexistent/bundle, which STS.verify names, cannot be read"],
  ] as const)("that are not there (%s) are %s", async (path, kind, what) => {
    const refused = await rejectionOf(resolve({ STS: { verify: path } }));
    expect(refused.kind).toBe(kind);
    expect(refused.message).toContain(what);
  });

  test("are also those beside the built-in ones, of whatever of them is there", async () => {
    const { tls } = await resolve({}, { NODE_EXTRA_CA_CERTS: bundle, SSL_CERT_FILE: `${bundle}.absent` });
    expect(tls).toMatchObject({ ca: undefined, extraCa: "-----BEGIN CERTIFICATE-----\n" });
  });

  test("that are no certificates are refused", async () => {
    const empty = home.write("empty.pem", "nothing");
    expect((await rejectionOf(resolve({}, { AWS_CA_BUNDLE: empty }))).message).toContain("AWS_CA_BUNDLE");
  });

  test("are not wanted without TLS", async () => {
    expect((await resolve({ STS: { use_ssl: false } })).tls.enabled).toBeFalse();
  });
});

test.each([
  [{ AWS_USE_FIPS_ENDPOINT: "true" }, { useFips: true, useDualstack: false }],
  [{ AWS_USE_DUALSTACK_ENDPOINT: "True" }, { useFips: false, useDualstack: true }],
  [{ AWS_STS_REGIONAL_ENDPOINTS: "legacy" }, { useGlobal: true }],
  [{ AWS_STS_REGIONAL_ENDPOINTS: "legacy", AWS_REGION: "eu-west-1" }, { useGlobal: true }],
  // It has no part in the one endpoint.
  [{ AWS_STS_REGIONAL_ENDPOINTS: "legacy", AWS_REGION: "ap-east-1" }, { useGlobal: false }],
  [
    { AWS_STS_REGIONAL_ENDPOINTS: "legacy", AWS_USE_FIPS_ENDPOINT: "true" },
    { useFips: true, useGlobal: false },
  ],
  [{ AWS_STS_REGIONAL_ENDPOINTS: "regional" }, { useGlobal: false }],
  [{}, { useGlobal: false }],
])("takes the variant of the endpoint from %p", async (environment, variant) => {
  expect(await resolve({}, environment as Record<string, string>)).toMatchObject(variant);
});

const STS = "https://sts.eu-west-1.amazonaws.com/";

test.each([
  [STS, { HTTPS_PROXY: "http://p:3128" }, "http://p:3128"],
  [STS, { https_proxy: "p:3128" }, "http://p:3128"],
  [STS, { ALL_PROXY: "http://a:1" }, "http://a:1"],
  [STS, { HTTPS_PROXY: "http://p:3128", ALL_PROXY: "http://a:1" }, "http://p:3128"],
  [STS, { HTTP_PROXY: "http://p:3128" }, undefined],
  ["http://localhost:4566/", { HTTP_PROXY: "http://p:3128" }, "http://p:3128"],
  [STS, {}, undefined],
  [STS, { HTTPS_PROXY: "" }, undefined],
] as const)("%s with %p is asked through %p", (url, environment, proxy) => {
  expect(proxyFor(new URL(url), proxiesOf(environment))).toBe(proxy);
});

test.each([
  ["*", STS, true],
  ["amazonaws.com", STS, true],
  [".amazonaws.com", STS, true],
  ["*.amazonaws.com", STS, true],
  ["AMAZONAWS.com:443", STS, true],
  ["amazonaws.com:8443", STS, false],
  ["zonaws.com", STS, false],
  ["localhost, sts.eu-west-1.amazonaws.com", STS, true],
  ["127.0.0.1", "https://127.0.0.1:4566/", true],
  ["127.0.0.1:4566", "https://127.0.0.1:4566/", true],
  ["127.0.0.1:1", "https://127.0.0.1:4566/", false],
  ["::1", "https://[::1]:4566/", true],
  ["[::1]:4566", "https://[::1]:4566/", true],
  ["", STS, false],
])("NO_PROXY=%s exempts %s: %p", (no, url, isExempt) => {
  const proxies = proxiesOf({ HTTPS_PROXY: "http://p:3128", NO_PROXY: no });
  expect(proxyFor(new URL(url), proxies) === undefined).toBe(isExempt);
});
