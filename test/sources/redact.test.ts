import { expect, test } from "bun:test";
import { redact } from "../../src/sources/redact.ts";

const SECRET = "wJalr/XUtnFEMI+K7MDENG";

test.each([
  { title: "a secret", text: `a ${SECRET} b ${SECRET}`, is: "a *** b ***" },
  { title: "a secret in URL encoding", text: encodeURIComponent(SECRET), is: "***" },
  { title: "escape sequences", text: "a\u001b[31mb\u009bc", is: "a [31mb c" },
  { title: "line breaks", text: "a\r\nkeyhole: hint: b\u2028c", is: "a keyhole: hint: b c" },
  { title: "turned text", text: "a\u202eb\u2066c\u200bd", is: "a b c d" },
  { title: "nothing", text: "User: arn:aws:iam::1:user/é", is: "User: arn:aws:iam::1:user/é" },
])("takes out $title", ({ text, is }) => {
  expect(redact(text, [SECRET, undefined])).toBe(is);
});

test("does not take a short value for a secret", () => {
  expect(redact("abc is abc", ["abc", ""])).toBe("abc is abc");
});

test("cuts what is too long, after the secrets are gone", () => {
  const text = redact("x".repeat(990) + SECRET + "y".repeat(100), [SECRET]);
  expect(text).toBe(`${"x".repeat(990)}***yyyyyyy…`);
});
