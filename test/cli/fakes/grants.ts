// What a grant socket answers, and the directory of a grant.
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ResponseOf } from "../../../src/wire/messages.ts";
import { type FakeDaemon, PROCESS_LINE } from "./daemon.ts";

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
