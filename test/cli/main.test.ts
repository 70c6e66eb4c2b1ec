import { expect, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PROCESS_LINE, startFakeDaemon, temporaryHome, vended } from "./fakes/daemon.ts";

const main = join(import.meta.dir, "../../src/main.ts");

/** The real program, from source, in a shell that redirects its streams. */
async function shell(script: string, environment: Readonly<Record<string, string>>) {
  const child = Bun.spawn(["sh", "-c", script, "sh", process.execPath, main], {
    env: { PATH: "/usr/bin:/bin", ...environment },
    stdin: "ignore",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  return { exit: child.exitCode, stdout, stderr };
}

test("the answer is appended to the file that stdout is, and an empty answer leaves it alone", async () => {
  await using daemon = startFakeDaemon({ Vend: ({ config }) => vended(config) });
  const file = join(daemon.home, "answers");
  writeFileSync(file, "before\n");
  const environment = { KEYHOLE_HOME: daemon.home, KEYHOLE_SOCKET: daemon.socket, FILE: file };
  const script = `"$1" "$2" export -n dev -f credential-process >> "$FILE"; "$1" "$2" daemon logs --head 0 >> "$FILE"`;
  expect((await shell(script, environment)).exit).toBe(0);
  expect(readFileSync(file, "utf8")).toBe(`before\n${PROCESS_LINE}`);
});

test("a reader that goes away ends `logs --follow` without a word", async () => {
  const home = temporaryHome();
  const log = join(home, "log");
  writeFileSync(log, '{"event":"x"}\n');
  // The second look finds a reader gone; a new line must be there to notice it.
  const script = `{ "$1" "$2" -lp ${log} daemon logs -f; echo $? >&2; } | { head -n 1; }; `;
  const writer = setInterval(() => writeFileSync(log, '{"event":"x"}\n', { flag: "a" }), 20);
  const result = await shell(script, { KEYHOLE_HOME: home });
  clearInterval(writer);
  rmSync(home, { recursive: true, force: true });
  expect(result.stderr).toBe("141\n");
});

test("without a terminal nobody is asked, whatever stdin says", async () => {
  const result = await shell(`echo dev | "$1" "$2" export`, { HOME: "/nowhere" });
  expect(result).toEqual({
    exit: 2,
    stdout: "",
    stderr: "keyhole: error: -n NAME is missing\nkeyhole: hint: keyhole config list\n",
  });
});

test("what every command loads is small, and an export loads no package", async () => {
  const bundle = await Bun.build({ entrypoints: [main], target: "bun", splitting: true, metafile: true });
  const chunks = bundle.metafile!.outputs;
  const reachedFrom = (source: RegExp) => {
    const reached = new Set<string>();
    const visit = (path: string) => {
      if (reached.has(path)) return;
      reached.add(path);
      for (const { path: next, kind } of chunks[path]?.imports ?? []) if (kind === "import-statement") visit(next);
    };
    for (const [path, { entryPoint }] of Object.entries(chunks)) if (source.test(entryPoint ?? "")) visit(path);
    return [...reached];
  };
  const inputsOf = (paths: string[]) => paths.flatMap((path) => Object.keys(chunks[path]?.inputs ?? {}));

  const ofExport = inputsOf(reachedFrom(/src\/(main|cli\/main|cli\/commands\/export)\.ts$/));
  expect(ofExport.some((path) => path.endsWith("commands/export.ts"))).toBe(true);
  expect(ofExport.filter((path) => /citty|valibot|aws-sdk|smithy/.test(path))).toEqual([]);

  const ofAll = reachedFrom(/src\/(main|cli\/main)\.ts$/);
  // What talks to a daemon costs 2 ms, Node's modules 1 to 5 each.
  expect(inputsOf(ofAll).filter((path) => /src\/(wire|native|files)\//.test(path))).toEqual([]);
  const texts = await Promise.all(
    bundle.outputs.filter(({ path }) => ofAll.includes(path)).map((output) => output.text()),
  );
  expect(texts.length).toBe(ofAll.length);
  expect(texts.join("\n").match(/from "node:.*"/g)).toBeNull();
});
