import { expect, test } from "bun:test";
import { KeyholeError } from "../../../../src/errors.ts";
import { session, startFakeDaemon, environmentOf } from "../../fakes/daemon.ts";
import { keyhole } from "../../fakes/world.ts";

test("a session is removed by name", async () => {
  await using daemon = startFakeDaemon({ Remove: () => ({}) });
  const environment = environmentOf(daemon);
  expect(await keyhole(["daemon", "remove", "-n", "dev"], { environment })).toMatchObject({
    exit: 0,
    stdout: "",
    stderr: "session dev removed\n",
  });
  expect((await keyhole(["daemon", "remove", "-n", "dev", "--json"], { environment })).stdout).toContain("dev");
});

test("a session of another directory or endpoint goes by the name that the list has", async () => {
  await using daemon = startFakeDaemon({ Remove: () => ({}) });
  const name = "dev (http://127.0.0.1:4566)";
  const result = await keyhole(["daemon", "remove", "-n", name], { environment: environmentOf(daemon) });
  expect(result).toMatchObject({ exit: 0, stderr: `session ${name} removed\n` });
  expect(daemon.requests[0]!.body).toEqual({ config: name });
  const wrong = await keyhole(["daemon", "remove", "-n", "dev ()"], { environment: environmentOf(daemon) });
  expect(wrong.exit).toBe(2);
});

test("a session that is not there is exit status 4", async () => {
  await using daemon = startFakeDaemon({
    Remove: () => {
      throw new KeyholeError("no-such-session", "there is no session dev");
    },
  });
  const result = await keyhole(["daemon", "remove", "-n", "dev"], { environment: environmentOf(daemon) });
  expect(result).toMatchObject({
    exit: 4,
    stderr: "keyhole: error: there is no session dev\nkeyhole: hint: keyhole daemon list\n",
  });
});

test("without a name a person chooses among the sessions, and nobody else is asked", async () => {
  await using daemon = startFakeDaemon({
    List: () => ({ sessions: [session({ config: "a" }), session({ config: "b" })] }),
    Remove: () => ({}),
  });
  const environment = environmentOf(daemon);
  expect((await keyhole(["daemon", "remove"], { environment })).exit).toBe(2);
  expect(daemon.requests).toEqual([]);
  const result = await keyhole(["daemon", "remove"], { environment, answers: ["b"] });
  expect(result.stderr).toBe("session b removed\n");
  expect(daemon.requests.at(-1)).toEqual({ name: "Remove", body: { config: "b" } });
});
