// keyhole login: the AWS CLI begins a sign-in on this terminal, and the daemon's sessions go on with it.
import type { Config } from "../../config/config.ts";
import { lastSource, ownSource } from "../../config/sources.ts";
import { openConfigStore } from "../../config/store.ts";
import { isErrorOf, KeyholeError } from "../../errors.ts";
import { planPlace, renewalWords, type Sources } from "../../sources/resolve/profile-plan.ts";
import { DEFAULT_PROFILE, namedProfile } from "../../sources/resolve/profile.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { withDaemonIfAny } from "../daemon/broker.ts";
import { openAwsFiles } from "../reading-in-child.ts";
import { environmentOutside } from "../programs/nesting.ts";
import { supervise, watchSignals } from "../programs/supervise.ts";
import { quotePosix } from "../../text/quoting.ts";

const args = {
  profile: {
    type: "positional",
    description: "A profile of ~/.aws, or a config that takes its credentials from one",
    slips: ["-n", "--name", "-p", "--profile"],
  },
} as const;

export default defineCommand({
  meta: { name: "login", description: "Sign in again for a profile, by the AWS CLI on this terminal" },
  examples: ["keyhole login work", "keyhole login dev"],
  where: "host",
  args,
  notes: ["Runs `aws sso login` or `aws login`, whichever the profile wants. The daemon opens no browser."],
  async run(context) {
    const { environment, settings } = context;
    const { sources, refusals } = await openAwsFiles(context);
    for (const refusal of refusals) throw refusal;
    const profile = profileMeant(context, sources);
    const place = planPlace(sources, profile);
    const words = place && renewalWords(place);
    if (words === undefined)
      throw new KeyholeError(
        "usage",
        `profile '${profile}' has no sign-in to renew`,
        `aws configure list --profile ${quotePosix(profile)}`,
      );
    const { isatty } = await import("node:tty");
    const status = await supervise(
      { words, environment: environmentOutside(environment), isApart: false },
      { watch: watchSignals, hasTerminal: [0, 1, 2].some((descriptor) => isatty(descriptor)), reap: undefined },
    );
    if (status === 0) await wake(settings);
    return status;
  },
});

/** @throws KeyholeError `no-source-credentials` for a name that is neither's, `usage` for a config that no profile is behind */
function profileMeant(
  { args: { profile }, settings }: CommandContext<typeof args>,
  { shared, environment }: Sources,
): string {
  if (shared.profiles.has(profile)) return profile;
  const config = lastSource(readConfig(profile, settings));
  const own = ownSource(config);
  if (own !== undefined)
    throw new KeyholeError(
      "usage",
      `config ${profile} has no sign-in to renew: its source is ${own}`,
      `keyhole config show -n ${profile}`,
    );
  return namedProfile(config, environment) ?? DEFAULT_PROFILE;
}

function readConfig(name: string, { paths }: CommandContext["settings"]): Config {
  try {
    return openConfigStore(paths.configDir).read(name).config;
  } catch (error) {
    if (!isErrorOf(error, "no-such-config", "usage")) throw error;
    const message = `there is no profile '${name}' and no config of that name`;
    throw new KeyholeError("no-source-credentials", message, "aws configure list-profiles");
  }
}

/** Sessions that failed try again: what they failed by may be mended. Their errors are told to who asks for them. */
async function wake(settings: CommandContext["settings"]): Promise<void> {
  await withDaemonIfAny(settings, async (link) => {
    const { sessions } = await link.request("List", {});
    const failed = sessions.filter(({ failures }) => failures > 0);
    await Promise.allSettled(failed.map(({ config }) => link.request("Vend", { config })));
  });
}
