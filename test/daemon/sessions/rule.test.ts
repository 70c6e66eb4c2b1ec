// The rule of selection.ts, as a table: who asks in which order, what breaks meanwhile, and whose source it is.
import { describe, expect, test } from "bun:test";
import { type ErrorName, KeyholeError } from "../../../src/errors.ts";
import type { SourceEnvironment } from "../../../src/sources/source.ts";
import { roleConfig } from "../fakes/configs.ts";
import { errorOf, newWorld } from "../fakes/world.ts";

const HOUR = 3_600_000;

/** As clients do: Vend, and where there is no session, an addition that keeps what works. */
function newShells() {
  const it = newWorld({ random: () => 0 });
  it.configs.write("dev", roleConfig("dev"));
  /** Profiles that give no credentials, and why. */
  const broken = new Map<string, KeyholeError>();
  it.source.resolve = ({ environment }) => {
    const error = broken.get(environment["AWS_PROFILE"] ?? "");
    return error === undefined ? Promise.resolve() : Promise.reject(error);
  };
  async function ask(environment: SourceEnvironment): Promise<string> {
    try {
      return (await it.vend("dev")).source;
    } catch (error) {
      if (!(error instanceof KeyholeError)) throw error;
      if (error.kind !== "no-such-session") return error.kind;
    }
    try {
      await it.sessions.add("dev", environment, { verify: true, renew: false, keep: true });
    } catch (error) {
      if (!(error instanceof KeyholeError)) throw error;
      return error.kind;
    }
    return (await it.vend("dev")).source;
  }
  return { ...it, broken, ask };
}

type Shells = ReturnType<typeof newShells>;

/** `profile: what it gets`; `break profile kind [message]`, `mend profile`, `end` of credentials, `switch profile`. */
async function play(shells: Shells, step: string): Promise<void> {
  const [word = "", profile = "", kind = "", ...message] = step.split(" ");
  const environment = { AWS_PROFILE: profile };
  switch (word) {
    case "break":
      shells.broken.set(profile, new KeyholeError(kind as ErrorName, message.join(" ") || "scripted"));
      return;
    case "mend":
      shells.broken.delete(profile);
      return shells.clock.advance(HOUR / 60);
    case "end":
      return shells.clock.advance(HOUR);
    case "switch":
      await shells.sessions
        .add("dev", environment, { verify: true, renew: false })
        .catch((error: KeyholeError) => expect(error.kind).toBe(kind as ErrorName));
      return;
    case "listed":
      expect(shells.sessions.list().map(({ source, notes }) => [source, ...notes].join(" "))).toEqual(
        [step.slice(word.length + 1)].filter((text) => text !== ""),
      );
      return;
    default:
      expect(await shells.ask({ AWS_PROFILE: word })).toBe(step.slice(word.length + 1));
  }
}

describe("whose source it is", () => {
  test.each<[string, string[]]>([
    ["who asks first decides", ["a profile a", "b profile a"]],
    [
      "who asks first and fails decides nothing",
      ["break typo no-source-credentials", "typo no-source-credentials", "listed", "b profile b", "typo profile b"],
    ],
    ["nor where AWS was not reached", ["break a network", "a network", "listed", "b profile b"]],
    [
      "one that worked stays while its credentials last, whatever becomes of it",
      ["a profile a", "break a no-source-credentials", "b profile a", "a profile a"],
    ],
    [
      "and is given up when it is gone and they have ended, which is listed",
      [
        "a profile a",
        "break a no-source-credentials no profile",
        "end",
        "b profile b",
        "a profile b",
        "listed profile b",
      ],
    ],
    [
      "what nobody has replaced is listed as given up",
      [
        "a profile a",
        "break a aws-refused InvalidClientTokenId: no such key",
        "end",
        "a aws-refused",
        "listed  its source (profile a) is given up: the next client brings another. InvalidClientTokenId: no such key",
        "break b network",
        "b network",
        "listed  its source (profile a) is given up: the next client brings another. InvalidClientTokenId: no such key",
        "c profile c",
        "listed profile c",
      ],
    ],
    [
      "a login is no such end",
      ["a profile a", "break a person-needed", "end", "b person-needed", "mend a", "b profile a"],
    ],
    ["nor is the network", ["a profile a", "break a network", "end", "b network", "mend a", "b profile a"]],
    ["nor is throttling", ["a profile a", "break a throttled", "end", "b throttled", "mend a", "b profile a"]],
    ["nor is what the role says", ["a profile a", "break a aws-refused AccessDenied: no", "end", "b aws-refused"]],
    ["a person switches", ["a profile a", "switch b", "a profile b"]],
    [
      "to what works, else it stays",
      [
        "a profile a",
        "break b no-source-credentials",
        "switch b no-source-credentials",
        "b profile a",
        "listed profile a",
      ],
    ],
  ])("%s", async (_, steps) => {
    const shells = newShells();
    for (const step of steps) await play(shells, step);
  });

  test("what is given up is said in the log", async () => {
    const shells = newShells();
    for (const step of ["a profile a", "break a no-source-credentials", "end", "a no-source-credentials"])
      await play(shells, step);
    expect(shells.log.map(({ event }) => event)).toContain("source given up");
  });

  test("keys in an environment that have expired are given up", async () => {
    const it = newWorld();
    it.configs.write("dev", roleConfig("dev"));
    const environment = { AWS_ACCESS_KEY_ID: "ASIA", AWS_SECRET_ACCESS_KEY: "s", AWS_SESSION_TOKEN: "t" };
    await it.sessions.add("dev", environment, { verify: true, renew: false });
    it.source.failure = new KeyholeError("person-needed", "ExpiredToken: the token has expired");
    await it.clock.advance(HOUR);
    expect((await errorOf(it.vend("dev"))).kind).toBe("no-such-session");
  });

  test("two who ask at once both get the session's source, and the first's error where it has none", async () => {
    const shells = newShells();
    shells.broken.set("a", new KeyholeError("network", "scripted"));
    const [a, b] = await Promise.all([shells.ask({ AWS_PROFILE: "a" }), shells.ask({ AWS_PROFILE: "b" })]);
    expect(b).toBe("profile b");
    expect(["network", "profile b"]).toContain(a);
  });
});

describe("which come back after a restart", () => {
  const options = { verify: true, renew: false };
  test("those that worked, and were not of one request's endpoint", async () => {
    const it = newWorld();
    const names = ["works", "works (/alt)", "works (http://127.0.0.1:1)", "fails", "unasked"];
    for (const name of names) it.configs.write(name, roleConfig("r"));
    it.source.resolve = ({ name }) =>
      name === "fails" ? Promise.reject(new KeyholeError("network", "scripted")) : Promise.resolve();
    for (const name of names)
      await it.sessions.add(name, { AWS_PROFILE: name }, { ...options, verify: name !== "unasked" }).catch(() => {});
    expect(it.sessions.proven()).toEqual([
      { name: "works", environment: { AWS_PROFILE: "works" }, awaitsWay: false, isConfirmed: true },
      { name: "works (/alt)", environment: { AWS_PROFILE: "works (/alt)" }, awaitsWay: false, isConfirmed: true },
    ]);
  });
});

test("a session of one request's endpoint is renewed for nobody, pinned or not", async () => {
  const it = newWorld();
  const name = "dev (http://127.0.0.1:1)";
  it.configs.write(name, { ...roleConfig("dev"), pin: true });
  await it.sessions.add(name, {}, { verify: true, renew: false });
  await it.clock.advance(24 * HOUR);
  const before = it.source.count;
  expect(before).toBeLessThanOrEqual(4);
  await it.clock.advance(24 * HOUR);
  expect(it.source.count).toBe(before);
});

const proxy = (url: string) => ({ AWS_PROFILE: "a", HTTPS_PROXY: url });
const environments = (it: Shells) => it.source.calls.map(({ environment }) => environment["HTTPS_PROXY"]);

describe("the way to AWS", () => {
  test("of a session that works stays, and makes no new call", async () => {
    const it = newShells();
    await it.ask(proxy("http://one"));
    await it.sessions.add("dev", proxy("http://two"), { verify: true, renew: false, keep: true });
    expect(it.sessions.compare("dev", proxy("http://two"))).toBeUndefined();
    expect(environments(it)).toEqual(["http://one"]);
    expect(it.sessions.environmentOf("dev")).toEqual(proxy("http://one"));
  });

  test("of who asked last is that of a session that does not work, at once, and its source stays", async () => {
    const it = newShells();
    await it.ask(proxy("http://one"));
    it.broken.set("a", new KeyholeError("network", "scripted"));
    await it.clock.advance(HOUR);
    expect(await it.ask(proxy("http://two"))).toBe("network");
    it.broken.clear();
    it.sessions.compare("dev", { ...proxy("http://two"), AWS_PROFILE: "b" });
    expect((await it.vend("dev")).source).toBe("profile a");
    expect(environments(it).at(-1)).toBe("http://two");
  });
});

describe("how a requester's source differs", () => {
  const keys = { AWS_ACCESS_KEY_ID: "AKIA1", AWS_SECRET_ACCESS_KEY: "SECRET" };
  const home = { HOME: "/h" };
  test.each<[SourceEnvironment, SourceEnvironment, string | undefined]>([
    [home, home, undefined],
    [{ ...home, AWS_REGION: "a", PATH: "/a", HTTPS_PROXY: "x" }, { ...home, AWS_REGION: "b", PATH: "/b" }, undefined],
    [{ ...home, AWS_CONFIG_FILE: "/h/.aws/config" }, home, undefined],
    [
      home,
      { ...home, AWS_PROFILE: "p" },
      "its source is what there is without a variable, and this shell selects AWS_PROFILE=p",
    ],
    [
      { ...home, AWS_PROFILE: "q" },
      { ...home, AWS_DEFAULT_PROFILE: "p" },
      "its source is AWS_PROFILE=q, and this shell selects AWS_PROFILE=p",
    ],
    [keys, { ...keys, AWS_SECRET_ACCESS_KEY: "OTHER" }, undefined],
    // Keys win over a profile, as in the AWS CLI.
    [keys, { ...keys, AWS_PROFILE: "p", ...home }, undefined],
    [keys, { AWS_ACCESS_KEY_ID: "AKIA1", KEYHOLE_SOURCE_SESSION: "dev" }, undefined],
    [
      keys,
      { ...keys, AWS_ACCESS_KEY_ID: "AKIA2" },
      "its source is AWS_ACCESS_KEY_ID=AKIA1, and this shell selects AWS_ACCESS_KEY_ID=AKIA2",
    ],
    [
      home,
      { ...home, AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://x/?SECRET" },
      "its source is what there is without a variable, and this shell selects AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ],
    [
      home,
      { ...home, AWS_CONFIG_FILE: "/c" },
      "its source is AWS_CONFIG_FILE=/h/.aws/config, and this shell selects AWS_CONFIG_FILE=/c",
    ],
  ])("%j, %j", async (own, other, expected) => {
    const it = newWorld();
    it.configs.write("dev", roleConfig("dev"));
    await it.sessions.add("dev", own, { verify: true, renew: false });
    expect(it.sessions.compare("dev", other)).toBe(expected);
  });

  test("a config that names its source leaves nothing to differ", async () => {
    const it = newWorld();
    it.configs.write("dev", { ...roleConfig("dev"), Session: { profile_name: "fixed" } });
    await it.sessions.add("dev", home, { verify: true, renew: false });
    expect(it.sessions.compare("dev", { ...home, ...keys, AWS_PROFILE: "p" })).toBeUndefined();
  });

  test("a session that is not there differs in nothing", () => {
    expect(newWorld().sessions.compare("dev", keys)).toBeUndefined();
  });
});
