// What there is to use, and how it stands: configs, and the profiles of ~/.aws beside them. Nothing is started, and STS is
// not asked.
import { profileConfigName } from "../../config/name.ts";
import { openConfigStore } from "../../config/store.ts";
import { KeyholeError } from "../../errors.ts";
import { planSource, profileRefusal, type Sources } from "../../sources/resolve/profile-plan.ts";
import type { SessionInfo } from "../../wire/messages.ts";
import { formatDuration } from "../answers.ts";
import type { CommandContext } from "../command.ts";
import type { Choice } from "../ui.ts";
import { withDaemonIfAny } from "../daemon/broker.ts";
import { keyholeProcessOf } from "../doctor/files.ts";
import { openAwsFiles } from "../reading-in-child.ts";
import { sessionOf } from "./names.ts";

/** A config, or a profile of ~/.aws that stands for one. */
export interface Usable {
  readonly name: string;
  readonly isProfile: boolean;
  /** Account and role, or what it is instead. */
  readonly role: string;
  readonly state: "ready" | "failed" | "expired" | "unused" | "invalid";
  readonly expiresIn: string;
}

/** Milliseconds: who only looks does not wait for a daemon that is busy. */
const PATIENCE = 2_000;

type Context = Pick<CommandContext, "settings" | "environment" | "host">;

/** Configs first, each kind in its order. A daemon that does not answer knows of no session. */
export async function listUsable(context: Context): Promise<Usable[]> {
  const { configs, sources, stateOf } = await look(context);
  const names = new Set(configs.map(({ name }) => name));
  const profiles = usableProfiles(sources).filter((name) => !names.has(name));
  return [
    ...configs,
    ...profiles.map((name) => ({
      name,
      isProfile: true,
      role: describeProfile(sources, name),
      ...stateOf(profileConfigName(name)),
    })),
  ];
}

/** The configs alone; of profiles there may be thousands, and each is planned. */
async function look(context: Context) {
  const { settings, host } = context;
  const store = openConfigStore(settings.paths.configDir);
  const names = store.list();
  const [sessions, { sources }] = await Promise.all([askSessions(context), openAwsFiles(context)]);
  const stateOf = (session: string) => describeSession(sessions.get(session), host.now());
  const configs = names.map((name): Usable => {
    const role = roleOfConfig(() => store.read(name).config, sources);
    const state =
      role === undefined ? ({ state: "invalid", expiresIn: "-" } as const) : stateOf(sessionOf(name, settings.paths));
    return { name, isProfile: false, role: role ?? "keyhole config validate", ...state };
  });
  return { configs, sources, stateOf };
}

/** What a person picks a config from: its role, and how its session is. */
export async function configChoices(context: Context): Promise<Choice[]> {
  const { configs } = await look(context);
  return configs.map(({ name, role, state, expiresIn }) => ({
    value: name,
    details: [role, state === "unused" ? "" : state, expiresIn === "-" ? "" : expiresIn],
  }));
}

/** As `configChoices`, for a session that a daemon has. */
export function choiceOfSession(session: SessionInfo, now: number): Choice {
  const { state, expiresIn } = describeSession(session, now);
  return { value: session.config, details: [describeRole(session.roleArn), state, expiresIn === "-" ? "" : expiresIn] };
}

/** Profiles that may give credentials and do not ask keyhole for them, in the order of their files. */
export function usableProfiles(sources: Sources): string[] {
  return [...sources.shared.profiles.keys()].filter((name) => {
    const process = sources.shared.profiles.get(name)?.get("credential_process");
    return (
      (process === undefined || keyholeProcessOf(process) === undefined) && profileRefusal(sources, name) === undefined
    );
  });
}

/** `111122223333 deploy`, of an ARN. */
function describeRole(arn: string): string {
  const [, account, role] = /^arn:[\w-]+:iam::(\d+):role\/(.+)$/.exec(arn) ?? [];
  return account === undefined ? arn : `${account} ${role}`;
}

/** Undefined for a config that is not valid. */
function roleOfConfig(
  read: () => ReturnType<ReturnType<typeof openConfigStore>["read"]>["config"],
  sources: Sources,
): string | undefined {
  try {
    const { AssumeRole: role, Session: source } = read();
    if (role !== undefined) return describeRole(role.RoleArn);
    return describeProfile(sources, source?.profile_name ?? "default");
  } catch (error) {
    if (error instanceof KeyholeError) return undefined;
    throw error;
  }
}

/** What a profile is, in a few words. */
export function describeProfile(sources: Sources, profile: string): string {
  try {
    const { place, hops } = planSource(sources, profile);
    const last = hops.at(-1)?.roleArn ?? (place.kind === "web-identity" ? place.roleArn : undefined);
    if (last !== undefined) return describeRole(last);
    if (place.kind === "sso") return place.of.replace(/^account (.*), role /, "$1 ");
    return KINDS[place.kind] ?? `credentials of the ${place.kind}`;
  } catch (error) {
    // One that asks for a code has a role.
    const role = sources.shared.profiles.get(profile)?.get("role_arn");
    if (error instanceof KeyholeError) return role === undefined ? "-" : describeRole(role);
    throw error;
  }
}

const KINDS: Readonly<Record<string, string>> = {
  keys: "keys of ~/.aws",
  login: "aws login",
  process: "a command's credentials",
};

async function askSessions({ settings }: Pick<CommandContext, "settings">): Promise<ReadonlyMap<string, SessionInfo>> {
  try {
    const hasty = { ...settings, clientTimeout: Math.min(settings.clientTimeout, PATIENCE) };
    const answer = await withDaemonIfAny(hasty, (link) => link.request("List", {}), { isPatient: false });
    return new Map(answer?.sessions.map((session) => [session.config, session]));
  } catch (error) {
    if (error instanceof KeyholeError) return new Map();
    throw error;
  }
}

function describeSession(session: SessionInfo | undefined, now: number): Pick<Usable, "state" | "expiresIn"> {
  if (session?.expiresAt !== undefined && session.expiresAt > now)
    return { state: "ready", expiresIn: formatDuration(session.expiresAt - now) };
  if (session === undefined) return { state: "unused", expiresIn: "-" };
  if (session.failures > 0) return { state: "failed", expiresIn: "-" };
  return { state: session.expiresAt === undefined ? "unused" : "expired", expiresIn: "-" };
}
