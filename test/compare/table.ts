// The README's comparison, made of what was measured and of what is quoted.
import { tools } from "./peers.ts";

/** What `npm run compare` saw of one tool. */
export interface Measured {
  /** Of a warm answer: the best, which other processes of the machine disturb least. */
  readonly milliseconds: number;
  /** The same against `/bin/true`, run by turns. */
  readonly timesNothing: number;
  /** Peak resident memory of the process that answers. */
  readonly mebibytes: number;
  /** AssumeRole calls, and processes that failed, of twelve at once for a cold role. */
  readonly coldCalls: number;
  readonly coldFailures: number;
  /** Whether a secret of the session lies in a file of the home, as it is. */
  readonly liesOpen: boolean;
}

const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;

export function renderComparison(results: Readonly<Record<string, Measured>>): string {
  const head = ["", "a warm answer", "12 at once, cold", "keys open on the disk", "renews", "a sandbox can get"];
  const rows = tools.map(({ name, measured, renews, sandbox }) => {
    const seen = results[name];
    const version = measured === undefined || name === "keyhole" ? "" : ` ${measured.version}`;
    const failed = seen !== undefined && seen.coldFailures > 0 ? `, ${seen.coldFailures} failed` : "";
    return [
      `${name}${version}`,
      seen === undefined ? "-" : `${seen.milliseconds} ms (${seen.timesNothing} ×), ${seen.mebibytes} MiB`,
      seen === undefined ? "-" : `${seen.coldCalls} × AssumeRole${failed}`,
      seen === undefined ? "-" : seen.liesOpen ? "yes" : "no",
      renews,
      sandbox,
    ];
  });
  const sources = tools.map(({ source }) => source).join("; ");
  return [
    line(head),
    line(head.map(() => "---")),
    ...rows.map(line),
    "",
    `Sources of the last two columns: ${sources}.`,
  ].join("\n");
}
