import { expect, test } from "bun:test";
import { KeyholeError } from "../../../src/errors.ts";
import { session, startFakeDaemon } from "../fakes/daemon.ts";
import { keyhole } from "../fakes/world.ts";

const identity = { userId: "AROA:dev", account: "111122223333", arn: "arn:aws:sts::111122223333:assumed-role/dev/x" };

test("the identity is JSON with AWS's names", async () => {
  await using daemon = startFakeDaemon({ Identity: () => identity });
  const environment = { KEYHOLE_HOME: daemon.home, KEYHOLE_SOCKET: daemon.socket };
  const result = await keyhole(["whoami", "-n", "dev"], { environment });
  expect(result).toMatchObject({ exit: 0, stderr: "" });
  expect(JSON.parse(result.stdout)).toEqual({ UserId: identity.userId, Account: identity.account, Arn: identity.arn });
  const obscured = await keyhole(["whoami", "-n", "dev", "-o", "--json"], { environment });
  expect(JSON.parse(obscured.stdout)).toEqual({ UserId: "***", Account: "***", Arn: "***" });
});

test("a session that is not there is added without a question", async () => {
  let added = false;
  await using daemon = startFakeDaemon({
    Identity: () => {
      if (!added) throw new KeyholeError("no-such-session", "none");
      return identity;
    },
    AddIn: ({ config }) => {
      added = true;
      return session({ config });
    },
  });
  const environment = { KEYHOLE_HOME: daemon.home, KEYHOLE_SOCKET: daemon.socket };
  expect(await keyhole(["whoami", "-n", "dev"], { environment })).toMatchObject({ exit: 0, questions: [] });
  expect(daemon.requests.map(({ name }) => name)).toEqual(["Identity", "AddIn", "Identity"]);
});
