// keyhole relay: a grant as container credentials, on the loopback of the sandbox that it was given to.
import { existsSync } from "node:fs";
import { definedVariables, withoutRivals } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import { grantVariables } from "../../grants/mount.ts";
import { directoryOf } from "../../paths.ts";
import { parseWhole } from "../../text/numbers.ts";
import { defineCommand } from "../command.ts";
import { formatJson, jsonOption } from "../answers.ts";
import { fetchGrant } from "../vending/grant-socket.ts";
import { endpointVariables, relayedEnvironment, startRelay } from "../vending/container-endpoint.ts";
import { carry, portOf, wayTo } from "../programs/carrying.ts";
import { textWords } from "../programs/execute.ts";
import { endings, signalled, unlessEnded, watchSignals } from "../programs/supervise.ts";

const HIGHEST_PORT = 65_535;

export default defineCommand({
  meta: { name: "relay", description: "Serve a grant's credentials on 127.0.0.1, as containers get them from AWS" },
  examples: ["keyhole relay -- python app.py", "keyhole relay --port 8765"],
  where: "sandbox",
  args: {
    port: { type: "string", default: "0", valueHint: "N", description: "Port of 127.0.0.1 (0: any that is free)" },
    json: jsonOption,
  },
  rest: "optional",
  notes: [
    "In a sandbox with a grant: `keyhole relay -- COMMAND` runs COMMAND with the two variables that lead its SDKs here,",
    "passes signals on and ends with its status. Without COMMAND the variables are printed, for as long as it runs.",
    "Of a grant that signs (keyhole grant add --sign) it carries the grant's own port of 127.0.0.1. Where Unix sockets are",
    "forbidden, it goes through the sandbox's HTTP_PROXY to that port of the host (--listen).",
  ],
  async run({ args, rest, settings, target, environment, host, output }) {
    const port = parseWhole(args.port, "--port", { most: HIGHEST_PORT }, "keyhole relay --help");
    const socket = target().path;
    const directory = directoryOf(socket);
    if (existsSync(`${directory}/sign`)) {
      if (rest.length === 0 || port !== 0) throw signedUsage();
      return carryFor(rest, directory, definedVariables(environment));
    }
    const fetch = () => fetchGrant(socket, settings, host);
    // Credentials are asked for now all the same: what is wrong shows here, not in the middle of the program.
    const { region } = await unlessEnded(fetch(), watchSignals);
    const relay = startRelay({ port, fetch, timeoutMs: settings.clientTimeout });
    try {
      if (rest.length > 0) {
        const program = {
          words: textWords(rest),
          isApart: false,
          environment: relayedEnvironment(definedVariables(environment), relay, region),
        };
        return await runBehind(program);
      }
      const variables = endpointVariables(relay);
      if (args.json) output.line(formatJson(variables));
      else for (const [name, value] of Object.entries(variables)) output.line(`${name}=${value}`);
      await signalled(endings, watchSignals);
      return 0;
    } finally {
      relay.stop();
    }
  },
});

function signedUsage(): KeyholeError {
  const message = "this grant signs: its port is its own, and it is carried for a command alone";
  return new KeyholeError("usage", message, "keyhole relay -- COMMAND");
}

/** The SDKs of the command find the grant by its AWS config, which leads them to its port. */
async function carryFor(
  rest: readonly string[],
  directory: string,
  environment: Readonly<Record<string, string>>,
): Promise<number> {
  const port = portOf(directory);
  const stop = carry(port, await wayTo(directory, port, environment));
  try {
    const own = grantVariables(directory, { deliver: "sign" });
    const environmentOfGrant = { ...withoutRivals(environment), ...own };
    return await runBehind({ words: textWords(rest), isApart: false, environment: environmentOfGrant });
  } finally {
    stop();
  }
}

async function runBehind(program: Parameters<typeof import("../programs/supervise.ts").supervise>[0]): Promise<number> {
  const { supervise } = await import("../programs/supervise.ts");
  const { isatty } = await import("node:tty");
  const isFirst = process.pid === 1;
  const reap = isFirst ? (await import("../../native/children.ts")).loadReapChild() : undefined;
  return supervise(program, { watch: watchSignals, hasTerminal: isatty(0) || isatty(1) || isatty(2), reap });
}
