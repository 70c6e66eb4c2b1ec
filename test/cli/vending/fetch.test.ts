import { expect, test } from "bun:test";
import { fetchGrant } from "../../../src/cli/vending/grant-socket.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { rejectionOf } from "../../thrown.ts";
import { PROCESS_LINE, startFakeDaemon } from "../fakes/daemon.ts";

const line = new TextEncoder().encode(PROCESS_LINE);
const fetched = { grant: "agent", config: "dev", region: "eu-west-1", line };
/** Looks again at once. */
const patient = { wait: () => Promise.resolve() };

test("a grant is asked over a connection of its own each time", async () => {
  await using grant = startFakeDaemon({ Fetch: () => fetched });
  expect(await fetchGrant(grant.socket, { clientTimeout: 1000 }, patient)).toEqual(fetched);
  expect(await fetchGrant(grant.socket, { clientTimeout: 1000 }, patient)).toEqual(fetched);
  expect(grant.connections()).toBe(2);
});

test("a grant's refusal is told as it is", async () => {
  const refusal = new KeyholeError("revoked", "this grant was revoked");
  await using grant = startFakeDaemon({
    Fetch: () => {
      throw refusal;
    },
  });
  expect(await rejectionOf(fetchGrant(grant.socket, { clientTimeout: 1000 }, patient))).toMatchObject({
    kind: "revoked",
    message: "this grant was revoked",
  });
});

test("where nobody listens, the error names no place of this machine", async () => {
  const failure = await rejectionOf(fetchGrant("/nowhere/sock", { clientTimeout: 1000 }, patient));
  expect(failure.kind).toBe("unreachable");
  expect(`${failure.message} ${failure.hint}`).not.toContain("/nowhere");
});
