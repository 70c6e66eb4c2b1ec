// A shell as the first process of a sandbox, which runs one program after another as an agent does: nothing of the
// sandbox is started again between them.
import type { Subprocess } from "bun";
import { quotePosix } from "../../src/text/quoting.ts";
import type { Result } from "../processes.ts";

export interface Shell extends AsyncDisposable {
  /** Runs a program to its end, with these variables on top of the shell's own. It sees an empty stdin. */
  run(program: readonly string[], variables?: Readonly<Record<string, string>>): Promise<Result>;
}

/** Milliseconds, of one program; a Python that loads botocore takes a second on a quiet machine. */
const PATIENCE = 60_000;

interface ShellOptions {
  /** What the sandbox needs besides the end of its stdin. */
  readonly end?: () => Promise<void>;
  /** A directory that can be written to. */
  readonly scratch?: string;
}

/** @param command starts `sh` in a sandbox that has `cat` */
export function openShell(
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
  { end = async () => {}, scratch = "/tmp" }: ShellOptions = {},
): Shell {
  const child = Bun.spawn([...command], { cwd: "/", env: environment, stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  const answers = readAnswers(child);
  return {
    async run(program, variables = {}) {
      const settings = Object.entries(variables).map(([name, value]) => `${name}=${quotePosix(value)}`);
      const words = ["env", ...settings, ...program.map(quotePosix)].join(" ");
      void child.stdin.write(`${words} >${scratch}/stdout 2>${scratch}/stderr </dev/null; status=$?\n`);
      void child.stdin.write(
        String.raw`cat ${scratch}/stdout; printf '\0'; cat ${scratch}/stderr; printf '\0%s\0' "$status"` + "\n",
      );
      await child.stdin.flush();
      const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
      try {
        const [stdout, stderr, status] = [await answers.next(), await answers.next(), await answers.next()];
        if (status.done) throw new Error(`the sandbox ended: ${await child.stderr.text()}`);
        return { stdout: stdout.value as string, stderr: stderr.value as string, exitCode: Number(status.value) };
      } finally {
        clearTimeout(timer);
      }
    },
    async [Symbol.asyncDispose]() {
      await child.stdin.end();
      await end();
      await child.exited;
    },
  };
}

/** What stands before each zero byte. */
async function* readAnswers(child: Subprocess<"pipe", "pipe", "pipe">): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of child.stdout) {
    const parts = (text + decoder.decode(bytes, { stream: true })).split("\0");
    text = parts.pop()!;
    yield* parts;
  }
}
