import { expect, test } from "bun:test";
import { askOnce } from "../../src/client/asking.ts";
import { KeyholeError } from "../../src/errors.ts";
import { startFakeDaemon } from "../cli/fakes/daemon.ts";
import { rejectionOf } from "../thrown.ts";

test("each question has a connection of its own, which ends with the answer", async () => {
  await using daemon = startFakeDaemon({ Hello: () => ({ version: "1", pid: 7 }) });
  expect(await askOnce(daemon.socket, 1000, "Hello", { version: "1" })).toEqual({ version: "1", pid: 7 });
  expect(await askOnce(daemon.socket, 1000, "Hello", { version: "1" })).toEqual({ version: "1", pid: 7 });
  expect(daemon.connections()).toBe(2);
});

test("what is refused, and where nobody listens, is thrown", async () => {
  await using daemon = startFakeDaemon({
    Hello: () => {
      throw new KeyholeError("forbidden", "not for you");
    },
  });
  expect(await rejectionOf(askOnce(daemon.socket, 1000, "Hello", { version: "1" }))).toMatchObject({
    kind: "forbidden",
  });
  expect(await rejectionOf(askOnce("/nowhere/sock", 1000, "Hello", { version: "1" }))).toMatchObject({
    kind: "unreachable",
  });
});
