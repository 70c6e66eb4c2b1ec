import { afterEach, beforeEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { type AskpassOptions, runAskpass, selectAskpass } from "../../../src/daemon/grants/confirmation.ts";
import { isAlive, pidIn, until } from "../../processes.ts";
import { FakeClock } from "../fakes/clock.ts";

let root: string;
let clock: FakeClock;
beforeEach(() => {
  root = fs.mkdtempSync(`${tmpdir()}/keyhole-askpass-`);
  clock = new FakeClock();
});
afterEach(() => fs.rmSync(root, { recursive: true, force: true }));

function run(script: string, change: Partial<AskpassOptions> = {}): Promise<boolean | undefined> {
  const program = `${root}/ask`;
  fs.writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o700 });
  return runAskpass({
    program,
    environment: { PATH: "/usr/bin:/bin", DISPLAY: ":7" },
    text: "may it; $(touch x) 'now'?",
    clock,
    patience: 15_000,
    signal: new AbortController().signal,
    ...change,
  });
}

test.each([
  ["exit 0", true],
  ["echo no", true],
  ["exit 1", false],
  ["echo yes; exit 1", false],
  ["kill -9 $$", false],
  ["yes", false],
])("exit status 0 is a yes, and what is said means nothing (%s)", async (script, allow) => {
  expect(await run(script)).toBe(allow);
});

test("the question is the one argument, and the environment is that of a confirmation", async () => {
  process.env["KEYHOLE_TEST_CANARY"] = "seen";
  expect(await run(`printf '%s|' $# "$@" > ${root}/said; env >> ${root}/said`)).toBeTrue();
  delete process.env["KEYHOLE_TEST_CANARY"];
  const said = fs.readFileSync(`${root}/said`, "utf8");
  expect(said).toStartWith("1|may it; $(touch x) 'now'?|");
  expect(said).toContain("SSH_ASKPASS_PROMPT=confirm\n");
  expect(said).toContain("DISPLAY=:7\n");
  expect(said).not.toContain("CANARY");
});

test("a program that is not there, or may not be run, gives no answer", async () => {
  expect(await run("", { program: `${root}/none` })).toBeUndefined();
  expect(await run("", { program: "keyhole-no-such-program" })).toBeUndefined();
  fs.writeFileSync(`${root}/plain`, "#!/bin/sh\n", { mode: 0o600 });
  expect(await run("", { program: `${root}/plain` })).toBeUndefined();
});

test.each(["its time is over", "somebody else has answered"])("it is killed when %s", async (why) => {
  const controller = new AbortController();
  const file = `${root}/pid`;
  const end = run(`echo $$ > ${file}.new; mv ${file}.new ${file}; sleep 600`, { signal: controller.signal });
  const pid = await pidIn(file);
  if (why === "its time is over") await clock.advance(15_000);
  else controller.abort();
  expect(await end).toBeUndefined();
  await until(() => !isAlive(pid));
});

test.each([
  [{}, undefined],
  [{ SSH_ASKPASS: "" }, undefined],
  [{ SSH_ASKPASS: "/usr/bin/ssh-askpass" }, "/usr/bin/ssh-askpass"],
  [{ SSH_ASKPASS: "/usr/bin/ssh-askpass", KEYHOLE_ASKPASS: "/usr/bin/mine" }, "/usr/bin/mine"],
])("of %o the program is %p", (environment, program) => {
  expect(selectAskpass(environment, {})?.program).toBe(program);
});

test("it gets the base environment and the requester's desktop, and nothing else of the requester's", () => {
  const environment = {
    SSH_ASKPASS: "ask",
    DISPLAY: ":7",
    WAYLAND_DISPLAY: "wayland-1",
    XAUTHORITY: "",
    AWS_SECRET_ACCESS_KEY: "canary",
    LD_PRELOAD: "/tmp/evil.so",
  };
  expect(selectAskpass(environment, { PATH: "/bin", DISPLAY: ":0" })?.environment).toEqual({
    PATH: "/bin",
    DISPLAY: ":7",
    WAYLAND_DISPLAY: "wayland-1",
  });
});
