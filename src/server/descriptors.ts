// How many descriptors there are: a server that has none left can neither accept nor refuse.
import { readFileSync } from "node:fs";

/** How many descriptors this process may open; read before `harden`, which closes /proc/self to us. */
export function descriptorLimit(): number {
  try {
    const soft = /^Max open files +([0-9]+) /m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
    return Number(soft ?? Infinity);
  } catch {
    // No /proc: the default number of connections is below every limit that Bun raises to.
    return Infinity;
  }
}
