import { expect, test } from "bun:test";
import { identifyPeer, isOwnerOrRoot } from "../../src/native/native.ts";

test("a socket is identified by its descriptor", () => {
  const native = { peerIdentity: (descriptor: number) => ({ uid: descriptor, gid: 2, pid: 3 }) };
  expect(identifyPeer(native, { fd: 7 })).toEqual({ uid: 7, gid: 2, pid: 3 });
});

test.each([
  [1000, 1000, true],
  [0, 1000, true],
  [1001, 1000, false],
  [1000, 0, false],
])("uid %d at a socket of uid %d is trusted: %p", (uid, owner, expected) => {
  expect(isOwnerOrRoot({ uid, gid: owner, pid: 1 }, owner)).toBe(expected);
});
