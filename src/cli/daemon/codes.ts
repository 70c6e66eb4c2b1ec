// Codes of MFA devices: a person is asked for the one that the daemon wants, at the terminal or by a program on their
// desktop, and what was asked is asked again.
import type { Link } from "../../client/asking.ts";
import type { Environment } from "../../environment.ts";
import { isErrorOf, KeyholeError } from "../../errors.ts";
import type { ResponseOf } from "../../wire/messages.ts";
import type { CommandContext } from "../command.ts";

type Caller = Pick<CommandContext, "settings" | "environment" | "ui" | "host">;
export type WantedCode = NonNullable<ResponseOf<"CodeTurn">["code"]>;

/** How a person is asked; `problem` says what was wrong with the code before. */
type Asking = (code: WantedCode, problem: string | undefined) => Promise<string>;

/**
 * What the daemon answers, once it has the code that it wants for that.
 *
 * @throws KeyholeError what `ask` throws: `code-wanted` where no person can be asked; `interrupted` by the person
 */
export async function whileCoded<Result>(link: Link, caller: Caller, ask: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isErrorOf(error, "code-wanted")) throw error;
      await giveCode(link, caller, error);
    }
  }
}

async function giveCode(link: Link, caller: Caller, wanted: KeyholeError): Promise<void> {
  const id = Number(/^keyhole answer (\d+)$/.exec(wanted.hint ?? "")?.[1]);
  const asking = await askingOf(caller);
  if (asking === undefined && caller.settings.isInProcess) throw alone(wanted);
  for (;;) {
    const { state, code } = await link.request("CodeTurn", { id, canAsk: asking !== undefined });
    if (state === "done" || (state === "ask" && code !== undefined && asking === undefined)) return;
    if (code !== undefined && asking !== undefined) return answerWith(link, code, asking);
  }
}

/** Asks a person until a code is right. */
export async function answerWith(link: Link, code: WantedCode, asking: Asking): Promise<void> {
  let problem: string | undefined;
  do ({ problem } = await link.request("CodeAnswer", { id: code.id, code: (await asking(code, problem)).trim() }));
  while (problem !== undefined);
}

/** What it wants ends with this process. */
function alone({ kind, message }: KeyholeError): KeyholeError {
  return new KeyholeError(kind, message, "ask at a terminal, or for a daemon that waits: unset KEYHOLE_DISABLE");
}

async function askingOf({ environment, ui, host }: Caller): Promise<Asking | undefined> {
  const askpass = askpassOf(environment);
  if (askpass?.isPreferred !== true && (await ui.isInteractive())) return askAtTerminal(ui);
  return askpass && askByProgram(askpass.program, host);
}

export function askAtTerminal(ui: Caller["ui"]): Asking {
  return (code, problem) => {
    if (problem !== undefined) ui.notice(`keyhole: ${problem}`);
    return ui.askText(questionOf(code));
  };
}

function questionOf({ serial, config }: WantedCode): string {
  return `MFA code of ${serial}, for ${config}`;
}

/** As ssh-askpass(1): the question is its one argument, the answer a line of its output. */
function askByProgram(program: string, host: Caller["host"]): Asking {
  let left = MOST_QUESTIONS;
  return async (code, problem) => {
    const question = problem === undefined ? questionOf(code) : `${problem}. ${questionOf(code)}`;
    left -= 1;
    const { status, stdout } = await host.runTool([program, question]);
    if (status !== 0 || left < 0)
      throw new KeyholeError("person-needed", `${program} gave no code`, `keyhole answer ${code.id}`);
    return stdout;
  };
}

/** Wrong answers of a program after which it may be that no person gives them; as many as ssh(1) takes. */
const MOST_QUESTIONS = 3;

/**
 * The program that asks, and whether before the terminal: by SSH_ASKPASS's rules, ssh(1), but that KEYHOLE_ASKPASS needs
 * no desktop.
 */
function askpassOf(environment: Environment): { readonly program: string; readonly isPreferred: boolean } | undefined {
  const { KEYHOLE_ASKPASS: own, SSH_ASKPASS: theirs, SSH_ASKPASS_REQUIRE: required = "" } = environment;
  const hasDesktop = Boolean(environment["DISPLAY"] || environment["WAYLAND_DISPLAY"]);
  const isPreferred = required === "force" || (required === "prefer" && (Boolean(own) || hasDesktop));
  if (own) return { program: own, isPreferred };
  const isMeant = required === "force" || (hasDesktop && required !== "never");
  return theirs && isMeant ? { program: theirs, isPreferred } : undefined;
}
