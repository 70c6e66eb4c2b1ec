import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { linkTo } from "../../src/client/messaging.ts";
import { openInProcess } from "../../src/daemon/inprocess.ts";
import { resolveSettings } from "../../src/settings.ts";
import { rejectionOf } from "../thrown.ts";

let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "keyhole-inprocess-"));
  mkdirSync(join(home, ".keyhole", "configs"), { recursive: true, mode: 0o700 });
  writeFileSync(
    join(home, ".keyhole", "configs", "dev.yaml"),
    "AssumeRole:\n  RoleArn: arn:aws:iam::111122223333:role/dev\n",
    { mode: 0o600 },
  );
});

afterEach(() => {
  rmSync(home, { recursive: true });
});

const open = () =>
  linkTo(
    openInProcess(
      resolveSettings({}, { HOME: home }, () => "/"),
      { HOME: home },
    ),
  );

test("sessions live as long as the broker, and nothing is left on the disk", async () => {
  const link = open();
  expect((await rejectionOf(link.request("Vend", { config: "dev" }))).kind).toBe("no-such-session");
  const options = { environment: [], verify: false, renew: false };
  expect((await link.request("Add", { config: "dev", ...options })).config).toBe("dev");
  expect((await link.request("List", {})).sessions).toHaveLength(1);
  link.close();
  expect((await rejectionOf(link.request("List", {}).then(() => link.request("Vend", { config: "dev" })))).kind).toBe(
    "shutting-down",
  );
  expect(readdirSync(join(home, ".keyhole"))).toEqual(["configs"]);
});

test("a session that waits for itself is a loop, and is not added", async () => {
  const link = open();
  const environment = [{ name: "KEYHOLE_CHAIN", value: `dev@${home}/.keyhole/sock/daemon.sock` }];
  const error = await rejectionOf(link.request("Add", { config: "dev", environment, verify: true, renew: false }));
  expect(error).toMatchObject({ kind: "credential-loop" });
  expect((await link.request("List", {})).sessions).toEqual([]);
  link.close();
});

test.each(["GrantsList", "Status", "Stop", "GrantQuestion"] as const)(
  "%s needs a daemon, and says so",
  async (name) => {
    const link = open();
    const error = await rejectionOf(link.request(name, {}));
    expect([error.kind, error.message, error.hint]).toEqual([
      "usage",
      "this needs the daemon, and KEYHOLE_DISABLE is set",
      "unset KEYHOLE_DISABLE",
    ]);
    link.close();
  },
);
