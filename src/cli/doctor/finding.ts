// What doctor says: findings, each from a check, which only looks and never changes anything.
import { showOnOneLine } from "../../text/controls.ts";
import { codeOf, KeyholeError } from "../../errors.ts";
import { formatTable } from "../answers.ts";

/** A `warning` works for now; a `problem` does not, or gives a process or a user what it must not have. */
export type Level = "ok" | "warning" | "problem";

/** One line for a person, without a secret, and what to paste. */
export interface Verdict {
  readonly level: Level;
  readonly message: string;
  readonly fix?: string | undefined;
}

/** What a check says, with its name. */
export interface Finding extends Verdict {
  /** The check's name, in kebab-case: scripts rely on it. */
  readonly id: string;
}

/** Looks at one thing; gives no verdict on what this machine does not have. */
export type Check<Machine> = (machine: Machine) => readonly Verdict[] | Promise<readonly Verdict[]>;

/** By their ids, in the order in which they are shown. */
export type CheckTable<Machine> = Readonly<Record<string, Check<Machine>>>;

/** Milliseconds for one check; they run at once, so for all of them. A file system that hangs is not waited for. */
const PATIENCE = 8000;

export const ok = (message: string): Verdict => ({ level: "ok", message });
export const warning = (message: string, fix: string): Verdict => ({ level: "warning", message, fix });
export const problem = (message: string, fix: string): Verdict => ({ level: "problem", message, fix });

/** A list of what is wrong, or the one line that nothing is. */
export function verdicts(wrong: readonly Verdict[], otherwise: string): readonly Verdict[] {
  return wrong.length > 0 ? wrong : [ok(otherwise)];
}

/** @param wait resolves after that many milliseconds */
export async function runChecks<Machine>(
  checks: CheckTable<Machine>,
  machine: Machine,
  wait: (milliseconds: number) => Promise<void>,
): Promise<Finding[]> {
  const findings = Object.entries(checks).map(async ([id, check]) => {
    const found = await Promise.race([attempt(check, machine), giveUp(wait)]);
    return found.map((verdict) => ({ id, ...verdict }));
  });
  return (await Promise.all(findings)).flat();
}

async function giveUp(wait: (milliseconds: number) => Promise<void>): Promise<readonly Verdict[]> {
  await wait(PATIENCE);
  return [warning(`not known after ${PATIENCE / 1000} s`, "keyhole doctor")];
}

/** A check that cannot look is a finding of its own, and no reason to leave the others out. */
async function attempt<Machine>(check: Check<Machine>, machine: Machine): Promise<readonly Verdict[]> {
  try {
    return await check(machine);
  } catch (error) {
    return [asVerdict(error)];
  }
}

/** A refusal in its own words; of anything else no word, because it could hold anything. */
export function asVerdict(error: unknown): Verdict {
  if (error instanceof KeyholeError) return problem(error.message, error.hint ?? "keyhole daemon logs");
  return warning(`cannot be checked (${codeOf(error) ?? "unknown"})`, "keyhole doctor --json");
}

/** What matters most first. */
const LEVELS: readonly Finding["level"][] = ["problem", "warning", "ok"];

/**
 * A line for each finding, what is wrong first, and below it what to paste.
 *
 * @param isBrief counts what is in order
 */
export function renderFindings(all: readonly Finding[], isBrief: boolean): string {
  const findings = all
    .filter(({ level }) => !isBrief || level !== "ok")
    .toSorted((a, b) => LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level));
  const table = formatTable(findings.map(({ level, id, message }) => [level, id, message])).split("\n");
  const lines = findings.flatMap(({ fix }, at) =>
    fix === undefined ? [table[at]!] : [table[at]!, `  fix: ${showOnOneLine(fix)}`],
  );
  const inOrder = all.length - findings.length;
  return [...lines, ...(inOrder > 0 ? [`${inOrder} checks are ok: keyhole doctor --wide`] : [])].join("\n");
}

/** A problem is 1, a warning alone is not. */
export function exitStatusOf(findings: readonly Finding[]): number {
  return findings.some(({ level }) => level === "problem") ? 1 : 0;
}
