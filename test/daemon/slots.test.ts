import { expect, test } from "bun:test";
import { Slots } from "../../src/daemon/slots.ts";

/** Slots whose tickets note their turn. */
function newSlots(limit: number): { slots: Slots; turns: string[]; ticket: (name: string) => () => void } {
  const turns: string[] = [];
  return { slots: new Slots(limit), turns, ticket: (name) => () => void turns.push(name) };
}

test("as many as the limit run at once, the rest in the order they came", () => {
  const { slots, turns, ticket } = newSlots(2);
  for (const name of ["a", "b", "c", "d"]) slots.enter(ticket(name), false);
  expect(turns).toEqual(["a", "b"]);
  slots.release();
  expect(turns).toEqual(["a", "b", "c"]);
  slots.release();
  slots.release();
  slots.enter(ticket("e"), false);
  expect(turns).toEqual(["a", "b", "c", "d", "e"]);
});

test("urgent tickets go first", () => {
  const { slots, turns, ticket } = newSlots(1);
  slots.enter(ticket("running"), false);
  slots.enter(ticket("background"), false);
  slots.enter(ticket("urgent"), true);
  slots.release();
  slots.release();
  expect(turns).toEqual(["running", "urgent", "background"]);
});

test("a ticket that becomes urgent goes behind those that were, and one that has run stays run", () => {
  const { slots, turns, ticket } = newSlots(1);
  const running = ticket("running");
  const hurried = ticket("hurried");
  slots.enter(running, false);
  slots.enter(ticket("background"), false);
  slots.enter(hurried, false);
  slots.enter(ticket("urgent"), true);
  slots.hurry(hurried);
  slots.hurry(running);
  for (let turn = 0; turn < 4; turn += 1) slots.release();
  expect(turns).toEqual(["running", "urgent", "hurried", "background"]);
});

test("a ticket that left the queue is not called", () => {
  const { slots, turns, ticket } = newSlots(1);
  const [background, urgent] = [ticket("background"), ticket("urgent")];
  slots.enter(ticket("running"), false);
  slots.enter(background, false);
  slots.enter(urgent, true);
  slots.leave(background);
  slots.leave(urgent);
  slots.release();
  expect(turns).toEqual(["running"]);
});

test("very many tickets that release at once do not pile up on the stack", () => {
  const slots = new Slots(1);
  let turns = 0;
  const held: (() => void)[] = [];
  slots.enter(() => void held.push(() => slots.release()), false);
  for (let index = 0; index < 50_000; index += 1) {
    slots.enter(() => {
      turns += 1;
      slots.release();
    }, false);
  }
  expect(turns).toBe(0);
  held[0]?.();
  expect(turns).toBe(50_000);
});
