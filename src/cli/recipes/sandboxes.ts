// What `keyhole run --in` may name: how each is started, what it wants of a grant, and what it needs of the machine.
import { KeyholeError } from "../../errors.ts";
import type { GrantInfo } from "../../wire/messages.ts";
import { invokeCodex, invokeFence, invokeSrt } from "./agents.ts";
import { invokeBwrap, invokeFirejail, terminalFilter } from "./bwrap.ts";
import { invokeEngine } from "./containers.ts";
import { carried, type Invocation, type RecipeHost, variablesFor } from "./recipe.ts";

interface Sandbox {
  /** Undefined where it takes either. */
  readonly deliver: (platform: NodeJS.Platform) => "socket" | "file" | undefined;
  /** How it reaches a grant that signs: by the grant's socket, or by its port on the host (`--listen`). */
  readonly signs: "by socket" | "by port" | undefined;
  /** Whether it sees the host's own paths. */
  readonly isAtHost: boolean;
  /** Whether it gets this process's environment, and on from there. */
  readonly inherits: boolean;
  /** Whether the working directory is shown with all that lies below it. */
  readonly showsAll: boolean;
  /** Whether it must be started in a session of its own: what is in it could type into the terminal otherwise. */
  readonly isApart: boolean;
  /** What has to be on the PATH, the tool first. */
  readonly programs: (platform: NodeJS.Platform) => readonly string[];
  /** A command that installs what it needs. */
  readonly install: (platform: NodeJS.Platform) => string;
  readonly invoke: (grant: GrantInfo, host: RecipeHost) => Invocation;
}

const either = () => undefined;
/** @param before what a tool's own registry gives */
const install =
  (packages: string, before?: string): Sandbox["install"] =>
  (platform) => {
    const system = platform === "darwin" ? "brew install" : "sudo apt-get install";
    if (before === undefined) return `${system} ${packages}`;
    return platform === "darwin" ? before : `${before} && ${system} ${packages}`;
  };
/** On macOS it is Seatbelt, which is there. */
const withBubblewrap = (tool: string, ...more: string[]) => {
  const linux = [tool, "bwrap", ...more];
  return (platform: NodeJS.Platform) => (platform === "linux" ? linux : [tool]);
};
const fileOnLinux: Sandbox["deliver"] = (platform) => (platform === "linux" ? "file" : undefined);

const engine = (name: "docker" | "podman"): Sandbox => ({
  // Elsewhere it is in a virtual machine, into which no socket goes.
  deliver: (platform) => (platform === "linux" ? undefined : "file"),
  signs: "by socket",
  isAtHost: false,
  inherits: false,
  showsAll: false,
  isApart: false,
  programs: () => [name],
  install: (platform) => install(name === "docker" && platform === "linux" ? "docker.io" : name)(platform),
  invoke: (grant) => invokeEngine(name, grant),
});

/** Everything that this user has. */
function invokeNone(grant: GrantInfo): Invocation {
  return { variables: variablesFor(grant), lines: [], settings: undefined, program: (words) => carried(grant, words) };
}

/** The terminal stays the program's own, which a new session would take from it. */
function invokeFiltered(grant: GrantInfo): Invocation {
  const invocation = invokeBwrap(grant);
  return { ...invocation, lines: [...invocation.lines, ["--seccomp", "3"]], settings: terminalFilter() };
}

const table = {
  bwrap: {
    deliver: either,
    signs: "by socket",
    isAtHost: false,
    inherits: false,
    showsAll: true,
    isApart: false,
    programs: () => ["bwrap"],
    install: install("bubblewrap"),
    invoke: invokeFiltered,
  },
  srt: {
    deliver: fileOnLinux,
    signs: "by port",
    isAtHost: true,
    inherits: true,
    showsAll: false,
    isApart: false,
    programs: withBubblewrap("srt", "socat", "rg"),
    install: install("bubblewrap socat ripgrep", "npm install --global @anthropic-ai/sandbox-runtime"),
    invoke: invokeSrt,
  },
  codex: {
    deliver: either,
    signs: undefined,
    isAtHost: true,
    inherits: true,
    showsAll: false,
    isApart: false,
    programs: withBubblewrap("codex"),
    install: install("bubblewrap", "npm install --global @openai/codex"),
    invoke: invokeCodex,
  },
  docker: engine("docker"),
  podman: engine("podman"),
  fence: {
    deliver: () => "file",
    signs: undefined,
    isAtHost: true,
    inherits: true,
    showsAll: false,
    isApart: false,
    programs: withBubblewrap("fence", "socat"),
    install: install("bubblewrap socat", "go install github.com/Use-Tusk/fence/cmd/fence@v0.1.5"),
    invoke: invokeFence,
  },
  firejail: {
    deliver: either,
    signs: "by socket",
    isAtHost: true,
    inherits: true,
    showsAll: false,
    isApart: true,
    programs: () => ["firejail"],
    install: install("firejail"),
    invoke: invokeFirejail,
  },
  none: {
    deliver: either,
    signs: "by socket",
    isAtHost: true,
    inherits: true,
    showsAll: false,
    isApart: false,
    programs: () => [],
    install: install(""),
    invoke: invokeNone,
  },
} satisfies Record<string, Sandbox>;

export type SandboxName = keyof typeof table;

export const sandboxes: Readonly<Record<SandboxName, Sandbox>> = table;

/** In the order of the table. */
export const sandboxNames = Object.keys(sandboxes) as SandboxName[];

/** Whether it runs an image. */
export function isEngine(name: SandboxName): name is "docker" | "podman" {
  return name === "docker" || name === "podman";
}

/** Options by which an engine returns before its program ends, alone or among others of one letter. */
const DETACHES = /^(?:--detach(?:=.*)?|-[itPq]*d.*)$/;

/** @throws KeyholeError `usage`: nothing would stand in front of the program, whose grant ends with this process. */
export function refuseDetached(options: readonly string[]): void {
  const found = options.find((option) => DETACHES.test(option));
  if (found === undefined) return;
  const message = `${found.split("=", 1)[0]} would leave the program to itself, and its grant ends with keyhole run`;
  throw new KeyholeError("usage", message, "keyhole grant add --help: a grant of its own");
}
