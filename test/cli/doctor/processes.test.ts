import { expect, test } from "bun:test";
import { keyholeProcessOf } from "../../../src/cli/doctor/files.ts";

const ours = (executable: string, config: string | undefined, socket?: string, configDir?: string) => ({
  executable,
  config,
  configDir,
  socket,
});

test.each([
  ["/opt/keyhole export -f credential-process -n dev", ours("/opt/keyhole", "dev")],
  [`"/my opt/keyhole" export --name=dev`, ours("/my opt/keyhole", "dev")],
  ["keyhole --socket-path /s export --name dev --config-dir=/c", ours("keyhole", "dev", "/s", "/c")],
  ["keyhole --socket-path /s export -f credential-process dev", ours("keyhole", "dev", "/s")],
  ["keyhole export --profile p -f credential-process", ours("keyhole", undefined)],
  ["/run/keyhole/keyhole", ours("/run/keyhole/keyhole", undefined)],
  ["/usr/bin/aws-vault exec keyhole", undefined],
  ["", undefined],
])("%p is %p", (line, process) => {
  expect(keyholeProcessOf(line)).toEqual(process);
});
