// Programs with credentials: what `exec` and `shell` have in common.
import { definedVariables, selectSourceEnvironment } from "../../environment.ts";
import { directoryOf } from "../../paths.ts";
import { parseSessionName } from "../../config/name.ts";
import { sharedPaths } from "../../sources/resolve/profile.ts";
import type { CommandContext } from "../command.ts";
import { exactVariables, exactWords, execute } from "./execute.ts";
import { parseProcessLine, variablesOf } from "../vending/formats.ts";
import { environmentInside, environmentOutside, type Gift } from "./nesting.ts";
import { grantVariables, refreshingVariables } from "./refreshing.ts";
import { vend } from "../vending/vend.ts";

type Context = Pick<CommandContext, "settings" | "target" | "environment" | "ui" | "host">;

/**
 * Becomes a program with the credentials of one moment in its environment.
 *
 * @param name as vending/vend.ts has it
 */
export async function executeWithKeys(
  context: Context,
  name: string | undefined,
  words: readonly string[],
): Promise<never> {
  const { config, grant, line, region } = await vend(context, name);
  return become(context, words, {
    session: grant ?? config,
    config: grant === undefined && areSettingsKnown(context) ? configOf(config) : undefined,
    region,
    variables: variablesOf(parseProcessLine(line)),
    shell: undefined,
  });
}

/**
 * Becomes a program whose SDKs ask keyhole whenever their credentials grow old; it is given no keys.
 *
 * @param name as vending/vend.ts has it
 * @param announce of a shell: called when there are credentials, before it begins, with the name of whose they are
 */
export async function executeRefreshing(
  context: Context,
  name: string | undefined,
  words: readonly string[],
  announce?: (name: string) => void,
): Promise<never> {
  // Credentials are asked for now all the same: what is wrong shows here, not in the middle of the program.
  const { config, grant, region, socket } = await vend(context, name);
  const session = grant ?? config;
  const whose = grant ?? configOf(config);
  const directory = directoryOf(socket);
  const isReady = grant !== undefined && (await asksFrom(directory));
  const { variables, profile } = isReady ? { variables: grantVariables(directory) } : await writeFiles();
  announce?.(session);
  const isOwnShell = announce !== undefined && grant === undefined && profile !== undefined;
  const shell = isOwnShell ? { profile, settings: settingsOf(context.settings) } : undefined;
  const isFound = isOwnShell || (grant === undefined && areSettingsKnown(context));
  return become(context, words, { session, config: isFound ? whose : undefined, region, variables, shell });

  async function writeFiles(): Promise<{ readonly variables: Record<string, string>; readonly profile: string }> {
    const paths = { ...context.settings.paths, socket };
    const { shellProfileOf, writeRefreshingFiles } = await import("./refreshing.ts");
    const { readSharedFiles } = await import("../reading-in-child.ts");
    const outside = selectSourceEnvironment(environmentOutside(context.environment), () => context.host.cwd());
    const own = grant === undefined ? (await readSharedFiles(context.host, outside)).shared : undefined;
    const files = grant === undefined ? sharedPaths(outside) : [];
    const { command } = context.host;
    writeRefreshingFiles(paths, { name: whose, isGrant: grant !== undefined, command, region, own, files });
    return { variables: refreshingVariables(paths, whose, files), profile: shellProfileOf({ name: whose, own }) };
  }
}

/** Of a session's name. */
function configOf(session: string): string {
  return parseSessionName(session)?.config ?? session;
}

/** What options may have named, and a command inside is to find again. */
function settingsOf({ paths, isConfigDirNamed, isSocketNamed }: Context["settings"]): Record<string, string> {
  return {
    ...(isConfigDirNamed && { KEYHOLE_CONFIG_DIR: paths.configDir }),
    ...(isSocketNamed && { KEYHOLE_SOCKET: paths.socket }),
  };
}

/** Whether a command inside finds them, because no option named them. */
function areSettingsKnown({ settings, environment }: Context): boolean {
  return Object.entries(settingsOf(settings)).every(([name, value]) => environment[name] === value);
}

/** Whether the AWS config of a grant names the executable where it is seen here; elsewhere it names a mount point. */
async function asksFrom(directory: string): Promise<boolean> {
  const config = Bun.file(`${directory}/aws-config`);
  return (await config.exists()) && (await config.text()).includes(`${directory}/keyhole`);
}

async function become({ environment, host }: Context, words: readonly string[], gift: Gift): Promise<never> {
  const { loadNative } = await import("../../native/load.ts");
  const outer = exactVariables(definedVariables(environment));
  const inner = environmentInside(outer, gift, () => host.cwd());
  return execute(loadNative(), exactWords(words), inner);
}
