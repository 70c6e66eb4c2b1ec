import { expect, test } from "bun:test";
import { lastWords, redact } from "../../src/sources/redact.ts";

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
  const text = redact("x".repeat(3_990) + SECRET + "y".repeat(100), [SECRET]);
  expect(text).toBe(`${"x".repeat(3_990)}***yyyyyyy…`);
});

/** AWS's own examples, which no account has. */
const KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const TOKEN =
  "IQoJb3JpZ2luX2VjEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

test.each([
  ["a secret access key", `the key ${KEY} is wrong`, "the key *** is wrong"],
  ["a secret access key with its name", `SECRET=${KEY}`, "SECRET=***"],
  ["a session token", `x-amz-security-token:${TOKEN} host:sts`, "x-amz-security-token:*** host:sts"],
  [
    "a session token in URL encoding",
    `X-Amz-Security-Token=${encodeURIComponent(TOKEN)}&a=b`,
    "X-Amz-Security-Token=***&a=b",
  ],
])("takes %s for one that nobody told it of", (_, text, is) => {
  expect(redact(text, [])).toBe(is);
});

const ENCODED = `4GIOHlTkIaWHQD0Q0m6XSnuMMCm-${"abcdefghijKLMNOPQRST0123456789_-".repeat(60)}`;

/** As STS words them. */
test.each([
  "User: arn:aws:iam::111122223333:user/division/subdivision/TeamBlue2024/alice is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_AdministratorAccess_0123456789abcdef",
  "User: arn:aws:sts::111122223333:assumed-role/DeploymentRoleOfTheWholeCompany2024/botocoreSession1234567890 is not authorized to perform: sts:TagSession on resource: arn:aws-us-gov:iam::111122223333:role/Engineering/Production/TeamAlphaDeploymentRole2024 because no identity-based policy allows the sts:TagSession action",
  "The security token included in the request is invalid.",
  "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
  "MultiFactorAuthentication failed with invalid MFA one time pass code.",
  "1 validation error detected: Value 'x' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*",
  "Request id 7a1b2c3d-4e5f-6071-8293-A4B5C6D7E8F9 of ASIAIOSFODNN7EXAMPLE",
  "The String-to-Sign should have been 'AWS4-HMAC-SHA256 20260101T000000Z 20260101/us-east-1/sts/aws4_request ab9f6d1e2c3b4a5968778695a4b3c2d1e0f1a2b3c4d5e6f708192a3b4c5d6e7f'",
  `You are not authorized to perform this operation. Encoded authorization failure message: ${ENCODED}`,
])("leaves AWS's words as they are: %#", (text) => {
  expect(redact(text, [])).toBe(text);
});

test.each([
  ["one\ntwo\n", "two"],
  ["", ""],
  ["code 123456 is wrong", "code *** is wrong"],
  ["port 12345, account 111122223333", "port 12345, account 111122223333"],
  ["cannot open /home/jo/.vault-token", "cannot open /home/jo/.vault-token"],
  ["said hunter22 and canary-token", "said *** and ***"],
  ["\u001B[31mred\u001B[0m", "[31mred [0m"],
])("the last words of %j are %j", (stderr, words) => {
  const environment = {
    HOME: "/home/jo",
    AWS_SESSION_TOKEN: "canary-token",
    AWS_WEB_IDENTITY_TOKEN_FILE: "/home/jo/.vault-token",
    HTTPS_PROXY: "http://jo:hunter22@proxy:3128",
  };
  expect(lastWords(stderr, environment)).toBe(words);
});
