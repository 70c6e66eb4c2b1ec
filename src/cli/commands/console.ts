// keyhole console: AWS's console in a browser, signed in with credentials of a config.
import { readFileSync } from "node:fs";
import { regionOf } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import { openConfigStore } from "../../config/store.ts";
import { isConfigName } from "../../config/name.ts";
import { quotePosix } from "../../text/quoting.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { nameOrProfile, profileOption, vendedNameOption } from "../configs/names.ts";
import { environmentOutside } from "../programs/nesting.ts";
import { openInBrowser } from "../programs/opening.ts";
import { checkEndpoint, destinationOf, type Keys, placesOf, signInUrl, tokenUrl } from "../vending/federation.ts";
import { parseProcessLine } from "../vending/formats.ts";
import { insideErrors } from "../vending/grant-socket.ts";
import { vend } from "../vending/vend.ts";
import { getJson, textIn } from "../web.ts";

const args = {
  name: vendedNameOption,
  profile: profileOption,
  service: { type: "string", valueHint: "SERVICE", description: "The service whose page is opened, like s3" },
  print: { type: "boolean", description: "Print the URL, which is a secret for 15 minutes, and open no browser" },
  endpoint: { type: "string", valueHint: "URL", description: "The sign-in that is asked, instead of the partition's" },
} as const;

export default defineCommand({
  meta: { name: "console", description: "Open AWS's console in a browser, as the role of a config" },
  examples: ["keyhole console dev --service s3", "keyhole console dev --print"],
  where: "host",
  args,
  notes: [
    "The browser is opened by xdg-open, or by open on macOS, with an address on 127.0.0.1 that leads",
    "to the URL once: the words of a program are no secret.",
  ],
  async run(context) {
    const { args: given, output, environment, host, ui } = context;
    const endpoint = given.endpoint === undefined ? undefined : checkEndpoint(given.endpoint);
    // What is wrong with it is said before anything is asked.
    if (given.service !== undefined) destinationOf(placesOf(undefined, undefined), given.service, undefined);
    const {
      line,
      config,
      region = regionOf(environmentOutside(environment)),
      grant,
    } = await vend(context, nameOrProfile(given));
    if (grant !== undefined) throw insideErrors.forbidden();
    const places = placesOf(roleOf(context, config), region);
    const { accessKeyId, secretAccessKey, sessionToken } = parseProcessLine(line);
    if (sessionToken === undefined)
      throw new KeyholeError(
        "usage",
        "the console takes a role's credentials, and these are long-lived keys",
        `keyhole config get -n ${quotePosix(config)}`,
      );
    const signIn = endpoint ?? new URL(places.signIn);
    const token = await askToken(signIn, { accessKeyId, secretAccessKey, sessionToken }, context);
    const url = signInUrl(signIn, token, destinationOf(places, given.service ?? "console", region));
    if (given.print) return output.line(url.href);
    const printing = `keyhole console -n ${quotePosix(config)} --print`;
    await openInBrowser(
      url,
      {
        platform: host.platform,
        wait: (milliseconds) => host.wait(milliseconds),
        userId: () => host.userId(),
        open: (program, address) => start(program, address),
        sockets: () => readSockets(host.platform),
      },
      printing,
    );
    ui.notice("opened in the browser");
  },
});

/** Of a config of the default store; a profile has none that is known here. */
function roleOf({ settings }: CommandContext<typeof args>, config: string): string | undefined {
  if (!isConfigName(config)) return undefined;
  const store = openConfigStore(settings.paths.configDir);
  return store.exists(config) ? store.parse(config).config.AssumeRole?.RoleArn : undefined;
}

async function askToken(endpoint: URL, keys: Keys, context: CommandContext<typeof args>): Promise<string> {
  const { status, body } = await getJson(tokenUrl(endpoint, keys), {}, context);
  const token = textIn(body, "SigninToken");
  if (token !== undefined && status === 200) return token;
  if (status >= 500 || status === 429)
    throw new KeyholeError("network", `${endpoint.host} answers ${status}`, "try again in a minute");
  throw new KeyholeError(
    "aws-refused",
    `${endpoint.host} gives no sign-in for these credentials (status ${status})`,
    "keyhole whoami",
  );
}

function start(program: string, address: string): boolean {
  const path = Bun.which(program);
  if (path === null) return false;
  Bun.spawn([path, address], { stdio: ["ignore", "ignore", "ignore"], detached: true }).unref();
  return true;
}

function readSockets(platform: NodeJS.Platform): string | undefined {
  return platform === "linux" ? readFileSync("/proc/net/tcp", "utf8") : undefined;
}
