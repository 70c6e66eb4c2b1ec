// What every recipe is made of: where the grant lies and is seen, and what it sets.
import * as leases from "../../grants/leases.ts";
import { KeyholeError } from "../../errors.ts";
import { formatRate, formatSpan } from "../../grants/formats.ts";
import { DEFAULT_RATE, deliveries, type Delivery } from "../../grants/grant.ts";
import { grantVariables, seenAt } from "../../grants/mount.ts";
import { directoryOf, type Paths } from "../../paths.ts";
import { quotePosix } from "../../text/quoting.ts";
import type { GrantInfo, GrantTermsMessage } from "../../wire/messages.ts";
import type { CommandContext } from "../command.ts";

interface Recipe {
  /** What is pasted, without a newline at the end. */
  readonly text: string;
  /** For a person: what the format of the text has no comments for. */
  readonly remarks: readonly string[];
}

/** The machine that the recipe is for. */
export interface RecipeHost {
  readonly platform: NodeJS.Platform;
  /** Keyhole's own, which no sandbox should read. */
  readonly paths: Paths;
  /** Where grants that are delivered as files may be. */
  readonly leaseParents: readonly string[];
}

export function recipeHostOf(caller: Pick<CommandContext, "settings" | "environment" | "host">): RecipeHost {
  const { settings, environment, host } = caller;
  const places = { environment, uid: host.userId(), run: "/run", devices: "/dev" };
  return { platform: host.platform, paths: settings.paths, leaseParents: leases.leaseParents(places) };
}

/** @throws KeyholeError `usage` where the tool cannot reach a grant of this delivery, with the grant that it can. */
export type MakeRecipe = (grant: GrantInfo, host: RecipeHost) => Recipe;

/** Where the sandbox sees the directory. */
export function targetOf(grant: GrantInfo): string {
  return seenAt(grant, grant.directory);
}

/** The variables with their values. */
export function variablesFor(grant: GrantInfo): (readonly [string, string])[] {
  return Object.entries(grantVariables(targetOf(grant), { deliver: deliveryOf(grant) }));
}

/** As the daemon says it, which has no other. */
function deliveryOf({ deliver }: GrantInfo): Delivery {
  return deliveries.find((each) => each === deliver) ?? "socket";
}

/** What is run in the sandbox: where a grant signs, after the words that carry its requests. */
export function carried(grant: GrantInfo, words: readonly string[]): readonly string[] {
  return grant.sign === undefined ? words : [`${targetOf(grant)}/keyhole`, "relay", "--", ...words];
}

/** @throws KeyholeError `usage` for a tool whose recipe carries no requests */
export function refuseSigning(grant: GrantInfo, tool: string): void {
  if (grant.sign === undefined) return;
  const message = `there is no recipe for ${tool} of a grant that signs`;
  throw new KeyholeError(
    "usage",
    message,
    "keyhole grant show NAME --for docker, podman, gvisor, bwrap, firejail or srt",
  );
}

/** What of this user's a tool leaves open that hides only what it is told to. */
export type Open = "your other files" | "your other sockets" | "your terminal";

/** Stands first in the recipe. */
export function staysOpen(...what: readonly Open[]): string {
  const sockets = what.includes("your other sockets") ? " (docker.sock, the ssh-agent's)" : "";
  return `open in it: ${what.join(", ")}${sockets}`;
}

/** The first line of a recipe for a tool that no test runs. */
export function untried(tool: string): string {
  return `from ${tool}'s documentation, not run here`;
}

/** For a sandbox that sees the host's own paths. */
export const AT_HOST = "--mount-at host";

/**
 * Where the tool forbids Unix sockets, or cannot carry them.
 *
 * @param more options of the grant that it takes
 */
export function requireFile(grant: GrantInfo, reason: string, ...more: readonly string[]): void {
  if (grant.deliver === "file") return;
  throw new KeyholeError("usage", reason, otherGrant(grant, more));
}

/** Where the tool's sandbox sees the host's own paths, and mounts nothing but a /dev of its own. */
export function requireHostPaths(grant: GrantInfo, tool: string): void {
  const { name, config, directory } = grant;
  if (targetOf(grant) !== directory) {
    const message = `${tool} mounts nothing: it sees the directory where it is, and this grant is seen at ${grant.mountAt}`;
    throw new KeyholeError("usage", message, otherGrant(grant, [AT_HOST]));
  }
  if (!directory.startsWith("/dev/")) return;
  const message = `${tool} has a /dev of its own, and this grant's lease is in ${directory}`;
  // Nothing is removed for one that a person has to complete.
  if (grant.policy !== undefined) throw new KeyholeError("usage", message, otherGrant(grant, [AT_HOST]));
  const again = [
    `keyhole grant add ${name} --config ${config} --deliver ${grant.deliver} ${AT_HOST}`,
    ...limitsOf(grant),
  ];
  throw new KeyholeError("usage", message, `keyhole grant remove --yes ${quotePosix(name)} && ${again.join(" ")}`);
}

/** Keyhole's home, what of it lies elsewhere, and other grants' leases. */
export function ownPlaces({ paths: { home, configDir, socket, log }, leaseParents }: RecipeHost): string[] {
  return [home, ...[configDir, socket, log].filter((path) => !isBelow(path, home)), ...leaseParents];
}

/** The same without what the grant lies in, for a tool whose denials hide all that is below. */
export function placesBeside(directory: string, host: RecipeHost): string[] {
  const { home, configDir, socket, log, audit, grantDir, runDir, runFile, binDir, sharedPolicy } = host.paths;
  const parts = [socket, log, audit].map((file) => (isBelow(file, home) ? directoryOf(file) : file));
  const all = isBelow(directory, home)
    ? [...parts, configDir, grantDir, runDir, runFile, binDir, sharedPolicy, ...host.leaseParents]
    : ownPlaces(host);
  return [...new Set(all)].filter((path) => !isBelow(directory, path));
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(`${directory}/`);
}

/** The longest name that a grant may have (grants/names.ts). */
const LONGEST_NAME = 32;
const SUFFIX = "-file";

/** A name says what is in the way, so the new grant has another. */
function otherGrant(grant: GrantInfo, more: readonly string[]): string {
  const { name, config } = grant;
  const other = name.slice(0, LONGEST_NAME - SUFFIX.length) + SUFFIX;
  return [`keyhole grant add ${other} --config ${config} --deliver file`, ...more, ...limitsOf(grant)].join(" ");
}

/** Of each term, and of the end. Where a lease cannot have one, `grant add` says so. */
const limits: Readonly<
  Record<
    keyof GrantTermsMessage | "endsAt",
    ((grant: GrantInfo) => string | readonly string[] | 0 | undefined) | undefined
  >
> = {
  name: undefined,
  config: undefined,
  deliver: undefined,
  mountAt: undefined,
  executable: undefined,
  arch: undefined,
  endsAt: ({ createdAt, endsAt }) => endsAt && `--ttl ${formatSpan(Math.ceil((endsAt - createdAt) / 1000))}`,
  // Its text is that of a file, or of a preset, which only a person knows.
  policy: ({ policy }) => policy && "--policy POLICY",
  policyArns: ({ policyArns }) => policyArns.map((arn) => `--policy-arn ${quotePosix(arn)}`),
  tags: ({ tags }) => tags.map(({ key, value }) => `--tag ${quotePosix(`${key}=${value}`)}`),
  sourceIdentity: ({ sourceIdentity }) => sourceIdentity && `--source-identity ${quotePosix(sourceIdentity)}`,
  durationSeconds: ({ durationSeconds }) => durationSeconds && `--duration ${formatSpan(durationSeconds)}`,
  allowUids: ({ allowUids }) => allowUids.map((uid) => `--allow-uid ${uid}`),
  allowGids: ({ allowGids }) => allowGids.map((gid) => `--allow-gid ${gid}`),
  rate: ({ rate }) => (Bun.deepEquals(rate, DEFAULT_RATE) ? undefined : `--rate ${formatRate(rate)}`),
  maxUses: ({ maxUses }) => maxUses && `--max-uses ${maxUses}`,
  confirm: ({ confirm }) => (confirm ? "--confirm" : undefined),
  // Of one that signs no other grant is named: it would give the credentials themselves (refuseSigning).
  sign: undefined,
};

/** The options that limit a grant: another one in its place must not be given more. */
function limitsOf(grant: GrantInfo): string[] {
  return Object.values(limits).flatMap((option) => option?.(grant) || []);
}

/** YAML and TOML take a JSON string for what it is. */
export function quoteJson(text: string): string {
  return JSON.stringify(text);
}

/** A field of Docker's and Podman's `--mount`, which is a line of CSV. */
export function mountField(name: string, value: string): string {
  const field = `${name}=${value}`;
  return /[",\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

/** Stands in a word for the working directory. */
export const HERE = "\0";

/** Where the tool reads its settings: in a file the sandbox might write to them. */
export const SETTINGS = "/dev/fd/3";

export interface Invocation {
  /** What it is given in its environment, and passes on. */
  readonly variables: readonly (readonly [name: string, value: string])[];
  /** The tool and its options; in a recipe each stands on a line. */
  readonly lines: readonly (readonly string[])[];
  /** JSON, or what only a descriptor can carry. */
  readonly settings: string | Uint8Array | undefined;
  /** What follows, for a program and its arguments. */
  readonly program: (words: readonly string[]) => readonly string[];
}

/** What is pasted into a shell, with a shell as the program. */
export function paste({ variables, lines, settings, program }: Invocation): string {
  const set = variables.map(([name, value]) => `${name}=${quotePosix(value)}`);
  const words = [...lines, program(["sh"])].map((line) => line.map(quoteHere).join(" "));
  if (settings === undefined) return [...set, ...words].join(" \\\n  ");
  const command = [...set, words.join(" ")].join(" \\\n");
  return [`${command} 3<<'END'`, String(settings), "END"].join("\n");
}

/** The words themselves. @param cwd asked only where a word has it */
export function fillIn(words: readonly string[], cwd: () => string): string[] {
  return words.map((word) => (word.includes(HERE) ? word.replaceAll(HERE, cwd()) : word));
}

function quoteHere(word: string): string {
  const [before = "", after] = word.split(HERE);
  if (after === undefined) return quotePosix(word);
  return `${before && quotePosix(before)}"$PWD"${after && quotePosix(after)}`;
}
