// Which service this command line is about: whose, of which manager, with which settings.
import { absoluteValue, isWayVariable, selectDaemonEnvironment } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import { mayBeKept } from "../../grants/kept-variables.ts";
import { resolveSettings, type Settings, settingsToArguments } from "../../settings.ts";
import { readAccounts } from "../../files/accounts.ts";
import type { CommandContext } from "../command.ts";
import { checkAccountName, requireRoot } from "./requirements.ts";
import { planAgent } from "./launchd.ts";
import { planSharedService, planUserService } from "./systemd.ts";
import type { ServiceDaemon, ServicePlan } from "./unit.ts";

/** Options of all commands about services. */
export const serviceOptions = {
  shared: { type: "boolean", description: "The service of shared mode; on Linux it is the system's, which needs root" },
  user: { type: "string", valueHint: "USER", description: "Whose account a shared daemon runs under ($SUDO_USER)" },
  group: { type: "string", valueHint: "GROUP", default: "keyhole", description: "Whose members it serves" },
} as const;

interface Choice {
  readonly shared: boolean;
  readonly user: string | undefined;
  readonly group: string;
}

/** What is to be done with it. */
type Action = "install" | "uninstall" | "status";

type Context = Pick<CommandContext, "settings" | "environment" | "host">;

/** A service, and the settings of the daemon that it runs. */
export interface Service {
  readonly plan: ServicePlan;
  readonly settings: Settings;
  /** False for a unit of the system, which keeps its sockets where every user can look. */
  readonly isOwn: boolean;
  /** The uid of the owner of the system's socket directory, which root makes before each start. */
  readonly operator?: number;
}

/** @throws KeyholeError `forbidden`, `usage` for a user who does not exist, or who is root. */
export function planService(context: Context, choice: Choice, action: Action): Service {
  const service = planPlain(context, choice, action);
  const { plan } = service;
  const left = Object.entries(waysOf(context)).filter(([name, value]) => !mayBeKept(name, value));
  const remarks = left.map(([name]) => `${name} is not written, because a password may be in it: set it yourself`);
  return { ...service, plan: { ...plan, remarks: [...plan.remarks, ...remarks] } };
}

function planPlain(context: Context, choice: Choice, action: Action): Service {
  const { host, environment, settings } = context;
  if (host.platform === "darwin") {
    const directory = `${requireHome(environment["HOME"])}/Library/LaunchAgents`;
    const daemon = describe(context, settings, choice.shared ? ["--shared"] : []);
    return { plan: planAgent(daemon, host.userId(), directory, choice.shared), settings, isOwn: true };
  }
  if (!choice.shared) {
    const { XDG_CONFIG_HOME } = environment;
    // systemd ignores a relative one.
    const base = XDG_CONFIG_HOME?.startsWith("/") ? XDG_CONFIG_HOME : `${requireHome(environment["HOME"])}/.config`;
    const directory = `${base}/systemd/user`;
    return { plan: planUserService(describe(context, settings, []), directory), settings, isOwn: true };
  }
  requireRoot(host, `keyhole service ${action} --shared`);
  return planSystem(context, choice, action);
}

function planSystem(context: Context, { user, group }: Choice, action: Action): Service {
  const { environment } = context;
  const name = user ?? environment["SUDO_USER"];
  const example = `sudo keyhole service ${action} --shared --user USER`;
  if (!name) throw new KeyholeError("usage", "--user is missing: whose account the daemon runs under", example);
  const account = readAccounts().user(checkAccountName(name, "--user"));
  if (account === undefined) throw new KeyholeError("usage", `there is no user ${name}`, "getent passwd");
  if (account.uid === 0) throw new KeyholeError("usage", "a shared daemon does not run as root", example);
  // The operator's settings, not those of root, who runs this command.
  const { KEYHOLE_SHARED_SOCKET } = environment;
  const theirs = {
    HOME: account.home,
    ...(KEYHOLE_SHARED_SOCKET && { KEYHOLE_SHARED_SOCKET }),
    // Proxies and CA bundles are no secret of a user.
    ...waysOf(context),
  };
  const settings = resolveSettings({}, theirs, () => "/");
  const daemon = describe({ ...context, environment: theirs }, settings, ["--shared"]);
  const plan = planSharedService({
    ...daemon,
    user: name,
    group: checkAccountName(group, "--group"),
    userHome: account.home,
  });
  return { plan, settings, isOwn: false, operator: account.uid };
}

/** With as few words as say the same: a unit is read by people. */
function describe({ host, environment }: Context, settings: Settings, words: readonly string[]): ServiceDaemon {
  const variables = ["KEYHOLE_HOME", "KEYHOLE_SHARED_SOCKET", "KEYHOLE_SOCKET_MODE", "KEYHOLE_SOCKET_DIR_MODE"];
  const { home, socket, sharedSocket } = settings.paths;
  // The service runs in another directory.
  const places: Readonly<Record<string, string>> = { KEYHOLE_HOME: home, KEYHOLE_SHARED_SOCKET: sharedSocket };
  const ways = Object.entries(waysOf({ environment, host })).filter(([name, value]) => mayBeKept(name, value));
  const kept = Object.fromEntries([
    ...[...variables, "KEYHOLE_DISABLE_DISK_LOGS"].flatMap((name) => {
      const value = environment[name];
      return value ? [[name, places[name] ?? value] as const] : [];
    }),
    ...ways,
  ]);
  const cwd = () => host.cwd();
  const plain = new Set(settingsToArguments(resolveSettings({}, { HOME: environment["HOME"], ...kept }, cwd)));
  const own = settingsToArguments({ ...settings, once: false }).filter((word) => !plain.has(word));
  const daemon = { command: host.command, words: [...words, ...own], environment: kept, home, socket, sharedSocket };
  refuseControls([...daemon.command, ...daemon.words, ...Object.values(kept), home, socket, sharedSocket]);
  return daemon;
}

/** How AWS is reached from here, of what a daemon takes from its own environment. */
function waysOf({ environment, host }: Pick<Context, "environment" | "host">): Readonly<Record<string, string>> {
  const ways = Object.entries(selectDaemonEnvironment(environment)).filter(
    ([name, value]) => value && isWayVariable(name),
  );
  return Object.fromEntries(ways.map(([name, value]) => [name, absoluteValue(name, value, () => host.cwd())]));
}

/** A line that ends in the middle of a path would begin another directive, whatever quotes are around it. */
function refuseControls(texts: readonly string[]): void {
  if (!texts.some((text) => /\p{Cc}|\\$/u.test(text))) return;
  throw new KeyholeError(
    "usage",
    "a path or a variable of the daemon has a control character in it, or a backslash at its end",
  );
}

function requireHome(home: string | undefined): string {
  if (home) return home;
  throw new KeyholeError("usage", "HOME is not set", "export HOME=/path/to/your/home");
}
