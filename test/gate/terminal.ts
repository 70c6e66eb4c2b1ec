// What a program can do to the terminal that it is started from: type into it what the shell there then runs.
import { existsSync, readFileSync } from "node:fs";
import { quotePosix } from "../../src/text/quoting.ts";
import { resultOf } from "../processes.ts";

const setting = "/proc/sys/dev/tty/legacy_tiocsti";

/** Whether Linux lets anybody (ioctl_tty(2)); where it does not, no sandbox can be told from another. */
export const canType = !existsSync(setting) || readFileSync(setting, "utf8").trim() === "1";

/** Tries it wherever it may have the terminal, and fails silently. */
export const TYPIST = [
  "python3",
  "-c",
  `import fcntl, os, termios
for path in ["/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2", "/dev/tty"]:
  try:
    terminal = os.open(path, os.O_RDWR | os.O_NOCTTY)
    for byte in b"typed\\n": fcntl.ioctl(terminal, termios.TIOCSTI, bytes([byte]))
    break
  except OSError: pass`,
] as const;

/** Whether the shell that ran these words on a terminal finds something to read there that no person typed. */
export async function isTypedInto(words: readonly string[]): Promise<boolean> {
  // What was typed is there before the program ends; a terminal that has nothing says so after a tenth of a second.
  const line = `${words.map(quotePosix).join(" ")}; stty -echo -icanon min 0 time 1; printf 'found:'; dd bs=4096 count=1 status=none`;
  const child = Bun.spawn(["script", "--quiet", "--command", line, "/dev/null"], {
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", SHELL: "/bin/sh" },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  const { stdout } = await resultOf(child);
  const [, found] = stdout.split("found:");
  if (found === undefined) throw new Error(`the shell did not come so far: ${stdout}`);
  return found.includes("typed");
}
