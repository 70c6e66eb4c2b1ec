// Whether the source that a person's shell selects is the one that a session has.
import type { Link } from "../../client/asking.ts";
import { KeyholeError } from "../../errors.ts";
import type { RequestOf } from "../../wire/messages.ts";
import type { CommandContext } from "../command.ts";
import { sourceVariables, type Whereabouts } from "./telling.ts";

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
    // An older daemon knows no such question; what else is wrong shows in a moment.
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
    import("../foreign.ts"),
    import("../doctor/processes.ts"),
  ]);
  const { shared } = await readSharedFiles(host, environment);
  const process = shared.profiles.get(profile)?.get("credential_process");
  if (process === undefined || keyholeProcessOf(process) === undefined) return undefined;
  return variables.filter(({ name }) => !PROFILES.includes(name));
}
