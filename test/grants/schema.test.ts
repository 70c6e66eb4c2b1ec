import { expect, test } from "bun:test";
import { fromDocument, toDocument } from "../../src/grants/schema.ts";
import { type Executable, executables } from "../../src/grants/grant.ts";
import { FULL, LEAST } from "./fakes/grants.ts";

const problemsOf = (change: Readonly<Record<string, unknown>>) => {
  const result = fromDocument("ci", { ...toDocument(FULL), ...change });
  return "problems" in result ? result.problems.map(({ message }) => message) : [];
};

test("a grant is written in the words of its options", () => {
  expect(toDocument(FULL)).toEqual({
    config: "dev",
    id: "0123456789abcdef".repeat(4),
    session_name: "keyhole-ci-0a1b2c3d",
    identity: "arn:aws:sts::111122223333:assumed-role/dev/ann",
    created: "2025-10-01T21:34:31.380Z",
    ends: "2025-10-02T05:34:31.380Z",
    clock_skew_ms: -3_600_000,
    revoked: "2025-10-01T21:34:32Z",
    policy: '{"Version":"2012-10-17"}',
    policy_arns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
    tags: [{ key: "team", value: "a b" }],
    source_identity: "ann",
    duration: "1h30m",
    deliver: "file",
    mount_at: "host",
    executable: false,
    arch: "arm64",
    allow_uids: [0, 4_294_967_295],
    allow_gids: [100],
    rate: "10/s",
    max_uses: 5,
    uses: 4,
    confirm: true,
    sign: FULL.sign,
    dummy_keys: FULL.dummy,
    environment: { AWS_PROFILE: "dev" },
    had_keys: true,
    key_id: "AKIAEXAMPLE",
    config_dir: "/home/ann/configs",
    runner: { pid: 77, started: "boot/12" },
  });
});

test.each([
  [true, "full"],
  [false, "none"],
  ["small", "small"],
  ["full", "full"],
])("an executable that is %p is %s", (written, executable) => {
  const result = fromDocument("ci", { ...toDocument(FULL), executable: written });
  expect(result).toEqual({ grant: { ...FULL, executable: executable as Executable } });
});

test("former versions read the executables that they know", () => {
  const written = executables.map((executable) => toDocument({ ...FULL, executable })["executable"]);
  expect(written).toEqual(["small", true, false]);
});

test("what is absent is left out, and read as absent", () => {
  expect(Object.keys(toDocument(LEAST))).toEqual(
    [
      ["config", "id", "session_name", "created", "deliver", "mount_at", "executable", "rate", "uses", "confirm"],
      ["had_keys"],
    ].flat(),
  );
  for (const grant of [FULL, LEAST]) expect(fromDocument(grant.name, toDocument(grant))).toEqual({ grant });
});

test.each<[string, unknown, string]>([
  ["config", "../x", "config must be the name of a config, or aws: and that of a profile"],
  ["id", "../../../../../../../x", "id must be a SHA-256: 64 digits and small letters a to f"],
  ["id", "A".repeat(23), "id must be a SHA-256: 64 digits and small letters a to f"],
  ["id", "AAAAAAAAAAAAAAAAAAAAA/", "id must be a SHA-256: 64 digits and small letters a to f"],
  ["id", "AAAAAAAAAAAAAAAAAAAAAA\n", "id must be a SHA-256: 64 digits and small letters a to f"],
  ["session_name", "a b", "session_name must be a role session's name: 2 to 64 letters, digits or _+=,.@-"],
  ["created", "today", "created must be a time, like 2026-01-31T23:59:59Z"],
  ["ends", 5, "ends must be text"],
  ["revoked", null, "revoked must be text"],
  ["policy_arns", "x", "policy_arns must be a list"],
  ["tags", [{ key: "a" }], "tags[0].value is required"],
  ["tags", [{ key: "a", value: "b", c: "d" }], "tags[0].c is no key of a grant"],
  ["tags", ["a"], "tags[0] must be a mapping"],
  ["duration", "soon", "duration must be a span of time, like 1h or 900s"],
  ["duration", 3600, "duration must be text"],
  ["deliver", "mail", "deliver must be socket, file or sign"],
  ["mount_at", "run", "mount_at must be host or an absolute path"],
  ["executable", "yes", "executable must be small, full or none"],
  ["allow_uids", [-1], "allow_uids[0] must be a whole number that is not negative"],
  ["allow_uids", ["0"], "allow_uids[0] must be a whole number, without quotes"],
  ["allow_gids", [2 ** 32], "allow_gids[0] must be at most 4294967295"],
  ["rate", "fast", "rate must be requests in a time, like 10/s"],
  ["max_uses", 0, "max_uses must be a whole number above 0"],
  ["uses", 1.5, "uses must be a whole number"],
  ["confirm", 1, "confirm must be true or false"],
  ["environment", ["x"], "environment must be a mapping of variables"],
  ["environment", { AWS_PROFILE: 1 }, "environment.AWS_PROFILE must be text"],
  ["environment", { AWS_SECRET_ACCESS_KEY: "SECRET" }, "environment.AWS_SECRET_ACCESS_KEY must not lie on the disk"],
  ["environment", { AWS_ENDPOINT_URL: "http://a:SECRET@b/" }, "environment.AWS_ENDPOINT_URL must not lie on the disk"],
  ["had_keys", undefined, "had_keys must be true or false"],
  ["mountAt", "/x", "mountAt is no key of a grant"],
])("%s: %j is refused", (key, value, message) => {
  expect(problemsOf({ [key]: value })).toEqual([message]);
});

test("everything that is wrong is said at once, and no value", () => {
  const problems = problemsOf({ id: "SECRET", rate: "SECRET", deliver: "SECRET", "SECRET KEY": "SECRET" });
  expect(problems.length).toBe(4);
  expect(problems.join("\n")).not.toContain("SECRET");
});

test.each([[null], [[]], ["x"], [5]])("%j is no grant", (value) => {
  expect(fromDocument("ci", value)).toEqual({ problems: [{ path: [], message: "the file must be a mapping" }] });
});

test("what must be there is missed", () => {
  const result = fromDocument("ci", {});
  expect("problems" in result && result.problems.map(({ message }) => message)).toEqual(
    [
      ["config is required", "id is required", "session_name is required", "created is required"],
      ["deliver is required", "mount_at is required", "executable is required", "rate is required"],
      ["confirm is required", "had_keys is required"],
    ].flat(),
  );
});
