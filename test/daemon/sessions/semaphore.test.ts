import { expect, test } from "bun:test";
import { OVERDUE, type Release, Semaphore, type Ticket } from "../../../src/daemon/sessions/semaphore.ts";
import { FakeClock } from "../fakes/clock.ts";

/** Semaphore whose tickets note their turn; `release` gives back the slot that is held longest. */
function newSlots(limit: number) {
  const clock = new FakeClock();
  const turns: string[] = [];
  const held: Release[] = [];
  return {
    clock,
    slots: new Semaphore(limit, clock),
    turns,
    ticket:
      (name: string): Ticket =>
      (release) => {
        turns.push(name);
        held.push(release);
      },
    release: () => held.shift()!(),
  };
}

test("as many as the limit run at once, the rest in the order they came", () => {
  const { slots, turns, ticket, release } = newSlots(2);
  for (const name of ["a", "b", "c", "d"]) slots.enter(ticket(name), "background");
  expect(turns).toEqual(["a", "b"]);
  release();
  expect(turns).toEqual(["a", "b", "c"]);
  release();
  release();
  slots.enter(ticket("e"), "background");
  expect(turns).toEqual(["a", "b", "c", "d", "e"]);
});

test("what somebody waits for goes first, and what hung the last time goes last", () => {
  const { slots, turns, ticket, release } = newSlots(1);
  slots.enter(ticket("running"), "background");
  for (const rank of ["suspect", "background", "urgent"] as const) slots.enter(ticket(rank), rank);
  for (let turn = 0; turn < 3; turn += 1) release();
  expect(turns).toEqual(["running", "urgent", "background", "suspect"]);
});

test("a ticket that becomes urgent goes behind those that were, and one that has run stays run", () => {
  const { slots, turns, ticket, release } = newSlots(1);
  const running = ticket("running");
  const hurried = ticket("hurried");
  slots.enter(running, "background");
  slots.enter(ticket("background"), "background");
  slots.enter(hurried, "background");
  slots.enter(ticket("urgent"), "urgent");
  slots.hurry(hurried);
  slots.hurry(running);
  for (let turn = 0; turn < 4; turn += 1) release();
  expect(turns).toEqual(["running", "urgent", "hurried", "background"]);
});

test("a ticket that left the queue is not called", () => {
  const { slots, turns, ticket, release } = newSlots(1);
  const waiting = (["background", "urgent", "suspect"] as const).map((rank) => ({ rank, ticket: ticket(rank) }));
  slots.enter(ticket("running"), "background");
  for (const { rank, ticket: one } of waiting) slots.enter(one, rank);
  for (const { ticket: one } of waiting) slots.leave(one);
  release();
  expect(turns).toEqual(["running"]);
});

test("a slot that is held for long stops nobody, and counts again for none when it is given back", async () => {
  const { clock, slots, turns, ticket, release } = newSlots(1);
  for (const name of ["hangs", "next", "last"]) slots.enter(ticket(name), "background");
  await clock.advance(OVERDUE - 1);
  expect(turns).toEqual(["hangs"]);
  await clock.advance(1);
  expect(turns).toEqual(["hangs", "next"]);
  release();
  expect(turns).toEqual(["hangs", "next"]);
  release();
  expect(turns).toEqual(["hangs", "next", "last"]);
  release();
  expect([slots.isIdle, clock.armed]).toEqual([true, 0]);
});

test("128 are held at most, however long", async () => {
  const { clock, slots, turns, ticket, release } = newSlots(8);
  for (let index = 0; index < 200; index += 1) slots.enter(ticket(`${index}`), "background");
  await clock.advance(100 * OVERDUE);
  expect(turns).toHaveLength(128);
  release();
  expect(turns).toHaveLength(129);
});

test("very many tickets that release at once do not pile up on the stack", () => {
  const slots = new Semaphore(1, new FakeClock());
  let turns = 0;
  const held: Release[] = [];
  slots.enter((release) => void held.push(release), "background");
  for (let index = 0; index < 50_000; index += 1) {
    slots.enter((release) => {
      turns += 1;
      release();
    }, "background");
  }
  expect(turns).toBe(0);
  held[0]?.();
  expect(turns).toBe(50_000);
});
