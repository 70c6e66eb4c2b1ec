// The command line: argv → command → exit status. The only file of the client that touches the process it runs in.
import { KeyholeError } from "../errors.ts";
import type { Host, Output } from "./command.ts";
import { run } from "./run.ts";
import { root } from "./table.ts";
import { createUi } from "./ui.ts";

const SIGPIPE = 13;

/** Runs a client to its end, and with it the process. @param words argv behind the program's name */
export async function main(words: readonly string[]): Promise<void> {
  process.exit(await run(words, { root, environment: process.env, ui: createUi(), output: stdout, host }));
}

/** Never `process.stdout`: touching it costs 11 ms, and cuts what is longer than a pipe at the exit (BUN.md, 5). */
const stdout: Output = {
  line: (text) => console.log(text),
  bytes: async (bytes) => {
    // Bun 1.4.5 writes nothing by truncating the file that stdout is.
    if (bytes.length === 0) return;
    try {
      await Bun.write(Bun.stdout, bytes);
    } catch (error) {
      // The reader has gone, as in `logs -f | head`: end as a program does that SIGPIPE ends.
      if ((error as { code?: string }).code === "EPIPE") process.exit(128 + SIGPIPE);
      throw new KeyholeError("internal", "stdout cannot be written to", "keyhole daemon logs");
    }
  },
};

const host: Host = {
  command: Bun.isStandaloneExecutable ? [process.execPath] : [process.execPath, Bun.main],
  cwd: () => process.cwd(),
  now: () => Date.now(),
  wait: (milliseconds) => Bun.sleep(milliseconds),
  readStdin: () => Bun.stdin.text(),
  signal: (pid, signal) => {
    try {
      return process.kill(pid, signal);
    } catch {
      return false;
    }
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
  launch: async (settings) => {
    const { launchDaemon } = await import("../client/launch.ts");
    return launchDaemon(host.command, settings, process.env);
  },
};
