// Files whose paths somebody else chose, wherever one may be named: none of them stops, fills or slows anybody but who
// named it, and that one is told which file it is.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { mountHanging, noFuse } from "./fuse.ts";
import { createMachine, type Machine, type Result, roleArn, until } from "./machine.ts";

/** Milliseconds within which whoever named such a file is told. */
const TOLD = 12_000;
/** Milliseconds that others may wait longer than they do otherwise, on a busy machine: less than a file is waited for. */
const DELAY = 1000;
/** KiB. */
const LARGEST_DAEMON = 80 * 1024;

let machine: Machine;
let fuse: Awaited<ReturnType<typeof mountHanging>> | undefined;
let files: Readonly<Record<string, string>>;

beforeAll(async () => {
  machine = await createMachine();
  fuse = noFuse === undefined ? await mountHanging() : undefined;
  const fifo = join(machine.home, "fifo");
  await Bun.spawn(["mkfifo", fifo]).exited;
  const large = join(machine.home, "large");
  const descriptor = fs.openSync(large, "w");
  fs.ftruncateSync(descriptor, 2 * 2 ** 30);
  fs.closeSync(descriptor);
  files = {
    "a FIFO": fifo,
    "/dev/zero": "/dev/zero",
    "a file of 2 GB": large,
    "a directory": machine.home,
    // Of another user's it is closed, and then it is a file that is not there.
    ...(process.getuid?.() === 0 ? { "/proc/kmsg": "/proc/kmsg" } : {}),
    ...(fuse === undefined ? {} : { "a file on a FUSE mount that hangs": join(fuse.path, "file") }),
  };
  await machine.addConfig("good");
  await machine.keyhole("export -n good");
}, 30_000);
afterAll(async () => {
  await fuse?.[Symbol.asyncDispose]();
  await machine[Symbol.asyncDispose]();
});

let names = 0;

/** A config of its own for each row. */
async function newConfig(...set: readonly string[]): Promise<string> {
  const name = `row-${(names += 1)}`;
  await machine.addConfig(name, ...set);
  return name;
}

const byVariable = (variable: string) => async (path: string) =>
  machine.run(["export", "-n", await newConfig()], { env: { [variable]: path } });

/** Where a path may be named. */
const places: Readonly<Record<string, (path: string) => Promise<Result>>> = {
  AWS_CONFIG_FILE: byVariable("AWS_CONFIG_FILE"),
  AWS_SHARED_CREDENTIALS_FILE: byVariable("AWS_SHARED_CREDENTIALS_FILE"),
  AWS_CA_BUNDLE: byVariable("AWS_CA_BUNDLE"),
  NODE_EXTRA_CA_CERTS: byVariable("NODE_EXTRA_CA_CERTS"),
  SSL_CERT_FILE: byVariable("SSL_CERT_FILE"),
  AWS_WEB_IDENTITY_TOKEN_FILE: async (path) =>
    machine.run(["export", "-n", await newConfig()], {
      env: {
        AWS_ACCESS_KEY_ID: undefined,
        AWS_SECRET_ACCESS_KEY: undefined,
        AWS_ROLE_ARN: roleArn("web"),
        AWS_WEB_IDENTITY_TOKEN_FILE: path,
      },
    }),
  AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: async (path) =>
    machine.run(["export", "-n", await newConfig()], {
      env: {
        AWS_ACCESS_KEY_ID: undefined,
        AWS_SECRET_ACCESS_KEY: undefined,
        AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://127.0.0.1:1/",
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: path,
      },
    }),
  "STS.verify": async (path) => machine.run(["export", "-n", await newConfig(`STS.verify=${path}`)]),
  "~/.aws/config": (path) => byHome(path, "config"),
  "~/.aws/credentials": (path) => byHome(path, "credentials"),
  "~/.aws/sso/cache": (path) => {
    const text = "[default]\nsso_start_url = https://sso.invalid\nsso_account_id = 111122223333\nsso_role_name = r\n";
    return byHome(path, `sso/cache/${sha1("https://sso.invalid")}.json`, `${text}sso_region = us-east-1\n`);
  },
  "grant add": async (path) =>
    machine.run(["grant", "add", `grant-${names}`, "--config", await newConfig()], { env: { AWS_CONFIG_FILE: path } }),
  "--policy": (path) => machine.run(["grant", "add", "policed", "--config", "good", "--policy", path]),
};

/** @param config what ~/.aws/config says, where that is not the file itself; then the shell has no keys */
async function byHome(path: string, file: string, config?: string): Promise<Result> {
  const home = join(machine.home, `home-${(names += 1)}`);
  const link = join(home, ".aws", file);
  fs.mkdirSync(dirname(link), { recursive: true });
  fs.symlinkSync(path, link);
  if (config !== undefined) fs.writeFileSync(join(home, ".aws", "config"), config);
  const keys = config === undefined ? {} : { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined };
  return machine.run(["export", "-n", await newConfig()], {
    env: { HOME: home, KEYHOLE_HOME: machine.paths.home, ...keys },
  });
}

const sha1 = (text: string) => new Bun.CryptoHasher("sha1").update(text).digest("hex");

/** Milliseconds of each of some requests for a session that is there, one after the other. */
async function timeRequests(whileRunning: Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  const over = new AbortController();
  void whileRunning.finally(() => over.abort());
  while (!over.signal.aborted || times.length < 20) {
    const began = performance.now();
    await machine.keyhole("export -f credential-process -n good");
    times.push(performance.now() - began);
    await Bun.sleep(20);
  }
  return times.toSorted((one, other) => one - other);
}

const median = (times: readonly number[]) => times[Math.floor(times.length / 2)]!;

test(`a FUSE mount that hangs is among the files${noFuse === undefined ? "" : ` (not here: ${noFuse})`}`, () => {
  expect(fuse === undefined).toBe(noFuse !== undefined);
});

describe.each(Object.keys(places))("named by %s", (place) => {
  test("is refused by name, and nobody else waits", async () => {
    const alone = median(await timeRequests(Promise.resolve()));
    const asking = Object.entries(files).map(async ([kind, path]) => {
      const began = performance.now();
      const { exitCode, stdout, stderr } = await places[place]!(path);
      return { kind, path, exitCode, stdout, stderr, took: performance.now() - began };
    });
    const times = await timeRequests(Promise.allSettled(asking));
    for (const { kind, path, exitCode, stdout, stderr, took } of await Promise.all(asking)) {
      const file = place.startsWith("~/") ? place.slice(1) : path;
      expect({ kind, exitCode, stdout, named: stderr.includes(file), stderr }).toEqual({
        kind,
        exitCode: 5,
        stdout: "",
        named: true,
        stderr,
      });
      expect(took).toBeLessThan(TOLD);
    }
    expect(median(times) - alone).toBeLessThan(DELAY);
  }, 60_000);
});

test("the daemon was never larger than 80 MiB", () => {
  const status = fs.readFileSync(`/proc/${machine.daemonPid()!}/status`, "utf8");
  expect(Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1])).toBeLessThan(LARGEST_DAEMON);
});

test("a grant whose files do not answer keeps nobody from starting, says why, and is mended when they do", async () => {
  await using own = await createMachine();
  const shared = join(own.home, "aws-config");
  const env = { AWS_CONFIG_FILE: shared, AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined };
  const { accessKeyId, secretAccessKey } = own.sts.root;
  const keys = `aws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`;
  fs.writeFileSync(shared, `[default]\nregion = eu-central-1\n${keys}`);
  await own.addConfig("dev");
  await own.addConfig("other");
  const directory = (await own.keyhole("grant add stuck --config dev", { env })).trim();
  const others = (await own.keyhole("grant add fine --config other")).trim();
  const fetch = (place: string) => own.run([], { program: join(place, "keyhole") });
  fs.rmSync(shared);
  await Bun.spawn(["mkfifo", shared]).exited;

  const began = performance.now();
  await own.keyhole("daemon restart");
  expect(performance.now() - began).toBeLessThan(3_000);
  expect(await own.run(["export", "-n", "other"])).toMatchObject({ exitCode: 0 });
  expect((await fetch(others)).exitCode).toBe(0);
  expect(await fetch(directory)).toMatchObject({ exitCode: 5, stdout: "" });
  expect(await own.keyhole("grant show stuck")).toContain(`${shared} is a pipe, not a regular file`);
  expect(fs.readFileSync(join(directory, "aws-config"), "utf8")).toContain("region = eu-central-1");

  fs.rmSync(shared);
  fs.writeFileSync(shared, `[default]\nregion = eu-west-3\n${keys}`);
  await until(async () => (await fetch(directory)).exitCode === 0);
  expect(await own.keyhole("grant show stuck")).not.toContain("pipe");
  expect(fs.readFileSync(join(directory, "aws-config"), "utf8")).toContain("region = eu-west-3");
}, 60_000);
