// The static link of a `bun build --compile` executable for musl: bytes in, bytes out.
//
// Such an executable has fixed addresses and is complete but for some 490 words that the dynamic loader would fill in
// with addresses from musl's libc and from libstdc++. Here the members of an archive that define those symbols are
// placed behind the program, the words are filled in, and the program headers that call for the loader go.
import { type Addresses, locate } from "./addresses.ts";
import { readArchive } from "./archive.ts";
import { goOnAt } from "./express.ts";
import {
  bytesAt,
  enlargeProgram,
  fillImages,
  type Images,
  planSegments,
  relocateProgram,
  writeSegments,
} from "./write.ts";
import { type Layout, layOut, planThreads, type ThreadPlan } from "./layout.ts";
import { type Program, readProgram } from "./program.ts";
import { type Resolution, resolve } from "./resolve.ts";
import { synthetic } from "./substitutes.ts";

export interface LinkOptions {
  /** Functions of libc that are called by address and that the executable itself may not import. */
  readonly exports: readonly string[];
  /** What is to run before the program's own entry (express.ts); absent where nothing is. */
  readonly express?: Uint8Array;
}

export interface LinkReport {
  /** Shared libraries that the executable no longer needs. */
  readonly replaced: readonly string[];
  readonly members: readonly string[];
  /** Known weak symbols that no member defines. */
  readonly absent: readonly string[];
  readonly textSize: number;
  readonly dataSize: number;
  /** Bytes by which the file has grown. */
  readonly growth: number;
}

export interface LinkResult {
  readonly executable: Uint8Array;
  /** The final address of every name in `exports`. */
  readonly addresses: ReadonlyMap<string, number>;
  readonly report: LinkReport;
}

/** Everything that is decided before a byte is written. For tests and for choosing the archive's members. */
export interface LinkPlan {
  readonly program: Program;
  readonly resolution: Resolution;
  readonly threads: ThreadPlan;
  readonly layout: Layout;
  readonly addresses: Addresses;
  readonly images: Images;
  /** The address where the static executable starts. */
  readonly entry: number;
}

export function planLink(executable: Uint8Array, archive: Uint8Array, options: LinkOptions): LinkPlan {
  const program = readProgram(executable);
  const resolution = resolve(program, readArchive(archive), options.exports);
  const threads = planThreads(program);
  const layout = layOut(program, resolution, threads, options.express);
  const addresses = locate(program, resolution, layout);
  const images = fillImages(program, layout, threads, addresses);
  const express = layout.synthesized.find(({ name }) => name === synthetic.express);
  if (express !== undefined) goOnAt(bytesAt(images, express.address, express.bytes.length), program.entry);
  return { program, resolution, threads, layout, addresses, images, entry: express?.address ?? program.entry };
}

/**
 * The same input gives the same bytes. The addresses depend on the executable's size alone, not on its content, so that
 * they can be compiled into it in a second pass.
 * @throws Error that names the symbol and the member, for everything that the linker is not sure of.
 */
export function linkStatically(executable: Uint8Array, archive: Uint8Array, options: LinkOptions): LinkResult {
  const { program, resolution, threads, layout, addresses, images, entry } = planLink(executable, archive, options);
  const segments = planSegments(program, layout, threads);
  const file = enlargeProgram(program, layout);
  relocateProgram(program, file, images, threads, addresses, layout);
  writeSegments(file, program, images, segments, entry);
  return {
    executable: file,
    addresses: new Map(options.exports.map((name) => [name, addressOf(name, addresses)])),
    report: {
      replaced: program.needed,
      members: resolution.objects.map(({ name }) => name),
      absent: [...addresses.absent],
      textSize: layout.text.end - layout.text.address,
      dataSize: layout.data.end - layout.data.address,
      growth: file.length - executable.length,
    },
  };
}

function addressOf(name: string, addresses: Addresses): number {
  const address = addresses.ofName(name);
  if (address === undefined) throw new Error(`the exported function ${name} has no address`);
  return address;
}
