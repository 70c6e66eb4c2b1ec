import { expect, test } from "bun:test";
import { keyholeProcessOf } from "../../../src/cli/doctor/files.ts";

test.each([
  ["/opt/keyhole export -f credential-process -n dev", { executable: "/opt/keyhole", config: "dev" }],
  [`"/my opt/keyhole" export --name=dev`, { executable: "/my opt/keyhole", config: "dev" }],
  ["keyhole --socket-path /s export --name dev -f credential-process", { executable: "keyhole", config: "dev" }],
  ["keyhole --socket-path /s export -f credential-process dev", { executable: "keyhole", config: "dev" }],
  ["keyhole export --profile p -f credential-process", { executable: "keyhole", config: undefined }],
  ["/run/keyhole/keyhole", { executable: "/run/keyhole/keyhole", config: undefined }],
  ["/usr/bin/aws-vault exec keyhole", undefined],
  ["", undefined],
])("%p is %p", (line, process) => {
  expect(keyholeProcessOf(line)).toEqual(process);
});
