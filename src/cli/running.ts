// Programs with credentials: what `exec` and `shell` have in common.
import { definedVariables, rivals } from "../environment.ts";
import { vend } from "./broker.ts";
import type { CommandContext } from "./command.ts";
import { execute } from "./execute.ts";
import { parseProcessLine, variablesOf } from "./formats.ts";
import { refreshingEnvironment } from "./refreshing.ts";

type Context = Pick<CommandContext, "settings" | "environment" | "host">;

/** Becomes a program with the credentials of one moment in its environment. */
export async function executeWithKeys(context: Context, name: string, words: readonly string[]): Promise<never> {
  const { line, region } = await vend(context, name);
  const credentials = parseProcessLine(line, region);
  return become(words, keyedEnvironment(definedVariables(context.environment), variablesOf(credentials)));
}

/** What is inherited, without what would win over the keys. KEYHOLE_* stays, so that keyhole inside finds its daemon. */
export function keyedEnvironment(
  environment: Readonly<Record<string, string>>,
  variables: Readonly<Record<string, string>>,
): Record<string, string> {
  const inner: Record<string, string> = { ...environment };
  for (const variable of rivals) delete inner[variable];
  return { ...inner, ...variables };
}

/**
 * Becomes a program whose SDKs ask keyhole whenever their credentials grow old; it is given no keys.
 *
 * @param announce called when there are credentials, before the program begins
 */
export async function executeRefreshing(
  context: Context,
  name: string,
  words: readonly string[],
  announce: () => void = () => {},
): Promise<never> {
  const { paths } = context.settings;
  // Credentials are asked for now all the same: what is wrong shows here, not in the middle of the program.
  const { region } = await vend(context, name);
  const { writeRefreshingFiles } = await import("./refreshingfiles.ts");
  writeRefreshingFiles(paths, { name, command: context.host.command, region });
  const outer = definedVariables(context.environment);
  const environment = refreshingEnvironment(outer, paths, name, () => context.host.cwd());
  const regions = region === undefined ? {} : { AWS_REGION: region, AWS_DEFAULT_REGION: region };
  announce();
  return become(words, { ...environment, ...regions });
}

async function become(words: readonly string[], environment: Readonly<Record<string, string>>): Promise<never> {
  const { loadNative } = await import("../native/load.ts");
  return execute(loadNative(), words, environment);
}
