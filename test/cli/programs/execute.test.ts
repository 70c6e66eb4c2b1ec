import { expect, test } from "bun:test";
import { execute } from "../../../src/cli/programs/execute.ts";
import { KeyholeError } from "../../../src/errors.ts";

/** A system that has files, each with the error that executing it gives; `ok` ends the test's process, so to speak. */
function system(files: Readonly<Record<string, string>>) {
  const tried: string[][] = [];
  const native = {
    execute: (path: string, argv: readonly string[]) => {
      tried.push([path, ...argv]);
      const failure = files[path] ?? "ENOENT";
      if (failure === "ok") throw new Error("executed");
      return failure;
    },
  };
  return { native, tried };
}

function attempt(files: Readonly<Record<string, string>>, words: readonly string[], path?: string) {
  const { native, tried } = system(files);
  let status: number | string = "executed";
  try {
    execute(native, words, path === undefined ? {} : { PATH: path });
  } catch (error) {
    if (error instanceof KeyholeError) status = error.exitStatus;
  }
  return { status, tried };
}

test("a name is looked for along PATH, and becomes the first argument as it was typed", () => {
  expect(attempt({ "/b/aws": "ok" }, ["aws", "s3", "ls"], "/a:/b:/c")).toEqual({
    status: "executed",
    tried: [
      ["/a/aws", "aws", "s3", "ls"],
      ["/b/aws", "aws", "s3", "ls"],
    ],
  });
});

test.each([
  ["an empty part of PATH is the working directory", { aws: "ok" }, "aws", "/a::/b", "executed"],
  ["without PATH the system's directories count", { "/usr/bin/aws": "ok" }, "aws", undefined, "executed"],
  ["a path with a slash is not looked for", { "./aws": "ok", "/a/./aws": "EACCES" }, "./aws", "/a", "executed"],
  [
    "a file that may not be run does not end the search",
    { "/a/aws": "EACCES", "/b/aws": "ok" },
    "aws",
    "/a:/b",
    "executed",
  ],
  [
    "a PATH entry that is a file does not end the search",
    { "/a/aws": "ENOTDIR", "/b/aws": "ok" },
    "aws",
    "/a:/b",
    "executed",
  ],
  ["nothing found is 127", {}, "aws", "/a:/b", 127],
  ["a missing path is 127", {}, "/opt/aws", "/a", 127],
  ["an empty name is 127", {}, "", "/a", 127],
  ["found, but not to be run, is 126", { "/a/aws": "EACCES" }, "aws", "/a:/b", 126],
  ["a failure of the system is 126", { "/a/aws": "E2BIG", "/b/aws": "ok" }, "aws", "/a:/b", 126],
] as const)("%s", (_, files, program, path, status) => {
  expect(attempt(files, [program], path).status).toBe(status);
});

test("a script without an interpreter line is run by sh, as execvp does it", () => {
  expect(attempt({ "/a/script": "ENOEXEC", "/bin/sh": "ok" }, ["script", "x"], "/a")).toEqual({
    status: "executed",
    tried: [
      ["/a/script", "script", "x"],
      ["/bin/sh", "/bin/sh", "/a/script", "x"],
    ],
  });
});
