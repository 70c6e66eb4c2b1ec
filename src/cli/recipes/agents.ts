// Coding agents, and the sandboxes that they bring: all but gemini see the host's paths.
import { directoryOf } from "../../paths.ts";
import { quotePosix } from "../../text/quoting.ts";
import type { GrantInfo } from "../../wire/messages.ts";
import {
  AT_HOST,
  type MakeRecipe,
  ownPlaces,
  placesBeside,
  quoteJson,
  type RecipeHost,
  requireFile,
  requireHostPaths,
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
      "these keys belong into .claude/settings.local.json; env is Claude Code's own, too: with Bedrock it would call the model as this grant",
    ],
  };
};

/** Some versions take one slash for the directory of the settings; two mean the root in all of them. */
function doubleSlash(path: string): string {
  return `/${path}`;
}

/** sandbox-runtime has no key for variables: they are those of whoever starts it. */
export const srt: MakeRecipe = (grant, host) => {
  const rules = runtimeRules(grant, host, "sandbox-runtime", (path) => path);
  return withSettings("srt", grant, rules);
};

/** Without allowRead: what of a socket's grant lies below keyhole's home could not be shown. */
export const fence: MakeRecipe = (grant, host) => {
  requireFile(grant, "fence hides keyhole's home as a whole, in which a grant's socket lies", AT_HOST);
  requireHostPaths(grant, "fence");
  const network = { allowedDomains: ["*.amazonaws.com"], deniedDomains: [] };
  const filesystem = { denyRead: ["~/.aws", ...placesBeside(targetOf(grant), host)], allowWrite: ["."], denyWrite: [] };
  const { text, remarks } = withSettings("fence", grant, { network, filesystem });
  return { text: `# ${untried("fence 0.1.5")}\n${text}`, remarks };
};

/** Settings by a descriptor: in a file the sandbox might write to them. */
function withSettings(program: string, grant: GrantInfo, settings: unknown) {
  const variables = variablesFor(grant).map(([name, value]) => `${name}=${quotePosix(value)} \\`);
  const json = JSON.stringify(settings, undefined, 2);
  const lines = [...variables, `${program} --settings /dev/fd/3 sh 3<<'END'`, json, "END"];
  return { text: lines.join("\n"), remarks: ["whoever keeps settings of his own merges these into them"] };
}

/** What Claude Code and sandbox-runtime, which is its sandbox, have in common. */
function runtimeRules(grant: GrantInfo, host: RecipeHost, tool: string, write: (path: string) => string) {
  const isMac = host.platform === "darwin";
  if (!isMac) requireFile(grant, `${tool} forbids Unix sockets on Linux`, AT_HOST);
  requireHostPaths(grant, tool);
  const directory = targetOf(grant);
  const denied = new Set([...ownPlaces(host), directoryOf(directory)]);
  return {
    network: {
      allowedDomains: ["*.amazonaws.com"],
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

/**
 * With its network on, as here, Codex forbids no Unix sockets on Linux. Whatever it denies hides all that is below, so
 * the grant's own place stays, whose other names nobody can list.
 */
export const codex: MakeRecipe = (grant, host) => {
  requireHostPaths(grant, "Codex's sandbox");
  const directory = targetOf(grant);
  const denied = ["~/.aws", ...placesBeside(directory, host)];
  const isMacSocket = host.platform === "darwin" && grant.deliver === "socket";
  const lines = [
    "# ~/.codex/config.toml, in the place of sandbox_mode; CODEX_HOME must not lie below /tmp",
    "# what else of this user's is on this machine stays readable, and its other sockets open: docker.sock, the ssh-agent's",
    'default_permissions = "keyhole"',
    "",
    "[permissions.keyhole]",
    'extends = ":workspace"',
    "",
    "[permissions.keyhole.filesystem]",
    ...denied.map((path) => `${quoteJson(path)} = "deny"`),
    "",
    "[permissions.keyhole.network]",
    "enabled = true",
    "",
    ...(isMacSocket
      ? ["[permissions.keyhole.network.unix_sockets]", `${quoteJson(`${directory}/sock`)} = "allow"`, ""]
      : []),
    "[shell_environment_policy]",
    'exclude = ["AWS_*"]',
    "",
    "[shell_environment_policy.set]",
    ...variablesFor(grant).map(([name, value]) => `${name} = ${quoteJson(value)}`),
  ];
  return { text: lines.join("\n"), remarks: [] };
};

/** Its sandbox is a container. */
export const gemini: MakeRecipe = (grant) => {
  const pairs = variablesFor(grant).map((pair) => pair.join("="));
  const lines = [
    "GEMINI_SANDBOX=docker",
    `SANDBOX_MOUNTS=${quotePosix(`${grant.directory}:${targetOf(grant)}:ro`)}`,
    `SANDBOX_ENV=${quotePosix(pairs.join(","))}`,
    "gemini",
  ];
  return { text: `# ${untried("Gemini CLI")}\n${lines.join(" \\\n")}`, remarks: [] };
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
