// The text of install.sh: what a cut one does, and what reviewers and build.ts rely on.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { createHost, missing, run, script, stamped, whereIs } from "./host.ts";

const text = readFileSync(script, "utf8");

/** After every 50th byte, and after each of the last ones, among which the call of main is. */
function cuts(length: number): number[] {
  const every50th = Array.from({ length: Math.floor(length / 50) }, (_, index) => (index + 1) * 50);
  const last = Array.from({ length: 60 }, (_, index) => length - 2 - index);
  return [...new Set([...every50th, ...last])].filter((cut) => cut < length - 1);
}

for (const shell of ["dash", "bash", "busybox"]) {
  test.skipIf(missing(shell))(
    `${shell} does nothing for a script that was cut (needs it)`,
    async () => {
      using host = createHost("0.2.0");
      const whole = stamped(host.fileUrl);
      const { env, cwd } = host.command({ env: { KEYHOLE_BASE_URL: undefined } });
      const words = [whereIs(shell), ...(shell === "busybox" ? ["sh"] : [])];
      for (const cut of cuts(whole.length)) {
        const { stdout } = await run(words, { env, cwd, stdin: whole.slice(0, cut) });
        expect([cut, stdout, host.files()]).toEqual([cut, "", []]);
      }
      // All of it, but for the last line's end, does what it is for.
      expect((await run(words, { env, cwd, stdin: whole.slice(0, -1) })).exitCode).toBe(0);
      expect(host.files()).toEqual([".local/bin/keyhole"]);
    },
    60_000,
  );
}

test.skipIf(missing("shellcheck")).each([["sh"], ["dash"]])(
  "shellcheck has nothing to say about it as %s (needs shellcheck)",
  async (dialect) => {
    const env = { PATH: process.env["PATH"]!, LC_ALL: "C.UTF-8" };
    const words = [whereIs("shellcheck"), "--shell", dialect, "--norc", script];
    expect(await run(words, { env, cwd: "/" })).toEqual({ stdout: "", stderr: "", exitCode: 0 });
  },
);

test("it is short: under 270 lines of at most 120 characters", () => {
  const lines = text.trimEnd().split("\n");
  expect(lines.length).toBeLessThan(270);
  expect(lines.filter((line) => line.length > 120)).toEqual([]);
});

test("build.ts finds one place for the address", () => {
  expect(text.match(/@BASE_URL@/g)).toHaveLength(1);
  expect(text).toContain("\nbase_url='@BASE_URL@'");
});

test("its head names every variable and gives three examples", () => {
  const head = text.slice(0, text.indexOf("\n{\n"));
  // KEYHOLE_HOME is the product's own.
  for (const [variable] of text.matchAll(/KEYHOLE_(?!HOME)[A-Z_]+/g)) expect(head).toContain(`#   ${variable} `);
  expect(head.match(/^#   .*(?:\| (?:\S+=\S+ )?sh\b|install\.sh$).*$/gm)).toHaveLength(3);
});

test("it never uses sudo, and never eval", () => {
  const code = text.replaceAll(/^#.*$/gm, "");
  expect(code).not.toMatch(/\b(?:sudo|su|doas|eval)\b/);
});
