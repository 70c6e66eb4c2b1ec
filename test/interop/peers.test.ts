// Every row of what elhaz and aivault do, with a verdict: elhaz's by running it and keyhole side by side. The table is
// written to dist/peers.md.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { executable } from "../e2e/machine.ts";
import { proofs, remarks } from "./peers/known.ts";
import { createSide, type Side } from "./peers/pair.ts";
import { quiet } from "./peers/quiet.ts";
import { served } from "./peers/served.ts";
import { formatLine, isNamed, type Remark } from "./peers/row.ts";
import { rigs, testWith } from "./rigs.ts";

/** Of the list of what elhaz (E) and aivault (A) do: first and last of each part. */
const PARTS: readonly (readonly [letter: string, first: number, last: number])[] = [
  ["E", 1, 28],
  ["E", 30, 45],
  ["E", 50, 63],
  ["E", 70, 83],
  ["E", 90, 108],
  ["E", 110, 119],
  ["E", 130, 144],
  ["E", 150, 162],
  ["A", 1, 43],
];
const IDS = PARTS.flatMap(([letter, first, last]) =>
  Array.from({ length: last - first + 1 }, (_, index) => `${letter}-${String(first + index).padStart(3, "0")}`),
);

/** Milliseconds: elhaz takes half a second to start, more on a busy machine. */
const PATIENCE = 120_000;

const table = new Map<string, string>();
const note = (row: Pick<Remark, "id" | "what" | "verdict">, how: string) =>
  void table.set(row.id, formatLine(row, how));

for (const [title, rows] of [
  ["without a daemon", quiet],
  ["with a daemon", served],
] as const) {
  describe(title, () => {
    const sides = new Map<Side["name"], Awaited<ReturnType<typeof createSide>>>();
    const side = async (name: Side["name"]) => {
      const known = sides.get(name);
      if (known !== undefined) return known;
      const made = await createSide(name);
      for (const config of ["dev", "second"]) made.write(config);
      sides.set(name, made);
      return made;
    };
    afterAll(async () => {
      for (const made of sides.values()) await made[Symbol.asyncDispose]();
    }, PATIENCE);
    for (const row of rows) {
      testWith([rigs.elhaz])(
        `${row.id}, ${row.verdict}: ${row.what}`,
        async () => {
          const both = [await row.observe(await side("elhaz")), await row.observe(await side("keyhole"))];
          expect(both).toEqual([row.elhaz, row.keyhole]);
          note(row, row.because ?? `elhaz ${JSON.stringify(both[0])}, keyhole ${JSON.stringify(both[1])}`);
        },
        PATIENCE,
      );
    }
  });
}

testWith([rigs.elhaz])(
  "elhaz's daemon where keyhole's is meant is recognised at its first answer",
  async () => {
    await using elhaz = await createSide("elhaz");
    elhaz.write("dev");
    expect((await elhaz.run("daemon start")).exit).toBe(0);
    const asKeyhole = { program: executable, env: { KEYHOLE_HOME: join(elhaz.home, ".elhaz") } };
    for (const words of ["export -n dev", "export -f credential-process -n dev", "daemon status", "daemon start"]) {
      const began = performance.now();
      const { exit, stderr } = await elhaz.run(words, asKeyhole);
      expect([words, exit]).toEqual([words, 1]);
      expect(stderr).toStartWith("keyhole: error: what answers is not a keyhole daemon: it speaks JSON, as elhaz does");
      expect(performance.now() - began).toBeLessThan(5000);
    }
  },
  PATIENCE,
);

test.each(proofs.map((proof) => [proof.id, proof] as const))("%s is named by the test that is about it", (_, proof) => {
  expect([proof.file, isNamed(proof)]).toEqual([proof.file, true]);
  note(proof, [`test/${proof.file}`, ...(proof.because === undefined ? [] : [proof.because])].join("; "));
});

test("every row has one verdict, and what differs on purpose has its reason", () => {
  const rows = [...quiet, ...served, ...proofs, ...remarks];
  expect(rows.map(({ id }) => id).toSorted()).toEqual(IDS.toSorted());
  for (const { id, verdict, because } of rows) {
    expect([id, verdict === "on purpose" && !/src\/DESIGN\.md#|src\/help\/\w+\.md/.test(because ?? "")]).toEqual([
      id,
      false,
    ]);
  }
  for (const row of remarks) note(row, row.because);
});

afterAll(() => {
  const lines = [...table.entries()].toSorted(([left], [right]) => left.localeCompare(right)).map(([, line]) => line);
  const dist = join(import.meta.dir, "..", "..", "dist");
  mkdirSync(dist, { recursive: true });
  writeFileSync(
    join(dist, "peers.md"),
    ["| row | what | verdict | how |", "|---|---|---|---|", ...lines, ""].join("\n"),
  );
});
