// Commands ⇄ the daemon: one connection for each command, and the one way to credentials.
import { Connection } from "../../client/connection.ts";
import { askPatiently, isDaemonThere, type Link, unlessForeign } from "../../client/asking.ts";
import { profileOf } from "../../config/name.ts";
import { ENDPOINT_VARIABLES, type Environment, isProxyVariable, regionOf } from "../../environment.ts";
import { errors, isErrorOf, KeyholeError } from "../../errors.ts";
import { refuseLoop } from "../../loop.ts";
import type { Settings } from "../../settings.ts";
import type { ResponseOf, SessionInfo } from "../../wire/messages.ts";
import type { CommandContext } from "../command.ts";
import { environmentOutside } from "../programs/nesting.ts";
import { whileCoded } from "./codes.ts";
import {
  compareSources,
  offerKeys,
  refuseForeignDaemon,
  sourceVariables,
  tellSurroundings,
  type Whereabouts,
} from "./source-variables.ts";

type Caller = Pick<CommandContext, "settings" | "target" | "environment" | "host">;
/** With the ui that shows notes where a person reads stderr. */
type Asker = Caller & Pick<CommandContext, "ui">;

export interface AskOptions {
  /** Everything may be asked again where the daemon goes away in the middle of it. */
  readonly isRepeatable?: boolean;
  /** False for a command that shows how it is now: a daemon that is about to listen, or has just ceased to, is not waited for. */
  readonly isPatient?: boolean;
  /** A profile is to be used, and no config. */
  readonly isProfileMeant?: boolean;
}

/**
 * Runs `use` with a connection, and closes it. A daemon that is being replaced is waited for, and one that is
 * missing is not started.
 *
 * @throws KeyholeError as Connection.open does.
 */
export function withDaemon<Result>(
  settings: Settings,
  use: (link: Link) => Promise<Result>,
  { isRepeatable = false, isPatient = true }: AskOptions = {},
): Promise<Result> {
  const { paths, clientTimeout } = settings;
  const open = (timeoutMs: number) =>
    isPatient
      ? Connection.open(paths.socket, { timeoutMs })
      : Connection.open(paths.socket, { timeoutMs: clientTimeout, refusedPatienceMs: 0 });
  return askPatiently(open, (link) => unlessForeign(paths.socket, clientTimeout, use(link)), {
    deadlineMs: isPatient ? clientTimeout : 0,
    isRepeatable,
    holder: () => holderOf(settings),
  });
}

/** As `withDaemon`, and undefined where no daemon answers, also because it goes away meanwhile. */
export async function withDaemonIfAny<Result>(
  settings: Settings,
  use: (link: Link) => Promise<Result>,
  options?: AskOptions,
): Promise<Result | undefined> {
  try {
    return await withDaemon(settings, use, options);
  } catch (error) {
    if (isErrorOf(error, "unreachable")) return undefined;
    throw error;
  }
}

/**
 * As `withDaemon`, and starts a daemon where there is none, with the settings of this command line; with KEYHOLE_DISABLE
 * it is a broker in this process.
 */
export async function withOwnDaemon<Result>(
  { settings, target, host }: Pick<Caller, "settings" | "target" | "host">,
  use: (link: Link) => Promise<Result>,
  { isRepeatable = true, isProfileMeant = false }: Pick<AskOptions, "isRepeatable" | "isProfileMeant"> = {},
): Promise<Result> {
  const { paths, isInProcess, clientTimeout, isTimeoutNamed } = settings;
  if (isInProcess) return withBrokerInProcess(settings, host, use);
  const { kind } = target();
  // The lock says whether a refusal is a dead socket or a full backlog.
  const isThere = isTimeoutNamed ? undefined : () => isDaemonThere(paths.socket);
  const open = (timeoutMs: number) => Connection.open(paths.socket, { timeoutMs, refusedPatienceMs: 0, isThere });
  return askPatiently(open, (link) => unlessForeign(paths.socket, clientTimeout, use(link)), {
    deadlineMs: clientTimeout,
    isRepeatable,
    holder: () => holderOf(settings),
    start:
      kind === "own"
        ? async () => (await import("./starting.ts")).startDaemon({ settings, host }, isProfileMeant)
        : undefined,
  });
}

/** Sessions that live for this one command. No daemon is replaced, and there is nothing to wait for. */
async function withBrokerInProcess<Result>(
  settings: Settings,
  host: Caller["host"],
  use: (link: Link) => Promise<Result>,
): Promise<Result> {
  const { linkTo } = await import("../../client/messaging.ts");
  const link = linkTo(await host.openInProcess(settings));
  try {
    return await use(link);
  } finally {
    link.close();
  }
}

async function holderOf({ paths }: Settings): Promise<number | undefined> {
  const { liveLockHolder } = await import("./lock-holder.ts");
  return liveLockHolder(paths.lock);
}

/**
 * Credentials of a config; its session is added if there is none, with this caller's environment. A refusal by AWS
 * comes from the `Add`, so it is shown once and STS was called once.
 */
export function vend(caller: Asker, name: string): Promise<ResponseOf<"Vend">> {
  return withSession(caller, name, (link, session) => link.request("Vend", { config: session }));
}

/** Asks something of a session on behalf of a person or a program; adds the session if the daemon has no session of that name. */
export async function withSession<Result>(
  caller: Asker,
  name: string,
  ask: (link: Link, session: string) => Promise<Result>,
): Promise<Result> {
  refuseLoop(caller.environment, name, caller.settings.paths.socket);
  return withOwnDaemon(
    caller,
    async (link) => {
      const whereabouts = await refuseForeignDaemon(link, caller.settings);
      try {
        return await askOrAdd(link, whereabouts);
      } catch (error) {
        throw caller.settings.isInProcess ? error : withAdvice(error, name, caller.environment, whereabouts);
      }
    },
    { isProfileMeant: profileOf(name) !== undefined },
  );

  async function askOrAdd(link: Link, whereabouts: Whereabouts): Promise<Result> {
    const isWatched = await caller.ui.isWatched();
    if (isPlain(caller, name)) {
      try {
        if (isWatched) await compareSources(link, caller, { name, session: name, whereabouts });
        else await offerKeys(link, caller);
        return await whileTold(
          isWatched,
          caller.ui,
          () => awaitedFor(name, caller),
          () => ask(link, name),
        );
      } catch (error) {
        if (!isErrorOf(error, "no-such-session", "surroundings-wanted", "code-wanted")) throw error;
      }
    }
    const { config: session, notes } = await addSession(link, caller, name, ON_DEMAND);
    if (isWatched) for (const note of notes) caller.ui.warn(`${name}: ${note}`);
    if (isWatched && !isPlain(caller, name)) await compareSources(link, caller, { name, session, whereabouts });
    return ask(link, session);
  }
}

/** A client wants credentials now: a session that works stays as it is. */
const ON_DEMAND = { verify: true, renew: false, keep: true } as const;

/**
 * Whether the name of the config is that of the session: neither a directory, nor an endpoint, nor files in which an
 * endpoint may be, or a profile, are this caller's own.
 */
function isPlain(
  { settings: { paths }, environment }: Pick<Caller, "settings" | "environment">,
  name: string,
): boolean {
  const isSet = (variable: string) => Boolean(environment[variable]);
  if (paths.configDir !== paths.defaultConfigDir || ENDPOINT_VARIABLES.some(isSet)) return false;
  const { AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE, HOME } = environmentOutside(environment);
  if (AWS_CONFIG_FILE || AWS_SHARED_CREDENTIALS_FILE) return false;
  // With another HOME than the daemon's user's it has other files.
  return profileOf(name) === undefined || paths.home === `${HOME}/.keyhole`;
}

/**
 * Makes a session of a config, with the variables of this caller that select source credentials.
 *
 * @param options.keep leave a session that works its source
 * @throws KeyholeError `unsafe-path` rather than send them to another user's process.
 */
export async function addSession(
  link: Link,
  caller: Asker,
  name: string,
  { keep, ...options }: { readonly verify: boolean; readonly renew: boolean; readonly keep: boolean },
): Promise<SessionInfo> {
  const { configDir: directory, defaultConfigDir } = caller.settings.paths;
  const whereabouts = await refuseForeignDaemon(link, caller.settings);
  const isWatched = await caller.ui.isWatched();
  const request = { config: name, environment: sourceVariables(caller, whereabouts), ...options };
  if (whereabouts === "away" && directory !== defaultConfigDir) throw elsewhere(directory);
  // The path of this container is not the daemon's.
  const place = whereabouts === "away" ? "" : directory;
  const ask = async (): Promise<SessionInfo> => {
    if (!keep && directory === defaultConfigDir) return link.request("Add", request);
    try {
      return await link.request("AddIn", { directory: place, ...request, keep, urgent: isWatched });
    } catch (error) {
      // An older daemon keeps one session of a name for all clients.
      if (!isErrorOf(error, "unknown-message") || !isPlain(caller, name)) throw error;
      return link.request("Add", request);
    }
  };
  return askTelling(link, caller, { name, whereabouts }, ask);
}

/** Asks for credentials of a config, and again with the surroundings of this caller where a helper is to be run for them. */
export async function askTelling<Result>(
  link: Link,
  caller: Asker,
  { name, whereabouts }: { readonly name: string; readonly whereabouts: Whereabouts },
  ask: () => Promise<Result>,
): Promise<Result> {
  const isWatched = await caller.ui.isWatched();
  return whileCoded(link, caller, async () => {
    try {
      return await whileTold(isWatched, caller.ui, () => awaitedFor(name, caller), ask);
    } catch (error) {
      if (!isErrorOf(error, "surroundings-wanted")) throw error;
      await tellSurroundings(link, caller, whereabouts);
      const helper = error.message.replace(WANTS, "");
      return whileTold(isWatched, caller.ui, () => Promise.resolve(helper), ask);
    }
  });
}

/** What follows the name of the helper in the daemon's answer. */
const WANTS = / wants the environment of the client$/;
async function whileTold<Result>(
  isWatched: boolean,
  ui: Asker["ui"],
  what: () => Promise<string>,
  ask: () => Promise<Result>,
): Promise<Result> {
  using _shown = isWatched ? ui.waiting(what) : undefined;
  return await ask();
}

/** What takes time where no helper does, as far as a client can see. */
async function awaitedFor(name: string, { settings, environment }: Caller): Promise<string> {
  try {
    const { openConfigStore } = await import("../../config/store.ts");
    const { AssumeRole, STS, Session } = openConfigStore(settings.paths.configDir).read(name).config;
    if (AssumeRole === undefined) return `the source of ${name}`;
    const region = STS?.region_name ?? Session?.region_name ?? regionOf(environment);
    return region === undefined ? `STS, for ${name}` : `STS, ${region}`;
  } catch {
    return `the source of ${name}`;
  }
}

function elsewhere(directory: string): KeyholeError {
  const what = `the daemon is outside of this container, and does not see ${directory}`;
  return new KeyholeError("usage", what, "unset KEYHOLE_CONFIG_DIR");
}

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

/** As sources/sts/handler.ts says it. */
const THROUGH = / through the proxy (\S+)$/;

/** A proxy that this shell does not name is the one that the daemon was started with. */
function adviseOfProxy(error: KeyholeError, environment: Environment): KeyholeError {
  const used = THROUGH.exec(error.message)?.[1];
  if (used === undefined) return error;
  const isOwn = Object.entries(environment).some(([name, value]) => isProxyVariable(name) && value?.includes(used));
  if (isOwn) return error;
  return new KeyholeError(
    error.kind,
    `${error.message}, which is set for the daemon and not in this shell`,
    "keyhole daemon restart",
  );
}
