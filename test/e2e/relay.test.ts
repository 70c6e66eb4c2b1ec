// keyhole relay: a grant as container credentials, alone and as the first process of a sandbox.
import { expect, test } from "bun:test";
import { KeyholeError } from "../../src/errors.ts";
import { addGrant, createHost } from "./granthost.ts";
import { hasBubblewrap } from "./bubblewrap.ts";
import { type FakeGrant, hasBoto3, SECRET, sandbox, startFakeGrant } from "./fakegrant.ts";
import { executable } from "./machine.ts";

const relay = (grant: FakeGrant) => ["--socket-path", grant.socket, "relay"];
const revoked = new KeyholeError("revoked", "this grant was revoked");
/** Milliseconds; a Python that loads botocore takes about one second on a quiet machine. */
const PATIENCE = 60_000;

/** `NAME=VALUE` lines. */
const variables = (text: string): Record<string, string> =>
  Object.fromEntries(
    text
      .trimEnd()
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );

const ask = (told: Record<string, string>) =>
  fetch(told["AWS_CONTAINER_CREDENTIALS_FULL_URI"]!, {
    headers: { Authorization: told["AWS_CONTAINER_AUTHORIZATION_TOKEN"]! },
  });

/** A relay without a program, and what it printed. */
async function serving(grant: FakeGrant, ...words: readonly string[]) {
  const child = grant.spawn([...relay(grant), ...words]);
  const reader = child.stdout.getReader();
  let printed = "";
  while (printed.split("\n").length < 3) {
    const { value, done } = await reader.read();
    if (done) throw new Error(await new Response(child.stderr).text());
    printed += new TextDecoder().decode(value);
  }
  return { child, printed, told: variables(printed) };
}

test("without a program it prints two variables, serves until it is told to end, and every answer is the grant's", async () => {
  await using grant = startFakeGrant();
  const { child, printed, told } = await serving(grant);
  expect(printed).toMatch(
    /^AWS_CONTAINER_CREDENTIALS_FULL_URI=http:\/\/127\.0\.0\.1:[0-9]+\/credentials\nAWS_CONTAINER_AUTHORIZATION_TOKEN=[\w-]{43}\n$/,
  );
  expect(await (await ask(told)).json()).toMatchObject({ AccessKeyId: "ASIAFAKE2", SecretAccessKey: SECRET });
  expect(await (await ask(told)).json()).toMatchObject({ AccessKeyId: "ASIAFAKE3" });
  grant.refuse(revoked);
  expect((await ask(told)).status).toBe(403);
  grant.refuse(undefined);
  expect((await ask(told)).status).toBe(200);
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  expect(await new Response(child.stderr).text()).toBe("");
  expect(await ask(told).catch((error: unknown) => error)).toBeInstanceOf(Error);
});

test("the token is in the environment of the program alone: not in argv, not in stderr", async () => {
  await using grant = startFakeGrant();
  const script =
    'tr "\\0" " " < /proc/$PPID/cmdline; echo; tr "\\0" "\\n" < /proc/$PPID/environ | grep -c -e "$AWS_CONTAINER_AUTHORIZATION_TOKEN"; echo "$AWS_CONTAINER_AUTHORIZATION_TOKEN"';
  const { stdout, stderr } = await grant.run([...relay(grant), "--", "sh", "-c", script]);
  const [argv, inOwn, token] = stdout.trimEnd().split("\n");
  expect(token).toMatch(/^[\w-]{43}$/);
  expect(argv).not.toContain(token!);
  expect({ inOwn, stderr }).toEqual({ inOwn: "0", stderr: "" });
});

test("the program finds the endpoint, and nothing that an SDK would ask before it or instead of it", async () => {
  await using grant = startFakeGrant();
  const env = {
    AWS_ACCESS_KEY_ID: "AKIAOLD",
    AWS_SECRET_ACCESS_KEY: "old",
    AWS_PROFILE: "other",
    AWS_WEB_IDENTITY_TOKEN_FILE: "/var/run/secrets/token",
    AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "/v2/credentials",
    AWS_CONFIG_FILE: "/run/keyhole/aws-config",
    KEEP: "this",
  };
  const { stdout } = await grant.run([...relay(grant), "--", "env"], { env });
  const aws = Object.entries(variables(stdout)).filter(([name]) => name.startsWith("AWS_"));
  expect(Object.fromEntries(aws)).toEqual({
    AWS_CONTAINER_CREDENTIALS_FULL_URI: expect.stringMatching(/^http:\/\/127\.0\.0\.1:/),
    AWS_CONTAINER_AUTHORIZATION_TOKEN: expect.any(String),
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_REGION: "eu-west-1",
    AWS_DEFAULT_REGION: "eu-west-1",
  });
  expect(variables(stdout)["KEEP"]).toBe("this");
});

test.each([
  ["its exit status", ["sh", "-c", "exit 7"], 7],
  ["128 and the number for a death by a signal", ["sh", "-c", "kill -KILL $$"], 137],
  ["127 for a program that is not there", ["nowhere-to-be-found"], 127],
  ["126 for a file that is no program", ["/etc/passwd"], 126],
])("it ends with %s", async (_, program, status) => {
  await using grant = startFakeGrant();
  expect((await grant.run([...relay(grant), "--", ...program])).exitCode).toBe(status);
});

test("stdin, stdout and stderr are the program's own", async () => {
  await using grant = startFakeGrant();
  const child = Bun.spawn([executable, ...relay(grant), "--", "sh", "-c", "cat; echo oops >&2"], {
    env: grant.environment,
    stdin: Buffer.from("from stdin\n"),
    stdout: "pipe",
    stderr: "pipe",
  });
  expect(await new Response(child.stdout).text()).toBe("from stdin\n");
  expect(await new Response(child.stderr).text()).toBe("oops\n");
  expect(await child.exited).toBe(0);
});

test("a grant that refuses is told at once, with its exit status, and no program runs", async () => {
  await using grant = startFakeGrant();
  grant.refuse(revoked);
  const { stdout, stderr, exitCode } = await grant.run([...relay(grant), "--", "echo", "ran"]);
  expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 9 });
  expect(stderr).toStartWith("keyhole: error: this grant was revoked\n");
});

test.each([
  ["a port that is no number", ["relay", "--port", "http"]],
  ["a port that is too high", ["relay", "--port", "65536"]],
  ["no grant beside the executable", ["relay"]],
])("%s is a mistake of usage", async (_, words) => {
  await using grant = startFakeGrant();
  expect((await grant.run(words)).exitCode).toBe(2);
  expect(grant.fetches()).toBe(0);
});

test("a port that is taken is a mistake of usage", async () => {
  await using grant = startFakeGrant();
  const { child, told } = await serving(grant);
  const { port } = new URL(told["AWS_CONTAINER_CREDENTIALS_FULL_URI"]!);
  const { exitCode, stderr } = await grant.run([...relay(grant), "--port", port]);
  expect({ exitCode, stderr }).toEqual({
    exitCode: 2,
    stderr: expect.stringContaining(`port ${port} of 127.0.0.1 is taken`),
  });
  child.kill("SIGTERM");
  await child.exited;
});

test.skipIf(Bun.which("python3") === null)(
  "in a terminal Ctrl-C reaches the program once, and ends the program alone",
  async () => {
    await using grant = startFakeGrant();
    const script = 'trap "echo once" INT; trap "exit 3" TERM; echo ready; while :; do sleep 0.01; done';
    // Its terminal is a controlling one, which Bun.Terminal's is not.
    const typist = `
import os, pty, signal, sys
pid, terminal = pty.fork()
if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
seen = b""
def wait(text):
  global seen
  while text not in seen: seen += os.read(terminal, 1000)
wait(b"ready")
os.write(terminal, b"\\x03")
wait(b"once")
os.kill(pid, signal.SIGTERM)
try:
  while True: seen += os.read(terminal, 1000)
except OSError: pass
print(seen.count(b"once"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))`;
    const words = [executable, ...relay(grant), "--", "sh", "-c", script];
    expect((await grant.run(words, { program: ["python3", "-c", typist] })).stdout).toBe("1 3\n");
  },
);

const boxed = (grant: FakeGrant) => [...sandbox(grant), "/run/keyhole/keyhole", "relay", "--"];
const inBox = test.skipIf(!hasBubblewrap);

inBox("in a sandbox without a network it is the first process, finds its grant and serves on loopback", async () => {
  await using grant = startFakeGrant();
  const client = `
import http.client, os, urllib.parse
url = urllib.parse.urlparse(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
def status(path=url.path, host=url.netloc, token=os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"], address=url.hostname):
  connection = http.client.HTTPConnection(address, url.port)
  connection.putrequest("GET", path, skip_host=True)
  connection.putheader("Host", host)
  if token: connection.putheader("Authorization", token)
  connection.endheaders()
  return connection.getresponse().status
print(os.getppid(), status(), status(token="wrong"), status(token=None), status(host="evil.example"), status(path="/"))`;
  const { stdout, stderr } = await grant.run(["python3", "-c", client], { program: boxed(grant) });
  expect({ stdout, stderr }).toEqual({ stdout: "1 200 403 401 403 404\n", stderr: "" });
  expect(grant.fetches()).toBe(2);
});

inBox("as the first process it ends with the program's status, whatever else still runs", async () => {
  await using grant = startFakeGrant();
  const { exitCode } = await grant.run(["sh", "-c", "sleep 1000 & exit 7"], { program: boxed(grant) });
  expect(exitCode).toBe(7);
});

inBox.each(["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH"])(
  "as the first process it passes SIG%s on",
  async (signal) => {
    await using grant = startFakeGrant();
    const script = `trap "exit 42" ${signal}; kill -${signal} 1; while :; do sleep 0.01; done`;
    expect((await grant.run(["sh", "-c", script], { program: boxed(grant) })).exitCode).toBe(42);
  },
);

inBox("as the first process it waits for orphans", async () => {
  await using grant = startFakeGrant();
  // Each is orphaned while it sleeps; the loop ends when no process of that name is left, not even a zombie.
  const script =
    'for i in 1 2 3 4 5; do (sleep 0.2 &); done; until grep -qs "^Name:.sleep" /proc/[0-9]*/status; do :; done; while grep -qs "^Name:.sleep" /proc/[0-9]*/status; do :; done; echo gone';
  const { stdout } = await grant.run(["sh", "-c", script], { program: boxed(grant) });
  expect(stdout).toBe("gone\n");
});

test("the SDK for JavaScript takes its credentials from it", async () => {
  await using grant = startFakeGrant();
  const script = `
const { defaultProvider } = await import(${JSON.stringify(import.meta.resolve("@aws-sdk/credential-provider-node"))});
const { accessKeyId, expiration } = await defaultProvider()();
console.log(accessKeyId, expiration instanceof Date);`;
  const words = [...relay(grant), "--", process.execPath, "-e", script];
  expect(await grant.run(words)).toEqual({ stdout: "ASIAFAKE2 true\n", stderr: "", exitCode: 0 });
});

inBox.skipIf(!hasBoto3)(
  "boto3 in a sandbox takes its credentials from it, again when they grow old, and stops when they are revoked",
  async () => {
    await using grant = startFakeGrant();
    const client = `
import boto3, botocore.exceptions, datetime, sys
session = boto3.Session()
credentials = session.get_credentials()
print(credentials.method, credentials.access_key, credentials.get_frozen_credentials().account_id, session.region_name, flush=True)
def age(): credentials._expiry_time = datetime.datetime.now(datetime.timezone.utc)
age()
print(credentials.access_key, flush=True)
sys.stdin.readline()
age()
try: print(credentials.access_key)
except botocore.exceptions.BotoCoreError as error: print(type(error).__name__, str(error))`;
    const child = Bun.spawn([...boxed(grant), "python3", "-c", client], {
      env: grant.environment,
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    const reader = child.stdout.getReader();
    let printed = "";
    const read = async () => void (printed += new TextDecoder().decode((await reader.read()).value));
    while (printed.split("\n").length < 3) await read();
    expect(printed).toBe("container-role ASIAFAKE2 111122223333 eu-west-1\nASIAFAKE3\n");
    grant.refuse(revoked);
    void child.stdin.write("\n");
    await child.stdin.flush();
    while (printed.split("\n").length < 4) await read();
    expect(printed).toContain("CredentialRetrievalError");
    expect(printed).not.toContain(SECRET);
    expect(await child.exited).toBe(0);
  },
  PATIENCE,
);

inBox.skipIf(!hasBoto3)(
  "through a relay in its sandbox a grant is its role, also after the daemon was restarted, until it is revoked",
  async () => {
    await using machine = await createHost();
    const directory = await addGrant(machine);
    const client = `
import boto3, sys
for line in sys.stdin:
  try: print(boto3.Session().client("sts").get_caller_identity()["Arn"], flush=True)
  except Exception as error: print(type(error).__name__, flush=True)`;
    const relayed = [...sandbox({ directory }, "--share-net"), "/run/keyhole/keyhole", "relay", "--"];
    const child = Bun.spawn([...relayed, "python3", "-c", client], {
      env: {
        PATH: process.env["PATH"] ?? "/usr/bin:/bin",
        HOME: machine.home,
        AWS_ENDPOINT_URL_STS: machine.sts.url,
        AWS_DEFAULT_REGION: "eu-west-1",
        AWS_ACCESS_KEY_ID: "AKIABAKED",
        AWS_SECRET_ACCESS_KEY: "baked",
      },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    const reader = child.stdout.getReader();
    const whoami = async () => {
      void child.stdin.write("\n");
      await child.stdin.flush();
      return new TextDecoder().decode((await reader.read()).value).trim();
    };
    const role = /^arn:aws:sts::111122223333:assumed-role\/dev\/keyhole-agent-a-[0-9a-f]{8}$/;
    expect(await whoami()).toMatch(role);
    await machine.keyhole("daemon restart");
    expect(await whoami()).toMatch(role);
    await machine.keyhole("grant revoke agent-a");
    expect(await whoami()).toBe("CredentialRetrievalError");
    await child.stdin.end();
    expect(await child.exited).toBe(0);
  },
  PATIENCE,
);
