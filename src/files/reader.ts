// The hidden role `--read-files`: a child that reads what may never answer. Paths on stdin, as a JSON list; one line of
// JSON on stdout. The other side is cli/foreign.ts.
import { KeyholeError } from "../errors.ts";
import { readForeign } from "./foreign.ts";

/** Of each path, in their order. */
export type FileAnswer =
  { readonly text?: string | undefined } | { readonly refused: string; readonly hint: string | undefined };

export async function main(): Promise<void> {
  const paths = (await Bun.stdin.json()) as string[];
  const answers = await Promise.all(paths.map(readOne));
  await Bun.write(Bun.stdout, `${JSON.stringify(answers)}\n`);
  // What is read of a file that does not answer is still under way.
  process.exit(0);
}

async function readOne(path: string): Promise<FileAnswer> {
  try {
    return { text: await readForeign(path) };
  } catch (error) {
    if (!(error instanceof KeyholeError)) throw error;
    return { refused: error.message, hint: error.hint };
  }
}
