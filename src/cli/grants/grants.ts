// Grants as commands reach them: the daemon that keeps them, which is started where there is none, because its start is
// what serves them.
import type { Link } from "../../client/asking.ts";
import { profileOf } from "../../config/name.ts";
import { isErrorOf } from "../../errors.ts";
import { checkGrantName, noSuchGrant } from "../../grants/names.ts";
import type { Environment } from "../../environment.ts";
import type { GrantInfo, RequestOf } from "../../wire/messages.ts";
import { type AskOptions, askTelling, withOwnDaemon } from "../daemon/broker.ts";
import { offerKeys, refuseForeignDaemon, sourceVariables } from "../daemon/source-variables.ts";
import type { CommandContext } from "../command.ts";
import { requireDaemon } from "../where.ts";
import type { RequestedTerms } from "./terms.ts";

/** What a grant was made with, of what is no secret. */
export interface GrantSource {
  /** Of its config. */
  readonly directory: string;
  /** The variables that select its source credentials. */
  readonly selection: Readonly<Record<string, string>>;
  /** The STS that a variable named. */
  readonly endpoint: string | undefined;
}

type Caller = Pick<CommandContext, "settings" | "target" | "environment" | "host">;

/** The operand of every command that is about one grant. */
export const grantOperand = { type: "positional", description: "Name of the grant" } as const;

/**
 * As `withOwnDaemon`: a grant lives longer than a broker inside of this process would.
 *
 * @throws KeyholeError `usage` where KEYHOLE_DISABLE is set
 */
export async function withGrantDaemon<Result>(
  caller: Caller,
  use: (link: Link) => Promise<Result>,
  options: Pick<AskOptions, "isProfileMeant"> = {},
): Promise<Result> {
  requireDaemon(caller.settings, "a grant");
  const asking = async (link: Link): Promise<Result> => {
    await offerKeys(link, caller);
    return use(link);
  };
  return withOwnDaemon(caller, asking, options);
}

/** What a program needs that asks a person on a desktop, beside KEYHOLE_ASKPASS, which is sent in any case. */
const ASKING = ["SSH_ASKPASS", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"] as const;

/**
 * Makes a grant.
 *
 * @param isRun it ends with this process
 * @throws KeyholeError what the daemon does
 */
export function addGrant(
  caller: Caller & Pick<CommandContext, "ui">,
  terms: RequestedTerms,
  isRun = false,
): Promise<GrantInfo> {
  const { environment, settings } = caller;
  const { configDir, defaultConfigDir } = settings.paths;
  const add = async (link: Link): Promise<GrantInfo> => {
    const whereabouts = await refuseForeignDaemon(link, settings);
    const source = sourceVariables(caller, whereabouts);
    const asking = terms.confirm ? askingVariables(environment) : [];
    const directory = configDir === defaultConfigDir ? "" : configDir;
    const request = { directory, ...terms, environment: [...source, ...asking] };
    const ask = () => link.request(isRun ? "GrantRun" : "GrantMake", request);
    return askTelling(link, caller, { name: terms.config, whereabouts }, ask);
  };
  return withGrantDaemon(caller, add, { isProfileMeant: profileOf(terms.config) !== undefined });
}

function askingVariables(environment: Environment): RequestOf<"GrantMake">["environment"] {
  return ASKING.flatMap((name) => {
    const value = environment[name];
    return value ? [{ name, value }] : [];
  });
}

/** All grants, by name. */
export async function listGrants(caller: Caller): Promise<GrantInfo[]> {
  const { grants } = await withGrantDaemon(caller, (link) => link.request("GrantsList", {}));
  return grants.toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

/** @throws KeyholeError `no-such-grant`, `usage` for what is no name. */
export async function findGrant(caller: Caller, name: string): Promise<GrantInfo> {
  checkGrantName(name);
  const grants = await listGrants(caller);
  const found = grants.find((grant) => grant.name === name);
  if (found !== undefined) return found;
  throw noSuchGrant(
    name,
    grants.map((grant) => grant.name),
  );
}

/** What a grant was made with; undefined where an older daemon does not say. */
export async function findSource(caller: Caller, name: string): Promise<GrantSource | undefined> {
  try {
    return await askAboutGrant(caller, name, async (link) => {
      const { directory, environment, endpoint } = await link.request("GrantSource", { name });
      return { directory, selection: Object.fromEntries(environment.map((each) => [each.name, each.value])), endpoint };
    });
  } catch (error) {
    if (isErrorOf(error, "unknown-message")) return undefined;
    throw error;
  }
}

/** Asks the daemon something about one grant. @throws KeyholeError `usage` for what is no name. */
export function askAboutGrant<Result>(
  caller: Caller,
  name: string,
  ask: (link: Link, name: string) => Promise<Result>,
): Promise<Result> {
  const checked = checkGrantName(name);
  return withGrantDaemon(caller, (link) => ask(link, checked));
}
