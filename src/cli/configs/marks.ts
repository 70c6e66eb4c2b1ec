// The part of ~/.aws/config that is keyhole's: what stands between its marks is keyhole's to write anew, and all else
// stays as it is, byte for byte.
import { KeyholeError } from "../../errors.ts";

/** A text in three parts. */
interface MarkedText {
  readonly before: string;
  /** With its marks; undefined where there are none. */
  readonly block: string | undefined;
  readonly after: string;
}

/** @throws KeyholeError `usage` for marks that do not stand as keyhole wrote them */
export function findBlock(text: string, label: string): MarkedText {
  const [begin, end] = marksOf(label);
  const lines = text.split(/(?<=\n)/);
  const at = (mark: string) => lines.flatMap((line, index) => (line.trimEnd() === mark ? [index] : []));
  const [begins, ends] = [at(begin), at(end)];
  if (begins.length === 0 && ends.length === 0) return { before: text, block: undefined, after: "" };
  const [first, last] = [begins[0] ?? 0, ends[0] ?? 0];
  if (begins.length !== 1 || ends.length !== 1 || last < first) {
    const line = 1 + (begins[1] ?? ends[1] ?? (begins.length === 0 ? last : first));
    throw new KeyholeError(
      "usage",
      `line ${line}: not one '${begin}' with one '${end}' below it`,
      "keyhole config export-profile --all",
    );
  }
  const [before, block, after] = [lines.slice(0, first), lines.slice(first, last + 1), lines.slice(last + 1)].map(
    (part) => part.join(""),
  );
  return { before: before!, block: block!, after: after! };
}

/**
 * The text with this in its block; at its end where it had none. Without a block where `inside` is empty.
 *
 * @param inside lines, each with its newline
 */
export function replaceBlock(text: string, label: string, inside: string): string {
  const { before, block, after } = findBlock(text, label);
  const newline = /\r?\n/.exec(block ?? text)?.[0] ?? "\n";
  const [begin, end] = marksOf(label);
  const written = inside === "" ? "" : `${begin}\n${inside}${end}\n`.replaceAll("\n", newline);
  if (block !== undefined) return before + (block.endsWith("\n") ? written : written.trimEnd()) + after;
  if (written === "") return text;
  const isOpen = text !== "" && !text.endsWith("\n");
  const hasSpace = text === "" || /\n\r?\n$/.test(text);
  return text + (isOpen ? newline : "") + (hasSpace ? "" : newline) + written;
}

function marksOf(label: string): [begin: string, end: string] {
  return [`# BEGIN keyhole ${label}`, `# END keyhole ${label}`];
}
