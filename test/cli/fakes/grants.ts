// Grants as a fake daemon gives them, and the directory of one.
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { GrantInfo, ResponseOf } from "../../../src/wire/messages.ts";
import { NO_TERMS } from "../../grants/fakes/grants.ts";
import type { FakeDaemon } from "./daemon.ts";
import { PROCESS_LINE } from "./daemon.ts";

/** A grant with everything that has to be there; active, over a socket, without an end. */
export function grantInfo(fields: Partial<GrantInfo> = {}): GrantInfo {
  return {
    name: "agent-a",
    config: "dev",
    ...NO_TERMS,
    rate: { count: 10, milliseconds: 1000 },
    state: "active",
    directory: "/home/ada/.keyhole/g/AAAAAAAAAAAAAAAAAAAAAA",
    createdAt: Date.UTC(2026, 10, 20, 11),
    endsAt: undefined,
    revokedAt: undefined,
    roleArn: "arn:aws:iam::111122223333:role/dev",
    sessionName: "keyhole-agent-a-01234567",
    accessKeyId: "ASIAEXAMPLE",
    expiresAt: Date.UTC(2026, 10, 20, 13),
    renewAt: undefined,
    packedPolicySize: undefined,
    uses: 3,
    refusals: 0,
    connections: 0,
    lastError: undefined,
    notes: [],
    ...fields,
  };
}

/** What Fetch answers. */
export function fetched(): ResponseOf<"Fetch"> {
  return { grant: "agent-a", config: "dev", region: "eu-west-1", line: new TextEncoder().encode(PROCESS_LINE) };
}

/** Makes a grant's directory, in which the fake daemon listens; returns its executable's path. */
export function enterGrant(daemon: FakeDaemon): string {
  const directory = join(daemon.home, "grant");
  mkdirSync(directory);
  writeFileSync(join(directory, "aws-config"), "[default]\n");
  symlinkSync(daemon.socket, join(directory, "sock"));
  return join(directory, "keyhole");
}
