// keyhole alone at a terminal: what is there, or what to do where nothing is.
import { quotePosix } from "../../text/quoting.ts";
import { fitTable } from "../answers.ts";
import { defineCommand } from "../command.ts";
import { listUsable, type Usable } from "../configs/overview.ts";

/** The lines of 24 that a table may take. */
const MOST_ROWS = 16;

const FIRST = [
  "keyhole gives every tool fresh AWS credentials. Nothing is configured yet:",
  "  keyhole config add    save a role, or a profile of ~/.aws, under a name",
  "  aws configure sso     have the AWS CLI make a profile, which needs no config",
  "  keyhole demo          see all of it work, without an AWS account",
  "  keyhole --help        all commands",
];

export default defineCommand({
  meta: { name: "", description: "Show what is there" },
  examples: ["keyhole", "keyhole --help"],
  where: "host",
  args: {},
  async run(context) {
    const { output } = context;
    const found = await listUsable(context);
    const [first] = found;
    if (first === undefined) return output.line(FIRST.join("\n"));
    const rows = found
      .slice(0, MOST_ROWS)
      .map(({ name, isProfile, role, state, expiresIn }) => [
        isProfile ? `profile ${name}` : name,
        role,
        state,
        expiresIn,
      ]);
    const more = found.length - rows.length;
    output.line(
      fitTable([["CONFIG", "ACCOUNT AND ROLE", "STATE", "EXPIRES IN"], ...rows], output.terminal()?.columns, [1]),
    );
    if (more > 0) output.line(`and ${more} more: keyhole config list, aws configure list-profiles`);
    // A role before a user's keys.
    const next =
      found.find(({ state }) => state === "ready") ?? found.find(({ role }) => /^\d{12} /.test(role)) ?? first;
    output.line(`next: ${execLine(next)}`);
    output.line("all commands: keyhole --help");
  },
});

/** The line that tries it. */
export function execLine({ name, isProfile }: Pick<Usable, "name" | "isProfile">): string {
  return `keyhole exec ${isProfile ? "--profile" : "-n"} ${quotePosix(name)} -- aws sts get-caller-identity`;
}
