// Credentials for a command: of the grant whose socket this client talks to, else of a config. A grant's socket is told
// nothing: no name, no environment; and nothing is started or added on its behalf.
import { findSource, type Target } from "../../client/target.ts";
import { isConfigGone, profileConfigName } from "../../config/name.ts";
import { isErrorOf } from "../../errors.ts";
import type { ResponseOf } from "../../wire/messages.ts";
import { vend as vendConfig } from "../daemon/broker.ts";
import type { CommandContext } from "../command.ts";
import { nameOrShells, requireName } from "../configs/names.ts";
import { fetchPatiently, hidePlaces, insideErrors } from "./grant-socket.ts";
import { requireSharedName, vendShared } from "./shared.ts";

type Caller = Pick<CommandContext, "settings" | "target" | "environment" | "ui" | "host">;

/** Credentials, whose they are, and the socket that gave them; `grant` is undefined for a config's own session. */
export type Vended = ResponseOf<"Vend"> & { readonly grant?: string; readonly socket: string };

/**
 * Credentials of the grant, or of the config `name`, which a person is asked for where it is missing and no grant
 * answers.
 *
 * @throws KeyholeError `forbidden` for a grant that is not the one named, in elhaz's form `-n NAME`; and what
 *   daemon/broker.ts and configs/names.ts throw.
 */
export async function vend(caller: Caller, name: string | undefined): Promise<Vended> {
  const answer = await vendElsewhere(caller, name);
  if (answer !== undefined) return answer;
  const { settings } = caller;
  const { socket } = settings.paths;
  const config = await requireName(nameOrShells(name, caller.environment), caller);
  try {
    return { ...(await orProfile(caller, config, (each) => vendConfig(caller, each))), socket };
  } catch (error) {
    // A grant's socket that was mounted in the place of the home's own, as elhaz's users mount the daemon's.
    const isGrants = isErrorOf(error, "forbidden") && !settings.isSocketNamed;
    const granted = isGrants && (await fetchIfGrant({ path: socket, kind: "unknown" }, caller));
    if (!granted) throw error;
    return checkName({ ...granted, socket }, config);
  }
}

/**
 * Runs `use` with a config's name, and again with the profile's where there is no such config.
 *
 * @throws KeyholeError what `use` throws; the first time's where no profile takes the config's place
 */
export async function orProfile<Result>(
  caller: Pick<Caller, "settings" | "environment" | "ui" | "host">,
  name: string,
  use: (name: string) => Promise<Result>,
): Promise<Result> {
  try {
    return await use(name);
  } catch (error) {
    if (!isErrorOf(error, "no-such-config") || isConfigGone(error)) throw error;
    const { mayStandIn } = await import("./fallback.ts");
    if (!(await mayStandIn(caller, name))) throw error;
    if (await caller.ui.isWatched())
      caller.ui.notice(`keyhole: there is no config ${name}: using the profile of that name`);
    return use(profileConfigName(name));
  }
}

/** As `vend`, from a grant or from another user's shared daemon; undefined where neither is meant. */
export async function vendElsewhere(caller: Caller, name: string | undefined): Promise<Vended | undefined> {
  const { settings, host, environment } = caller;
  const target = caller.target();
  if (target.kind === "grant" || target.kind === "unknown") {
    const answer = await fetchIfGrant(target, caller);
    if (answer !== undefined) return checkName({ ...answer, socket: target.path }, name);
  }
  const own = nameOrShells(name, environment);
  const { kind, path: socket } = findSource(settings, target, own);
  if (kind !== "shared") return undefined;
  return { ...(await vendShared(settings, host.userId(), requireSharedName(own))), socket };
}

function checkName(answer: Vended, name: string | undefined): Vended {
  if (name === undefined || name === answer.grant || name === answer.config) return answer;
  throw insideErrors.otherName();
}

/** Undefined where what answers is a control socket. */
async function fetchIfGrant(
  { path, kind }: Target,
  { settings, host }: Pick<Caller, "settings" | "host">,
): Promise<ResponseOf<"Fetch"> | undefined> {
  try {
    return await fetchPatiently(path, settings.clientTimeout, host);
  } catch (error) {
    if (kind === "grant") throw hidePlaces(error, path);
    // An older daemon, which knows no grants, does not know the message.
    if (isErrorOf(error, "not-a-grant", "unknown-message")) return undefined;
    throw error;
  }
}
