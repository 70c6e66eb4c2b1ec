// Before something is gone for good: a person's word, or the option that stands for it.
import { KeyholeError } from "../errors.ts";
import type { Ui } from "./ui.ts";

/** The option of every command that removes something of a person's. */
export const yesOption = { type: "boolean", alias: "y", description: "Do not ask" } as const;

/**
 * @param command what is to be typed where nobody can be asked, with `--yes`
 * @throws KeyholeError `usage` without a terminal
 */
export async function hasConsent(yes: boolean, ui: Ui, question: string, command: string): Promise<boolean> {
  if (yes) return true;
  if (!(await ui.isInteractive())) throw new KeyholeError("usage", "--yes is missing", command);
  return ui.askYesNo(question, false);
}
