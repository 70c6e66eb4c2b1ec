// What a command is: data in citty's terms, and a function that runs it. table.ts has all of them.
import type { ArgsDef, ArgValues, CommandTree } from "../arguments.ts";
import type { Target } from "../client/target.ts";
import type { Exchange } from "../client/messaging.ts";
import type { Environment } from "../environment.ts";
import type { KeyholeError } from "../errors.ts";
import { settingOptions, type Settings } from "../settings.ts";
import type { Output } from "./stdout.ts";
import type { ToolCommand, ToolResult } from "./programs/tools.ts";
import type { Ui } from "./ui.ts";

/** Of a file that is not keyhole's own; undefined where there is none, an error where it is not read. */
export type ForeignText = string | undefined | KeyholeError;

/** What a command needs of its process and machine. main.ts gives the real one, a test a fake. */
export interface Host {
  /** The words that start keyhole again: the absolute path of this executable; from source also its script. */
  readonly command: readonly string[];
  cwd(): string;
  /** Milliseconds since the epoch. */
  now(): number;
  wait(milliseconds: number): Promise<void>;
  /** Everything on stdin. Only for a command that was told to read it (`--from-file -`). */
  readStdin(): Promise<string>;
  /** Files that are not keyhole's own, in their order. */
  readForeign(paths: readonly string[]): Promise<readonly ForeignText[]>;
  /**
   * Shows a long text to a person by $PAGER, in colours where they are wanted; false where nothing was shown: stdout is
   * no terminal, or no pager wanted or there.
   */
  page(render: (colors: boolean) => string): Promise<boolean>;
  /** Sends a signal; false if there is no such process. */
  signal(pid: number, signal: NodeJS.Signals): boolean;
  readonly platform: NodeJS.Platform;
  /** Whether this process is inside a container of Docker, Podman, Kubernetes or systemd-nspawn. */
  isContainer(): boolean;
  /** The effective user, as a number. */
  userId(): number;
  /** Runs a program of the system to its end, without a terminal. Status 127 where there is no program of that name. */
  runTool(command: ToolCommand): Promise<ToolResult>;
  /** False for a process that has ended, also while its parent has not waited for it. */
  isRunning(pid: number): Promise<boolean>;
  /**
   * Starts this executable as a daemon, and resolves when it is ready. `endOther` ends the one that runs; it is called
   * when the new one waits for nothing else. @throws KeyholeError of the child's own.
   */
  launch(settings: Settings, endOther?: () => Promise<unknown>): Promise<{ readonly pid: number }>;
  /** Makes a broker inside of this process, for this command alone. */
  openInProcess(settings: Settings): Promise<Exchange>;
}

/** Everything that a command may use: it reads nothing of the process by itself. */
export interface CommandContext<Args extends ArgsDef = ArgsDef> {
  /** By the name of the definition; an option that is not defined does not compile. */
  readonly args: ArgValues<Args>;
  /** What comes after `--`; empty unless the command has `rest`. */
  readonly rest: readonly string[];
  readonly settings: Settings;
  /** Which socket this command line means; worked out once, when it is first asked for. */
  readonly target: () => Target;
  readonly environment: Environment;
  readonly ui: Ui;
  readonly output: Output;
  readonly host: Host;
  readonly root: CommandGroup;
}

/** Options that every command has. */
export const commonOptions = {
  ...settingOptions,
  help: { type: "boolean", alias: "h", description: "Print this help" },
  version: { type: "boolean", description: "Print the version", slips: ["-v", "-V"] },
} as const satisfies ArgsDef;

/** Of commands that start a daemon. */
export const ownOption = {
  type: "boolean",
  description: "Start a daemon of one's own, also where a shared one serves this user",
} as const;

/** A command that can be run, as citty has one; `commonOptions` need not be defined. */
export interface Command<Args extends ArgsDef = ArgsDef> {
  /** `name` with its group, as typed: `daemon start`. The description is one line without a period. */
  readonly meta: { readonly name: string; readonly description: string };
  /** Command lines to copy: at least two. */
  readonly examples: readonly [string, string, ...string[]];
  /**
   * Where it may run. Inside a sandbox that has a grant, a command of the `host` is refused: it is about a daemon and its
   * files, and a grant gives credentials alone. One of the `sandbox` needs a grant's socket.
   */
  readonly where: "host" | "sandbox" | "both";
  readonly args: Args;
  /** Takes everything after `--`, which may be nothing if it is `optional`. */
  readonly rest?: true | "optional";
  /** Lines at the end of its help, for what no option says. */
  readonly notes?: readonly string[];
  /**
   * Returns the exit status, nothing meaning 0.
   *
   * @throws KeyholeError for everything a person should read; command-line.ts prints it and takes its exit status.
   */
  run(context: CommandContext<Args>): Promise<number | void>;
}

/** Any command. Its arguments are those of its own definition, which only the parser can promise. */
export type AnyCommand = Command<any>;

/** Checks a definition and infers the type of its arguments. */
export function defineCommand<const Args extends ArgsDef>(command: Command<Args>): Command<Args> {
  return command;
}

/** Loads a command when it is called. */
export type CommandLoader = () => Promise<AnyCommand>;

export type CommandGroup = CommandTree<CommandLoader>;

/** The words of a group, and what each is for; loads all of its commands. */
export function describeCommands({ subCommands }: CommandGroup): Promise<(readonly [string, string])[]> {
  const found = Object.entries(subCommands).map(async ([word, entry]) => {
    const { meta } = typeof entry === "function" ? await entry() : entry;
    return [word, meta.description] as const;
  });
  return Promise.all(found);
}
