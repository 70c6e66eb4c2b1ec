// The command line: argv → command → exit status. The only file of the client that touches the process it runs in.
import type { Refusal } from "../client/express.ts";
import type { Environment } from "../environment.ts";
import { KeyholeError, keyholeErrorOf } from "../errors.ts";
import type { Host } from "./command.ts";
import { absoluteExecutable } from "./where.ts";
import { run } from "./command-line.ts";
import { createStdout } from "./stdout.ts";
import { root } from "./table.ts";
import { createUi } from "./ui.ts";

/**
 * Runs a client to its end, and with it the process.
 *
 * @param words argv after the program's name
 * @param openInProcess makes a broker inside of this process
 * @param refusal what has been answered to these words already
 */
export async function main(
  words: readonly string[],
  openInProcess: Host["openInProcess"],
  refusal?: Refusal,
): Promise<void> {
  const ui = createUi(process.env);
  if (refusal !== undefined) {
    const { readRefusal } = await import("./vending/grant-socket.ts");
    const error = readRefusal(refusal);
    ui.fail(error);
    process.exit(error.exitStatus);
  }
  const environment = await environmentWithHome();
  const status = await run(words, { root, environment, ui, output, host: { ...host, openInProcess } });
  try {
    await output.finish();
  } catch (error) {
    ui.fail(error);
    process.exit(keyholeErrorOf(error).exitStatus);
  }
  process.exit(status);
}

/** The user database is asked only where it has to be: node:fs costs 1.5 ms. */
async function environmentWithHome(): Promise<Environment> {
  if (process.env["HOME"]) return process.env;
  const { withHome } = await import("../files/accounts.ts");
  // For the AWS SDK as well, where it is in this process.
  return Object.assign(process.env, withHome(process.env, process.geteuid?.()));
}

const output = createStdout((status) => process.exit(status));

/** @throws KeyholeError `usage` where the directory has been removed; asked only where a path is relative. */
function workingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    throw new KeyholeError("usage", "the working directory is gone, and a relative path begins in it", "cd");
  }
}

const executable = absoluteExecutable(process.execPath, workingDirectory, process.env["PATH"]);

const host: Omit<Host, "openInProcess"> = {
  command: Bun.isStandaloneExecutable ? [executable] : [process.execPath, Bun.main],
  cwd: workingDirectory,
  now: () => Date.now(),
  wait: (milliseconds) => Bun.sleep(milliseconds),
  readStdin: () => Bun.stdin.text(),
  readForeign: async (paths) => {
    const { readInChild } = await import("./reading-in-child.ts");
    return readInChild(host.command, paths, host.wait);
  },
  page: async (render) => (await import("./pager.ts")).page(render, process.env),
  signal: (pid, signal) => {
    try {
      return process.kill(pid, signal);
    } catch {
      return false;
    }
  },
  platform: process.platform,
  isContainer: () =>
    Boolean(process.env["container"] || process.env["KUBERNETES_SERVICE_HOST"]) ||
    ["/.dockerenv", "/run/.containerenv"].some((path) =>
      (require("node:fs") as typeof import("node:fs")).existsSync(path),
    ),
  userId: () => process.geteuid?.() ?? -1,
  runTool: async ([program, ...words]) => {
    const path = Bun.which(program);
    if (path === null) return { status: 127, stdout: "", stderr: "" };
    const child = Bun.spawn([path, ...words], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const texts = [child.stdout, child.stderr].map((stream) => new Response(stream).text());
    const [stdout = "", stderr = ""] = await Promise.all(texts);
    return { status: await child.exited, stdout, stderr };
  },
  isRunning: async (pid) => {
    try {
      process.kill(pid, 0);
    } catch {
      return false;
    }
    // In a container whose first process does not wait for orphans, an ended daemon stays as a zombie.
    const state = await Bun.file(`/proc/${pid}/stat`)
      .text()
      .catch(() => "");
    return !/^.*\) Z /s.test(state);
  },
  launch: async (settings, endOther) =>
    (await import("./daemon/launching.ts")).launchOwn(host.command, settings, process.env, endOther),
};
