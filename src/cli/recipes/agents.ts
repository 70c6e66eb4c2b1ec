// Coding agents, and the sandboxes that they bring: all but gemini see the host's paths.
import { KeyholeError } from "../../errors.ts";
import { directoryOf } from "../../paths.ts";
import { quotePosix } from "../../text/quoting.ts";
import type { GrantInfo } from "../../wire/messages.ts";
import {
  AT_HOST,
  carried,
  type Invocation,
  type MakeRecipe,
  ownPlaces,
  paste,
  placesBeside,
  quoteJson,
  type RecipeHost,
  refuseSigning,
  requireFile,
  requireHostPaths,
  SETTINGS,
  staysOpen,
  targetOf,
  untried,
  variablesFor,
} from "./recipe.ts";

/**
 * Its seccomp filter forbids AF_UNIX on Linux; on macOS sockets are allowed by path. What may be read
 * again wins over what may not, if it is the longer path (sandbox-runtime's README).
 */
export const claudeCode: MakeRecipe = (grant, host) => {
  const { network, filesystem } = runtimeRules(grant, host, "Claude Code's sandbox", doubleSlash);
  const { allowedDomains, allowUnixSockets } = network;
  const { denyRead, allowRead } = filesystem;
  const settings = {
    env: Object.fromEntries(variablesFor(grant)),
    // The sandbox is that of commands: what Claude Code itself reads is another list.
    permissions: { deny: denyRead.map((path) => `Read(${path}/**)`) },
    sandbox: {
      enabled: true,
      // Without these a command runs outside of it where it cannot be set up, or where Claude asks for that.
      failIfUnavailable: true,
      allowUnsandboxedCommands: false,
      network: { allowedDomains, allowUnixSockets },
      filesystem: { denyRead, allowRead },
    },
  };
  return {
    text: JSON.stringify(settings, undefined, 2),
    remarks: [
      staysOpen("your other files"),
      "these keys belong into .claude/settings.local.json; env is Claude Code's own, too: with Bedrock it would call the model as this grant",
    ],
  };
};

/** Some versions take one slash for the directory of the settings; two mean the root in all of them. */
function doubleSlash(path: string): string {
  return `/${path}`;
}

/** sandbox-runtime has no key for variables: they are those of the process that starts it. */
export function invokeSrt(grant: GrantInfo, host: RecipeHost): Invocation {
  const rules = runtimeRules(grant, host, "sandbox-runtime", (path) => path);
  return withSettings("srt", grant, rules, (words) => ["--", ...carried(grant, words)]);
}

export const srt: MakeRecipe = (grant, host) => ({
  text: `# ${staysOpen("your other files")}\n${paste(invokeSrt(grant, host))}`,
  remarks: [MERGE],
});

/** Without allowRead: what of a socket's grant lies below keyhole's home could not be shown. */
export function invokeFence(grant: GrantInfo, host: RecipeHost): Invocation {
  requireFile(grant, "fence hides keyhole's home as a whole, in which a grant's socket lies", AT_HOST);
  requireHostPaths(grant, "fence");
  const network = { allowedDomains: ["*.amazonaws.com"], deniedDomains: [] };
  const filesystem = { denyRead: ["~/.aws", ...placesBeside(targetOf(grant), host)], allowWrite: ["."], denyWrite: [] };
  return withSettings("fence", grant, { network, filesystem }, asShell);
}

/** fence 0.1.5 joins the words after `--` without quotes. */
function asShell(words: readonly string[]): string[] {
  return ["-c", words.map(quotePosix).join(" ")];
}

export const fence: MakeRecipe = (grant, host) => ({
  text: `# ${staysOpen("your other files", "your other sockets")}\n${paste(invokeFence(grant, host))}`,
  remarks: [MERGE],
});

const MERGE = "if there are settings already, merge these into them";

function withSettings(tool: string, grant: GrantInfo, settings: unknown, program: Invocation["program"]): Invocation {
  return {
    variables: variablesFor(grant),
    lines: [[tool, "--settings", SETTINGS]],
    settings: JSON.stringify(settings, undefined, 2),
    program,
  };
}

/** What Claude Code and sandbox-runtime, which is its sandbox, have in common. */
function runtimeRules(grant: GrantInfo, host: RecipeHost, tool: string, write: (path: string) => string) {
  const isMac = host.platform === "darwin";
  if (grant.sign !== undefined) requireListening(grant, grant.sign, tool, host);
  else if (!isMac) requireFile(grant, `${tool} forbids Unix sockets on Linux`, AT_HOST);
  requireHostPaths(grant, tool);
  const directory = targetOf(grant);
  const denied = new Set([...ownPlaces(host), directoryOf(directory)]);
  return {
    network: {
      allowedDomains: [grant.sign === undefined ? "*.amazonaws.com" : `127.0.0.1:${grant.sign.port}`],
      deniedDomains: [],
      allowUnixSockets: grant.deliver === "socket" ? [`${directory}/sock`] : undefined,
    },
    filesystem: {
      denyRead: ["~/.aws", ...[...denied].map(write)],
      allowRead: [write(directory)],
      allowWrite: ["."],
      denyWrite: [],
    },
  };
}

/** Its one way out is its own proxy, which leads to the grant's port on the host. */
function requireListening(grant: GrantInfo, { listen }: { listen: boolean }, tool: string, host: RecipeHost): void {
  if (host.platform === "darwin") refuseSigning(grant, tool);
  if (listen) return;
  const hint = `keyhole grant add NAME --config ${grant.config} --sign --listen ${AT_HOST}`;
  throw new KeyholeError(
    "usage",
    `${tool} forbids Unix sockets: it reaches a grant that signs with --listen alone`,
    hint,
  );
}

/**
 * With its network on, as here, Codex forbids no Unix sockets on Linux. Whatever it denies hides all that is below, so
 * the grant's own place stays, whose other names cannot be listed.
 */
function codexRules(grant: GrantInfo, host: RecipeHost) {
  requireHostPaths(grant, "Codex's sandbox");
  const directory = targetOf(grant);
  const isMacSocket = host.platform === "darwin" && grant.deliver === "socket";
  return {
    filesystem: ["~/.aws", ...placesBeside(directory, host)].map((path) => [path, "deny"] as const),
    sockets: isMacSocket ? [[`${directory}/sock`, "allow"] as const] : [],
    variables: variablesFor(grant),
  };
}

export const codex: MakeRecipe = (grant, host) => {
  const { filesystem, sockets, variables } = codexRules(grant, host);
  const lines = [
    `# ${staysOpen("your other files", "your other sockets")}`,
    "# ~/.codex/config.toml, in the place of sandbox_mode; CODEX_HOME must not lie below /tmp",
    'default_permissions = "keyhole"',
    "",
    "[permissions.keyhole]",
    'extends = ":workspace"',
    "",
    "[permissions.keyhole.filesystem]",
    ...entries(filesystem),
    "",
    "[permissions.keyhole.network]",
    "enabled = true",
    "",
    ...(sockets.length > 0 ? ["[permissions.keyhole.network.unix_sockets]", ...entries(sockets), ""] : []),
    "[shell_environment_policy]",
    'exclude = ["AWS_*"]',
    "",
    "[shell_environment_policy.set]",
    ...entries(variables),
  ];
  return { text: lines.join("\n"), remarks: [] };
};

/** Of a table of TOML. */
function entries(pairs: readonly (readonly [string, string])[]): string[] {
  return pairs.map(([key, value]) => `${quoteJson(key)} = ${quoteJson(value)}`);
}

/** A name of its own: Codex would merge a pasted recipe's profile, for another grant, into one of the same name. */
const RUN_PROFILE = "keyhole-run";

export function invokeCodex(grant: GrantInfo, host: RecipeHost): Invocation {
  const { filesystem, sockets, variables } = codexRules(grant, host);
  const network = `{enabled=true,unix_sockets={${entries(sockets).join()}}}`;
  const settings = [
    `default_permissions=${quoteJson(RUN_PROFILE)}`,
    `permissions.${RUN_PROFILE}={extends=":workspace",filesystem={${entries(filesystem).join()}},network=${network}}`,
    `shell_environment_policy={exclude=["AWS_*"],set={${entries(variables).join()}}}`,
  ];
  return {
    variables: [],
    lines: [["codex", "sandbox"], ...settings.map((setting) => ["-c", setting])],
    settings: undefined,
    program: (words) => ["--", ...words],
  };
}

/** Its sandbox is a container. */
export const gemini: MakeRecipe = (grant) => {
  const pairs = variablesFor(grant).map((pair) => pair.join("="));
  const lines = [
    "GEMINI_SANDBOX=docker",
    `SANDBOX_MOUNTS=${quotePosix(`${grant.directory}:${targetOf(grant)}:ro`)}`,
    `SANDBOX_ENV=${quotePosix(pairs.join(","))}`,
    "gemini",
  ];
  return { text: lines.join(" \\\n"), remarks: [] };
};

/** Landlock lets every process connect to any socket, unless nono is told to look at paths. */
export const nono: MakeRecipe = (grant) => {
  requireHostPaths(grant, "nono");
  const directory = targetOf(grant);
  const sockets = grant.deliver === "socket" ? [`${directory}/sock`] : [];
  const profile = {
    extends: "default",
    meta: { name: "keyhole" },
    workdir: { access: "readwrite" },
    linux: { af_unix_mediation: "pathname" },
    filesystem: { read: [directory], unix_socket: sockets },
    environment: { set_vars: Object.fromEntries(variablesFor(grant)) },
  };
  return {
    text: JSON.stringify(profile, undefined, 2),
    remarks: [
      untried("nono"),
      "this is ~/.config/nono/profiles/keyhole.json, for: nono run --profile keyhole -- COMMAND",
      "nono hides no processes: the command lines of other sandboxes, with the directories of their grants, can be read in it",
    ],
  };
};
