// Credentials for a command: of the grant whose socket this client talks to, else of a config. A grant's socket is told
// nothing: no name, no environment; and nothing is started or added on its behalf.
import type { Target } from "../../client/target.ts";
import { isErrorOf } from "../../errors.ts";
import type { Settings } from "../../settings.ts";
import type { ResponseOf } from "../../wire/messages.ts";
import { vend as vendConfig } from "../daemon/broker.ts";
import type { CommandContext, Host } from "../command.ts";
import { configChoices } from "../configs/choices.ts";
import { requireName } from "../configs/names.ts";
import { fetchPatiently } from "./fetch.ts";
import { hidePlaces, insideErrors } from "./inside.ts";
import { requireSharedName, vendShared } from "./shared.ts";
import { targetOf } from "./target.ts";

/** Credentials, and whose they are; `grant` is undefined for a config's own session. */
export type Vended = ResponseOf<"Vend"> & { readonly grant?: string };

/**
 * Credentials of the grant, or of the config `name`, which a person is asked for where it is missing and no grant
 * answers.
 *
 * @throws KeyholeError `forbidden` for a grant that is not the one named, in elhaz's form `-n NAME`; and what
 *   daemon/broker.ts and configs/names.ts throw.
 */
export async function vend(
  caller: Pick<CommandContext, "settings" | "environment" | "ui" | "host">,
  name: string | undefined,
): Promise<Vended> {
  const answer = await vendGrant(caller, name);
  if (answer !== undefined) return answer;
  const { settings, host } = caller;
  if (targetOf(settings, host, name).kind === "shared")
    return vendShared(settings, host.userId(), requireSharedName(name));
  const config = await requireName(name, caller.ui, configChoices(settings.paths));
  try {
    return await vendConfig(caller, config);
  } catch (error) {
    // A grant's socket that was mounted in the place of the home's own, as elhaz's users mount the daemon's.
    const isGrants = isErrorOf(error, "forbidden") && !settings.isSocketNamed;
    const granted = isGrants && (await fetchIfGrant({ path: settings.paths.socket, kind: "unknown" }, settings, host));
    if (!granted) throw error;
    return checkName(granted, config);
  }
}

/** As `vend`; undefined where no grant answers. */
export async function vendGrant(
  { settings, host }: Pick<CommandContext, "settings" | "host">,
  name: string | undefined,
): Promise<ResponseOf<"Fetch"> | undefined> {
  const target = targetOf(settings, host);
  if (target.kind !== "grant" && target.kind !== "unknown") return undefined;
  const answer = await fetchIfGrant(target, settings, host);
  return answer && checkName(answer, name);
}

function checkName(answer: ResponseOf<"Fetch">, name: string | undefined): ResponseOf<"Fetch"> {
  if (name === undefined || name === answer.grant || name === answer.config) return answer;
  throw insideErrors.otherName();
}

/** Undefined where what answers is a control socket. */
async function fetchIfGrant(
  { path, kind }: Target,
  { clientTimeout }: Settings,
  host: Host,
): Promise<ResponseOf<"Fetch"> | undefined> {
  try {
    return await fetchPatiently(path, clientTimeout, host);
  } catch (error) {
    if (kind === "grant") throw hidePlaces(error, path);
    // An older daemon, which knows no grants, does not know the message.
    if (isErrorOf(error, "not-a-grant", "unknown-message")) return undefined;
    throw error;
  }
}
