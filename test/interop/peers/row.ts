// A row of the list of what the peers do, with a verdict that a run of both programs gives.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Side } from "./pair.ts";

/** `same`; `more`: that and more; `fixed`: a defect that keyhole has not; `on purpose`: otherwise, by the design. */
export type Verdict = "same" | "more" | "fixed" | "on purpose";

interface Named {
  readonly id: string;
  readonly what: string;
}

/** What both did, or each for itself. */
export type Row = Named & {
  observe(side: Side): Promise<unknown>;
  readonly verdict: Verdict;
  readonly elhaz: unknown;
  readonly keyhole: unknown;
  /** Where the design says why; for `on purpose` alone. */
  readonly because: string | undefined;
};

/** A row that a test of keyhole's alone is about: it names the id. */
export type Proof = Named & { readonly verdict: Verdict; readonly file: string; readonly because: string | undefined };

/** A row of which nothing can be run. */
export type Remark = Named & { readonly verdict: Verdict | "none"; readonly because: string };

type Observe = Row["observe"];

export const same = (id: string, what: string, expected: unknown, observe: Observe): Row => ({
  id,
  what,
  observe,
  verdict: "same",
  elhaz: expected,
  keyhole: expected,
  because: undefined,
});

const differs =
  (verdict: "more" | "fixed") =>
  (id: string, what: string, elhaz: unknown, keyhole: unknown, observe: Observe): Row => ({
    id,
    what,
    observe,
    verdict,
    elhaz,
    keyhole,
    because: undefined,
  });

export const more = differs("more");
export const fixed = differs("fixed");

export const onPurpose = (
  ...[id, what, because, elhaz, keyhole, observe]: [string, string, string, unknown, unknown, Observe]
): Row => ({ id, what, observe, verdict: "on purpose", elhaz, keyhole, because });

/** @param file below test/ */
export const proven = (verdict: Verdict, id: string, what: string, file: string, because?: string): Proof => ({
  id,
  what,
  verdict,
  file,
  because,
});

export const remark = (verdict: Remark["verdict"], id: string, what: string, because: string): Remark => ({
  id,
  what,
  verdict,
  because,
});

/** Whether the file of a proof has a test whose title names the row. */
export function isNamed({ file, id }: Proof): boolean {
  const path = join(import.meta.dir, "..", "..", file);
  return existsSync(path) && new RegExp(`["'\`].*\\b${id}\\b.*["'\`]`).test(readFileSync(path, "utf8"));
}

/** A line of the table. */
export function formatLine({ id, what, verdict }: Pick<Remark, "id" | "what" | "verdict">, how: string): string {
  return `| ${[id, what, verdict, how].map((cell) => cell.replaceAll("|", String.raw`\|`)).join(" | ")} |`;
}
