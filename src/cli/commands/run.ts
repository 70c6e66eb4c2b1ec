// keyhole run: a program in a sandbox, with a grant that is there for as long as this process is.
import type { ArgDef, ArgValues } from "../../arguments.ts";
import { findSource } from "../../client/target.ts";
import { definedVariables, SOURCE_PREFIX, withoutRivals } from "../../environment.ts";
import { isErrorOf, KeyholeError } from "../../errors.ts";
import { DEFAULT_MOUNT, HOST_MOUNT } from "../../grants/grant.ts";
import { isBelow, realPath } from "../../grants/leases.ts";
import { quotePosix } from "../../text/quoting.ts";
import type { GrantInfo } from "../../wire/messages.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { addGrant, askAboutGrant } from "../grants/grants.ts";
import { identityOf, readTerms, termOptions } from "../grants/terms.ts";
import { textWords } from "../programs/execute.ts";
import { environmentOutside } from "../programs/nesting.ts";
import { supervise, watchSignals } from "../programs/supervise.ts";
import { fillIn, ownPlaces, recipeHostOf } from "../recipes/recipe.ts";
import { isEngine, refuseDetached, sandboxes, sandboxNames } from "../recipes/sandboxes.ts";
import { type Asked, type Choice, choose } from "../runs/choice.ts";
import { findInner } from "../runs/inner.ts";
import { openSettings } from "../runs/settings-file.ts";

/** Where they are not given they depend on the sandbox. */
const { default: _mount, ...mountAt } = termOptions["mount-at"];
/** As NAME of other commands. */
const configOperand = { ...termOptions.config, operand: true, slips: ["-n", "--name"] } as const;

const runOptions = {
  in: {
    type: "enum",
    valueHint: "SANDBOX",
    options: sandboxNames,
    description: "Which sandbox; without it that of ~/.keyhole/run.yaml",
  },
  image: { type: "string", valueHint: "IMAGE", description: "What docker and podman run" },
  "tool-option": {
    type: "string",
    multiple: true,
    valueHint: "OPT",
    description: "A word for the sandbox's own command line; may be repeated",
  },
  ...termOptions,
  config: configOperand,
  "mount-at": mountAt,
} as const;

type Args = ArgValues<typeof runOptions>;
type Context = Pick<CommandContext, "settings" | "target" | "environment" | "host" | "ui">;

export default defineCommand({
  meta: { name: "run", description: "Run a program in a sandbox, with a grant that ends with it" },
  examples: [
    "keyhole run --config dev --in srt -- claude",
    "keyhole run --config dev --in docker --image python:3 -- python app.py",
  ],
  where: "host",
  args: runOptions,
  rest: true,
  notes: [
    "The grant is revoked and removed when the program ends, or keyhole does: a program that goes on gets nothing new.",
    "~/.keyhole/run.yaml may have in, image and tool-options (a list of words).",
  ],
  async run(context) {
    const { args, rest } = context;
    if (rest.length === 0)
      throw new KeyholeError("usage", "no command is given", "keyhole run --config CONFIG -- COMMAND");
    textWords(rest);
    const identity = identityOf(args);
    refuseMember(identity, context);
    const retry = retryOf(args, rest);
    const choice = await choose(
      { name: args.in, image: args.image, options: args["tool-option"], command: retry },
      context,
    );
    if (isEngine(choice.name)) refuseDetached(choice.options);
    requirePrograms(choice, context);
    refuseHome(choice, context);
    const terms = await readTerms(newName(), placed(args, choice, context, retry), context);
    const grant = await addGrant(context, terms, true);
    try {
      return await start(grant, choice, rest, context);
    } finally {
      await remove(grant, context);
    }
  },
});

/** @throws KeyholeError `forbidden` for a config that another user's daemon serves, which makes grants for its owner. */
function refuseMember(config: string, { settings, target }: Context): void {
  if (findSource(settings, target(), config).kind !== "shared") return;
  throw new KeyholeError("forbidden", "grants are made by the owner of the shared daemon", "keyhole exec -n NAME");
}

/** What was typed, with other values of these options. */
function retryOf(args: Args, rest: readonly string[]): Asked["command"] {
  return (changes) => {
    const options = Object.entries<Args[keyof Args] | undefined>({ ...args, ...changes }).flatMap(([name, value]) => {
      const def: ArgDef | undefined = runOptions[name as keyof Args];
      if (def === undefined || value === undefined || value === def.default) return [];
      if (typeof value === "boolean") return value ? [`--${name}`] : [];
      // Behind `=` a value may begin with a dash.
      return [value].flat().map((each) => {
        if (each === "" && "bare" in def) return `--${name}`;
        return `--${name}${each.startsWith("-") ? "=" : " "}${quotePosix(each)}`;
      });
    });
    return ["keyhole run", ...options, "--", ...rest.map(quotePosix)].join(" ");
  };
}

/** @throws KeyholeError `not-found` (127), before there is a grant. */
function requirePrograms({ name }: Choice, { environment, host }: Context): void {
  const { programs, install } = sandboxes[name];
  const missing = programs(host.platform).filter(
    (program) => Bun.which(program, { PATH: pathOf(environment) }) === null,
  );
  if (missing.length === 0) return;
  const message = `${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} not installed, which --in ${name} needs`;
  throw new KeyholeError("not-found", message, install(host.platform));
}

/**
 * @throws KeyholeError `usage` where the sandbox would see, and write to, something of keyhole's, a lease or `~/.aws`: all
 *   that lies below the working directory is shown.
 */
function refuseHome({ name }: Choice, context: Context): void {
  if (!sandboxes[name].showsAll) return;
  const directory = context.host.cwd();
  const seen = [...ownPlaces(recipeHostOf(context)), `${context.environment["HOME"]}/.aws`].find((path) =>
    // The working directory has no links, and a home may.
    [path, realPath(path)].some((each) => directory === "/" || isBelow(each, directory) || isBelow(directory, each)),
  );
  if (seen === undefined) return;
  const message = `--in ${name} shows all that lies below the working directory, and so something of ${seen}`;
  throw new KeyholeError("usage", message, "cd to a directory of work");
}

/** What the sandbox takes, where nothing else is asked for. @throws KeyholeError `usage` for what it does not take. */
function placed(
  args: Args,
  { name }: Choice,
  { host }: Context,
  retry: Asked["command"],
): ArgValues<typeof termOptions> {
  const { deliver: delivers, isAtHost, signs } = sandboxes[name];
  const only = delivers(host.platform);
  if (args.sign && signs === undefined) {
    const able = sandboxNames.filter((each) => sandboxes[each].signs !== undefined).join(", ");
    throw new KeyholeError("usage", `--in ${name} cannot have a grant that signs`, `keyhole run --sign --in ${able}`);
  }
  const refuse = (option: "deliver" | "mount-at", value: string) =>
    new KeyholeError("usage", `--in ${name} works with --${option} ${value} alone`, retry({ [option]: value }));
  if (only !== undefined && args.deliver !== undefined && args.deliver !== only) throw refuse("deliver", only);
  if (isAtHost && args["mount-at"] !== undefined && args["mount-at"] !== HOST_MOUNT)
    throw refuse("mount-at", HOST_MOUNT);
  return {
    ...args,
    ...(args.sign ? { listen: args.listen || signs === "by port" } : { deliver: args.deliver ?? only ?? "socket" }),
    "mount-at": args["mount-at"] ?? (isAtHost ? HOST_MOUNT : DEFAULT_MOUNT),
  };
}

/** No name of a person's: two runs of one config are two grants. */
function newName(): string {
  return `run-${Buffer.from(crypto.getRandomValues(new Uint8Array(4))).toString("hex")}`;
}

async function start(grant: GrantInfo, choice: Choice, rest: readonly string[], context: Context): Promise<number> {
  const { host } = context;
  const { isatty } = await import("node:tty");
  const hasTerminal = [0, 1, 2].some((descriptor) => isatty(descriptor));
  const { invoke, isApart } = sandboxes[choice.name];
  const { lines, settings, variables, program } = invoke(grant, recipeHostOf(context));
  const image = isEngine(choice.name) && choice.image !== undefined ? [choice.image] : [];
  const streams = isEngine(choice.name) ? ["--interactive", ...(isatty(0) && isatty(1) ? ["--tty"] : [])] : [];
  const words = fillIn([...lines.flat(), ...streams, ...choice.options, ...image, ...program(rest)], () => host.cwd());
  using file = settings === undefined ? undefined : openSettings(context.settings.paths.runDir, grant.name, settings);
  return supervise(
    { words, environment: environmentOf(choice, variables, context), isApart, descriptor: file?.descriptor },
    {
      watch: watchSignals,
      hasTerminal,
      reap: undefined,
      findInner: choice.name === "none" || isEngine(choice.name) ? undefined : (pid) => findInner(pid, rest),
    },
  );
}

/** Without what would win over the grant, and what leads to other credentials. */
function environmentOf(
  { name }: Choice,
  variables: readonly (readonly [string, string])[],
  { environment }: Context,
): Record<string, string> {
  const outer = Object.entries(withoutRivals(environmentOutside(definedVariables(environment))));
  const hidden = sandboxes[name].inherits && name !== "none" ? "KEYHOLE_" : SOURCE_PREFIX;
  return Object.fromEntries([...outer.filter(([variable]) => !variable.startsWith(hidden)), ...variables]);
}

/** What it fails for is the daemon's to mend, which sees that this process has ended. */
async function remove({ name }: GrantInfo, context: Context): Promise<void> {
  try {
    await askAboutGrant(context, name, (link) => link.request("GrantRemove", { name }));
  } catch (error) {
    if (isErrorOf(error, "no-such-grant")) return;
    const reason = error instanceof KeyholeError ? error.message : "internal";
    context.ui.warn(`grant ${name} is not removed yet: ${reason}`, `keyhole grant remove --yes ${name}`);
  }
}

function pathOf(environment: Context["environment"]): string {
  return environment["PATH"] ?? "/bin:/usr/bin";
}
