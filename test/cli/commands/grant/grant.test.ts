import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { KeyholeError } from "../../../../src/errors.ts";
import type { GrantInfo, RequestOf } from "../../../../src/wire/messages.ts";
import { grantInfo, NO_TERMS } from "../../../grants/fakes/grants.ts";
import { type FakeDaemon, type Script, startFakeDaemon } from "../../fakes/daemon.ts";
import { keyhole, NOW, type WorldOptions } from "../../fakes/world.ts";

/** Knows these grants, and makes every one that it is asked for. */
function daemonOf(grants: readonly GrantInfo[] = [], script: Script = {}): FakeDaemon {
  return startFakeDaemon({
    GrantsList: () => ({ grants: [...grants] }),
    GrantSource: () => ({
      directory: "/home/ann/configs",
      environment: [{ name: "AWS_PROFILE", value: "p" }],
      endpoint: "http://127.0.0.1:1",
    }),
    GrantMake: ({ ttlSeconds, name, config, deliver, tags, rate }) =>
      grantInfo({
        name,
        config,
        deliver,
        tags,
        rate,
        createdAt: NOW,
        endsAt: ttlSeconds === undefined ? undefined : NOW + ttlSeconds * 1000,
      }),
    GrantRevoke: ({ name }) => grantInfo({ name, state: "revoked", revokedAt: NOW }),
    GrantRemove: () => ({}),
    ...script,
  });
}

function refuseTwin(): never {
  throw new KeyholeError("grant-exists", "grant agent-a exists");
}

const questionOf = (id: number, text: string) => ({ id, grant: "agent-a", text });

function run(daemon: FakeDaemon, words: string | readonly string[], options: WorldOptions = {}) {
  const environment = { KEYHOLE_HOME: daemon.home, KEYHOLE_SOCKET: daemon.socket, ...options.environment };
  return keyhole(typeof words === "string" ? words.split(" ") : words, { ...options, environment });
}

/** Not this machine's. */
const OTHER_ARCH = process.arch === "arm64" ? "amd64" : "arm64";

const requestOf = (daemon: FakeDaemon) => daemon.requests.at(-1)!.body as RequestOf<"GrantMake">;

describe("grant add", () => {
  test("prints the directory alone on stdout, and what was made on stderr", async () => {
    await using daemon = daemonOf();
    const result = await run(daemon, "grant add agent-a --config dev --ttl 8h");
    expect(result).toMatchObject({ exit: 0, stdout: `${grantInfo().directory}\n` });
    expect(result.stderr).toBe(
      "grant agent-a gives dev over a socket, for 8 h\nkeyhole: hint: keyhole grant show agent-a --for docker\n",
    );
  });

  test("with --json prints everything", async () => {
    await using daemon = daemonOf();
    const { stdout } = await run(daemon, "grant add agent-a --config dev --ttl 90m --tag team=a --json");
    expect(JSON.parse(stdout)).toMatchObject({
      name: "agent-a",
      endsAt: "2026-11-20T13:30:00.000Z",
      tags: { team: "a" },
      rate: "10/s",
    });
  });

  test.each([
    ["--executable full", { executable: "full", arch: undefined }],
    ["--executable small --arch arm64", { executable: "small", arch: "arm64" }],
    ["--arch amd64", { executable: "small", arch: "amd64" }],
    ["--executable none", { executable: "none", arch: undefined }],
    ["--no-executable", { executable: "none", arch: undefined }],
    ["--no-executable --executable none", { executable: "none", arch: undefined }],
    ["--executable full --deliver file --mount-at host", { executable: "none", arch: undefined }],
  ])("%s puts that executable into the directory", async (words, terms) => {
    await using daemon = daemonOf();
    expect(await run(daemon, `grant add agent-a --config dev ${words}`)).toMatchObject({ exit: 0 });
    expect(requestOf(daemon)).toMatchObject(terms);
  });

  test.each([
    ["--executable full --no-executable", "--no-executable and --executable full exclude each other"],
    [`--executable full --arch ${OTHER_ARCH}`, `not one for ${OTHER_ARCH}: use the small one with --arch`],
    ["--arch sparc", "must be one of amd64, arm64"],
  ])("%s is a mistake", async (words, message) => {
    await using daemon = daemonOf();
    const result = await run(daemon, `grant add agent-a --config dev ${words}`);
    expect(result.exit).toBe(2);
    expect(result.stderr).toContain(message);
    expect(daemon.requests).toEqual([]);
  });

  test("says what the full executable costs", async () => {
    const made = grantInfo({ executable: "full", executableBytes: 110 * 2 ** 20 });
    await using copied = daemonOf([], { GrantMake: () => made });
    const words = "grant add agent-a --config dev --executable full";
    expect((await run(copied, words)).stderr).toContain("the executable of agent-a takes 110.0 MiB on the disk\n");
    await using shared = daemonOf([], { GrantMake: () => ({ ...made, executableBytes: 0 }) });
    expect((await run(shared, words)).stderr).toContain("shares the disk with what it was copied from\n");
  });

  test("without terms asks for the defaults", async () => {
    await using daemon = daemonOf();
    await run(daemon, "grant add agent-a --config dev");
    const { environment, ...terms } = requestOf(daemon);
    expect(environment.map(({ name }) => name)).toEqual(["KEYHOLE_HOME", "KEYHOLE_SOCKET"]);
    expect(terms).toEqual({ directory: "", name: "agent-a", config: "dev", ...NO_TERMS, ttlSeconds: undefined });
  });

  test("sends every term as it was given", async () => {
    await using daemon = daemonOf();
    const words = [
      ..."grant add agent-a --config dev --ttl 8h --duration 1h --mount-at /opt/aws --no-executable".split(" "),
      ..."--policy-arn arn:aws:iam::aws:policy/A --policy-arn arn:aws:iam::aws:policy/B --tag a=b=c --tag d=".split(
        " ",
      ),
      ..."--source-identity ada --allow-uid 1000 --allow-uid 0 --allow-gid 5 --rate 5/m --max-uses 3 --confirm".split(
        " ",
      ),
    ];
    expect(await run(daemon, words)).toMatchObject({ exit: 0 });
    expect(requestOf(daemon)).toMatchObject({
      ttlSeconds: 28_800,
      durationSeconds: 3600,
      mountAt: "/opt/aws",
      executable: "none",
      policyArns: ["arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B"],
      tags: [
        { key: "a", value: "b=c" },
        { key: "d", value: "" },
      ],
      sourceIdentity: "ada",
      allowUids: [1000, 0],
      allowGids: [5],
      rate: { count: 5, milliseconds: 60_000 },
      maxUses: 3,
      confirm: true,
    });
  });

  test("sends what selects source credentials, and of a desktop only with --confirm what asks there", async () => {
    await using daemon = daemonOf();
    const environment = { AWS_PROFILE: "base", DISPLAY: ":0", SSH_ASKPASS: "/bin/ask", GITHUB_TOKEN: "SECRET" };
    const sent = async (words: string) => {
      await run(daemon, words, { environment });
      return requestOf(daemon).environment.map(({ name }) => name);
    };
    const plain = await sent("grant add agent-a --config dev");
    expect(plain).toContain("AWS_PROFILE");
    expect(plain).not.toContain("DISPLAY");
    expect(plain).not.toContain("GITHUB_TOKEN");
    expect(await sent("grant add agent-a --config dev --confirm")).toEqual(
      expect.arrayContaining(["AWS_PROFILE", "DISPLAY", "SSH_ASKPASS"]),
    );
  });

  test("reads a policy from a file, and a preset by the role's partition", async () => {
    await using daemon = daemonOf();
    mkdirSync(`${daemon.home}/configs`, { mode: 0o700 });
    const config = "AssumeRole:\n  RoleArn: arn:aws-cn:iam::111122223333:role/dev\n";
    writeFileSync(`${daemon.home}/configs/dev.yaml`, config, { mode: 0o600 });
    writeFileSync(`${daemon.home}/p.json`, '{ "Version": "2012-10-17",\n "Statement": [] }');
    const host = { cwd: () => daemon.home };
    await run(daemon, "grant add agent-a --config dev --policy p.json", { host });
    expect(requestOf(daemon).policy).toBe('{"Version":"2012-10-17","Statement":[]}');
    await run(daemon, "grant add agent-a --config dev --policy read-only");
    expect(requestOf(daemon).policyArns).toEqual(["arn:aws-cn:iam::aws:policy/ReadOnlyAccess"]);
    const missing = await run(daemon, "grant add agent-a --config dev --policy none.json", { host });
    expect(missing).toMatchObject({ exit: 2, stdout: "" });
  });

  test.each([
    ["no config", "agent-a", "--config is missing, or --profile"],
    ["no name of a grant", "Agent_A --config dev", "a grant's name"],
    ["no name of a config", "agent-a --config ../x", "a config's name"],
    ["no span", "agent-a --config dev --ttl soon", "--ttl must be"],
    ["no duration", "agent-a --config dev --duration 0", "--duration must be"],
    ["no rate", "agent-a --config dev --rate 10", "--rate must be"],
    ["no tag", "agent-a --config dev --tag =x", "--tag must be K=V"],
    ["no uid", "agent-a --config dev --allow-uid root", "--allow-uid must be"],
    ["the uid of nobody", "agent-a --config dev --allow-uid 4294967295", "--allow-uid must be"],
    ["no use", "agent-a --config dev --max-uses 0", "--max-uses must be"],
    ["a relative mount point", "agent-a --config dev --mount-at run", "--mount-at must be"],
    ["no delivery", "agent-a --config dev --deliver pigeon", "--deliver must be one of socket, file"],
    ["uses of a file", "agent-a --config dev --deliver file --max-uses 3", "--max-uses is for sockets"],
    ["a rate of a file", "agent-a --config dev --deliver file --rate 5/s", "--rate is for sockets"],
    ["questions before a file", "agent-a --config dev --deliver file --confirm", "--confirm is for sockets"],
    [
      "a config that is not there, which a policy needs",
      "agent-a --config dev --policy read-only",
      "there is no config dev",
    ],
  ])("%s is an error before anybody is asked", async (_, words, message) => {
    await using daemon = daemonOf();
    const result = await run(daemon, `grant add ${words}`);
    expect(result.exit).toBe(message.includes("there is no") ? 4 : 2);
    expect(result).toMatchObject({ stdout: "" });
    expect(result.stderr).toStartWith(`keyhole: error: ${message}`);
    expect(daemon.connections()).toBe(0);
  });

  test("a file is read with cat, so no executable is put there", async () => {
    await using daemon = daemonOf();
    await run(daemon, "grant add agent-a --config dev --deliver file --mount-at host");
    expect(requestOf(daemon)).toMatchObject({ deliver: "file", executable: "none", mountAt: "host" });
  });

  test("what the daemon refuses is printed, and no directory", async () => {
    await using daemon = daemonOf([], { GrantMake: refuseTwin });
    const result = await run(daemon, "grant add agent-a --config dev");
    expect(result).toMatchObject({ exit: 1, stdout: "" });
    expect(result.stderr).toContain("grant agent-a exists");
  });
});

test.each(["add b --config dev", "list", "show agent-a", "path agent-a", "revoke agent-a", "remove -y agent-a"])(
  "grant %s wants a daemon that stays",
  async (words) => {
    await using daemon = daemonOf([grantInfo()]);
    const result = await run(daemon, `grant ${words}`, { environment: { KEYHOLE_DISABLE: "1" } });
    expect(result).toMatchObject({ exit: 2, stdout: "" });
    expect(result.stderr).toContain("KEYHOLE_DISABLE");
    expect(daemon.connections()).toBe(0);
  },
);

describe("grant list", () => {
  const grants = [
    grantInfo({ name: "b", endsAt: NOW + 3_600_000, maxUses: 5, executable: "none" }),
    grantInfo({ name: "a", state: "revoked", endsAt: NOW - 1 }),
  ];

  test("is a table by name", async () => {
    await using daemon = daemonOf(grants);
    const { stdout } = await run(daemon, "grant list");
    expect(stdout.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
      ["GRANT", "CONFIG", "STATE", "ENDS IN", "DELIVER", "USES", "WEIGHT"],
      ["a", "dev", "revoked", "ended", "socket", "3", "20 KiB"],
      ["b", "dev", "active", "1 h", "socket", "3 of 5", "-"],
      [""],
    ]);
  });

  test("in JSON is an array, and of none a line on stderr", async () => {
    await using daemon = daemonOf(grants);
    const { stdout } = await run(daemon, "grant list --json");
    expect((JSON.parse(stdout) as GrantInfo[]).map(({ name }) => name)).toEqual(["a", "b"]);
    await using empty = daemonOf();
    expect(await run(empty, "grant list")).toMatchObject({ exit: 0, stdout: "", stderr: "no grants\n" });
  });

  test("of names alone asks nobody", async () => {
    await using daemon = daemonOf(grants);
    mkdirSync(`${daemon.home}/grants`, { mode: 0o700 });
    writeFileSync(`${daemon.home}/grants/agent-a.yaml`, "x", { mode: 0o600 });
    expect(await run(daemon, "grant list --names")).toMatchObject({ exit: 0, stdout: "agent-a\n" });
    expect(daemon.connections()).toBe(0);
  });
});

describe("grant show and grant path", () => {
  test("show everything that there is", async () => {
    const grant = grantInfo({
      packedPolicySize: 7,
      lastError: "AccessDenied: no",
      notes: ["a note"],
      tags: [{ key: "a", value: "b" }],
    });
    await using daemon = daemonOf([grant]);
    const { stdout } = await run(daemon, "grant show agent-a");
    for (const text of ["packed policy size  7 %", "note: a note", "last error: AccessDenied: no", "a=b", "(in 1 h)"]) {
      expect(stdout).toContain(text);
    }
    for (const text of [
      "configs             /home/ann/configs",
      "source              AWS_PROFILE=p",
      "http://127.0.0.1:1",
    ]) {
      expect(stdout).toContain(text);
    }
    expect(JSON.parse((await run(daemon, "grant show agent-a --json")).stdout)).toMatchObject({
      packedPolicySize: 7,
      source: { directory: "/home/ann/configs", selection: { AWS_PROFILE: "p" }, endpoint: "http://127.0.0.1:1" },
    });
  });

  test("print a recipe alone on stdout, and say where it gives nothing any more", async () => {
    await using daemon = daemonOf([grantInfo({ state: "revoked" })]);
    const result = await run(daemon, "grant show agent-a --for docker");
    expect(result.stdout).toStartWith("# with SELinux");
    expect(result.stderr).toEndWith("\nkeyhole: warning: grant agent-a is revoked: it gives nothing any more\n");
  });

  test("print the directory", async () => {
    await using daemon = daemonOf([grantInfo()]);
    expect(await run(daemon, "grant path agent-a")).toMatchObject({ stdout: `${grantInfo().directory}\n`, stderr: "" });
  });

  test("of a grant that is not there say so, with the one that was meant", async () => {
    await using daemon = daemonOf([grantInfo()]);
    for (const words of ["grant show agent-b", "grant path agent-b"]) {
      const result = await run(daemon, words);
      expect(result).toMatchObject({ exit: 4, stdout: "" });
      expect(result.stderr).toContain("there is no grant agent-b, did you mean agent-a");
    }
  });
});

describe("grant revoke", () => {
  test("is done first, and says what it cannot end", async () => {
    await using daemon = daemonOf();
    const result = await run(daemon, "grant revoke agent-a");
    expect(result).toMatchObject({ exit: 0, stdout: "" });
    expect(result.stderr).toContain("grant agent-a revoked\n");
    expect(result.stderr).toContain("work for 1 h more");
    expect(daemon.requests).toEqual([{ name: "GrantRevoke", body: { name: "agent-a" } }]);
  });

  test("with --print-iam prints the statement that ends the rest, and how to put it there", async () => {
    await using daemon = daemonOf([grantInfo({ state: "revoked" })]);
    const result = await run(daemon, "grant revoke agent-a --print-iam");
    expect(JSON.parse(result.stdout)).toMatchObject({ Statement: [{ Effect: "Deny", Action: "*" }] });
    expect(result.stdout).toContain("keyhole-agent-a-01234567");
    expect(result.stderr).toContain("keyhole: hint: aws iam put-role-policy --role-name dev");
    const { stdout } = await run(daemon, "grant revoke agent-a --print-iam --json");
    expect(JSON.parse(stdout)).toMatchObject({ state: "revoked", iam: { command: expect.any(String) } });
  });

  test("is done where the statement is not known", async () => {
    await using daemon = daemonOf([], { GrantRevoke: () => grantInfo({ state: "revoked", roleArn: undefined }) });
    const result = await run(daemon, "grant revoke agent-a --print-iam");
    expect(result).toMatchObject({ exit: 4, stdout: "" });
    expect(result.stderr).toContain("the grant is revoked; its IAM policy is not known");
  });
});

describe("grant remove", () => {
  test("asks first, and a No is an answer", async () => {
    await using daemon = daemonOf();
    expect(await run(daemon, "grant remove agent-a", { answers: [false] })).toMatchObject({ exit: 0, stderr: "" });
    expect(daemon.connections()).toBe(0);
    const removed = await run(daemon, "grant remove agent-a", { answers: [true] });
    expect(removed).toMatchObject({ exit: 0, stderr: "grant agent-a removed\n" });
    expect(daemon.requests).toEqual([{ name: "GrantRemove", body: { name: "agent-a" } }]);
  });

  test("needs --yes where nobody can be asked", async () => {
    await using daemon = daemonOf();
    expect(await run(daemon, "grant remove agent-a")).toMatchObject({ exit: 2, stdout: "" });
    const result = await run(daemon, "grant remove agent-a -y --json");
    expect(JSON.parse(result.stdout)).toEqual({ removed: "agent-a" });
  });
});

describe("grant confirm", () => {
  test("refuses without a terminal", async () => {
    await using daemon = daemonOf();
    expect(await run(daemon, "grant confirm")).toMatchObject({ exit: 2, stdout: "" });
    expect(daemon.connections()).toBe(0);
  });

  test("asks each question, sends the answers, and ends with ^C", async () => {
    const questions = [undefined, questionOf(7, "first?"), questionOf(8, "second?"), questionOf(9, "third?")];
    let at = 0;
    const answered: unknown[] = [];
    await using daemon = daemonOf([], {
      GrantQuestion: () => ({ question: questions[at++] }),
      GrantAnswer: (answer) => {
        answered.push(answer);
        return {};
      },
    });
    const result = await run(daemon, "grant confirm", { answers: [true, false] });
    expect(result).toMatchObject({ exit: 130, questions: ["first?", "second?", "third?"] });
    expect(answered).toEqual([
      { id: 7, allow: true },
      { id: 8, allow: false },
    ]);
  });
});

describe("grant set", () => {
  test("asks for another executable, and says what it takes", async () => {
    await using daemon = daemonOf([grantInfo({ executable: "full" })], {
      GrantSet: ({ name, executable }) => grantInfo({ name, executable }),
    });
    const result = await run(daemon, "grant set agent-a --executable small --arch arm64");
    expect(result).toMatchObject({ exit: 0, stdout: "" });
    expect(result.stderr).toBe("the executable of agent-a takes 20 KiB on the disk\n");
    expect(daemon.requests.at(-1)!.body).toEqual({ name: "agent-a", executable: "small", arch: "arm64" });
    expect(JSON.parse((await run(daemon, "grant set agent-a --executable small --json")).stdout)).toMatchObject({
      name: "agent-a",
      executable: "small",
    });
  });

  test.each([
    ["agent-a", 2],
    ["agent-a --executable none", 2],
    [`agent-a --executable full --arch ${OTHER_ARCH}`, 2],
    ["agent-b --executable full", 4],
  ])("%s is refused", async (words, exit) => {
    await using daemon = daemonOf([grantInfo()]);
    expect(await run(daemon, `grant set ${words}`)).toMatchObject({ exit, stdout: "" });
    expect(daemon.requests.filter(({ name }) => name === "GrantSet")).toEqual([]);
  });
});
