// What a holder can do to the evidence: hostile names in what is written down of it and shown to people, floods, and the
// limits that a person set.
import { expect } from "bun:test";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messages } from "../../src/wire/messages.ts";
import { addGrant, createHost } from "../e2e/granthost.ts";
import { type Machine, type Result, until } from "../e2e/machine.ts";
import { hex } from "./forbidden.ts";
import { attack, holderRigs, startAttack } from "./holder.ts";
import { testWith } from "./rigs/rigs.ts";
import { createTenants } from "./tenants.ts";
import { request } from "../e2e/attacker.ts";

const test = testWith(holderRigs);

/** Control characters but for the newline, and the marks that reorder text. */
const UNPRINTABLE = /(?!\n)[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u;

const fileOf = (machine: Machine) => join(machine.paths.home, "logs", "audit.jsonl");
const lines = (machine: Machine) =>
  readFileSync(fileOf(machine), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, any>);

/** Everything that shows a person what a peer is called. */
async function shown(machine: Machine): Promise<string[]> {
  const commands = [
    "audit",
    "audit --grant agent-a",
    "grant list",
    "grant show agent-a",
    "daemon logs -t 0",
    "daemon status",
  ];
  const texts = await Promise.all(commands.map((command) => machine.keyhole(command)));
  return [...texts, readFileSync(fileOf(machine), "utf8"), readFileSync(machine.paths.log, "utf8")];
}

const hostileNames = {
  "a newline and a forged line": 'x\n{"kind":"grant","outcome":"ok","grant":"forged"}',
  "ANSI and OSC sequences": "\x1b[2J\x1b]0;title\x07\x9b31m",
  "marks that reorder text": "\u202eexe.tpircs\u2066",
  "no UTF-8": "raw",
  "200 characters": "x".repeat(200),
};

for (const [title, name] of Object.entries(hostileNames))
  test(`a peer whose executable and name are ${title} forges nothing`, async () => {
    await using machine = await createHost();
    const directory = await addGrant(machine, "agent-a --config dev");
    const before = lines(machine).length;
    expect(await attack<unknown>(directory, "ask_as", { name: name === "raw" ? null : name })).toMatchObject({
      exitCode: 0,
    });
    const [vend, ...more] = lines(machine).slice(before);
    expect(more).toEqual([]);
    expect(vend).toMatchObject({ kind: "vend", outcome: "ok", grant: "agent-a" });
    if (name !== "raw") expect(vend!["peer"].executable).toBe(`in a sandbox: /tmp/${name}`);
    for (const text of await shown(machine)) expect(UNPRINTABLE.exec(text)).toBeNull();
    // Each line is one, in the columns that it had.
    expect((await machine.keyhole("audit")).trimEnd().split("\n")).toHaveLength(lines(machine).length + 1);
    const story = await machine.keyhole(`audit who ${vend!["accessKeyId"] as string}`);
    expect(UNPRINTABLE.exec(story)).toBeNull();
  });

test("what STS says in its errors is shown without control characters, wherever a person sees it", async () => {
  await using machine = await createHost();
  const directory = await addGrant(machine, "agent-a --config dev");
  const message = `${hostileNames["a newline and a forged line"]}${hostileNames["ANSI and OSC sequences"]}\u202e`;
  machine.sts.faults.add({ fail: { code: "AccessDenied", message, status: 403 } });
  await machine.keyhole("daemon restart");
  await attack(directory, "ask");
  const texts = await shown(machine);
  // Or the message never came so far, and this would prove nothing.
  expect(texts.join("")).toContain("title");
  for (const text of texts) expect(UNPRINTABLE.exec(text)).toBeNull();
  expect(lines(machine).filter(({ grant }) => grant === "forged")).toEqual([]);
});

test("20,000 requests that are none, from many processes, cost a few lines, and the lives of grants stay", async () => {
  await using tenants = await createTenants();
  const { machine, a } = tenants;
  const size = () => readFileSync(fileOf(machine)).length;
  const before = size();
  const requests = [request("Stop", {}), request("List", {}), request("GrantRemove", { name: "agent-b" })].map(hex);
  const floods = Array.from({ length: 4 }, (_, seed) => attack(a, "send_random", { seed, count: 5000, requests }));
  const began = performance.now();
  await Promise.all(floods);
  const seconds = (performance.now() - began) / 1000;
  // Two lines a second: the first of each kind and how many followed.
  await until(() => lines(machine).some(({ kind, count }) => kind === "junk" && count > 1));
  expect(size() - before).toBeLessThan(2048 * (seconds + 2));
  expect(lines(machine).filter(({ kind }) => kind === "grant")).toHaveLength(2);
  const { refusals } = JSON.parse(await machine.keyhole("grant show agent-a --json")) as { refusals: number };
  expect(refusals).toBeGreaterThan(5000);
});

/** Milliseconds that one takes in the sandbox, and what came of it. */
const timed = (directory: string, count: number) =>
  attack<{ kinds: number[]; milliseconds: number }>(directory, "ask_often", { count });
const given = messages.Fetch.number;

test("a rate is kept by letting those wait who ask too often", async () => {
  await using machine = await createHost();
  const directory = await addGrant(machine, "agent-a --config dev --rate 5/s");
  const { kinds, milliseconds } = await timed(directory, 10);
  expect(kinds).toEqual(Array.from({ length: 10 }, () => given));
  // Five at once, and one every 200 ms.
  expect(milliseconds).toBeWithin(950, 5000);
});

test("of askers at once, as many are given credentials as uses are left", async () => {
  await using machine = await createHost();
  const directory = await addGrant(machine, "agent-a --config dev --max-uses 7 --rate 1000/s");
  const rounds = await Promise.all(Array.from({ length: 3 }, () => timed(directory, 5)));
  expect(rounds.flatMap(({ kinds }) => kinds).filter((kind) => kind === given)).toHaveLength(7);
  for (const command of ["daemon restart", "daemon restart"]) {
    await machine.keyhole(command);
    expect((await timed(directory, 1)).kinds).not.toContain(given);
  }
  expect(JSON.parse(await machine.keyhole("grant show agent-a --json"))).toMatchObject({ uses: 7, state: "used-up" });
});

/** A program in the way of ssh-askpass, which writes down what it was asked. */
function makeAskpass(machine: Machine, name: string, exit: string): string {
  const path = join(machine.home, name);
  writeFileSync(path, `#!/bin/sh\nprintf '%s\\n' "$1" >>"$0.asked"\n${exit}\n`);
  chmodSync(path, 0o700);
  return path;
}

test("a question is answered by a program of the owner's: no is denied, yes is given, each time anew", async () => {
  await using machine = await createHost();
  const no = makeAskpass(machine, "no", "exit 1");
  const yes = makeAskpass(machine, "yes", "exit 0");
  const add = async (name: string, program: string) =>
    (
      await machine.keyhole(`grant add ${name} --config dev --confirm`, {
        env: { KEYHOLE_ASKPASS: program, DISPLAY: ":7" },
      })
    ).trimEnd();
  const [denying, allowing] = [await add("agent-n", no), await add("agent-y", yes)];
  const commands = [["/run/keyhole/keyhole"]];
  const [refused] = await attack<Result[]>(denying, "run", { commands });
  expect(refused).toMatchObject({ exitCode: 9, stdout: "", stderr: expect.stringContaining("did not allow it") });
  for (let round = 0; round < 2; round++)
    expect((await attack<Result[]>(allowing, "run", { commands }))[0]).toMatchObject({ exitCode: 0 });
  expect(readFileSync(`${yes}.asked`, "utf8")).toMatch(
    /^(give the credentials of grant agent-y to uid 0, pid \d+, which runs in a sandbox: "\/run\/keyhole\/keyhole", started by (in a sandbox: )?"\/[^"]*\/python3[^"]*"\?\n){2}$/,
  );
  const confirms = lines(machine).filter(({ kind }) => kind === "confirm");
  expect(confirms.map(({ grant, outcome }) => `${grant} ${outcome}`)).toEqual([
    "agent-n denied",
    "agent-y ok",
    "agent-y ok",
  ]);
});

test("a question that nobody answers is denied in time, and a program that hangs is ended", async () => {
  await using machine = await createHost();
  const pids = join(machine.home, "pids");
  const stuck = makeAskpass(machine, "stuck", `echo $$ >>${pids}; exec sleep 1000`);
  const env = { KEYHOLE_ASKPASS: stuck };
  const directory = (await machine.keyhole("grant add agent-a --config dev --confirm", { env })).trimEnd();
  const silent = (await machine.keyhole("grant add agent-b --config dev --confirm")).trimEnd();
  const commands = [["/run/keyhole/keyhole"]];
  const began = performance.now();
  const outcomes = await Promise.all([directory, silent].map((each) => attack<Result[]>(each, "run", { commands })));
  for (const [outcome] of outcomes) expect(outcome).toMatchObject({ exitCode: 9, stdout: "" });
  expect(performance.now() - began).toBeWithin(14_000, 20_000);
  expect(existsSync(pids)).toBe(true);
  for (const pid of readFileSync(pids, "utf8").trim().split("\n")) await until(() => !existsSync(`/proc/${pid}`));
});

test("a revocation while a person is asked gives nothing, whatever the answer is", async () => {
  await using machine = await createHost();
  const directory = await addGrant(machine, "agent-a --config dev --confirm");
  await using waiting = await startAttack(directory, "wait", { askers: 3 });
  await until(async () => (await machine.keyhole("grant show agent-a")).includes("connections   3"));
  await machine.keyhole("grant revoke agent-a");
  expect(await waiting.end()).toEqual({ answers: 0 });
});
