// Programs with credentials: what `exec` and `shell` have in common.
import { definedVariables, regionVariables, withoutRivals } from "../../environment.ts";
import { directoryOf } from "../../paths.ts";
import type { CommandContext } from "../command.ts";
import { execute } from "./execute.ts";
import { parseProcessLine, variablesOf } from "../vending/formats.ts";
import { grantEnvironment, refreshingEnvironment } from "./refreshing.ts";
import { targetOf } from "../vending/target.ts";
import { vend } from "../vending/vend.ts";

type Context = Pick<CommandContext, "settings" | "environment" | "ui" | "host">;

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
  const { line, region } = await vend(context, name);
  const outer = definedVariables(context.environment);
  return become(words, keyedEnvironment(outer, variablesOf(parseProcessLine(line, regionVariables(outer, region)))));
}

/** What is inherited, without what would win over the keys. KEYHOLE_* stays, so that keyhole inside finds its daemon. */
export function keyedEnvironment(
  environment: Readonly<Record<string, string>>,
  variables: Readonly<Record<string, string>>,
): Record<string, string> {
  return { ...withoutRivals(environment), ...variables };
}

/**
 * Becomes a program whose SDKs ask keyhole whenever their credentials grow old; it is given no keys.
 *
 * @param name as vending/vend.ts has it
 * @param announce called when there are credentials, before the program begins, with the name of whose they are
 */
export async function executeRefreshing(
  context: Context,
  name: string | undefined,
  words: readonly string[],
  announce: (name: string) => void = () => {},
): Promise<never> {
  // Credentials are asked for now all the same: what is wrong shows here, not in the middle of the program.
  const { config, grant, region } = await vend(context, name);
  const socket = targetOf(context.settings, context.host, name).path;
  const outer = definedVariables(context.environment);
  const directory = directoryOf(socket);
  const isReady = grant !== undefined && (await asksFrom(directory));
  const environment = isReady ? grantEnvironment(outer, directory) : await writeEnvironment();
  announce(grant ?? config);
  return become(words, { ...environment, ...regionVariables(outer, region) });

  async function writeEnvironment(): Promise<Record<string, string>> {
    const paths = { ...context.settings.paths, socket };
    const { writeRefreshingFiles } = await import("./refreshingfiles.ts");
    const whose = { name: grant ?? config, isGrant: grant !== undefined };
    writeRefreshingFiles(paths, { ...whose, command: context.host.command, region });
    return refreshingEnvironment(outer, paths, whose.name, () => context.host.cwd());
  }
}

/** Whether the AWS config of a grant names the executable where it is seen here; elsewhere it names a mount point. */
async function asksFrom(directory: string): Promise<boolean> {
  const config = Bun.file(`${directory}/aws-config`);
  return (await config.exists()) && (await config.text()).includes(`${directory}/keyhole`);
}

async function become(words: readonly string[], environment: Readonly<Record<string, string>>): Promise<never> {
  const { loadNative } = await import("../../native/load.ts");
  return execute(loadNative(), words, environment);
}
