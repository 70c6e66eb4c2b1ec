// Hints to what a daemon refused, where this shell knows more than the daemon does.
import { type Environment, isProxyVariable } from "../../environment.ts";
import { errors, isErrorOf, KeyholeError } from "../../errors.ts";
import type { Whereabouts } from "./telling.ts";

/** @param name of the config that was asked for */
export function withAdvice(error: unknown, name: string, environment: Environment, whereabouts: Whereabouts): unknown {
  if (isErrorOf(error, "no-source-credentials")) return adviseToAdd(error, name, whereabouts);
  return isErrorOf(error, "network") ? adviseOfProxy(error, environment) : error;
}

/** Where nothing was found, another shell, or the host of this container, may have what is missing here. */
function adviseToAdd({ kind, message, hint }: KeyholeError, name: string, whereabouts: Whereabouts): KeyholeError {
  const isKnown = hint !== errors["no-source-credentials"].hint;
  if (whereabouts !== "away" && isKnown) return new KeyholeError(kind, message, hint);
  const where = whereabouts === "away" ? "on the host" : "in a shell that has source credentials";
  return new KeyholeError(kind, message, `${where}: keyhole daemon add -n ${name}`);
}

/** As sources/handler.ts says it. */
const THROUGH = / through the proxy (\S+)$/;

/** A proxy that this shell does not name is the one that the daemon was started with. */
function adviseOfProxy(error: KeyholeError, environment: Environment): KeyholeError {
  const used = THROUGH.exec(error.message)?.[1];
  if (used === undefined) return error;
  const isOwn = Object.entries(environment).some(([name, value]) => isProxyVariable(name) && value?.includes(used));
  if (isOwn) return error;
  return new KeyholeError(
    error.kind,
    `${error.message}, which the daemon has and this shell has not`,
    "keyhole daemon restart",
  );
}
