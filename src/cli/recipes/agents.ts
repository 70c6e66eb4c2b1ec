// Coding agents that bring a sandbox of their own, which sees the host's paths.
import { directoryOf } from "../../paths.ts";
import {
  AT_HOST,
  type MakeRecipe,
  quoteJson,
  requireFile,
  requireHostPaths,
  targetOf,
  untried,
  variablesFor,
} from "./recipe.ts";

/**
 * Its seccomp filter forbids AF_UNIX on Linux; on macOS sockets are allowed by path (SANDBOXES.md, 5). What may be read
 * again wins over what may not, if it is the longer path (sandbox-runtime's README).
 */
export const claudeCode: MakeRecipe = (grant, { platform, home }) => {
  const isMac = platform === "darwin";
  if (!isMac) requireFile(grant, "Claude Code's sandbox forbids Unix sockets on Linux", AT_HOST);
  requireHostPaths(grant, "Claude Code's sandbox");
  const directory = targetOf(grant);
  const sockets = grant.deliver === "socket" ? { allowUnixSockets: [`${directory}/sock`] } : {};
  const denyRead = ["~/.aws", ...new Set([home, directoryOf(directory)].map(absolute))];
  const settings = {
    env: Object.fromEntries(variablesFor(grant)),
    // The sandbox is that of commands: what Claude Code itself reads is another list.
    permissions: { deny: ["Read(~/.aws/**)", `Read(${absolute(home)}/**)`] },
    sandbox: {
      enabled: true,
      // Without these a command runs outside of it where it cannot be set up, or where Claude asks for that.
      failIfUnavailable: true,
      allowUnsandboxedCommands: false,
      network: { allowedDomains: ["*.amazonaws.com"], ...sockets },
      filesystem: { denyRead, allowRead: [absolute(directory)] },
    },
  };
  return {
    text: JSON.stringify(settings, undefined, 2),
    remarks: [
      untried("Claude Code"),
      "these keys belong into .claude/settings.local.json; env is Claude Code's own, too: with Bedrock it would call the model as this grant",
    ],
  };
};

/** Some versions take one slash for the directory of the settings; two mean the root in all of them. */
function absolute(path: string): string {
  return `/${path}`;
}

/** Its seccomp filter forbids AF_UNIX on Linux even for paths that are listed (SANDBOXES.md, 5). */
export const codex: MakeRecipe = (grant) => {
  requireFile(grant, "Codex's sandbox forbids Unix sockets on Linux", AT_HOST);
  requireHostPaths(grant, "Codex's sandbox");
  const lines = [
    `# ${untried("Codex")}`,
    "# ~/.codex/config.toml",
    'sandbox_mode = "workspace-write"',
    "",
    "[sandbox_workspace_write]",
    "network_access = true",
    "",
    "[shell_environment_policy]",
    'exclude = ["AWS_*"]',
    "",
    "[shell_environment_policy.set]",
    ...variablesFor(grant).map(([name, value]) => `${name} = ${quoteJson(value)}`),
  ];
  return { text: lines.join("\n"), remarks: [] };
};
