// Our link against GNU ld's: the same members at the same addresses must give the same bytes.
//
// Two differences are known and allowed, both at references through the global offset table: ld numbers its entries in
// another order, and it rewrites loads of addresses that it knows into computations of them (x86-64 psABI, B.2
// "Optimize GOTPCRELX Relocations"), which is optional.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { viewOf } from "../../src/build/bytes.ts";
import { sectionIndex, sectionType } from "../../src/build/elf.ts";
import { bytesAt } from "../../src/build/write.ts";
import type { Placed } from "../../src/build/layout.ts";
import { type LinkPlan, planLink } from "../../src/build/link.ts";
import { loadArchive } from "../../src/build/archive.ts";
import { offeredFunctions } from "../../src/build/vendor/packages.ts";
import { compile, compileTimeout } from "./executables.ts";
import { linkWithGnu, type Reference } from "./gnuld.ts";

const scratch = mkdtempSync(join(tmpdir(), "gnuld-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Bytes before the relocated field that relaxation may rewrite: prefix and opcode on x86-64, none on AArch64. */
const cpus = [
  { cpu: "x64", tool: "x86_64-linux-gnu-ld", rewritten: 3 },
  { cpu: "arm64", tool: "aarch64-linux-gnu-ld", rewritten: 0 },
] as const;

describe.each(cpus)("$cpu", ({ cpu, tool, rewritten }) => {
  const ld = Bun.which(tool) ?? (process.arch === cpu && process.platform === "linux" ? Bun.which("ld") : null);
  if (ld === null) console.error(`SKIPPED: no comparison with GNU ld for ${cpu}, for want of ${tool}`);

  let plan: LinkPlan;
  let reference: Reference;
  beforeAll(async () => {
    if (ld === null) return;
    const folder = join(scratch, cpu);
    const executable = await compile(join(import.meta.dir, "probe.ts"), cpu, folder, "");
    plan = planLink(executable, loadArchive(cpu), { exports: offeredFunctions });
    mkdirSync(join(folder, "ld"));
    reference = linkWithGnu(plan, ld, join(folder, "ld"));
  }, compileTimeout);

  test.skipIf(ld === null)("every byte is the same, but for references through the table of addresses", () => {
    let compared = 0;
    const different: string[] = [];
    for (const placed of plan.layout.sections.values()) {
      if (placed.section.type === sectionType.noBits) continue;
      const ours = bytesAt(plan.images, placed.address, placed.section.size);
      const theirs = referenceBytes(placed);
      const allowed = tableReferences(placed);
      for (let at = 0; at < ours.length; at++) {
        compared += 1;
        if (ours[at] === theirs[at] || allowed.has(at)) continue;
        different.push(`${placed.object.name} ${placed.section.name}+${at}`);
      }
    }
    expect(different).toEqual([]);
    expect(compared).toBeGreaterThan(200_000);
  });

  function referenceBytes({ address, section }: Placed): Uint8Array {
    const found = reference.sections.find((candidate) => {
      return address >= candidate.address && address + section.size <= candidate.address + candidate.bytes.length;
    });
    if (found === undefined) throw new Error(`ld has placed ${section.name} elsewhere`);
    return found.bytes.subarray(address - found.address, address - found.address + section.size);
  }

  /** Offsets in the section that belong to a reference through the table. */
  function tableReferences({ object, section }: Placed): ReadonlySet<number> {
    const offsets = new Set<number>();
    for (const { offset, type } of object.relocations.get(section.index) ?? []) {
      if (!plan.program.machine.gotTypes.has(type)) continue;
      for (let at = offset - rewritten; at < offset + 4; at++) offsets.add(at);
    }
    return offsets;
  }

  test.skipIf(ld === null)("every name is at the same address", () => {
    const wrong: string[] = [];
    let compared = 0;
    for (const name of plan.resolution.definitions.keys()) {
      const theirs = reference.symbols.get(name);
      if (theirs === undefined || theirs.section === sectionIndex.undefined) wrong.push(`${name}: unknown to ld`);
      else if (theirs.value !== plan.addresses.ofName(name)) wrong.push(`${name}: ld has it at ${theirs.value}`);
      compared += 1;
    }
    expect(wrong).toEqual([]);
    expect(compared).toBeGreaterThan(500);
  });

  test.skipIf(ld === null)("the table of addresses holds ld's addresses", () => {
    const entries = [...plan.layout.got.entries.values()];
    expect(entries.length).toBeGreaterThan(10);
    for (const { symbol, address } of entries) {
      const content = Number(viewOf(bytesAt(plan.images, address, 8)).getBigUint64(0, true));
      // ld leaves an absent weak symbol out of its table.
      const theirs = plan.addresses.absent.has(symbol.name) ? 0 : reference.symbols.get(symbol.name)?.value;
      expect({ name: symbol.name, content }).toEqual({ name: symbol.name, content: theirs ?? Number.NaN });
    }
  });
});
