import { expect, test } from "bun:test";
import { keyholeProcessOf, splitWords } from "../../../src/cli/doctor/files.ts";

test.each([
  [`a b`, ["a", "b"]],
  [`"/opt/my keyhole" 'x y' z`, ["/opt/my keyhole", "x y", "z"]],
  [`a"b c"d`, ["ab cd"]],
  ["", []],
])("%p has the words %p", (line, words) => {
  expect(splitWords(line)).toEqual(words);
});

test.each([
  ["/opt/keyhole export -f credential-process -n dev", { executable: "/opt/keyhole", config: "dev" }],
  [`"/my opt/keyhole" export --name=dev`, { executable: "/my opt/keyhole", config: "dev" }],
  ["keyhole --socket-path /s export --name dev -f credential-process", { executable: "keyhole", config: "dev" }],
  ["/run/keyhole/keyhole", { executable: "/run/keyhole/keyhole", config: undefined }],
  ["/usr/bin/aws-vault exec keyhole", undefined],
  ["", undefined],
])("%p is %p", (line, process) => {
  expect(keyholeProcessOf(line)).toEqual(process);
});
