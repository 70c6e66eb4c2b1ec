// The hidden role `--read-files`: a child that looks at what may never answer. Paths on stdin, as a JSON list; one line of
// JSON on stdout. With the word `stamps` it answers questions, a line each, for as long as stdin is open. The other sides
// are cli/reading-in-child.ts and sources/resolve/stamp.ts.
import { createInterface } from "node:readline";
import { KeyholeError } from "../errors.ts";
import { readForeign, stampForeign } from "./foreign.ts";

/** Of each path, in their order. */
export type FileAnswer =
  { readonly text?: string | undefined } | { readonly refused: string; readonly hint: string | undefined };

export async function main(word: string | undefined): Promise<void> {
  if (word === "stamps") await answerStamps();
  else {
    const paths = (await Bun.stdin.json()) as string[];
    const answers = await Promise.all(paths.map(readOne));
    await Bun.write(Bun.stdout, `${JSON.stringify(answers)}\n`);
  }
  // What is read of a file that does not answer is still under way.
  process.exit(0);
}

async function answerStamps(): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) void answerStamp(line);
}

async function answerStamp(line: string): Promise<void> {
  const { id, paths } = JSON.parse(line) as { readonly id: number; readonly paths: readonly string[] };
  const stamp = await stampForeign(paths);
  await Bun.write(Bun.stdout, `${JSON.stringify({ id, stamp })}\n`);
}

async function readOne(path: string): Promise<FileAnswer> {
  try {
    return { text: await readForeign(path) };
  } catch (error) {
    if (!(error instanceof KeyholeError)) throw error;
    return { refused: error.message, hint: error.hint };
  }
}
