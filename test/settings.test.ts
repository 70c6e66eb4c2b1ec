import { describe, expect, test } from "bun:test";
import { parseArguments } from "../src/arguments.ts";
import { daemonOptions, resolveSettings, settingOptions, settingsToArguments } from "../src/settings.ts";
import { thrownBy } from "./thrown.ts";

const HOME = { HOME: "/home/a" };
const cwd = () => "/here";

function resolve(words: readonly string[], environment: Readonly<Record<string, string>> = HOME) {
  return resolveSettings(parseArguments(words, settingOptions), environment, cwd);
}

const failure = (words: readonly string[], environment: Readonly<Record<string, string>> = {}) =>
  thrownBy(() => resolve(words, { ...HOME, ...environment }));

test("without options and variables the defaults hold", () => {
  const { paths, ...limits } = resolve([]);
  expect(limits).toEqual({
    isSocketNamed: false,
    isConfigDirNamed: false,
    usesShared: true,
    maxConnections: 1024,
    maxSessions: 64,
    clientTimeout: 20_000,
    isTimeoutNamed: false,
    once: false,
    autostart: "always",
    isAutostartMeant: false,
    isShared: false,
    isInProcess: false,
    hasDiskLogs: true,
    socketMode: 0o600,
    socketDirMode: 0o700,
  });
  expect(paths.socket).toBe("/home/a/.keyhole/sock/daemon.sock");
  expect(paths.configDir).toBe("/home/a/.keyhole/configs");
});

const cases = [
  ["-cd", "--config-dir", "KEYHOLE_CONFIG_DIR", "c", (s: Resolved) => s.paths.configDir, "/here/c"],
  ["-sp", "--socket-path", "KEYHOLE_SOCKET", "/s.sock", (s: Resolved) => s.paths.socket, "/s.sock"],
  ["-lp", "--logging-path", "KEYHOLE_LOGGING_PATH", "/l.log", (s: Resolved) => s.paths.log, "/l.log"],
  [
    "-musc",
    "--max-unix-socket-connections",
    "KEYHOLE_MAX_UNIX_SOCKET_CONNECTIONS",
    "7",
    (s: Resolved) => s.maxConnections,
    7,
  ],
  ["-mdcs", "--max-daemon-cache-size", "KEYHOLE_MAX_DAEMON_CACHE_SIZE", "8", (s: Resolved) => s.maxSessions, 8],
  ["-ct", "--client-timeout", "KEYHOLE_CLIENT_TIMEOUT", "1.5", (s: Resolved) => s.clientTimeout, 1500],
] as const;

type Resolved = ReturnType<typeof resolve>;

describe.each(cases)("%s", (short, long, variable, text, read, expected) => {
  test("is an option, a short option and a variable", () => {
    expect(read(resolve([short, text]))).toBe(expected);
    expect(read(resolve([`${long}=${text}`]))).toBe(expected);
    expect(read(resolve([], { ...HOME, [variable]: text }))).toBe(expected);
  });

  test("wins as an option over its variable, even over a bad one", () => {
    const bad = variable.includes("MAX") || variable.includes("TIMEOUT") ? "nonsense" : "/other";
    expect(read(resolve([long, text], { ...HOME, [variable]: bad }))).toBe(expected);
  });

  test("counts as unset where the variable is empty, and is an error where the option is", () => {
    expect(read(resolve([], { ...HOME, [variable]: "" }))).toBe(read(resolve([])));
    expect(failure([`${long}=`]).message).toBe(`${long} is empty`);
  });
});

test.each<[environment: Record<string, string>, uses: boolean]>([
  [{}, true],
  [{ KEYHOLE_HOME: "/k" }, false],
  [{ KEYHOLE_HOME: "" }, true],
  [{ KEYHOLE_HOME: "/k", KEYHOLE_SHARED_SOCKET: "/s" }, true],
  [{ KEYHOLE_HOME: "/k", KEYHOLE_SHARED_SOCKET: "" }, false],
])("with %j a shared daemon counts: %p (A-006)", (environment, uses) => {
  expect(resolve([], { ...HOME, ...environment }).usesShared).toBe(uses);
});

test.each<[environment: Record<string, string>, words: string[], autostart: string, once: boolean]>([
  [{}, [], "always", false],
  [{ KEYHOLE_AUTOSTART: "1" }, [], "always", false],
  [{ KEYHOLE_AUTOSTART: "" }, [], "always", false],
  [{ KEYHOLE_AUTOSTART: "0" }, [], "never", false],
  [{ KEYHOLE_AUTOSTART: "false" }, ["--once"], "never", true],
  [{ KEYHOLE_AUTOSTART_ONCE: "1" }, [], "once", false],
  [{ KEYHOLE_AUTOSTART_ONCE: "true", KEYHOLE_AUTOSTART: "0" }, [], "never", false],
  [{ KEYHOLE_HOME: "/k" }, [], "always", false],
  [{}, ["--once"], "once", true],
])("with %j and %j a daemon is started %s (A-011)", (environment, words, autostart, once) => {
  expect(resolve(words, { ...HOME, ...environment })).toMatchObject({ autostart, once });
});

test.each<[environment: Record<string, string>, socket: number, directory: number]>([
  [{ KEYHOLE_SOCKET_MODE: "660" }, 0o660, 0o700],
  [{ KEYHOLE_SOCKET_MODE: "0660", KEYHOLE_SOCKET_DIR_MODE: "0o750" }, 0o660, 0o750],
  [{ KEYHOLE_SOCKET_MODE: "", KEYHOLE_SOCKET_DIR_MODE: "0710" }, 0o600, 0o710],
])("with %j the modes are %o and %o (A-007, A-008)", (environment, socketMode, socketDirMode) => {
  expect(resolve([], { ...HOME, ...environment })).toMatchObject({ socketMode, socketDirMode });
});

test.each(["1", "true"])("KEYHOLE_DISABLE=%s runs the broker in the client (A-013)", (value) => {
  expect(resolve([], { ...HOME, KEYHOLE_DISABLE: value }).isInProcess).toBe(true);
});

describe("a bad value", () => {
  test.each(["KEYHOLE_AUTOSTART", "KEYHOLE_AUTOSTART_ONCE", "KEYHOLE_DISABLE"])("%s is a switch", (variable) => {
    for (const value of ["yes", "on", "2", "TRUE", " 1", "01"]) {
      expect(failure([], { [variable]: value }).message).toBe(`${variable} must be 0 or 1`);
    }
  });

  test.each([
    [
      "KEYHOLE_SOCKET_MODE",
      ["640", "666", "661", "604", "400", "060", "700", "66", "0o0660", "1660", "680", "rw", "-660"],
    ],
    ["KEYHOLE_SOCKET_DIR_MODE", ["755", "770", "600", "701", "500", "2750", "0x1e8", "750 "]],
  ])("%s grants nothing to others, and takes nothing from the owner", (variable, values) => {
    for (const value of values) {
      const error = failure([], { [variable]: value });
      expect([value, error.exitStatus]).toEqual([value, 2]);
      expect(error.message).toStartWith(`${variable} must be `);
    }
  });

  const counts = ["0", "-1", "1.5", "x", "1e3", "65536", "9".repeat(30), " 5", "٣"];
  const times = ["0", "-1", "x", "1e3", "3601", "Infinity", "NaN", ".5", "1."];

  test.each(counts)("%p is no count", (value) => {
    for (const name of ["max-daemon-cache-size", "max-unix-socket-connections"] as const) {
      expect(failure([`--${name}=${value}`]).message).toBe(`--${name} must be a whole number from 1 to 65535`);
      const { variable } = settingOptions[name];
      const error = failure([], { [variable]: value });
      expect(error.message).toBe(`${variable} must be a whole number from 1 to 65535`);
      expect(error.exitStatus).toBe(2);
    }
  });

  test.each(times)("%p is no time", (value) => {
    expect(failure([`--client-timeout=${value}`]).message).toBe(
      "--client-timeout must be seconds, above 0 and up to 3600",
    );
    expect(failure([], { KEYHOLE_CLIENT_TIMEOUT: value }).message).toStartWith("KEYHOLE_CLIENT_TIMEOUT must be");
  });
});

test("settings turned into arguments resolve to the same settings, from any directory and without variables", () => {
  const settings = resolve("-cd c -sp s.sock -lp l.log -musc 3 -mdcs 4 -ct 0.5 --once".split(" "));
  const words = settingsToArguments(settings);
  expect(resolveSettings(parseArguments(words, settingOptions), HOME, () => "/elsewhere")).toEqual(settings);
});

test("shared mode is a word of the daemon's alone, and is passed on to the next daemon", () => {
  const words = settingsToArguments({ ...resolve([]), isShared: true });
  const again = parseArguments(words, { ...settingOptions, ...daemonOptions });
  expect(resolveSettings(again, HOME, cwd).isShared).toBe(true);
  expect(thrownBy(() => resolve(["--shared"])).kind).toBe("usage");
});

test("no variable belongs to two options, and no option to another's short form", () => {
  const rows = Object.values(settingOptions);
  expect(new Set(rows.map((row) => row.variable)).size).toBe(rows.length);
  const aliases = rows.flatMap((row) => ("alias" in row ? [row.alias] : []));
  expect(new Set(aliases).size).toBe(aliases.length);
});
