// keyhole demo: the main job in a few seconds, without an AWS account and without a network. A stand-in for STS on the
// loopback counts every call; home, daemon and grants are of the demo alone, and gone when it ends.
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { KeyholeError } from "../../errors.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { liveLockHolder } from "../daemon/lock-holder.ts";

interface Result {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number;
}

interface Stage {
  readonly sts: Sts;
  readonly say: (text: string) => void;
  readonly print: (text: string) => void;
  /** Types a command, runs it, shows what it says; long values are cut. */
  readonly type: (command: string) => Promise<string>;
  /** Runs keyhole behind the scenes. */
  readonly run: (words: readonly string[]) => Promise<Result>;
  /** As `type`, in a sandbox that a grant's directory is mounted into. */
  readonly typeInside: (directory: string, command: string, status?: number) => Promise<void>;
}

export default defineCommand({
  meta: { name: "demo", description: "Show the main job in a few seconds, without an AWS account and a network" },
  where: "host",
  examples: ["keyhole demo", "keyhole demo | less"],
  args: {},
  notes: ["Home, daemon and STS are the demo's own, on this machine, and gone when it ends."],
  async run({ output, host, environment }) {
    const home = mkdtempSync(`${tmpdir()}/keyhole-demo-`);
    const lock = `${home}/.keyhole/sock/daemon.lock`;
    const sts = startSts(() => host.now());
    const children = new Set<Bun.Subprocess>();
    // The way out also where stdout is closed.
    process.once("exit", () => {
      for (const child of children) child.kill("SIGKILL");
      for (let tries = 0; tries < 400; tries += 1) {
        const pid = liveLockHolder(lock);
        if (pid === undefined) break;
        host.signal(pid, "SIGKILL");
        Bun.sleepSync(5);
      }
      try {
        // Grants' directories lie in one that cannot be listed.
        chmodSync(`${home}/.keyhole/g`, 0o700);
      } catch {}
      rmSync(home, { recursive: true, force: true });
    });
    const stopped = Promise.withResolvers<number>();
    for (const [signal, status] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
      ["SIGHUP", 129],
    ] as const)
      process.on(signal, () => stopped.resolve(status));
    const performance = perform(openStage({ home, sts, output, environment, program: host.command, children }));
    return Promise.race([performance, stopped.promise]);
  },
});

function keyOf({ stdout }: Result): string {
  return (JSON.parse(stdout) as { AccessKeyId: string }).AccessKeyId;
}

async function perform({ sts, say, print, type, run, typeInside }: Stage): Promise<void> {
  const exporting = (name: string) => run(["export", "-f", "credential-process", "-n", name]);

  say("a config is a role with a name");
  await type("config add deploy --role-arn arn:aws:iam::111122223333:role/deploy");
  // This is not AWS's, which is of no interest here.
  await run(["config", "update", "-n", "deploy", "--set", `STS.endpoint_url=${sts.url}`]);

  say("one daemon holds the credentials, in memory");
  await type("daemon start");

  say("50 clients at once ask for a role that no client has assumed yet");
  const clients = await Promise.all(Array.from({ length: 50 }, () => exporting("deploy")));
  const failures = clients.filter(({ status }) => status !== 0).length;
  const keys = new Set(clients.filter(({ status }) => status === 0).map(keyOf));
  print(
    `${clients.length} clients, ${failures} failures, ${keys.size} set of credentials, ${sts.count("AssumeRole")} AssumeRole call`,
  );

  say("what every SDK and the AWS CLI read through credential_process");
  await type("export deploy -f credential-process");

  say("who AWS says that is");
  await type("whoami deploy");

  say("a program with the role in its environment, and no wrapper left behind");
  await type("exec deploy -- printenv AWS_ACCESS_KEY_ID AWS_CREDENTIAL_EXPIRATION");

  say("a grant: a directory to mount, one identity, and no way to another");
  const directory = (await type("grant add agent --config deploy --ttl 8h --executable full")).trimEnd();
  if (!hasSandbox()) print("(bubblewrap is missing, or may not be used here: no sandbox is shown)");
  else {
    await typeInside(directory, "whoami");
    await typeInside(directory, "daemon list", 9);
    await type("grant revoke agent");
    await typeInside(directory, "whoami", 9);
  }
  await type("audit --grant agent");

  say("a role whose sessions last 64 seconds: the daemon renews them before a client would notice");
  await type("config add short --role-arn arn:aws:iam::111122223333:role/short --set AssumeRole.DurationSeconds=64");
  await run(["config", "update", "-n", "short", "--set", `STS.endpoint_url=${sts.url}`]);
  const first = keyOf(await exporting("short"));
  print(`first credentials:   ${first}`);
  let renewed = first;
  for (; renewed === first; renewed = keyOf(await exporting("short"))) await Bun.sleep(100);
  print(`renewed credentials: ${renewed}`);

  say("the end");
  await type("daemon stop");
  for (const action of sts.actions()) print(`STS saw ${sts.count(action)} × ${action}`);
}

interface Theatre extends Pick<CommandContext, "output" | "environment"> {
  readonly home: string;
  readonly sts: Sts;
  readonly program: readonly string[];
  /** Those that run. */
  readonly children: Set<Bun.Subprocess>;
}

function openStage({ home, sts, output, environment, program, children }: Theatre): Stage {
  const { isatty } = require("node:tty") as typeof import("node:tty");
  const isPlain = !isatty(1) || Boolean(environment["NO_COLOR"]) || environment["TERM"] === "dumb";
  const style = (code: number, text: string) => (isPlain ? text : `\u001b[${code}m${text}\u001b[0m`);
  const print = (text: string) => output.line(text);
  const env = {
    HOME: home,
    PATH: environment["PATH"] ?? "",
    AWS_ACCESS_KEY_ID: "AKIADEMO000000000000",
    AWS_SECRET_ACCESS_KEY: "of no account",
    AWS_EC2_METADATA_DISABLED: "true",
    // No client starts another daemon when this one is ended.
    KEYHOLE_AUTOSTART: "0",
  };

  async function spawn(words: readonly string[]): Promise<Result> {
    const child = Bun.spawn([...words], { env, cwd: home, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    children.add(child);
    const [stdout, stderr] = await Promise.all(
      [child.stdout, child.stderr].map((stream) => new Response(stream).text()),
    );
    const status = await child.exited;
    children.delete(child);
    return { stdout: stdout!, stderr: stderr!, status };
  }

  function show(prompt: string, command: string, result: Result, expected: number): string {
    print(style(1, `${prompt} ${command}`));
    for (const line of `${result.stderr}${result.stdout}`.trimEnd().split("\n"))
      print(line.replaceAll(/(?<![/\w])[A-Za-z0-9/+=]{36,}/g, (value) => `${value.slice(0, 12)}…`));
    if (result.status !== expected)
      throw new KeyholeError("internal", `${command} ended with exit status ${result.status}`, "keyhole doctor");
    return result.stdout;
  }

  const run = (words: readonly string[]) => spawn([...program, ...words]);
  return {
    sts,
    print,
    run,
    say: (text) => print(`\n${style(2, `# ${text}`)}`),
    type: async (command) => show("$", `keyhole ${command}`, await run(command.split(" ")), 0),
    typeInside: async (directory, command, status = 0) => {
      const mounts = ["--ro-bind", directory, "/run/keyhole", "--proc", "/proc", "--dev", "/dev"];
      const words = ["bwrap", "--unshare-all", ...mounts, "--", "/run/keyhole/keyhole", ...command.split(" ")];
      show("sandbox$", `/run/keyhole/keyhole ${command}`, await spawn(words), status);
    },
  };
}

function hasSandbox(): boolean {
  if (Bun.which("bwrap") === null) return false;
  return Bun.spawnSync(["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--", "/bin/true"]).exitCode === 0;
}

interface Sts {
  readonly url: string;
  count(action: string): number;
  actions(): readonly string[];
}

function random(length: number): Buffer {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(length)));
}

/** Says yes to all: AssumeRole, and GetCallerIdentity of what it gave. */
function startSts(now: () => number): Sts {
  const calls: string[] = [];
  const roles = new Map<string, { readonly arn: string; readonly id: string }>();
  const assume = (parameters: URLSearchParams) => {
    const [, account = "", role = ""] = /^arn:aws:iam::(\d+):role\/(.+)$/.exec(parameters.get("RoleArn") ?? "") ?? [];
    const session = parameters.get("RoleSessionName") ?? "";
    const arn = `arn:aws:sts::${account}:assumed-role/${role}/${session}`;
    const key = `ASIA${random(8).toString("hex").toUpperCase()}`;
    const id = `AROADEMO000000000000:${session}`;
    roles.set(key, { arn, id });
    const until = new Date(now() + Number(parameters.get("DurationSeconds") ?? 3600) * 1000);
    return (
      `<Credentials><AccessKeyId>${key}</AccessKeyId><SecretAccessKey>${random(30).toString("base64")}</SecretAccessKey>` +
      `<SessionToken>${random(300).toString("base64")}</SessionToken><Expiration>${until.toISOString()}</Expiration></Credentials>` +
      `<AssumedRoleUser><Arn>${arn}</Arn><AssumedRoleId>${id}</AssumedRoleId></AssumedRoleUser>`
    );
  };
  const identify = (authorization: string) => {
    const role = roles.get(/Credential=(\w+)/.exec(authorization)?.[1] ?? "");
    return `<Account>111122223333</Account><Arn>${role?.arn ?? ""}</Arn><UserId>${role?.id ?? ""}</UserId>`;
  };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    development: false,
    async fetch(request) {
      const parameters = new URLSearchParams(await request.text());
      const action = parameters.get("Action") ?? "";
      calls.push(action);
      const result =
        action === "AssumeRole" ? assume(parameters) : identify(request.headers.get("authorization") ?? "");
      const body =
        `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result>${result}</${action}Result>` +
        `<ResponseMetadata><RequestId>${crypto.randomUUID()}</RequestId></ResponseMetadata></${action}Response>`;
      return new Response(body, { headers: { "content-type": "text/xml" } });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    count: (action) => calls.filter((each) => each === action).length,
    actions: () => [...new Set(calls)],
  };
}
