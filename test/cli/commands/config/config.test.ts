// The commands without a terminal. Prompts are in prompts.test.ts, the editor in editor.test.ts.
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { KeyholeError } from "../../../../src/errors.ts";
import { startFakeDaemon, temporaryHome } from "../../fakes/daemon.ts";
import { keyhole, type WorldOptions } from "../../fakes/world.ts";

const ROLE = "arn:aws:iam::123456789012:role/demo";
const COMMENTED = `# mine\nAssumeRole:\n  RoleArn: ${ROLE} # keep\n  DurationSeconds: 900\n`;

const homes: string[] = [];
let home = "";
beforeEach(() => {
  home = temporaryHome();
  homes.push(home);
});
afterAll(() => homes.forEach((path) => fs.rmSync(path, { recursive: true, force: true })));

function config(words: readonly string[], options: WorldOptions = {}) {
  return keyhole(["config", ...words], { environment: { KEYHOLE_HOME: home }, ...options });
}

const fileOf = (name: string) => `${home}/configs/${name}.yaml`;
const textOf = (name: string) => fs.readFileSync(fileOf(name), "utf8");

function put(name: string, text: string): void {
  fs.mkdirSync(`${home}/configs`, { recursive: true, mode: 0o700 });
  fs.writeFileSync(fileOf(name), text, { mode: 0o644 });
}

const files = (...texts: string[]): WorldOptions => ({ host: { readForeign: () => Promise.resolve(texts) } });
const stdin = (text: string): WorldOptions => ({ host: { readStdin: () => Promise.resolve(text) } });

describe("config add", () => {
  test("saves what the flags say, with private modes, and says so on stderr", async () => {
    const settings = ["AssumeRole.DurationSeconds=3600", "AssumeRole.Tags=team=web", "Session.profile_name=dev"];
    const result = await config([
      "add",
      "-n",
      "dev",
      "--role-arn",
      ROLE,
      ...settings.flatMap((each) => ["--set", each]),
    ]);
    const missing =
      "keyhole: warning: Session.profile_name: there is no profile 'dev'\nkeyhole: hint: aws configure list-profiles\n";
    expect(result).toEqual({ exit: 0, stdout: "", stderr: `${missing}config dev created\n`, questions: [] });
    expect(textOf("dev")).toBe(
      `AssumeRole:\n  RoleArn: ${ROLE}\n  DurationSeconds: 3600\n  Tags:\n    - Key: team\n      Value: web\nSession:\n  profile_name: dev\n`,
    );
    expect(fs.statSync(fileOf("dev")).mode & 0o777).toBe(0o600);
    expect(fs.statSync(`${home}/configs`).mode & 0o777).toBe(0o700);
  });

  test.each([
    ["AssumeRole.DurationSeconds=60", "AssumeRole.DurationSeconds is below 900 seconds, which AWS refuses"],
    ["Session.region_name=eu-wset-1", "Session.region_name is not called as AWS calls its regions, like eu-west-1"],
    ["STS.region_name=Frankfurt", "STS.region_name is not called as AWS calls its regions, like eu-west-1"],
    [`AssumeRole.RoleArn=${ROLE}/`, "AssumeRole.RoleArn ends with a slash, and no role's name does"],
  ])("saves what is odd and says so: %s", async (setting, warning) => {
    const result = await config(["add", "dev", "--from-file", "-", "--set", setting], stdin(COMMENTED));
    expect([result.exit, result.stderr]).toEqual([0, `keyhole: warning: ${warning}\nconfig dev created\n`]);
    const other = ["--set", setting, "--set", "STS.endpoint_url=http://127.0.0.1:1"];
    const elsewhere = await config(["add", "other", "--from-file", "-", ...other], stdin(COMMENTED));
    expect(elsewhere.stderr).toBe("config other created\n");
  });

  test.each([
    "eu-west-1",
    "us-gov-east-1",
    "ap-southeast-3",
    "il-central-1",
    "us-isob-east-1",
    "mx-central-1",
    "eusc-de-east-1",
  ])("takes %s for a region", async (region) => {
    const partition = { us: region.includes("gov") ? "aws-us-gov" : "aws-iso-b", eusc: "aws-eusc" }[
      region.split("-")[0]!
    ];
    const role = ROLE.replace("arn:aws:", `arn:${partition ?? "aws"}:`);
    const words = ["add", "dev", "--role-arn", role, "--set", `Session.region_name=${region}`];
    expect((await config(words)).stderr).toBe("config dev created\n");
  });

  test("takes a file as it is, comments and all, and flags on top", async () => {
    fs.writeFileSync(`${home}/new.yaml`, COMMENTED);
    await config(["add", "-n", "a", "--from-file", `${home}/new.yaml`]);
    expect(textOf("a")).toBe(COMMENTED);
    await config(["add", "-n", "b", "--from-file", "new.yaml", "--set", "AssumeRole.DurationSeconds=1200"], {
      host: { cwd: () => home },
    });
    expect(textOf("b")).toBe(COMMENTED.replace("900", "1200"));
  });

  test("takes stdin, JSON as well as YAML", async () => {
    const json = JSON.stringify({ AssumeRole: { RoleArn: ROLE } }, undefined, 2);
    expect((await config(["add", "-n", "dev", "--from-file", "-"], stdin(json))).exit).toBe(0);
    expect(JSON.parse((await config(["get", "-n", "dev"])).stdout)).toEqual({ AssumeRole: { RoleArn: ROLE } });
  });

  test("shows every problem, and saves nothing", async () => {
    const result = await config(["add", "-n", "dev", "--role-arn", "x", "--set", "AssumeRole.ExternalId=a b"]);
    expect([result.exit, result.stderr]).toEqual([
      1,
      "keyhole: error: AssumeRole.RoleArn must be the ARN of a role, like arn:aws:iam::123456789012:role/NAME\n" +
        "  AssumeRole.ExternalId must be 2 to 1224 letters, digits or _+=,.@:/-\n" +
        "keyhole: hint: keyhole config add --help\n",
    ]);
    expect(fs.existsSync(`${home}/configs`)).toBeFalse();
  });

  test("names file and line of a problem in a file", async () => {
    const result = await config(["add", "-n", "dev", "--from-file", "-"], stdin("AssumeRole:\n  RoleArn: x\n  a: 1"));
    expect(result.stderr).toStartWith("keyhole: error: stdin: line 2: AssumeRole.RoleArn must be");
    expect(result.stderr).toContain("\n  stdin: line 3: AssumeRole.a is no key of the schema");
  });

  test("keeps a config that is there, unless it is forced", async () => {
    put("dev", COMMENTED);
    const refused = await config(["add", "-n", "dev", "--role-arn", ROLE]);
    expect([refused.exit, refused.stderr]).toEqual([
      1,
      "keyhole: error: config dev exists; --force replaces it\nkeyhole: hint: keyhole config update -n dev\n",
    ]);
    expect(textOf("dev")).toBe(COMMENTED);
    expect((await config(["add", "-n", "dev", "--role-arn", ROLE, "--force"])).exit).toBe(0);
    expect(textOf("dev")).toBe(`AssumeRole:\n  RoleArn: ${ROLE}\n`);
  });

  test("is kept by a No, which is no failure, and replaced by a Yes", async () => {
    put("dev", COMMENTED);
    const words = ["add", "-n", "dev", "--role-arn", ROLE];
    const no = await config(words, { answers: [false] });
    expect([no.exit, no.questions, textOf("dev")]).toEqual([0, ["Config dev already exists. Overwrite?"], COMMENTED]);
    await config(words, { answers: [true] });
    expect(textOf("dev")).not.toBe(COMMENTED);
  });

  test("that fails to replace a config leaves it as it was", async () => {
    put("dev", COMMENTED);
    expect((await config(["add", "-n", "dev", "--role-arn", "x", "--force"])).exit).toBe(1);
    expect(textOf("dev")).toBe(COMMENTED);
  });

  test.each<[words: string[], missing: string]>([
    [["add"], "-n NAME is missing"],
    [["add", "-n", "dev"], "--role-arn ARN or --from-file FILE is missing"],
    [["add", "-n", "dev", "--editor"], "an editor needs a terminal"],
    [["add", "-n", "a b", "--role-arn", ROLE], "a config's name has 1 to 128 of a-z, A-Z, 0-9, - and _"],
    [["add", "-n", "../x", "--role-arn", ROLE], "a config's name has 1 to 128 of a-z, A-Z, 0-9, - and _"],
    [["add", "-n", "dev", "--from-file", "/dev/null/x"], "cannot read /dev/null/x (ENOTDIR)"],
  ])("%j without a terminal is a usage error", async (words, missing) => {
    const result = await config(words);
    expect([result.exit, result.stderr.split("\n")[0]]).toEqual([2, `keyhole: error: ${missing}`]);
    expect(fs.existsSync(`${home}/configs`)).toBeFalse();
  });

  test("warns of a secret on the command line, without repeating it", async () => {
    const keys = ["STS.aws_access_key_id=AKIAX", "STS.aws_secret_access_key=CANARY"];
    const result = await config(["add", "-n", "dev", "--role-arn", ROLE, ...keys.flatMap((each) => ["--set", each])]);
    expect(result.exit).toBe(0);
    expect(result.stderr).toStartWith("keyhole: warning: STS.aws_secret_access_key was given on the command line");
    expect(result.stderr).not.toContain("CANARY");
  });

  test("says what is odd and works", async () => {
    const settings = ["SerialNumber=arn:aws:iam::123456789012:mfa/x", "TokenCode=012345"].map(
      (each) => `AssumeRole.${each}`,
    );
    const words = [
      "add",
      "-n",
      "dev",
      "--role-arn",
      ROLE,
      ...[...settings, "MFA.command=x"].flatMap((each) => ["--set", each]),
    ];
    expect((await config(words)).stderr).toBe(
      "keyhole: warning: AssumeRole.TokenCode is ignored, because MFA.command gives the code\nconfig dev created\n",
    );
  });
});

describe("config update", () => {
  beforeEach(() => put("dev", COMMENTED));

  test("changes one value and keeps comments", async () => {
    const result = await config(["update", "-n", "dev", "--set", "AssumeRole.DurationSeconds=3600"]);
    expect(result).toEqual({ exit: 0, stdout: "", stderr: "config dev updated\n", questions: [] });
    expect(textOf("dev")).toBe(COMMENTED.replace("900", "3600"));
    await config(["update", "-n", "dev", "--unset", "AssumeRole.DurationSeconds"]);
    expect(textOf("dev")).toBe(COMMENTED.replace("  DurationSeconds: 900\n", ""));
  });

  test("that fails leaves the file as it was, down to its inode", async () => {
    const before = fs.statSync(fileOf("dev")).ino;
    const result = await config(["update", "-n", "dev", "--set", "AssumeRole.DurationSeconds=0"]);
    expect([result.exit, result.stderr.split("\n")[0]]).toEqual([
      1,
      "keyhole: error: dev: line 4: AssumeRole.DurationSeconds must be a whole number of seconds above 0",
    ]);
    expect((await config(["update", "-n", "dev", "--unset", "AssumeRole.RoleArn"])).exit).toBe(1);
    expect([textOf("dev"), fs.statSync(fileOf("dev")).ino]).toEqual([COMMENTED, before]);
  });

  test("from a file replaces the text", async () => {
    const text = `AssumeRole: {RoleArn: "${ROLE}2"}\n`;
    await config(["update", "-n", "dev", "--from-file", "-"], stdin(text));
    expect(textOf("dev")).toBe(text);
  });

  test("says so where comments could not be kept", async () => {
    put("flow", `# mine\n{AssumeRole: {RoleArn: "${ROLE}"}}\n`);
    const result = await config(["update", "-n", "flow", "--set", "pin=true"]);
    expect(result.stderr).toBe("keyhole: warning: comments in flow could not be kept\nconfig flow updated\n");
  });

  test("that changes nothing writes nothing", async () => {
    const result = await config(["update", "-n", "dev", "--unset", "pin"]);
    expect([result.exit, result.stderr]).toEqual([0, "nothing to change\n"]);
  });

  test("of a config that is not there is exit 4, and creates none", async () => {
    expect((await config(["update", "-n", "nope", "--set", "pin=true"])).exit).toBe(4);
    expect(fs.existsSync(fileOf("nope"))).toBeFalse();
  });

  test.each<[words: string[], missing: string]>([
    [["update"], "-n NAME is missing"],
    [["update", "-n", "dev"], "--set, --unset or --from-file is missing"],
    [["update", "-n", "dev", "--editor"], "an editor needs a terminal"],
    [["update", "-n", "dev", "--set", "pin"], "--set needs PATH=VALUE"],
  ])("%j without a terminal is a usage error", async (words, missing) => {
    const result = await config(words);
    expect([result.exit, result.stderr.split("\n")[0]]).toEqual([2, `keyhole: error: ${missing}`]);
  });
});

describe("config get, list and meta", () => {
  test("get prints JSON with two spaces, and hides what elhaz hides", async () => {
    put("dev", COMMENTED);
    expect((await config(["get", "-n", "dev"])).stdout).toBe(
      `${JSON.stringify({ AssumeRole: { RoleArn: ROLE, DurationSeconds: 900 } }, undefined, 2)}\n`,
    );
    expect(JSON.parse((await config(["get", "-n", "dev", "-o"])).stdout)).toEqual({
      AssumeRole: { RoleArn: "***", DurationSeconds: 900 },
    });
  });

  test("get of a config that is not there is exit 4, or an offer to create it", async () => {
    expect((await config(["get", "-n", "nope"])).exit).toBe(4);
    const offered = await config(["get", "-n", "nope"], { answers: [false] });
    expect([offered.exit, offered.stdout, offered.questions]).toEqual([0, "", ["There is no config nope. Create it?"]]);
  });

  test("get of an invalid file shows its problems on stderr alone", async () => {
    put("dev", "AssumeRole: {}\n");
    const result = await config(["get", "-n", "dev"]);
    expect([result.exit, result.stdout]).toEqual([1, ""]);
    expect(result.stderr).toBe(
      `keyhole: error: ${fileOf("dev")}: line 1: AssumeRole.RoleArn is required\nkeyhole: hint: keyhole config update --editor -n dev\n`,
    );
  });

  test("list prints sorted names, or nothing and a word on stderr", async () => {
    expect(await config(["list"])).toEqual({ exit: 0, stdout: "", stderr: "no configs found\n", questions: [] });
    expect((await config(["list", "--json"])).stdout).toBe("[]\n");
    for (const name of ["b", "a"]) put(name, COMMENTED);
    expect((await config(["list"])).stdout).toBe("a\nb\n");
    expect(JSON.parse((await config(["list", "--json"])).stdout)).toEqual(["a", "b"]);
  });

  test("--config-dir takes elhaz's directory as it is", async () => {
    fs.mkdirSync(`${home}/.elhaz/configs`, { recursive: true, mode: 0o755 });
    fs.writeFileSync(`${home}/.elhaz/configs/old.yaml`, COMMENTED, { mode: 0o644 });
    const result = await config(["--config-dir", `${home}/.elhaz/configs`, "list"]);
    expect(result.stdout).toBe("old\n");
  });

  test("meta prints the description, or says that there is none", async () => {
    put("dev", `${COMMENTED}Meta:\n  description: for me\n`);
    put("bare", COMMENTED);
    expect(JSON.parse((await config(["meta", "-n", "dev"])).stdout)).toEqual({ description: "for me" });
    expect(await config(["meta", "-n", "bare"])).toEqual({
      exit: 0,
      stdout: "",
      stderr: "no metadata found for config bare\n",
      questions: [],
    });
    expect((await config(["meta", "-n", "nope"])).exit).toBe(4);
  });
});

describe("config remove", () => {
  beforeEach(() => put("dev", COMMENTED));

  test("asks, and a No is no failure", async () => {
    const no = await config(["remove", "-n", "dev"], { answers: [false] });
    expect([no.exit, no.questions, fs.existsSync(fileOf("dev"))]).toEqual([0, ["Remove config dev?"], true]);
    expect((await config(["remove", "-n", "dev"], { answers: [true] })).exit).toBe(0);
    expect(fs.existsSync(fileOf("dev"))).toBeFalse();
  });

  test("does not ask with --yes, and needs it without a terminal", async () => {
    const refused = await config(["remove", "-n", "dev"]);
    expect([refused.exit, refused.stderr.split("\n")[0]]).toEqual([2, "keyhole: error: --yes is missing"]);
    expect((await config(["remove", "-n", "dev", "--yes"])).stderr).toBe("config dev removed\n");
    expect((await config(["remove", "-n", "dev", "--yes"])).exit).toBe(4);
  });

  test("removes a file that is not valid", async () => {
    put("dev", "a: 1\na: 2\n");
    expect((await config(["remove", "-n", "dev", "--yes"])).exit).toBe(0);
  });

  test.each<[title: string, answer: () => object]>([
    ["a session", () => ({})],
    [
      "no session",
      () => {
        throw new KeyholeError("no-such-session", "no session dev");
      },
    ],
  ])("evicts the daemon's session: %s", async (_, answer) => {
    await using daemon = startFakeDaemon({ Remove: answer });
    const words = ["--socket-path", daemon.socket, "remove", "-n", "dev", "--yes"];
    expect(await config(words)).toEqual({ exit: 0, stdout: "", stderr: "config dev removed\n", questions: [] });
    expect(daemon.requests).toEqual([{ name: "Remove", body: { config: "dev" } }]);
  });

  test("a daemon that fails is a warning, not a failure", async () => {
    await using daemon = startFakeDaemon({});
    const result = await config(["--socket-path", daemon.socket, "remove", "-n", "dev", "--yes"]);
    expect(result.exit).toBe(0);
    expect(result.stderr).toContain("warning: the session of dev may still be there");
  });
});

describe("config rename", () => {
  beforeEach(() => put("old", COMMENTED));

  test.each([
    [["rename", "old", "new"]],
    [["rename", "-n", "old", "--to", "new"]],
    [["rename", "-n", "old", "new"]],
    [["rename", "old", "--to", "new"]],
  ])("%j", async (words) => {
    expect((await config(words)).stderr).toBe("config old renamed to new\n");
    expect([textOf("new"), fs.existsSync(fileOf("old"))]).toEqual([COMMENTED, false]);
  });

  test("ends the session of the old name", async () => {
    await using daemon = startFakeDaemon({ Remove: () => ({}) });
    await config(["--socket-path", daemon.socket, "rename", "old", "new"]);
    expect(daemon.requests).toEqual([{ name: "Remove", body: { config: "old" } }]);
  });

  test("never overwrites", async () => {
    put("new", "AssumeRole: {}\n");
    expect((await config(["rename", "old", "new"])).exit).toBe(1);
    expect([textOf("old"), textOf("new")]).toEqual([COMMENTED, "AssumeRole: {}\n"]);
  });

  test.each<[words: string[], exit: number]>([
    [["rename"], 2],
    [["rename", "old"], 2],
    [["rename", "old", "a/b"], 2],
    [["rename", "old", "a", "b"], 2],
    [["rename", "-n", "old", "a", "b"], 2],
    [["rename", "old", "new", "--to", "x"], 2],
    [["rename", "nope", "new"], 4],
  ])("%j is exit %d", async (words, exit) => {
    expect((await config(words)).exit).toBe(exit);
    expect(fs.readdirSync(`${home}/configs`)).toEqual(["old.yaml"]);
  });
});

describe("config validate", () => {
  test("lists every problem of every config, and is exit 1", async () => {
    put("good", COMMENTED);
    put("bad", "AssumeRole:\n  RoleArn: x\n  y: 1\n");
    put("open", COMMENTED);
    fs.chmodSync(fileOf("open"), 0o666);
    const result = await config(["validate"]);
    expect([result.exit, result.stderr]).toEqual([1, ""]);
    expect(result.stdout.split("\n")).toEqual([
      "bad: line 2: AssumeRole.RoleArn must be the ARN of a role, like arn:aws:iam::123456789012:role/NAME",
      expect.stringContaining("bad: line 3: AssumeRole.y is no key of the schema"),
      "good: ok",
      `open: ${fileOf("open")} can be written by others (chmod go-w ${fileOf("open")})`,
      "",
    ]);
    expect((await config(["validate", "--all"])).stdout).toBe(result.stdout);
  });

  test("takes one config or a text, and is exit 0 where all is well", async () => {
    put("good", COMMENTED);
    expect(await config(["validate", "-n", "good"])).toEqual({
      exit: 0,
      stdout: "good: ok\n",
      stderr: "",
      questions: [],
    });
    expect((await config(["validate", "--from-file", "-"], stdin(COMMENTED))).stdout).toBe("stdin: ok\n");
    expect((await config(["validate", "--from-file", "-"], stdin("a: 1\na: 2"))).stdout).toBe(
      "stdin: line 2: the key a for the second time\n",
    );
    expect((await config(["validate", "-n", "nope"])).exit).toBe(4);
    expect((await config(["validate", "-n", "good", "--all"])).exit).toBe(2);
  });

  test("names the true source and the STS", async () => {
    put("dev", "AssumeRole:\n  RoleArn: arn:aws:iam::111122223333:role/x\nSession:\n  profile_name: base\n");
    put(
      "key",
      "AssumeRole:\n  RoleArn: arn:aws:iam::111122223333:role/x\nSource: dev\nSTS:\n  endpoint_url: http://127.0.0.1:1\n",
    );
    put("pass", "Session:\n  profile_name: base\n");
    const own = files("[profile base]\nregion = eu-west-1\ncredential_process = x\n", "");
    const result = await config(["validate"], own);
    expect(result.stdout).toBe(
      "dev: ok, profile base (credential_process), STS of eu-west-1\nkey: ok, config dev, STS at 127.0.0.1:1\n" +
        "pass: ok, profile base (credential_process)\n",
    );
    const loop = files("[profile base]\nrole_arn = a\nsource_profile = base\n", "");
    const looping = await config(["validate", "-n", "pass"], loop);
    expect(looping).toMatchObject({ exit: 1, stdout: expect.stringContaining("is its own source_profile in the end") });
  });

  test("answers in JSON", async () => {
    const result = await config(["validate", "--json", "--from-file", "-"], stdin("AssumeRole: {}"));
    expect(JSON.parse(result.stdout)).toEqual([
      {
        name: "stdin",
        valid: false,
        problems: [{ line: 1, message: "AssumeRole.RoleArn is required" }],
        warnings: [],
      },
    ]);
  });
});
