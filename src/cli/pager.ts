// A long text on a terminal, as git shows it: by $PAGER, or less, whose options are then those that git gives it.
import { isatty } from "node:tty";
import type { Environment } from "../environment.ts";

/** False where nothing was shown. */
export async function page(render: (colors: boolean) => string, environment: Environment): Promise<boolean> {
  const { PAGER: pager = Bun.which("less") ?? "", TERM: terminal, NO_COLOR: plain } = environment;
  if (!isatty(1) || pager === "" || pager === "cat" || terminal === "dumb") return false;
  // Ctrl-C is for the pager, which stays.
  process.on("SIGINT", () => {});
  const child = Bun.spawn(["sh", "-c", pager], {
    env: { LESS: "FRX", LV: "-c", ...environment },
    stdin: new TextEncoder().encode(`${render(!plain)}\n`),
    stdout: "inherit",
    stderr: "inherit",
  });
  // 127: there is no such program.
  return (await child.exited) !== 127;
}
