import { expect, test } from "bun:test";
import { refuseOther } from "../../src/build/runtime.ts";

// printf archive | openssl dgst -sha512 -binary | base64 -w0
const integrity = "sha512-sRU36Ok1DOcSWqYvA3z8E7szGJ0jPd3ewR+Oo3NRdlDSb053ZXua6gAZX/g3UdaiFCZ0yyF+PzssiRO+IXhDRA==";

test("an archive of the lock's sum is taken, and no other", () => {
  expect(() => refuseOther("bun", Buffer.from("archive"), { integrity })).not.toThrow();
  expect(() => refuseOther("bun", Buffer.from("archivf"), { integrity })).toThrow(
    "bun is not what package-lock.json says",
  );
});
