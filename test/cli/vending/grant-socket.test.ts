import { expect, test } from "bun:test";
import { failureInside, hidePlaces, insideErrors } from "../../../src/cli/vending/grant-socket.ts";
import { type ErrorName, errors, KeyholeError } from "../../../src/errors.ts";

const failures = (Object.keys(errors) as ErrorName[])
  .filter((kind) => errors[kind].inside !== undefined)
  .map((kind) => [kind, () => failureInside(kind, "/run/keyhole/sock")] as const);

test.each([...Object.entries(insideErrors), ...failures])(
  "%s says nothing of paths and roles, and what to do",
  (_, make) => {
    const { message, hint } = make("/run/keyhole/sock");
    expect(`${message} ${hint}`).not.toMatch(/\/|arn:/);
    expect(message).toMatch(/^[a-z][^.\n]*$/);
    expect(hint).toMatch(/^(on the host: )?(runsc --host-uds=open, or )?keyhole /);
  },
);

test.each(["unreachable", "blocked", "timeout", "unsupported-version"] as const)("%s loses its path", (kind) => {
  const hidden = hidePlaces(new KeyholeError(kind, "connecting to /home/ada/.keyhole/g/x/sock"), "/run/keyhole/sock");
  expect(hidden).toMatchObject({ kind });
  expect((hidden as KeyholeError).message).not.toContain("/");
});

test("what the broker answered stays as it is", () => {
  const error = new KeyholeError("revoked", "this grant was revoked");
  expect(hidePlaces(error, "/run/keyhole/sock")).toBe(error);
  const foreign = new Error("x");
  expect(hidePlaces(foreign, "/run/keyhole/sock")).toBe(foreign);
});

test.each([
  ["/run/keyhole", "on the host: keyhole grant add NAME --config CONFIG --deliver file"],
  [
    "/home/ada/.keyhole/g/AAAAAAAAAAAAAAAAAAAAAA",
    "on the host: keyhole grant add NAME --config CONFIG --deliver file --mount-at host",
  ],
])("at %s the advice is a grant that is seen there", (directory, hint) => {
  expect(failureInside("blocked", `${directory}/sock`).hint).toBe(hint);
});

test("in gVisor a socket that is there and refuses is forbidden; one that is not there is missing", () => {
  const refused = new KeyholeError("unreachable", "nobody answers");
  expect(hidePlaces(refused, import.meta.path, () => true)).toMatchObject({
    kind: "blocked",
    hint: expect.stringContaining("--host-uds=open"),
  });
  expect(hidePlaces(refused, import.meta.path, () => false)).toMatchObject({ kind: "unreachable" });
  expect(hidePlaces(refused, `${import.meta.path}/none`, () => true)).toMatchObject({ kind: "unreachable" });
});
