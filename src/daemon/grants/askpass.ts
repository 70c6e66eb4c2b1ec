// A program that asks a person on their desktop, in the way of `ssh-add -c`: the question is its one argument, exit
// status 0 is a yes and everything else a no. ssh-add(1), ssh(1) on SSH_ASKPASS and SSH_ASKPASS_PROMPT.
import type { Environment } from "../../environment.ts";
import { runProgram } from "../../sources/program.ts";
import type { Clock } from "../../clock.ts";

export interface AskpassOptions {
  /** A path, or a name that is looked up in the environment's PATH. */
  readonly program: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly text: string;
  readonly clock: Clock;
  /** Milliseconds, after which it is killed. */
  readonly patience: number;
  /** Aborted when somebody else has answered: it is killed then. */
  readonly signal: AbortSignal;
}

/** How a program reaches the desktop of whoever made a grant. */
const DESKTOP = ["DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"] as const;

/** Its output says nothing: the answer is the exit status. */
const LARGEST_OUTPUT = 64 * 1024;

/**
 * The program that an environment names, KEYHOLE_ASKPASS before SSH_ASKPASS, with what it runs in; undefined if none.
 *
 * @param environment of whoever made the grant
 * @param base what everything that the daemon spawns gets
 */
export function selectAskpass(
  environment: Environment,
  base: Readonly<Record<string, string>>,
): Pick<AskpassOptions, "program" | "environment"> | undefined {
  const program = environment["KEYHOLE_ASKPASS"] || environment["SSH_ASKPASS"];
  if (!program) return undefined;
  const desktop = DESKTOP.map((name) => [name, environment[name]] as const);
  const known = desktop.filter((entry): entry is [(typeof DESKTOP)[number], string] => !!entry[1]);
  return { program, environment: { ...base, ...Object.fromEntries(known) } };
}

/** Whether the person allowed it; undefined if the program could not be started, or was stopped before it ended. */
export async function runAskpass(options: AskpassOptions): Promise<boolean | undefined> {
  const { program, environment, text, clock, patience, signal } = options;
  const end = await runProgram({
    command: [program, text],
    environment: { ...environment, SSH_ASKPASS_PROMPT: "confirm" },
    deadline: patience,
    largestOutput: LARGEST_OUTPUT,
    clock,
    signal,
  });
  if (end.kind === "ended") return end.exit === 0;
  return end.kind === "too-long" ? false : undefined;
}
