// Grants as commands reach them: the daemon that keeps them, which is started where there is none, because its start is
// what serves them.
import type { Link } from "../../client/patience.ts";
import { checkGrantName, noSuchGrant } from "../../grants/name.ts";
import type { GrantInfo } from "../../wire/messages.ts";
import { requireDaemon, withOwnDaemon } from "../daemon/broker.ts";
import { offerKeys } from "../daemon/telling.ts";
import type { CommandContext } from "../command.ts";

type Caller = Pick<CommandContext, "settings" | "environment" | "host">;

/** The operand of every command that is about one grant. */
export const grantOperand = { type: "positional", description: "Name of the grant" } as const;

/**
 * As `withOwnDaemon`: a grant lives longer than a broker inside of this process would.
 *
 * @throws KeyholeError `usage` where KEYHOLE_DISABLE is set
 */
export async function withGrantDaemon<Result>(caller: Caller, use: (link: Link) => Promise<Result>): Promise<Result> {
  requireDaemon(caller.settings, "a grant");
  return withOwnDaemon(caller, async (link) => {
    await offerKeys(link, caller);
    return use(link);
  });
}

/** All grants, by name. */
export async function listGrants(caller: Caller): Promise<GrantInfo[]> {
  const { grants } = await withGrantDaemon(caller, (link) => link.request("GrantList", {}));
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

/** Asks the daemon something about one grant. @throws KeyholeError `usage` for what is no name. */
export function askAboutGrant<Result>(
  caller: Caller,
  name: string,
  ask: (link: Link, name: string) => Promise<Result>,
): Promise<Result> {
  const checked = checkGrantName(name);
  return withGrantDaemon(caller, (link) => ask(link, checked));
}
