// The commands of the program, loaded.
import type { AnyCommand, CommandGroup } from "../../../src/cli/command.ts";

export async function commandsOf({ subCommands }: CommandGroup): Promise<AnyCommand[]> {
  const found = Object.values(subCommands).map(async (entry) =>
    typeof entry === "function" ? [await entry()] : commandsOf(entry),
  );
  return (await Promise.all(found)).flat();
}
