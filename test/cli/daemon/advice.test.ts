import { describe, expect, test } from "bun:test";
import { withAdvice } from "../../../src/cli/daemon/broker.ts";
import { KeyholeError } from "../../../src/errors.ts";

const advise = (error: unknown, environment = {}, whereabouts: "here" | "away" = "here") =>
  withAdvice(error, "dev", environment, whereabouts);

describe("where no source is found", () => {
  const none = new KeyholeError("no-source-credentials", "no source credentials found for config dev");

  test("another shell may have one", () => {
    expect(advise(none)).toMatchObject({
      kind: "no-source-credentials",
      message: none.message,
      hint: "in a shell that has source credentials: keyhole daemon add -n dev",
    });
  });

  test("the host of a container may", () => {
    expect(advise(none, {}, "away")).toMatchObject({ hint: "on the host: keyhole daemon add -n dev" });
  });

  test("and what the daemon knows to be wrong is said as it is", () => {
    const known = new KeyholeError("no-source-credentials", "there is no profile 'x'", "aws configure list-profiles");
    expect(advise(known)).toMatchObject({ hint: "aws configure list-profiles" });
  });
});

describe("where STS was not reached", () => {
  const failure = new KeyholeError("network", "no answer from STS: ECONNREFUSED through the proxy old:3128");

  test.each([{}, { HTTPS_PROXY: "http://new:3128" }, { OTHER: "old:3128" }])(
    "a proxy that is not in %j is named",
    (environment) => {
      expect(advise(failure, environment)).toMatchObject({
        kind: "network",
        message: `${failure.message}, which is set for the daemon and not in this shell`,
        hint: "keyhole daemon restart",
      });
    },
  );

  test("this shell's own is nothing to say anything about, nor is none", () => {
    const direct = new KeyholeError("network", "no answer from STS: ENOTFOUND");
    expect(advise(direct, { HTTPS_PROXY: "http://new:3128" })).toBe(direct);
    expect(advise(failure, { https_proxy: "http://me:secret@old:3128/" })).toBe(failure);
  });
});

test("everything else is what it is", () => {
  for (const error of [new KeyholeError("aws-refused", "AccessDenied"), new Error("x"), undefined]) {
    expect(advise(error)).toBe(error);
  }
});
