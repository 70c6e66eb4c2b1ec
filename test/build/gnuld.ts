// Links the members that a plan has chosen, at the addresses that it has chosen, with GNU ld.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { alignUp, readAddress, toHex, viewOf, writeAddress } from "../../src/build/bytes.ts";
import { binding, type ElfSymbol, headerField, readSymbols, recordSize, sectionType } from "../../src/build/elf.ts";
import type { LinkPlan } from "../../src/build/link.ts";
import type { ObjectFile } from "../../src/build/object.ts";
import { substitutes } from "../../src/build/substitutes.ts";

export interface Reference {
  /** Content by address, of every section that is in the file. */
  readonly sections: readonly { readonly address: number; readonly bytes: Uint8Array }[];
  readonly symbols: ReadonlyMap<string, ElfSymbol>;
  /** What ld had to say. */
  readonly messages: string;
}

/** SHF_WRITE | SHF_ALLOC | SHF_EXECINSTR: without the others, ld would merge strings and move them. */
const plainFlags = 7;

export function linkWithGnu(plan: LinkPlan, ld: string, folder: string): Reference {
  const { objects } = plan.resolution;
  const files = objects.map((object, index) => {
    const file = join(folder, `${index}.o`);
    writeFileSync(file, renameSections(plan, object, index));
    return file;
  });
  writeFileSync(join(folder, "places.ld"), placeSections(plan, files));
  writeFileSync(join(folder, "names.ld"), nameSymbols(plan));
  const output = join(folder, "reference");
  const options = ["-static", "-nostdlib", "--no-relax", "-e", "0"];
  const result = Bun.spawnSync(
    [ld, ...options, "-T", join(folder, "places.ld"), join(folder, "names.ld"), "-o", output, ...files],
    { env: {} },
  );
  const messages = result.stderr.toString();
  if (!result.success) throw new Error(`${ld} has failed: ${messages.slice(0, 4000)}`);
  return readReference(output, messages);
}

function sectionName(object: number, section: number): string {
  return `.k${object}_${section}`;
}

/** The object with a name of its own for every section that is placed, and nothing else loaded. */
function renameSections({ layout }: LinkPlan, object: ObjectFile, index: number): Uint8Array {
  const isPlaced = (section: number) => layout.sections.has(object.sections[section]!);
  const names = object.sections.map((section) => {
    if (isPlaced(section.index)) return sectionName(index, section.index);
    const isRelocations = section.type === sectionType.relocationsWithAddend;
    if (isRelocations && isPlaced(section.info)) return `.rela${sectionName(index, section.info)}`;
    const isTable = section.type === sectionType.symbolTable || section.type === sectionType.stringTable;
    return isTable || section.index === 0 ? section.name : ".dropped";
  });
  const strings = Buffer.from(names.map((name) => `${name}\0`).join(""));
  const bytes = Buffer.concat([object.bytes, strings]);
  const view = viewOf(bytes);
  const table = readAddress(view, headerField.sectionsOffset);
  let nameAt = 0;
  names.forEach((name, section) => {
    const entry = table + section * recordSize.section;
    view.setUint32(entry, nameAt, true);
    nameAt += name.length + 1;
    if (isPlaced(section)) writeAddress(view, entry + 8, object.sections[section]!.flags & plainFlags);
    if (name !== ".dropped") return;
    view.setUint32(entry + 4, sectionType.programBits, true);
    writeAddress(view, entry + 8, 0);
  });
  const namesEntry = table + view.getUint16(headerField.sectionNames, true) * recordSize.section;
  writeAddress(view, namesEntry + 24, object.bytes.length);
  writeAddress(view, namesEntry + 32, strings.length);
  return bytes;
}

/** The linker script: one output section for each kind of memory, every input section at its offset in it. */
function placeSections({ layout, resolution }: LinkPlan, files: readonly string[]): string {
  const placed = [...layout.sections.values()].toSorted((a, b) => a.address - b.address);
  const body = (from: number, to: number, zeroes: boolean) =>
    placed
      .filter(({ address, section }) => {
        return address >= from && address < to && (section.type === sectionType.noBits) === zeroes;
      })
      .map(({ object, section, address }) => {
        const index = resolution.objects.indexOf(object);
        return `. = ${toHex(address - from)}; "${files[index]}"(${sectionName(index, section.index)})`;
      })
      .join("\n");
  const { text, data, got } = layout;
  const zeroes = alignUp(data.fileEnd, 64);
  return `SECTIONS {
    .text ${toHex(text.address)} : { ${body(text.address, data.address, false)} }
    .got ${toHex(got.address)} : { *(.got .got.plt .igot*) }
    .data ${toHex(data.address)} : { ${body(data.address, data.end, false)} }
    .bss ${toHex(zeroes)} (NOLOAD) : { ${body(zeroes, data.end, true)} }
    /DISCARD/ : { *(.dropped .comment .note*) }
  }`;
}

/** What the members do not define, or what lies elsewhere than where they define it. ld resolves all the rest. */
function nameSymbols({ addresses, layout, resolution }: LinkPlan): string {
  const names = new Set(
    resolution.objects.flatMap(({ symbols }) =>
      symbols.filter((symbol) => symbol.binding !== binding.local && symbol.name !== "").map(({ name }) => name),
    ),
  );
  const lines: string[] = [];
  for (const name of names) {
    const address = addresses.ofName(name);
    if (address === undefined) continue;
    const substitute = resolution.defined.has(name) ? undefined : substitutes.get(name);
    if (substitute !== undefined && resolution.definitions.has(substitute)) {
      lines.push(`"${name}" = "${substitute}";`);
      continue;
    }
    const definition = resolution.definitions.get(name);
    const section = definition?.object.sections[definition.symbol.section];
    const placed = section === undefined ? undefined : layout.sections.get(section);
    if (placed !== undefined && placed.address + definition!.symbol.value === address) continue;
    if (name !== "_GLOBAL_OFFSET_TABLE_") lines.push(`"${name}" = ${toHex(address)};`);
  }
  return lines.join("\n");
}

function readReference(file: string, messages: string): Reference {
  const bytes = readFileSync(file);
  const view = viewOf(bytes);
  const table = readAddress(view, headerField.sectionsOffset);
  const entries = Array.from({ length: view.getUint16(headerField.sectionCount, true) }, (_, index) => {
    const entry = table + index * recordSize.section;
    return {
      type: view.getUint32(entry + 4, true),
      address: readAddress(view, entry + 16),
      offset: readAddress(view, entry + 24),
      size: readAddress(view, entry + 32),
      link: view.getUint32(entry + 40, true),
    };
  });
  const sections = entries
    .filter(({ type, address }) => type === sectionType.programBits && address > 0)
    .map(({ address, offset, size }) => ({ address, bytes: bytes.subarray(offset, offset + size) }));
  const symbolTable = entries.find(({ type }) => type === sectionType.symbolTable)!;
  const count = symbolTable.size / recordSize.symbol;
  const symbols = readSymbols(bytes, symbolTable.offset, count, entries[symbolTable.link]!.offset);
  const globals = symbols.filter((symbol) => symbol.binding !== binding.local);
  return { sections, symbols: new Map(globals.map((symbol) => [symbol.name, symbol])), messages };
}
