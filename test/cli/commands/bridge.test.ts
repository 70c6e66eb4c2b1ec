import { expect, test } from "bun:test";
import { startFakeDaemon } from "../fakes/daemon.ts";
import { enterGrant } from "../fakes/grants.ts";
import { grantInfo } from "../../grants/fakes/grants.ts";
import { keyhole } from "../fakes/world.ts";

test.each([
  ["bridge agent-a", "no command is given"],
  ["bridge --at /tmp/keyhole agent-a -- true", "--at is for the end with --stdio"],
  ["bridge --stdio agent-a", "--stdio takes neither a grant nor a command"],
  ["bridge --stdio -- true", "--stdio takes neither a grant nor a command"],
])("%s is refused before anything happens", async (words, message) => {
  const result = await keyhole(words.split(" "), { environment: { HOME: "/nowhere" } });
  expect(result).toMatchObject({ exit: 2, stdout: "" });
  expect(result.stderr).toBe(`keyhole: error: ${message}\nkeyhole: hint: keyhole bridge --help\n`);
});

test("a grant that is not there is named with the one that was meant", async () => {
  await using daemon = startFakeDaemon({ GrantsList: () => ({ grants: [grantInfo()] }) });
  const environment = { KEYHOLE_HOME: daemon.home, KEYHOLE_SOCKET: daemon.socket };
  const result = await keyhole(["bridge", "agent-b", "--", "true"], { environment });
  expect(result).toMatchObject({ exit: 4, stdout: "" });
  expect(result.stderr).toContain("there is no grant agent-b, did you mean agent-a");
});

test("one that is delivered as a file has no socket", async () => {
  await using daemon = startFakeDaemon({ GrantsList: () => ({ grants: [grantInfo({ deliver: "file" })] }) });
  const environment = { KEYHOLE_HOME: daemon.home, KEYHOLE_SOCKET: daemon.socket };
  const result = await keyhole(["bridge", "agent-a", "--", "true"], { environment });
  expect(result).toMatchObject({ exit: 2, stderr: expect.stringContaining("has no socket") });
});

test("in a sandbox there is one grant, which is not named", async () => {
  await using daemon = startFakeDaemon({});
  const host = { command: [enterGrant(daemon)] };
  const result = await keyhole(["bridge", "agent-a", "--", "true"], { host, environment: { HOME: "/nowhere" } });
  expect(result).toMatchObject({ exit: 2, stderr: expect.stringContaining("GRANT is left out") });
  expect(daemon.requests).toEqual([]);
});
