// elhaz's rows that a daemon answers: `daemon`, credentials, sessions, the socket, the log.
import { expect } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { until } from "../../processes.ts";
import { MFA, type Outcome, type Side } from "./pair.ts";
import { fixed, more, onPurpose, type Row, same } from "./row.ts";

const STATUSES = "src/DESIGN.md#errors: each kind of failure has an exit status of its own";
const PROTOCOL = "src/DESIGN.md#sockets: a binary protocol with a version, which src/wire/PROTOCOL.md specifies";

const first = (text: string) => text.split("\n", 1)[0]!;
/** Lines; elhaz says on stdout that there are none. */
const names = ({ stdout }: Outcome) =>
  stdout
    .trimEnd()
    .split("\n")
    .filter((line) => line !== "" && line !== "No active sessions.");
const isRunning = async (side: Side) => (await side.run("daemon status")).exit === 0;

async function restart(side: Side, words = ""): Promise<void> {
  await side.run("daemon stop");
  await side.run(`${words} daemon start`);
}

/** keyhole's sessions come back where a shell has their keys; what was removed does not. */
async function restartEmpty(side: Side): Promise<void> {
  for (const name of ["dev", "second"]) await side.run(`daemon remove -n ${name}`);
  await restart(side);
}

async function credentials(side: Side, name = "dev"): Promise<Record<string, string>> {
  return JSON.parse((await side.run(`export -n ${name}`)).stdout) as Record<string, string>;
}

/** Of the variables that are exported; the options as elhaz's parser takes them, too. */
async function variables(side: Side): Promise<string[]> {
  const { stdout } = await side.run("export -ndev -fenv -o");
  return [...stdout.matchAll(/^export (\w+)=/gm)].map(([, name]) => name!);
}

/** How many STS calls `action` costs. */
async function callsOf(side: Side, action: () => Promise<unknown>): Promise<number> {
  const before = side.calls();
  await action();
  return side.calls() - before;
}

/** A line for elhaz's daemon, and its answer; what keyhole makes of it is the same question. */
function ask(side: Side, ...lines: string[]): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(side.socket, () => socket.end(lines.map((line) => `${line}\n`).join("")));
    socket.setEncoding("latin1").setTimeout(5000, () => socket.destroy());
    socket.on("data", (text: string) => (answer += text));
    socket.on("error", () => {});
    socket.on("close", () => resolve(answer));
  });
}

const request = (action: string, payload: object = {}, others: object = {}) =>
  JSON.stringify({ request_id: "11111111-1111-4111-8111-111111111111", action, payload, ...others });

/** `ok`, or the code of the error; `not JSON` for keyhole, which answers in its own protocol. */
async function asked(side: Side, ...lines: string[]): Promise<unknown> {
  const answer = await ask(side, ...lines);
  if (!answer.startsWith("{")) return "not JSON";
  const { ok, error } = JSON.parse(first(answer)) as { ok: boolean; error?: { code: number } };
  return ok ? "ok" : error?.code;
}

export const served: readonly Row[] = [
  same("E-073", "daemon status tells by its exit status whether one runs", [false, true], async (side) => {
    const before = await isRunning(side);
    await side.run("daemon start");
    return [before, await isRunning(side)];
  }),
  onPurpose(
    "E-072",
    "no daemon: the first command starts one",
    "src/DESIGN.md#the-life-of-the-daemon",
    [1, false],
    [0, true],
    async (side) => {
      await side.run("daemon stop");
      return [(await side.run("export -n dev")).exit, await isRunning(side)];
    },
  ),
  same("E-070", "daemon start says where, and is a success when one runs", [0, 0, true], async (side) => {
    await side.run("daemon stop");
    const { exit, stdout, stderr } = await side.run("daemon start");
    return [exit, (await side.run("daemon start")).exit, (stdout + stderr).includes(side.socket)];
  }),
  fixed("E-011", "talk stays away from stdout", false, true, async (side) => {
    return (await side.run("daemon start")).stdout === "";
  }),
  same(
    "E-028",
    "what is missing above socket and log is made (E-008, E-022: also by options)",
    [true, true],
    async (side) => {
      await side.run("daemon stop");
      const log = join(side.home, "a", "b", "d.log");
      const options = `-sp ${side.home}/c/d/s.sock -lp ${log} -mdcs 3`;
      await side.run(`${options} daemon start`);
      const found = [existsSync(log), existsSync(`${side.home}/c/d/s.sock`)];
      await side.run(`${options} daemon stop`);
      await side.run("daemon start");
      return found;
    },
  ),
  fixed(
    "E-027",
    "directories and files are the user's alone",
    ["755", "644", "755"],
    ["700", "600", "600"],
    async (side) => [side.mode(dirname(side.socket)), side.mode(side.log), side.mode(side.socket)],
  ),
  same(
    "E-079",
    "daemon list: names, from least to most recently used",
    [[], ["dev", "second"], ["second", "dev"]],
    async (side) => {
      await restartEmpty(side);
      const none = names(await side.run("daemon list"));
      await side.run("daemon add -n dev");
      await side.run("daemon add -n second");
      await side.run("export -n second");
      const before = names(await side.run("daemon list"));
      await side.run("export -n dev");
      return [none, before, names(await side.run("daemon list"))];
    },
  ),
  fixed("E-080", "daemon add fails where AWS refuses", 0, 6, async (side) => {
    side.sts.faults.add({ action: "AssumeRole", fail: { code: "AccessDenied", message: "no", status: 403 } });
    const { exit } = await side.run(
      "daemon add -n second --force".replace(side.name === "elhaz" ? " --force" : "", ""),
    );
    side.sts.faults.clear();
    return exit;
  }),
  fixed("E-081", "daemon add again keeps good credentials", 1, 0, async (side) => {
    await credentials(side);
    return callsOf(side, async () => {
      await side.run("daemon add -n dev");
      await credentials(side);
    });
  }),
  onPurpose(
    "E-082",
    "daemon remove: of a session, and of one that is not there",
    STATUSES,
    [0, 1],
    [0, 4],
    async (side) => {
      await side.run("daemon add -n dev");
      return [(await side.run("daemon remove -n dev")).exit, (await side.run("daemon remove -n dev")).exit];
    },
  ),
  more("E-078", "daemon logs: -t N, --head N; and it follows", [1, 1, 2], [1, 1, 0], async (side) => {
    const count = async (words: string) => names(await side.run(`daemon logs ${words}`)).length;
    const { exit } = await side.run("daemon logs --level error");
    return [await count("-t 1"), await count("--head 1"), exit];
  }),
  same(
    "E-090",
    "export adds a session that is not there; JSON is the default",
    [["access_key", "expiry_time", "secret_key", "token"], ["dev"]],
    async (side) => {
      await restartEmpty(side);
      return [Object.keys(await credentials(side)).toSorted(), names(await side.run("daemon list"))];
    },
  ),
  same("E-091", "export -f json: elhaz's four keys, indented by 2", '{\n  "access_key": "ASIA', async (side) => {
    return (await side.run("export -n dev")).stdout.slice(0, 23);
  }),
  more(
    ...(["E-092", "export -f env: the four variables, and the region's"] as const),
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION"],
    [
      "AWS_ACCESS_KEY_ID",
      "AWS_SECRET_ACCESS_KEY",
      "AWS_SESSION_TOKEN",
      "AWS_CREDENTIAL_EXPIRATION",
      "AWS_REGION",
      "AWS_DEFAULT_REGION",
    ],
    (side) => variables(side),
  ),
  more(
    ...(["E-093", "export -f credential-process: the document on one line, and the account"] as const),
    [1, ["Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"]],
    [1, ["Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "AccountId"]],
    async (side) => {
      const { stdout } = await side.run("export -n dev -f credential-process");
      return [stdout.trimEnd().split("\n").length, Object.keys(JSON.parse(stdout) as object)];
    },
  ),
  fixed("E-094", "expirations end in Z", false, true, async (side) => {
    return (await credentials(side))["expiry_time"]!.endsWith("Z");
  }),
  same(
    "E-095",
    "export -o hides the keys in all formats and shows the expiration",
    [false, false, false, true],
    async (side) => {
      const { access_key: key } = await credentials(side);
      const shown = await Promise.all(
        ["json", "env", "credential-process"].map(
          async (format) => (await side.run(`export -n dev -o -f ${format}`)).stdout,
        ),
      );
      return [...shown.map((text) => text.includes(key!)), shown[0]!.includes("20")];
    },
  ),
  fixed("E-096", "AWS's own message is shown, after one call", [1, false], [1, true], async (side) => {
    const fail = { code: "AccessDenied", message: "not here, not now", status: 403 };
    side.sts.faults.add({ action: "AssumeRole", roleArn: "arn:aws:iam::111122223333:role/third", fail });
    side.write("third");
    let stderr = "";
    const calls = await callsOf(side, async () => ({ stderr } = await side.run("export -n third")));
    side.sts.faults.clear();
    return [calls, stderr.includes("not here, not now")];
  }),
  more(
    ...(["E-097", "exec: three keys, and what would win over them is removed"] as const),
    ["3", "work"],
    ["5", ""],
    async (side) => {
      const script =
        'env | grep -cE "^AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|CREDENTIAL_EXPIRATION|REGION)="; echo "$AWS_PROFILE"';
      const env = { AWS_PROFILE: "work" };
      return (await side.runWords(["exec", "-n", "dev", "--", "sh", "-c", script], { env })).stdout
        .trimEnd()
        .concat("\n")
        .split("\n")
        .slice(0, 2);
    },
  ),
  onPurpose(
    "E-098",
    "exec without a command says so",
    STATUSES,
    1,
    2,
    async (side) => (await side.run("exec -n dev")).exit,
  ),
  fixed("E-099", "exec: death by a signal is 128+n", 241, 143, async (side) => {
    return (await side.runWords(["exec", "-n", "dev", "--", "sh", "-c", "kill -TERM $$"])).exit;
  }),
  fixed("E-100", "exec: a program that is not there is 127", 1, 127, async (side) => {
    return (await side.run("exec -n dev -- no-such-program")).exit;
  }),
  fixed("E-101", "exec leaves no process of its own behind", false, true, async (side) => {
    const child = await side.runWords(["exec", "-n", "dev", "--", "sh", "-c", "echo $PPID"]);
    return child.stdout.trimEnd() === String(process.pid);
  }),
  fixed(
    "E-107",
    "no expiration in a shell's environment, which botocore takes for its end",
    true,
    false,
    async (side) => {
      const shell = join(side.home, "shell");
      writeFileSync(shell, "#!/bin/sh\nenv\n", { mode: 0o755 });
      return (await side.run("shell -n dev", { env: { SHELL: shell } })).stdout.includes("AWS_CREDENTIAL_EXPIRATION=");
    },
  ),
  same("E-103", "shell runs $SHELL and ends with its status", 7, async (side) => {
    const shell = join(side.home, "shell");
    writeFileSync(shell, "#!/bin/sh\nexit 7\n", { mode: 0o755 });
    return (await side.run("shell -n dev", { env: { SHELL: shell } })).exit;
  }),
  fixed(
    ...([
      "E-106",
      "a tool in the shell renews by what SDKs read (E-104, E-105: in any shell, without a hook)",
    ] as const),
    [true, false],
    [false, true],
    async (side) => {
      const shell = join(side.home, "shell");
      writeFileSync(shell, '#!/bin/sh\nenv\n[ -z "$AWS_CONFIG_FILE" ] || cat "$AWS_CONFIG_FILE"\n', { mode: 0o755 });
      const { stdout } = await side.run("shell -n dev", { env: { SHELL: shell } });
      return [stdout.includes("AWS_CREDENTIAL_PROCESS="), stdout.includes("credential_process = ")];
    },
  ),
  same("E-108", "whoami: the identity that AWS sees", ["UserId", "Account", "Arn"].toSorted(), async (side) => {
    await side.run("daemon add -n dev");
    return Object.keys(JSON.parse((await side.run("whoami -n dev")).stdout) as object).toSorted();
  }),
  fixed("E-020", "--config-dir counts for sessions", [1, 0], [0, 0], async (side) => {
    const directory = join(side.home, "other");
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "there.yaml"), side.text("dev"));
    const options = `-cd ${directory}`;
    return [
      (await side.run(`${options} export -n there`)).exit,
      (await side.run(`${options} config get -n there`)).exit,
    ];
  }),
  fixed("E-034", "PolicyArns reach STS", 1, 0, async (side) => {
    side.write("bound", "  PolicyArns: ['arn:aws:iam::aws:policy/ReadOnlyAccess']\n");
    return (await side.run("export -n bound")).exit;
  }),
  fixed("E-035", "the role session's name says whose it is", "boto3-refresh-session", expectName(), async (side) => {
    side.write("named");
    await side.run("export -n named");
    return side.sts.calls.findLast(({ action }) => action === "AssumeRole")?.parameters["RoleSessionName"];
  }),
  same("E-038", "MFA: the last six digits that the command prints", 0, async (side) => {
    side.write("mfa", `  SerialNumber: ${MFA.serialNumber}\n`, `MFA: {command: [echo, '123456 ${MFA.code}']}\n`);
    return (await side.run("export -n mfa")).exit;
  }),
  onPurpose(
    "E-039",
    "MFA.command without a serial number is an error; a serial number without a command is asked for",
    "src/help/configs.md: a person may be asked for the code",
    [1, 1],
    [1, 5],
    async (side) => {
      side.write("noserial", "", "MFA: {command: [echo, '123456']}\n");
      side.write("nocode", "  SerialNumber: GAHT12345678\n");
      return [(await side.run("export -n noserial")).exit, (await side.run("export -n nocode")).exit];
    },
  ),
  same("E-041", "source credentials of a profile", 0, async (side) => {
    const { accessKeyId, secretAccessKey } = side.sts.root;
    mkdirSync(join(side.home, ".aws"), { recursive: true, mode: 0o700 });
    const keys = `aws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`;
    writeFileSync(join(side.home, ".aws", "credentials"), `[work]\n${keys}`, { mode: 0o600 });
    side.write("profiled", "", "Session: {profile_name: work}\n");
    const { exit } = await side.run("export -n profiled");
    return exit;
  }),
  more("E-117", "a session's expiry is shown", 2, 0, async (side) => {
    return (await side.run("daemon list --long")).exit;
  }),
  fixed("E-017", "an answer in well under 300 ms", false, true, async (side) => {
    await side.run("export -n dev");
    const times: number[] = [];
    for (let round = 0; round < 5; round++) {
      const began = performance.now();
      await side.run("export -n dev -f credential-process");
      times.push(performance.now() - began);
    }
    return Math.min(...times) < 300;
  }),
  fixed("E-118", "a config that was changed counts for the next request", false, true, async (side) => {
    side.write("edited");
    await side.run("export -n edited");
    side.write("edited", "  ExternalId: another\n");
    return (await callsOf(side, () => side.run("export -n edited"))) > 0;
  }),
  fixed("E-119", "source credentials are those of whoever asks", 1, 0, async (side) => {
    await side.run("daemon stop");
    const bare = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined };
    await side.run("daemon start", { env: bare });
    const { exit } = await side.run("export -n dev");
    await restart(side);
    return exit;
  }),
  fixed("E-114", "15 minutes: no STS call for each request", 4, 1, async (side) => {
    side.write("short", "  DurationSeconds: 900\n");
    return callsOf(side, async () => {
      for (let round = 0; round < 4; round++) await side.run("export -n short");
    });
  }),
  // elhaz may be lucky.
  fixed("E-116", "12 at once are one call, and all are served (E-023)", expect.any(Boolean), true, async (side) => {
    side.write("herd");
    let outcomes: Outcome[] = [];
    const calls = await callsOf(side, async () => {
      outcomes = await Promise.all(Array.from({ length: 12 }, () => side.run("export -n herd")));
    });
    return calls === 1 && outcomes.every(({ exit }) => exit === 0);
  }),
  fixed("E-115", "a role whose STS call hangs delays no other (E-074: nor status)", false, true, async (side) => {
    side.write("stuck");
    await credentials(side);
    side.sts.faults.add({ action: "AssumeRole", roleArn: "arn:aws:iam::111122223333:role/stuck", hang: true });
    const before = side.calls();
    const stuck = side.run("-ct 6 export -n stuck");
    await until(() => side.calls() > before);
    const answer = await side.run("-ct 2 export -n dev");
    const status = await side.run("-ct 2 daemon status");
    await stuck;
    side.sts.faults.clear();
    await side.run("daemon kill");
    await restart(side);
    return answer.exit === 0 && status.exit === 0;
  }),
  fixed("E-025", "a wait that is too long is an error of one line", [1, true], [7, false], async (side) => {
    side.sts.faults.add({ action: "AssumeRole", roleArn: "arn:aws:iam::111122223333:role/slow", hang: true });
    side.write("slow");
    const { exit, stderr } = await side.run("-ct 1 export -n slow");
    side.sts.faults.clear();
    await side.run("daemon kill");
    await restart(side);
    return [exit, stderr.includes("Traceback")];
  }),
  same(
    "E-110",
    "the least recently used session gives way, and comes back when it is asked for",
    [1, 0],
    async (side) => {
      await restart(side, "-mdcs 1");
      await side.run("export -n dev");
      await side.run("export -n second");
      const found = [names(await side.run("daemon list")).length, (await side.run("export -n dev")).exit];
      await restart(side);
      return found;
    },
  ),
  same("E-111", "credentials are in no file", [], async (side) => {
    const { secret_key: secret } = await credentials(side);
    const { stdout } = await side.runWords(["-rl", secret!, side.home], { program: "/bin/grep" });
    return names({ exit: 0, stdout, stderr: "" });
  }),
  fixed("E-021", "a long socket path works, or is refused at once", 1, 0, async (side) => {
    const socket = join(side.home, "x".repeat(120), "s.sock");
    const { exit } = await side.run(`-sp ${socket} daemon start`);
    await side.run(`-sp ${socket} daemon stop`);
    return exit;
  }),
  fixed(
    "E-071",
    "a daemon that cannot start says why (E-152: a file in the socket's place)",
    false,
    true,
    async (side) => {
      const socket = join(side.home, "occupied", "s.sock");
      mkdirSync(dirname(socket), { recursive: true, mode: 0o700 });
      writeFileSync(socket, "precious");
      const { stderr } = await side.run(`-sp ${socket} daemon start`);
      return stderr.includes("not a socket") && readFileSync(socket, "utf8") === "precious";
    },
  ),
  same("E-150", "the socket of a daemon that was killed is taken by the next", [0, true], async (side) => {
    await restart(side);
    await killDaemon(side);
    const { exit } = await side.run("daemon start");
    return [exit, await isRunning(side)];
  }),
  same("E-151", "a second daemon in the foreground is refused, and the first stays", [true, true], async (side) => {
    const words = side.name === "elhaz" ? "daemon _serve" : "--daemon";
    const { exit } = await side.run(words);
    return [exit !== 0, await isRunning(side)];
  }),
  same("E-155", "SIGTERM ends it in order, without its socket", false, async (side) => {
    await restart(side);
    await killDaemon(side, "SIGTERM");
    await until(() => !existsSync(side.socket));
    return existsSync(side.socket);
  }),
  onPurpose("E-157", "the log's lines", "src/DESIGN.md#files: JSON lines", false, true, async (side) => {
    return readFileSync(side.log, "utf8").startsWith("{");
  }),
  more("E-160", "service managers", 2, 0, async (side) => (await side.run("service --help")).exit),
  same("E-077", "daemon kill ends it", [0, false], async (side) => {
    await side.run("daemon start");
    return [(await side.run("daemon kill")).exit, await isRunning(side)];
  }),
  fixed("E-158", "the log says who got which config", false, true, async (side) => {
    await restart(side);
    await side.run("export -n dev");
    const line = names(await side.run("daemon logs -t 0")).findLast((text) => /credentials/.test(text)) ?? "";
    return line.includes("dev") && line.includes("pid");
  }),
  same("E-159", "the log has no secret", false, async (side) => {
    const { secret_key: secret } = await credentials(side);
    return readFileSync(side.log, "utf8").includes(secret!);
  }),
  // elhaz's daemon closes every connection when it stops, sometimes before its answer: its first status is 0 or 1.
  same("E-075", "daemon stop: of one that runs, and of none", [true, 0, false], async (side) => {
    await side.run("daemon start");
    const ended = (await side.run("daemon stop")).exit;
    return [ended === 0 || side.name === "elhaz", (await side.run("daemon stop")).exit, await isRunning(side)];
  }),
  onPurpose("E-130", "a line of JSON for each connection", PROTOCOL, "ok", "not JSON", async (side) => {
    await restart(side);
    return asked(side, request("list"));
  }),
  onPurpose("E-131", "no other keys in a request", PROTOCOL, 400, "not JSON", (side) => {
    return asked(side, request("list", {}, { more: 1 }));
  }),
  ...[
    ["E-133", "an answer has ok, and data or error", request("list"), "ok"],
    ["E-134", "add", request("add", { config: "second" }), "ok"],
    ["E-135", "credentials of what was not added: 404", request("credentials", { config: "third" }), 404],
    ["E-136", "list", request("list"), "ok"],
    ["E-137", "remove of what is not there: 404", request("remove", { config: "third" }), 404],
    ["E-138", "whoami of what was not added: 404", request("whoami", { config: "third" }), 404],
    ["E-140", "codes: an unknown action is 400", request("dance"), 400],
    ["E-141", "what is no request is 400", "nonsense", 400],
    ["E-143", "no name leads out of the directory", request("add", { config: "../../x" }), 500],
  ].map(([id, what, line, code]) =>
    onPurpose(id as string, what as string, PROTOCOL, code, "not JSON", (side) => asked(side, line as string)),
  ),
  fixed("E-132", "a version that is not known is refused", "ok", "not JSON", (side) => {
    return asked(side, request("list", {}, { version: 99 }));
  }),
  fixed("E-139", "another client's bytes end no daemon", false, true, async (side) => {
    await asked(side, request("kill"));
    if (side.name === "elhaz") await until(() => !existsSync(side.socket));
    return isRunning(side);
  }),
];

function expectName(): unknown {
  return expect.stringMatching(/^keyhole-[\w.-]+-named$/);
}

/** Of the daemon that listens at the side's socket. */
async function killDaemon(side: Side, signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
  process.kill(await pidOf(side), signal);
}

async function pidOf(side: Side): Promise<number> {
  if (side.name === "keyhole") {
    return (JSON.parse((await side.run("daemon status --json")).stdout) as { pid: number }).pid;
  }
  for (const name of readdirSync("/proc").filter((entry) => /^[0-9]+$/.test(entry))) {
    const words = commandOf(name);
    if (words.includes(side.socket) && words.includes("_serve")) return Number(name);
  }
  throw new Error("elhaz's daemon was not found");
}

/** Empty for a process that has ended meanwhile. */
function commandOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}
