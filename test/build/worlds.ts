// A small executable and a small archive, linked up to a point.
import { writeArchive } from "../../src/build/archive.ts";
import { type LinkPlan, type LinkResult, linkStatically, planLink } from "../../src/build/link.ts";
import { buildObject, type ObjectSpec } from "./objects.ts";
import { buildProgram, type ProgramSpec } from "./programs.ts";

export interface World {
  readonly program?: ProgramSpec;
  readonly members: Readonly<Record<string, ObjectSpec>>;
  /** As in `LinkOptions`. */
  readonly exports?: readonly string[];
}

export function plan(world: World): LinkPlan {
  return planLink(buildProgram(world.program), archiveOf(world), { exports: world.exports ?? [] });
}

export function link(world: World): LinkResult {
  return linkStatically(buildProgram(world.program), archiveOf(world), { exports: world.exports ?? [] });
}

function archiveOf({ members }: World): Uint8Array {
  return writeArchive(Object.entries(members).map(([name, spec]) => buildObject(name, spec)));
}
