// What the client tells a daemon of its source credentials, which daemons it may tell, and whether a session has the same.
import type { Link } from "../../client/asking.ts";
import { selectPortable, selectSourceEnvironment } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import { identifyPeer, isOwnerOrRoot } from "../../native/native.ts";
import { quotePosix } from "../../text/quoting.ts";
import type { Settings } from "../../settings.ts";
import type { RequestOf } from "../../wire/messages.ts";
import type { CommandContext } from "../command.ts";
import { environmentOutside } from "../programs/nesting.ts";

/**
 * `away`: this process is in a container, and the daemon outside, with other files. `theirs`: root asks another user's,
 * which is told no more than it has to be.
 */
export type Whereabouts = "here" | "away" | "theirs";

/**
 * What is sent may be keys, and what is answered becomes an identity; another user who can write to the socket's directory
 * can listen there. Root is let through on both sides: as the daemon of a service, and as `sudo -E keyhole`.
 *
 * @throws KeyholeError `unsafe-path`
 */
export async function refuseForeignDaemon(link: Link, { paths, isInProcess }: Settings): Promise<Whereabouts> {
  const own = process.getuid?.();
  if (isInProcess || own === undefined) return "here";
  const { loadNative } = await import("../../native/load.ts");
  const peer = link.identify((socket) => identifyPeer(loadNative(), socket));
  if (own !== 0 && !isOwnerOrRoot(peer, own)) {
    throw new KeyholeError(
      "unsafe-path",
      `what answers at ${paths.socket} belongs to another user (uid ${peer.uid})`,
      `ls -l ${quotePosix(paths.socket)}`,
    );
  }
  // So Linux tells a process that this pid namespace does not see (socket(7)).
  if (peer.pid === 0) return "away";
  return peer.uid === own ? "here" : "theirs";
}

/**
 * The variables that select source credentials. A daemon that is away would look for a profile, or a file, of this
 * container's in the home of its own user.
 */
export function sourceVariables(
  { environment, host }: Pick<CommandContext, "environment" | "host">,
  whereabouts: Whereabouts,
): RequestOf<"Add">["environment"] {
  const outside = environmentOutside(environment);
  const selected =
    whereabouts === "away" ? selectPortable(outside) : selectSourceEnvironment(outside, () => host.cwd());
  return Object.entries(selected).map(([name, value]) => ({ name, value }));
}

/** Bytes of a piece, well below what a request may have. */
const PIECE = 48 * 1024;

/**
 * Tells the daemon, which is about to run a helper for this caller, what the helper is to find. The daemon must be known
 * to be this user's; one that is away has other programs, and gets nothing to run them with.
 */
export async function tellSurroundings(
  link: Link,
  { environment, host }: Pick<CommandContext, "environment" | "host">,
  whereabouts: Whereabouts,
): Promise<void> {
  const { encodeVariables, surroundingsOf } = await import("../../surroundings.ts");
  const told = surroundingsOf(
    whereabouts === "here" ? environmentOutside(environment) : {},
    directoryFor(host, whereabouts),
  );
  const { variables, workingDirectory, leftOut } = told;
  const encoded = encodeVariables(variables);
  for (let start = 0; start === 0 || start < encoded.length; start += PIECE) {
    const more = start + PIECE < encoded.length;
    const piece = encoded.subarray(start, start + PIECE);
    await link.request("Surround", { workingDirectory, leftOut: leftOut.slice(0, MOST_NAMES), piece, more });
  }
}

/** Names of variables without room that are told. */
const MOST_NAMES = 16;

/** A directory that is gone has no name. */
function directoryFor(host: CommandContext["host"], whereabouts: Whereabouts): string {
  if (whereabouts !== "here") return "/";
  try {
    return host.cwd();
  } catch {
    return "/";
  }
}

/**
 * Tells the daemon of the keys of this shell: a restart has made it forget those of its sessions and grants, and the ones
 * that are the same bring them back.
 */
export async function offerKeys(
  link: Link,
  caller: Pick<CommandContext, "settings" | "environment" | "host">,
): Promise<void> {
  if (!caller.environment["AWS_ACCESS_KEY_ID"] || !caller.environment["AWS_SECRET_ACCESS_KEY"]) return;
  try {
    const whereabouts = await refuseForeignDaemon(link, caller.settings);
    if (whereabouts !== "here") return;
    // No session has an empty name, so nothing is compared.
    await link.request("Compare", { config: "", environment: sourceVariables(caller, whereabouts) });
  } catch (error) {
    // An older daemon does not know the message; other errors show in the command itself.
    if (!(error instanceof KeyholeError)) throw error;
  }
}

type Asker = Pick<CommandContext, "environment" | "host" | "ui">;
type Variables = RequestOf<"Compare">["environment"];

interface Compared {
  /** The config's name. */
  readonly name: string;
  readonly session: string;
  readonly whereabouts: Whereabouts;
}

/** Tells a person whose shell selects another source than the session has; what is vended stays the same. */
export async function compareSources(link: Link, caller: Asker, compared: Compared): Promise<void> {
  const { name, session, whereabouts } = compared;
  if (whereabouts === "theirs") return;
  const compare = async (environment: Variables) =>
    (await link.request("Compare", { config: session, environment })).difference;
  try {
    const environment = sourceVariables(caller, whereabouts);
    let difference = await compare(environment);
    // A container selects no profile there, so that it cannot differ.
    if (difference === undefined || whereabouts === "away") return;
    const without = await withoutCaller(environment, caller.host);
    if (without !== undefined) difference = await compare(without);
    if (difference !== undefined) caller.ui.warn(`${name}: ${difference}`, `keyhole daemon add -n ${name}`);
  } catch (error) {
    // An older daemon does not know the message; other errors show in the command itself.
    if (!(error instanceof KeyholeError)) throw error;
  }
}

const PROFILES = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"];

/** Without a profile that calls keyhole, which counts as not set; undefined where there is none. */
async function withoutCaller(variables: Variables, host: CommandContext["host"]): Promise<Variables | undefined> {
  const environment = Object.fromEntries(variables.map(({ name, value }) => [name, value]));
  const profile = environment["AWS_PROFILE"] ?? environment["AWS_DEFAULT_PROFILE"];
  if (profile === undefined) return undefined;
  const [{ readSharedFiles }, { keyholeProcessOf }] = await Promise.all([
    import("../reading-in-child.ts"),
    import("../doctor/files.ts"),
  ]);
  const { shared } = await readSharedFiles(host, environment);
  const process = shared.profiles.get(profile)?.get("credential_process");
  if (process === undefined || keyholeProcessOf(process) === undefined) return undefined;
  return variables.filter(({ name }) => !PROFILES.includes(name));
}
