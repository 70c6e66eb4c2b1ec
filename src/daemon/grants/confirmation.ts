// Asking a person before credentials are handed out. Two ways lead to an answer, and the first that gives one counts:
// `keyhole grant confirm` on a terminal of the owner's, and a program on their desktop, in the way of `ssh-add -c`: the
// question is its one argument, exit status 0 is a yes and everything else a no. ssh-add(1), ssh(1) on SSH_ASKPASS and
// SSH_ASKPASS_PROMPT.
import type { Clock } from "../../clock.ts";
import type { Environment } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import { runProgram } from "../../sources/run-program.ts";
import { showOnOneLine } from "../../text/controls.ts";
import type { ResponseOf } from "../../wire/messages.ts";

export interface ConfirmerOptions {
  readonly clock: Clock;
  /** Milliseconds for an answer. */
  readonly patience: number;
  /** How a program is run; tests put another in its place. */
  readonly runDialog?: typeof runAskpass;
  /**
   * Of the first question; random if absent, so that an answer that a person was giving when a daemon was replaced is
   * not taken for one to another question of the next daemon.
   */
  readonly firstId?: number;
}

type OpenQuestion = ResponseOf<"GrantQuestion">;

export interface Confirmer {
  /**
   * Resolves if a person allows it. While a question of a grant waits, another of the same grant is that question.
   *
   * @param grant its name
   * @param text what is asked, on one line, without a secret: it stands among the arguments of a process
   * @param askpass of the owner who made the grant; undefined where there is none
   * @returns rejects with KeyholeError `denied`, also for a moment after a person's no, without a question:
   *   a holder that asks again at once must not get a yes by tiring the person out.
   */
  ask(grant: string, text: string, askpass: Askpass | undefined): Promise<void>;
  /** The oldest question that waits; waits for one, up to 10 s. */
  question(): Promise<OpenQuestion>;
  /** The grant whose question this answers; undefined where it is settled already, which then changes nothing. */
  answer(id: number, allow: boolean): string | undefined;
  /** Denies what a grant asks that has ended, and forgets it: another one may get its name. */
  withdraw(grant: string): void;
  /** Denies all, and whatever is asked later. */
  close(): void;
}

/** The program that asks, and all of its environment beside SSH_ASKPASS_PROMPT. */
export type Askpass = Pick<AskpassOptions, "program" | "environment">;

/** Of all grants together. */
const MOST_QUESTIONS = 32;
/** Milliseconds that `question` waits (wire/messages.ts). */
const POLL = 10_000;

/** Milliseconds for which a no holds. */
const NO_HOLDS = 5_000;

const REFUSED = "the person asked did not allow it";

interface Question {
  readonly id: number;
  readonly grant: string;
  readonly text: string;
  readonly outcome: Promise<void>;
  readonly settle: (allow: boolean, words: string) => void;
}

export function createConfirmer(options: ConfirmerOptions): Confirmer {
  const { clock, patience, runDialog = runAskpass } = options;
  /** By grant, from the oldest to the youngest. */
  const questions = new Map<string, Question>();
  const pollers = new Set<() => void>();
  /** Until when a no holds, by grant, on the monotonic clock. */
  const refused = new Map<string, number>();
  let nextId = options.firstId ?? randomId();
  let isClosed = false;

  async function ask(grant: string, text: string, askpass: Askpass | undefined): Promise<void> {
    if (isClosed) throw denied("the daemon is shutting down");
    const waiting = questions.get(grant);
    if (waiting !== undefined) return waiting.outcome;
    if (clock.monotonic() < (refused.get(grant) ?? -Infinity)) throw denied(REFUSED);
    if (questions.size >= MOST_QUESTIONS) throw denied("too many questions wait for an answer");
    const question = open(grant, showOnOneLine(text), askpass);
    for (const wake of pollers) wake();
    return question.outcome;
  }

  function open(grant: string, text: string, askpass: Askpass | undefined): Question {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const isSettled = new AbortController();
    const timer = clock.after(patience, () => settle(false, "no answer came in time"));
    const question: Question = { id: nextId, grant, text, outcome: promise, settle };
    nextId += 1;
    questions.set(grant, question);

    function settle(allow: boolean, words: string): void {
      if (isSettled.signal.aborted) return;
      isSettled.abort();
      timer.cancel();
      questions.delete(grant);
      if (allow) resolve();
      else reject(denied(words));
      if (words === REFUSED && !allow) refused.set(grant, clock.monotonic() + NO_HOLDS);
    }

    if (askpass !== undefined) void askProgram(question, askpass, isSettled.signal);
    return question;
  }

  async function askProgram(question: Question, askpass: Askpass, signal: AbortSignal): Promise<void> {
    const allow = await runDialog({ ...askpass, text: question.text, clock, patience, signal });
    // One that could not be asked leaves the question to the terminal.
    if (allow !== undefined) question.settle(allow, REFUSED);
  }

  function oldest(): OpenQuestion["question"] {
    const [first] = questions.values();
    return first === undefined ? undefined : { id: first.id, grant: first.grant, text: first.text };
  }

  async function poll(): Promise<OpenQuestion> {
    if (questions.size === 0 && !isClosed) await next();
    return { question: oldest() };
  }

  /** Until there is a question, or for as long as a poll waits. */
  async function next(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = clock.after(POLL, resolve);
    pollers.add(resolve);
    await promise;
    pollers.delete(resolve);
    timer.cancel();
  }

  function answer(id: number, allow: boolean): string | undefined {
    for (const asked of questions.values()) {
      if (asked.id !== id) continue;
      asked.settle(allow, REFUSED);
      return asked.grant;
    }
    return undefined;
  }

  function withdraw(grant: string): void {
    questions.get(grant)?.settle(false, "the grant has ended");
    refused.delete(grant);
  }

  function close(): void {
    isClosed = true;
    for (const { settle } of questions.values()) settle(false, "the daemon is shutting down");
    for (const wake of pollers) wake();
  }

  return { ask, question: poll, answer, withdraw, close };
}

function denied(words: string): KeyholeError {
  return new KeyholeError("denied", words);
}

/** Half of a u32, so that there is room for as many questions. */
function randomId(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]! >>> 1;
}

export interface AskpassOptions {
  /** A path, or a name that is looked up in the environment's PATH. */
  readonly program: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly text: string;
  readonly clock: Clock;
  /** Milliseconds, after which it is killed. */
  readonly patience: number;
  /** Aborted when the question was answered elsewhere: it is killed then. */
  readonly signal: AbortSignal;
}

/** How a program reaches the desktop of the owner who made a grant. */
const DESKTOP = ["DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"] as const;

/** Its output says nothing: the answer is the exit status. */
const LARGEST_OUTPUT = 64 * 1024;

/**
 * The program that an environment names, KEYHOLE_ASKPASS before SSH_ASKPASS, with what it runs in; undefined if none.
 *
 * @param environment of the owner who made the grant
 * @param base what everything that the daemon spawns gets
 */
export function selectAskpass(
  environment: Environment,
  base: Readonly<Record<string, string>>,
): Pick<AskpassOptions, "program" | "environment"> | undefined {
  const program = environment["KEYHOLE_ASKPASS"] || environment["SSH_ASKPASS"];
  if (!program) return undefined;
  const desktop = DESKTOP.map((name) => [name, environment[name]] as const);
  const known = desktop.filter((entry): entry is [(typeof DESKTOP)[number], string] => !!entry[1]);
  return { program, environment: { ...base, ...Object.fromEntries(known) } };
}

/** Whether the person allowed it; undefined if the program could not be started, or was stopped before it ended. */
export async function runAskpass(options: AskpassOptions): Promise<boolean | undefined> {
  const { program, environment, text, clock, patience, signal } = options;
  const end = await runProgram({
    command: [program, text],
    environment: { ...environment, SSH_ASKPASS_PROMPT: "confirm" },
    deadline: patience,
    largestOutput: LARGEST_OUTPUT,
    clock,
    signal,
  });
  if (end.kind === "ended") return end.exit === 0;
  return end.kind === "too-long" ? false : undefined;
}
