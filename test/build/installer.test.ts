import { expect, test } from "bun:test";
import { stampInstaller } from "../../src/build/release.ts";

const script = "base_url='@BASE_URL@' # a release\n";

test.each([
  ["https://example.com/keyhole", "https://example.com/keyhole"],
  ["https://example.com/keyhole//", "https://example.com/keyhole"],
  ["http://127.0.0.1:8080", "http://127.0.0.1:8080"],
  ["file:///srv/keyhole", "file:///srv/keyhole"],
  // `$&` means the placeholder to String.replace.
  ["https://example.com/$&", "https://example.com/$&"],
])("%s is stamped in", (given, stamped) => {
  expect(stampInstaller(script, given)).toBe(`base_url='${stamped}' # a release\n`);
});

test("without an address the script is as it was", () => {
  expect(stampInstaller(script, undefined)).toBe(script);
});

test.each([
  ["https://example.com/'; rm -rf /; '", "a character that it must not have"],
  ["https://example.com/a b", "a character that it must not have"],
  ["https://example.com/\n", "a character that it must not have"],
  ['https://example.com/"', "a character that it must not have"],
  ["ftp://example.com", "must begin with"],
  ["example.com/keyhole", "must begin with"],
  ["file://host/path", "must begin with"],
  ["", "must begin with"],
])("%j is refused", (given, reason) => {
  expect(() => stampInstaller(script, given)).toThrow(reason);
});

test.each(["", "'@BASE_URL@' '@BASE_URL@'"])("a script that is not as expected is refused: %j", (text) => {
  expect(() => stampInstaller(text, "https://example.com")).toThrow("install.sh has not one @BASE_URL@");
});
