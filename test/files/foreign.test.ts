import { afterAll, beforeAll, expect, test } from "bun:test";
import { ftruncateSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readForeign } from "../../src/files/foreign.ts";
import { rejectionOf } from "../thrown.ts";

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "keyhole-foreign-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

test("a regular file is read whole, also behind a link", async () => {
  const text = "é".repeat(100_000);
  const path = write("file", text);
  symlinkSync(path, join(directory, "link"));
  expect(await readForeign(path)).toBe(text);
  expect(await readForeign(join(directory, "link"))).toBe(text);
});

test("what is not there, or below a file, is nothing; /dev/null is empty", async () => {
  expect(await readForeign(join(directory, "gone"))).toBeUndefined();
  expect(await readForeign(join(write("flat", ""), "below"))).toBeUndefined();
  expect(await readForeign("")).toBeUndefined();
  expect(await readForeign("/dev/null")).toBe("");
});

test.skipIf(process.getuid?.() === 0)("what may not be read is nothing", async () => {
  expect(await readForeign("/etc/shadow")).toBeUndefined();
});

test("4 MiB is read, a byte more is not", async () => {
  const path = join(directory, "large");
  const descriptor = openSync(path, "w");
  ftruncateSync(descriptor, 4 * 2 ** 20);
  expect((await readForeign(path))?.length).toBe(4 * 2 ** 20);
  ftruncateSync(descriptor, 4 * 2 ** 20 + 1);
  expect(await rejectionOf(readForeign(path))).toMatchObject({
    kind: "person-needed",
    message: `${path} is longer than 4 MiB`,
    hint: `ls -ld ${path}`,
  });
});

test("what is no regular file is refused by its kind", async () => {
  const pipe = join(directory, "pipe");
  await Bun.spawn(["mkfifo", pipe]).exited;
  const socket = join(directory, "socket");
  const server = createServer().listen(socket);
  await new Promise((resolve) => server.once("listening", resolve));
  const kinds = { [pipe]: "a pipe", [socket]: "a socket", [directory]: "a directory", "/dev/zero": "a device" };
  for (const [path, kind] of Object.entries(kinds))
    expect((await rejectionOf(readForeign(path))).message).toBe(`${path} is ${kind}, not a regular file`);
  server.close();
});

test.skipIf(process.platform !== "linux")(
  "the kernel's own files are refused, though they call themselves regular",
  async () => {
    expect((await rejectionOf(readForeign("/proc/self/status"))).message).toContain("is the kernel's");
  },
);
