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

/** Milliseconds for a browser to start. */
const PATIENCE = 120_000;

export interface OpenContext {
  readonly platform: NodeJS.Platform;
  wait(milliseconds: number): Promise<void>;
  /** Starts the opener with an address, and does not wait for it. False where there is none. */
  open(program: string, address: string): boolean;
  /** The lines of the kernel's TCP sockets; undefined where the platform has none. */
  readonly sockets: () => string | undefined;
  readonly userId: () => number;
}

/**
 * Opens a secret URL. The words of a program can be read by every user of the machine, so the browser is told an address of
 * this process instead, which leads there once, and only a browser of this user's.
 *
 * @throws KeyholeError `not-found` without an opener, `timeout` where no browser came
 */
export async function openInBrowser(url: URL, context: OpenContext, hint: string): Promise<void> {
  const path = `/${Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString("base64url")}`;
  const came = Promise.withResolvers<true>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    reusePort: false,
    development: false,
    fetch(request) {
      const { pathname } = new URL(request.url);
      const port = server.requestIP(request)?.port;
      if (pathname !== path || request.method !== "GET" || !isOwn(port, server.port, context))
        return new Response("", { status: 404 });
      queueMicrotask(() => came.resolve(true));
      const headers = { location: url.href, "cache-control": "no-store", "referrer-policy": "no-referrer" };
      return new Response("", { status: 303, headers });
    },
  });
  try {
    const opener = context.platform === "darwin" ? "open" : "xdg-open";
    if (!context.open(opener, `http://127.0.0.1:${server.port}${path}`))
      throw new KeyholeError("not-found", `${opener}: command not found`, hint);
    const isThere = await Promise.race([came.promise, context.wait(PATIENCE)]);
    if (isThere !== true) throw new KeyholeError("timeout", "no browser has opened the address", hint);
    // The answer is on its way: who has it needs nothing more.
    await server.stop();
  } finally {
    await server.stop(true);
  }
}

/**
 * Whether the other end of a connection to `server` is of this user, as proc(5) has it: address and port of both ends, and
 * the uid. True where the platform does not say.
 */
function isOwn(port: number | undefined, server: number | undefined, { sockets, userId }: OpenContext): boolean {
  const table = sockets();
  if (table === undefined) return true;
  if (port === undefined || server === undefined) return false;
  const ends = `0100007F:${hex(port)} 0100007F:${hex(server)} `;
  const line = table.split("\n").find((each) => each.includes(ends));
  return line !== undefined && Number(line.trim().split(/\s+/)[7]) === userId();
}

function hex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, "0");
}

/** Where a partition has its sign-in and its console. */
interface Places {
  readonly signIn: string;
  readonly console: string;
}

const PARTITIONS: Readonly<Record<string, Places>> = {
  aws: { signIn: "https://signin.aws.amazon.com/federation", console: "https://console.aws.amazon.com" },
  "aws-cn": { signIn: "https://signin.amazonaws.cn/federation", console: "https://console.amazonaws.cn" },
  "aws-us-gov": {
    signIn: "https://signin.amazonaws-us-gov.com/federation",
    console: "https://console.amazonaws-us-gov.com",
  },
};

/** By the names of their regions; as in botocore's partitions.json. */
const REGIONS: readonly (readonly [RegExp, string])[] = [
  [/^cn-/, "aws-cn"],
  [/^us-gov-/, "aws-us-gov"],
  [/^(?:us-iso|eu-isoe|us-isob|us-isof|eusc)/, "another"],
];

/** @param roleArn of the config; else the region decides. @throws KeyholeError `usage` for a partition without a known console */
export function placesOf(roleArn: string | undefined, region: string | undefined): Places {
  const partition = roleArn?.split(":")[1] ?? REGIONS.find(([pattern]) => pattern.test(region ?? ""))?.[1] ?? "aws";
  const places = PARTITIONS[partition];
  if (places !== undefined) return places;
  throw new KeyholeError(
    "usage",
    "the console of this partition is not known: aws, aws-cn and aws-us-gov are",
    "keyhole console --help",
  );
}

/** @throws KeyholeError `usage` for what the keys would be shown to on the way */
function checkEndpoint(text: string): URL {
  const url = URL.parse(text);
  const isLocal = url?.hostname === "127.0.0.1" || url?.hostname === "localhost" || url?.hostname === "[::1]";
  if (url !== null && !url.search && (url.protocol === "https:" || (isLocal && url.protocol === "http:"))) return url;
  throw new KeyholeError("usage", "--endpoint must be a URL with https:// and no query", "keyhole console --help");
}

export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
}

/**
 * The question for a sign-in token: a secret, as its answer.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_enable-console-custom-url.html
 */
function tokenUrl(endpoint: URL, { accessKeyId, secretAccessKey, sessionToken }: Keys): URL {
  const session = JSON.stringify({ sessionId: accessKeyId, sessionKey: secretAccessKey, sessionToken });
  return withQuery(endpoint, { Action: "getSigninToken", Session: session });
}

/** A secret: who opens it in the next 15 minutes is signed in. */
function signInUrl(endpoint: URL, token: string, destination: URL): URL {
  return withQuery(endpoint, {
    Action: "login",
    Issuer: "keyhole",
    Destination: destination.href,
    SigninToken: token,
  });
}

export function destinationOf(places: Places, service: string, region: string | undefined): URL {
  if (!/^[a-z0-9-]{1,64}$/.test(service))
    throw new KeyholeError("usage", "--service must be the name of a service, like s3", "keyhole console --help");
  return withQuery(new URL(`${places.console}/${service}/home`), region === undefined ? {} : { region });
}

function withQuery(url: URL, parameters: Readonly<Record<string, string>>): URL {
  const copy = new URL(url);
  for (const [name, value] of Object.entries(parameters)) copy.searchParams.set(name, value);
  return copy;
}
