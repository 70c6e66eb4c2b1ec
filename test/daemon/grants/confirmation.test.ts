import { beforeEach, expect, test } from "bun:test";
import {
  type Askpass,
  type Confirmer,
  type ConfirmerOptions,
  createConfirmer,
} from "../../../src/daemon/grants/confirmation.ts";
import { rejectionOf } from "../../thrown.ts";
import { FakeClock, settle } from "../fakes/clock.ts";

const PATIENCE = 15_000;

/** A program that answers when the test says so. */
interface Asked {
  readonly text: string;
  readonly signal: AbortSignal;
  readonly answer: (allow: boolean | undefined) => void;
}

let clock: FakeClock;
let confirmer: Confirmer;
let programs: Asked[];
const askpass: Askpass = { program: "ask", environment: {} };

beforeEach(() => {
  clock = new FakeClock();
  programs = [];
  const runDialog: ConfirmerOptions["runDialog"] = ({ text, signal }) => {
    const { promise, resolve } = Promise.withResolvers<boolean | undefined>();
    programs.push({ text, signal, answer: resolve });
    return promise;
  };
  confirmer = createConfirmer({ clock, patience: PATIENCE, runDialog, firstId: 1 });
});

/** Asks, and says how it ended. */
function ask(grant = "agent", program?: Askpass): Promise<string> {
  const asked = confirmer.ask(grant, `may ${grant}`, program);
  return asked.then(
    () => "allowed",
    (error: Error) => error.message,
  );
}

const idOf = async (): Promise<number> => (await confirmer.question()).question!.id;
/** What a poll says that nobody interrupts. */
async function pollNow() {
  const poll = confirmer.question();
  await clock.advance(10_000);
  return poll;
}

const REFUSED = "the person asked did not allow it";

test.each([
  [true, "allowed"],
  [false, REFUSED],
] as const)("a person at a terminal answers %p", async (allow, outcome) => {
  const end = ask();
  const { question } = await confirmer.question();
  expect(question).toEqual({ id: expect.any(Number), grant: "agent", text: "may agent" });
  expect(confirmer.answer(question!.id, allow)).toBe("agent");
  expect(await end).toBe(outcome);
  expect(confirmer.answer(question!.id, true)).toBeUndefined();
  expect(clock.armed).toBe(0);
});

test.each([
  [true, "allowed"],
  [false, REFUSED],
] as const)("a program answers %p", async (allow, outcome) => {
  const end = ask("agent", askpass);
  programs[0]!.answer(allow);
  expect([await end, programs[0]!.text]).toEqual([outcome, "may agent"]);
  expect([(await pollNow()).question, clock.armed]).toEqual([undefined, 0]);
});

test("nobody is a no, after the patience and not before, and the program is stopped", async () => {
  const end = ask("agent", askpass);
  await clock.advance(PATIENCE - 1);
  expect((await confirmer.question()).question).toBeDefined();
  await clock.advance(1);
  expect(await end).toBe("no answer came in time");
  expect(programs[0]!.signal.aborted).toBeTrue();
  programs[0]!.answer(true);
  await settle();
  expect(await pollNow()).toEqual({ question: undefined });
});

test("whoever answers first counts, and stops the other", async () => {
  const first = ask("agent", askpass);
  confirmer.answer(await idOf(), false);
  expect(programs[0]!.signal.aborted).toBeTrue();
  programs[0]!.answer(true);
  expect(await first).toBe(REFUSED);
  await clock.advance(5_000);
  const second = ask("agent", askpass);
  const id = await idOf();
  programs[1]!.answer(true);
  expect(await second).toBe("allowed");
  expect(confirmer.answer(id, false)).toBeUndefined();
});

test("a program that cannot be asked leaves the question to the terminal", async () => {
  const end = ask("agent", askpass);
  programs[0]!.answer(undefined);
  await settle();
  confirmer.answer(await idOf(), true);
  expect(await end).toBe("allowed");
});

test("questions of one grant are one while it waits, and the next is another", async () => {
  const ends = [ask("agent", askpass), ask("agent", askpass), ask("agent", askpass)];
  expect(programs).toHaveLength(1);
  confirmer.answer(await idOf(), false);
  expect(await Promise.all(ends)).toEqual([REFUSED, REFUSED, REFUSED]);
  await clock.advance(5_000);
  const later = ask("agent", askpass);
  expect(programs).toHaveLength(2);
  programs[1]!.answer(true);
  expect(await later).toBe("allowed");
});

test("one answer is for one grant, and the oldest question comes first", async () => {
  const [first, second] = [ask("a"), ask("b")];
  expect((await confirmer.question()).question).toMatchObject({ grant: "a" });
  confirmer.answer(await idOf(), true);
  expect((await confirmer.question()).question).toMatchObject({ grant: "b" });
  await clock.advance(PATIENCE);
  expect([await first, await second]).toEqual(["allowed", "no answer came in time"]);
});

test("a poll waits for a question, for up to 10 s", async () => {
  const [first, second] = [confirmer.question(), confirmer.question()];
  await clock.advance(9_999);
  void ask();
  expect([await first, await second]).toEqual([
    { question: { id: 1, grant: "agent", text: "may agent" } },
    { question: { id: 1, grant: "agent", text: "may agent" } },
  ]);
  confirmer.answer(1, true);
  const third = confirmer.question();
  await clock.advance(10_000);
  expect(await third).toEqual({ question: undefined });
  expect(clock.armed).toBe(0);
});

test("a question shows what a terminal would obey, on one line", async () => {
  void ask("agent\u001b]0;x\u0007\n\u202eyes");
  const { question } = await confirmer.question();
  expect(question!.text).toBe("may agent\\x1b]0;x\\x07 \\u202eyes");
  confirmer.close();
});

test("one question too many is denied at once, and no grant's place is taken", async () => {
  const ends = Array.from({ length: 32 }, (_, index) => ask(`agent-${index}`));
  expect(await ask("one-more")).toBe("too many questions wait for an answer");
  const joined = ask("agent-0");
  confirmer.answer(await idOf(), true);
  expect([await ends[0], await joined]).toEqual(["allowed", "allowed"]);
  confirmer.close();
  expect(new Set(await Promise.all(ends.slice(1)))).toEqual(new Set(["the daemon is shutting down"]));
});

test("closing denies who waits and who comes later, and ends polls", async () => {
  const poll = confirmer.question();
  const end = ask("agent", askpass);
  expect((await poll).question).toMatchObject({ grant: "agent" });
  confirmer.close();
  expect([await end, await ask()]).toEqual(["the daemon is shutting down", "the daemon is shutting down"]);
  expect(programs[0]!.signal.aborted).toBeTrue();
  expect(await confirmer.question()).toEqual({ question: undefined });
  expect(clock.armed).toBe(0);
});

test("a no is a KeyholeError of its own exit status", async () => {
  const end = rejectionOf(confirmer.ask("agent", "may it", undefined));
  await clock.advance(PATIENCE);
  expect(await end).toMatchObject({ kind: "denied", exitStatus: 9 });
});

test("a no holds for a moment, so that nobody is tired out by questions; silence and other grants do not count", async () => {
  const first = ask("agent", askpass);
  programs[0]!.answer(false);
  expect(await first).toBe(REFUSED);
  expect(await ask("agent", askpass)).toBe(REFUSED);
  await clock.advance(4_999);
  expect(await ask("agent", askpass)).toBe(REFUSED);
  expect(programs).toHaveLength(1);
  const other = ask("other", askpass);
  await clock.advance(1);
  const later = ask("agent", askpass);
  expect(programs).toHaveLength(3);
  await clock.advance(PATIENCE);
  expect([await other, await later]).toEqual(["no answer came in time", "no answer came in time"]);
  const again = ask("agent", askpass);
  programs[3]!.answer(true);
  expect(await again).toBe("allowed");
});

test("a question of a grant that has ended goes, and its answer is not for the next grant of that name", async () => {
  const first = ask("agent", askpass);
  const id = await idOf();
  confirmer.withdraw("agent");
  expect(await first).toBe("the grant has ended");
  expect(programs[0]!.signal.aborted).toBeTrue();
  const second = ask("agent", askpass);
  expect(confirmer.answer(id, true)).toBeUndefined();
  expect(programs).toHaveLength(2);
  programs[1]!.answer(true);
  expect(await second).toBe("allowed");
});

test("the questions of two daemons do not have the same numbers", async () => {
  const ids = new Set<number>();
  for (let count = 0; count < 3; count++) {
    confirmer = createConfirmer({ clock, patience: PATIENCE });
    void ask();
    ids.add(await idOf());
    confirmer.close();
  }
  expect(ids.size).toBe(3);
});
