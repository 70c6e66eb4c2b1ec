// What an image, a pod or a machine may have that SDKs ask before a profile, or after it: each of these is another
// identity, and none of them is ever used where the recipe's variables are set, not even when the broker is away.
import { afterAll, beforeAll, expect } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { executables, rigs as interop } from "../interop/rigs.ts";
import { scratch } from "../interop/run.ts";
import { credentialsFile } from "../e2e/keyfile.ts";
import { executable, roleArn } from "../e2e/machine.ts";
import { clients } from "./agenthost.ts";
import { dockerReach } from "./reach/engines.ts";
import { useReach } from "./reach/fixture.ts";
import { type Forwarding, serveMetadata } from "./rigs/network.ts";
import { isReady, testWith } from "./rigs/rigs.ts";
import type { Shell } from "./shell.ts";

const { kinds, hostOf } = useReach((roots) => [dockerReach(roots, { images: ["debian"] })]);
const [kind] = kinds;
const needs = [...kind.needs, interop.node];
const test = testWith(needs);

const NODE = ["/opt/node/node", "/opt/node/sdk/client.mjs"];
const programs = { ...clients, "JavaScript SDK": [...NODE, "whoami"] };
/** All of keyhole, which the grant's directory does not have. */
const KEYHOLE = `--volume=${executable}:/keyhole:ro`;
const MOUNTS = [
  `--volume=${executables.node}:/opt/node/node:ro`,
  `--volume=${dirname(executables.nodeClient)}:/opt/node/sdk:ro`,
  KEYHOLE,
];

/** Images, each with one shadow; the last has only its machine's. */
const shadows = ["baked", "environment", "irsa", "metadata"] as const;
const context = scratch("shadows");
let metadata: Forwarding | undefined;

beforeAll(async () => {
  if (!isReady(...needs)) return;
  const host = hostOf(kind);
  await host.addGrant("agent");
  const [baked, environment, instance] = [
    await host.keysOf("baked"),
    await host.keysOf("environment"),
    await host.keysOf("metadata"),
  ];
  mkdirSync(`${context.path}/aws`);
  writeFileSync(`${context.path}/aws/credentials`, credentialsFile(baked));
  writeFileSync(`${context.path}/token`, webIdentityToken());
  await kind.build("baked", "debian", ["COPY aws /root/.aws", "ENV HOME=/root"], context.path);
  const keys = [
    `AWS_ACCESS_KEY_ID=${environment.accessKeyId}`,
    `AWS_SECRET_ACCESS_KEY=${environment.secretAccessKey}`,
    `AWS_SESSION_TOKEN=${environment.sessionToken}`,
  ];
  await kind.build("environment", "debian", [`ENV ${keys.join(" ")}`], context.path);
  const role = [
    "AWS_WEB_IDENTITY_TOKEN_FILE=/var/run/secrets/token",
    `AWS_ROLE_ARN=${roleArn("irsa")}`,
    "AWS_ROLE_SESSION_NAME=pod",
    // The AWS CLI keeps such sessions in a file.
    "HOME=/tmp",
  ];
  await kind.build("irsa", "debian", ["COPY token /var/run/secrets/token", `ENV ${role.join(" ")}`], context.path);
  await kind.build("metadata", "debian", ["ENV NOTHING=1"], context.path);
  metadata = await serveMetadata(instance, kind.network());
}, 60_000);

afterAll(async () => {
  await metadata?.stop();
  context.remove();
});

/** As a cluster's, of which the test's STS checks the shape (test/sts/webidentity.ts). */
function webIdentityToken(): string {
  const claims = { sub: "system:serviceaccount:a:b", iss: "https://oidc.example.com", aud: "sts.amazonaws.com" };
  return [{ alg: "RS256" }, claims, "signature"]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
}

type Told = Record<string, string>;

/** Who each program is in each image, as `image, program`: the role, or `error`. */
async function lookAround(open: (image: string) => Promise<Shell>, change?: () => Promise<void>): Promise<Told> {
  const boxes = await Promise.all(shadows.map(open));
  try {
    // Each has begun.
    for (const box of boxes) expect(await box.run(["true"])).toMatchObject({ exitCode: 0 });
    await change?.();
    const told = await Promise.all(boxes.map(async (box, at) => askAll(shadows[at]!, box)));
    return Object.fromEntries(told.flat());
  } finally {
    await Promise.all(boxes.map((box) => box[Symbol.asyncDispose]()));
  }
}

async function askAll(image: string, box: Shell): Promise<[string, string][]> {
  const entries: [string, string][] = [];
  for (const [program, words] of Object.entries(programs)) {
    const { exitCode, stdout } = await box.run(words);
    const [, role] = /assumed-role\/([^/]+)\//.exec(stdout) ?? [];
    entries.push([`${image}, ${program}`, role ?? (exitCode === 0 ? "nobody" : "error")]);
  }
  return entries;
}

const all = (tell: (image: string) => string): Told =>
  Object.fromEntries(
    shadows.flatMap((image) => Object.keys(programs).map((program) => [`${image}, ${program}`, tell(image)])),
  );

const withoutGrant = (image: string) => {
  const region = ["--env=AWS_REGION=us-east-1", "--env=AWS_DEFAULT_REGION=us-east-1"];
  return kind.bare(hostOf(kind), [...MOUNTS, ...region], image);
};
const withGrant = (image: string) => kind.start(hostOf(kind), "agent", MOUNTS, image);

test("each shadow is another identity where nothing is in its way", async () => {
  expect(await lookAround(withoutGrant)).toEqual(all((image) => image));
});

test("with the recipe's variables every SDK is the grant's role, whatever else there is", async () => {
  expect(await lookAround(withGrant)).toEqual(all(() => "agent"));
});

test("while the broker is away they fail, and are nobody else", async () => {
  const host = hostOf(kind);
  const calls = host.machine.sts.calls.length;
  const stop = async () => void (await host.keyhole("daemon", "stop"));
  expect(await lookAround(withGrant, stop)).toEqual(all(() => "error"));
  expect(host.machine.sts.calls.slice(calls)).toEqual([]);
  await host.keyhole("daemon", "start");
});

test("once a lease was revoked they fail, and are nobody else", async () => {
  const host = hostOf(kind);
  await host.addGrant("leased", "--deliver", "file");
  const withLease = (image: string) => kind.start(host, "leased", MOUNTS, image);
  expect(await lookAround(withLease)).toEqual(all(() => "leased"));
  const calls = host.machine.sts.calls.length;
  const revoke = async () => void (await host.keyhole("grant", "revoke", "leased"));
  expect(await lookAround(withLease, revoke)).toEqual(all(() => "error"));
  expect(host.machine.sts.calls.slice(calls)).toEqual([]);
});

/** Where the directory is mounted, and nothing but AWS_CONFIG_FILE is set. */
const half = async (image: string) => {
  const directory = (await hostOf(kind).keyhole("grant", "path", "agent")).trimEnd();
  const mount = `--mount=type=bind,src=${directory},dst=/run/keyhole,readonly`;
  return kind.bare(hostOf(kind), [mount, KEYHOLE, "--env=AWS_CONFIG_FILE=/run/keyhole/aws-config"], image);
};

/** The machine's own shadow is in every image. */
const findings: Readonly<Record<(typeof shadows)[number], readonly string[]>> = {
  baked: ["credentials-file", "instance-metadata", "aws-files"],
  environment: ["environment-keys", "instance-metadata"],
  irsa: ["web-identity", "instance-metadata"],
  metadata: ["instance-metadata"],
};

async function problems(box: Shell): Promise<string[]> {
  const { stdout } = await box.run(["/keyhole", "doctor", "--inside"]);
  return [...stdout.matchAll(/^problem +(\S+)/gm)].map(([, check]) => check!);
}

test("doctor --inside names each shadow, and with the recipe's variables only what can still be read", async () => {
  for (const image of shadows) {
    await using box = await half(image);
    expect({ image, problems: await problems(box) }).toEqual({ image, problems: [...findings[image]] });
    await using mended = await withGrant(image);
    const left = image === "baked" ? ["aws-files"] : [];
    expect({ image, problems: await problems(mended) }).toEqual({ image, problems: left });
  }
});
