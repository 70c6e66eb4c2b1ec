import { expect, test } from "bun:test";
import { readArchive, writeArchive } from "../../src/build/archive.ts";

const members = [
  { name: "libc.a(a.lo)", bytes: new Uint8Array([1, 2, 3]) },
  { name: "libstdc++.a(a-much-longer-name.o)", bytes: new Uint8Array([4, 5]) },
  { name: "empty", bytes: new Uint8Array() },
];

function header(name: string, size: number | string, end = "`\n"): string {
  return `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"644".padEnd(8)}${String(size).padEnd(10)}${end}`;
}

test("what is written is read", () => {
  expect(readArchive(writeArchive(members))).toEqual(members);
});

test("the same members give the same bytes, with no date and no owner", () => {
  const written = writeArchive(members);
  expect(writeArchive(members)).toEqual(written);
  expect(Buffer.from(written).toString("latin1")).toStartWith(
    `!<arch>\n${header("//", 56).replace("644   ", "100644")}`,
  );
});

test("short names, an index and long names as GNU ar writes them", () => {
  const text = [
    "!<arch>\n",
    `${header("/", 4)}\0\0\0\0`,
    `${header("//", 23)}a-name-of-20-letters/\n\n\n`,
    `${header("short.o/", 1)}x\n`,
    `${header("/0", 2)}yz`,
  ].join("");
  expect(readArchive(Buffer.from(text, "latin1"))).toEqual([
    { name: "short.o", bytes: new Uint8Array([0x78]) },
    { name: "a-name-of-20-letters", bytes: new Uint8Array([0x79, 0x7a]) },
  ]);
});

test.each([
  ["another file", "!<thin>\n", "this is no archive"],
  ["a member that is cut off", `!<arch>\n${header("a/", 5)}abcd`, "the archive is damaged at offset 8"],
  ["a header that is cut off", "!<arch>\na/", "the archive is damaged at offset 8"],
  ["a header without its end", `!<arch>\n${header("a/", 0, "xx")}`, "the archive is damaged at offset 8"],
  ["a size that is no number", `!<arch>\n${header("a/", "1x")}`, "the archive is damaged at offset 8"],
  ["a long name that is not there", `!<arch>\n${header("/7", 0)}`, "the archive has no long name at 7"],
])("%s is refused", (_, text, message) => {
  expect(() => readArchive(Buffer.from(text, "latin1"))).toThrow(message);
});
