// keyhole relay: a grant as container credentials, on the loopback of the sandbox that it was given to.
import { definedVariables } from "../../environment.ts";
import { parseWhole } from "../../text/numbers.ts";
import { defineCommand } from "../command.ts";
import { formatJson, jsonOption } from "../answers.ts";
import { fetchGrant } from "../vending/grant-socket.ts";
import { endpointVariables, relayedEnvironment, startRelay } from "../vending/container-endpoint.ts";
import { textWords } from "../programs/execute.ts";
import { endings, signalled, unlessEnded, watchSignals } from "../programs/supervise.ts";

const HIGHEST_PORT = 65_535;

export default defineCommand({
  meta: { name: "relay", description: "Serve a grant's credentials on 127.0.0.1, as containers get them from AWS" },
  where: "sandbox",
  args: {
    port: { type: "string", default: "0", valueHint: "N", description: "Port of 127.0.0.1 (0: any that is free)" },
    json: jsonOption,
  },
  rest: "optional",
  notes: [
    "In a sandbox with a grant: `keyhole relay -- COMMAND` runs COMMAND with the two variables that lead its SDKs here,",
    "passes signals on and ends with its status. Without COMMAND the variables are printed, for as long as it runs.",
  ],
  async run({ args, rest, settings, target, environment, host, output }) {
    const port = parseWhole(args.port, "--port", { most: HIGHEST_PORT }, "keyhole relay --help");
    const socket = target().path;
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

async function runBehind(program: Parameters<typeof import("../programs/supervise.ts").supervise>[0]): Promise<number> {
  const { supervise } = await import("../programs/supervise.ts");
  const { isatty } = await import("node:tty");
  const isFirst = process.pid === 1;
  const reap = isFirst ? (await import("../../native/children.ts")).loadReapChild() : undefined;
  return supervise(program, { watch: watchSignals, hasTerminal: isatty(0) || isatty(1) || isatty(2), reap });
}
