import { expect, test } from "bun:test";
import { boundGrants, divideDescriptors, dropFullest } from "../../../src/daemon/grants/directory.ts";

test.each([
  ["plenty", 1_000_000, 1024, 1024, 998_976],
  ["ulimit -n 1024", 976, 1024, 488, 488],
  ["ulimit -n 64", 16, 1024, 8, 8],
  ["fewer than are kept back", -8, 1024, 1, 0],
  ["no limit", Infinity, 1024, 1024, Infinity],
])("with %s the control socket and the grants each have their share", (_, available, wanted, control, grants) => {
  expect(divideDescriptors(available, wanted)).toEqual({ control, grants });
});

test.each([
  [0, 0],
  [8, 2],
  [488, 122],
  [Infinity, 4096],
])("%d descriptors have room for %d grants, and half of them stay for connections", (descriptors, most) => {
  const bounds = boundGrants(descriptors);
  expect(bounds.mostGrants).toBe(most);
  expect(bounds.connections(most, 0)).toBeGreaterThanOrEqual(descriptors === Infinity ? Infinity : descriptors / 2);
});

class FakeListener {
  connections: number;
  yielded = 0;

  constructor(connections: number) {
    this.connections = connections;
  }

  yieldOne(): void {
    this.yielded += 1;
    this.connections -= 1;
  }
}

test("over the limit whoever has the most gives one up, and nobody else", () => {
  const listeners = [3, 9, 5].map((connections) => new FakeListener(connections));
  dropFullest(listeners, 17);
  expect(listeners.map(({ yielded }) => yielded)).toEqual([0, 0, 0]);
  dropFullest(listeners, 16);
  expect(listeners.map(({ yielded }) => yielded)).toEqual([0, 1, 0]);
  dropFullest([], 0);
});
