import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createUi } from "../../src/cli/ui.ts";
import { KeyholeError, keyholeErrorOf } from "../../src/errors.ts";
import { startFakeDaemon, vended } from "./fakes/daemon.ts";

const main = join(import.meta.dir, "../../src/main.ts");

function recorder() {
  const lines: string[] = [];
  return { lines, ui: createUi({}, (line) => void lines.push(line)) };
}

test("an error is one line and its hint another", () => {
  const { lines, ui } = recorder();
  ui.fail(new KeyholeError("unreachable", "no daemon listens at /s"));
  expect(lines).toEqual(["keyhole: error: no daemon listens at /s", "keyhole: hint: keyhole daemon start"]);
});

test("an error without a hint is one line", () => {
  const { lines, ui } = recorder();
  ui.fail(new KeyholeError("forbidden", "not here"));
  expect(lines).toEqual(["keyhole: error: not here"]);
});

test("a list of problems stays a list", () => {
  const { lines, ui } = recorder();
  ui.fail(new KeyholeError("aws-refused", "two problems\nfirst\n  second"));
  expect(lines).toEqual(["keyhole: error: two problems", "  first", "  second"]);
});

test("an exception from elsewhere shows its kind, never its message or its stack", () => {
  const { lines, ui } = recorder();
  ui.fail(Object.assign(new TypeError("with a SECRET"), { code: "EIO" }));
  ui.fail("SECRET");
  expect(lines.join("\n")).not.toContain("SECRET");
  expect(lines.join("\n")).not.toContain("  at ");
  expect(lines[0]).toBe("keyhole: error: unexpected failure (TypeError, EIO)");
  expect(keyholeErrorOf(undefined).exitStatus).toBe(1);
});

test("what came from outside cannot forge a second line or reach the terminal", () => {
  const { lines, ui } = recorder();
  ui.warn("a\u001b[2J\nkeyhole: error: forged", "h\nint");
  expect(lines).toEqual([String.raw`keyhole: warning: a\x1b[2J keyhole: error: forged`, "keyhole: hint: h int"]);
});

/** `keyhole export > FILE` on a terminal of its own, with a person who answers the first question with `keys`. */
async function choose(keys: string) {
  await using daemon = startFakeDaemon({ Vend: ({ config }) => vended(config) });
  const configs = join(daemon.home, "configs");
  mkdirSync(configs, { mode: 0o700 });
  for (const name of ["dev", "prod"]) writeFileSync(join(configs, `${name}.yaml`), "", { mode: 0o600 });
  let screen = "";
  let answered = false;
  const child = Bun.spawn(
    ["sh", "-c", 'exec "$1" "$2" export > "$3"', "sh", process.execPath, main, join(configs, "out")],
    {
      env: { PATH: "/usr/bin:/bin", TERM: "xterm", KEYHOLE_HOME: daemon.home, KEYHOLE_SOCKET: daemon.socket },
      terminal: {
        cols: 80,
        rows: 24,
        data: (terminal, bytes) => {
          screen += new TextDecoder().decode(bytes);
          if (answered || !screen.includes("prod")) return;
          answered = true;
          terminal.write(keys);
        },
      },
    },
  );
  const exit = await child.exited;
  child.terminal?.close();
  return { exit, screen, stdout: readFileSync(join(configs, "out"), "utf8"), requests: daemon.requests };
}

describe("on a terminal", () => {
  test("a question stands on stderr, and stdout holds the answer alone", async () => {
    const { exit, screen, stdout, requests } = await choose("\u001b[B\r");
    expect(screen).toContain("Which one?");
    expect(Object.keys(JSON.parse(stdout) as object)).toContain("access_key");
    expect(requests.at(-1)?.body).toEqual({ config: "prod" });
    expect(exit).toBe(0);
  });

  test("Ctrl-C leaves with 130, and no credentials were asked for", async () => {
    const { exit, stdout, requests } = await choose("\u0003");
    expect(exit).toBe(130);
    expect(stdout).toBe("");
    expect(requests.map(({ name }) => name)).toEqual(["List"]);
  });
});
