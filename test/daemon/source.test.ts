import { expect, test } from "bun:test";
import { userName } from "../../src/daemon/credential-source.ts";
import { parseAccounts } from "../../src/files/accounts.ts";

const database = "root:x:0:0:root:/root:/bin/bash\n# comment\nada:x:1000:1000::/home/ada:/bin/sh\n";

test.each([
  ["the user database knows the user", 1000, {}, database, "ada"],
  [
    "the database wins over the environment, which another user's shell may have set",
    0,
    { USER: "ada" },
    database,
    "root",
  ],
  ["the environment names a user whom the database does not know", 501, { USER: "grace" }, database, "grace"],
  ["LOGNAME is POSIX's name for it", 501, { LOGNAME: "grace" }, "", "grace"],
  ["nobody knows the user", 501, { USER: "" }, "", "uid-501"],
])("%s", (_, uid, environment, text, expected) => {
  expect(userName(uid, environment, parseAccounts(text, ""))).toBe(expected);
});
