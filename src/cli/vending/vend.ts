// Credentials for a command: of the grant whose socket this client talks to, else of a config. A grant's socket is told
// nothing: no name, no environment; and nothing is started or added on its behalf.
import { Connection } from "../../client/connection.ts";
import { findSource, type Target } from "../../client/target.ts";
import { KeyholeError } from "../../errors.ts";
import type { Settings } from "../../settings.ts";
import type { ResponseOf } from "../../wire/messages.ts";
import { vend as vendConfig } from "../daemon/broker.ts";
import type { CommandContext, Host } from "../command.ts";
import { configChoices } from "../configs/choices.ts";
import { hidePlaces, insideErrors } from "./inside.ts";
import { requireName } from "../configs/names.ts";
import { requireSharedName, vendShared } from "./shared.ts";

/** Credentials, and whose they are; `grant` is undefined for a config's own session. */
export type Vended = ResponseOf<"Vend"> & { readonly grant?: string };

/** Milliseconds for which nobody may listen, because the broker is being replaced. */
const PATIENCE = 2000;
/** Milliseconds between two looks: 10, 20, … as long as this. */
const LONGEST_PAUSE = 100;

/** Which socket a command talks to. */
export function targetOf(settings: Settings, { command }: Pick<Host, "command">): Target {
  return findSource(settings, command.length === 1 ? command[0] : undefined);
}

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
  if (targetOf(settings, host).kind === "shared") return vendShared(settings, requireSharedName(name));
  return vendConfig(caller, await requireName(name, caller.ui, configChoices(caller.settings.paths)));
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
    if (kind === "grant") throw hidePlaces(error);
    // An older daemon, which knows no grants, does not know the message.
    if (isOneOf(error, ["not-a-grant", "unknown-message"])) return undefined;
    throw error;
  }
}

/** Asks a grant; where nobody listens, again for a moment. @throws KeyholeError with places of this machine in it */
export async function fetchPatiently(
  path: string,
  timeoutMs: number,
  host: Pick<Host, "wait">,
): Promise<ResponseOf<"Fetch">> {
  for (let pause = 10, waited = 0; ; waited += pause, pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    try {
      return await fetchOnce(path, timeoutMs);
    } catch (error) {
      if (waited >= PATIENCE || !isOneOf(error, ["unreachable", "shutting-down"])) throw error;
    }
    await host.wait(pause);
  }
}

/** As `fetchPatiently`, and nothing is tried again. */
export async function fetchOnce(path: string, timeoutMs: number): Promise<ResponseOf<"Fetch">> {
  const connection = await Connection.open(path, { timeoutMs, refusedPatienceMs: 0 });
  try {
    return await connection.request("Fetch", {});
  } finally {
    connection.close();
  }
}

function isOneOf(error: unknown, kinds: readonly KeyholeError["kind"][]): boolean {
  return error instanceof KeyholeError && kinds.includes(error.kind);
}
