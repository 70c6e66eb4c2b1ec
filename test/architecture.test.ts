// The import walls between the folders of src/, each with its reason.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join, normalize } from "node:path";
import { Glob } from "bun";

interface Wall {
  /** Path prefix below src/. */
  readonly of: string;
  /** Prefixes below src/ and packages that it may import; its own folder always. */
  readonly may: readonly string[];
  readonly because: string;
}

const walls: readonly Wall[] = [
  { of: "credentials.ts", may: [], because: "the noun that everyone shares must drag nothing in" },
  { of: "errors.ts", may: [], because: "every part names its failures from one table" },
  { of: "paths.ts", may: ["environment.ts", "errors.ts"], because: "paths are a pure function" },
  { of: "text/", may: ["errors.ts"], because: "it is about text alone, and every folder may need it" },
  { of: "clock.ts", may: [], because: "time is a parameter of every side" },
  {
    of: "environment.ts",
    may: [],
    because: "every side knows environments, and the client loads it on its way to keys",
  },
  {
    of: "surroundings.ts",
    may: ["environment.ts", "errors.ts"],
    because: "a client tells them, and a source gets them",
  },
  {
    of: "loop.ts",
    may: ["config/name.ts", "environment.ts", "errors.ts", "text/quoting.ts"],
    because: "client and daemon refuse a loop alike, and name the config or the profile where it begins",
  },
  {
    of: "files/",
    may: ["environment.ts", "errors.ts", "paths.ts", "text/", "node:"],
    because: "whom keyhole trusts with files is one question, for the client and the daemon alike",
  },
  { of: "help/", may: [], because: "it is text" },
  { of: "wire/", may: ["errors.ts"], because: "bytes and values; both sides load it, neither side's parts" },
  {
    of: "client/",
    // native/ says what Bun does not: that a sandbox forbids to connect.
    may: ["errors.ts", "environment.ts", "native/", "paths.ts", "settings.ts", "text/", "version.ts", "wire/", "node:"],
    because: "it meets the daemon in the wire alone, and is the hot path",
  },
  {
    of: "cli/",
    may: [
      "arguments.ts",
      "audit/",
      "bridge/",
      "client/",
      "config/",
      "credentials.ts",
      "daemon/members/policy.ts",
      "surroundings.ts",
      "environment.ts",
      "errors.ts",
      "files/",
      "grants/",
      "help/",
      "loop.ts",
      "native/",
      "paths.ts",
      // Which process has a port.
      "server/peer-program.ts",
      "settings.ts",
      // What operations there are, when a person names some.
      "signer/policy.ts",
      // What ~/.aws says, as the daemon's children take it; none of these imports a package.
      "sources/resolve/ini.ts",
      "sources/given-keys.ts",
      "sources/resolve/profile-plan.ts",
      "sources/resolve/profile.ts",
      "sources/sts/target.ts",
      // Which proxy an environment means.
      "sources/sts/proxy.ts",
      "text/",
      "version.ts",
      "wire/",
      "node:",
    ],
    because: "a client never loads the daemon, a source or the AWS SDK: that is what makes it start in 5 ms",
  },
  {
    of: "bridge/",
    may: [
      "client/messaging.ts",
      "clock.ts",
      "errors.ts",
      "native/",
      "server/dispatch.ts",
      "server/listener.ts",
      "wire/",
    ],
    because: "it serves a socket as the daemon does, and reads answers as a client does; nothing else of either",
  },
  {
    of: "config/",
    may: ["errors.ts", "files/", "text/", "valibot", "node:"],
    because: "client and daemon both read configs",
  },
  {
    of: "grants/",
    may: [
      "config/",
      "environment.ts",
      "errors.ts",
      "files/",
      "paths.ts",
      // At which paths an SDK finds the services of AWS.
      "signer/services.ts",
      "text/",
      // The terms of a grant are stated there.
      "wire/messages.ts",
      "valibot",
      "node:",
    ],
    because: "the client proposes grants and the daemon keeps them; what one is, both must say alike",
  },
  {
    of: "server/",
    may: [
      "audit/line.ts",
      "clock.ts",
      "config/name.ts",
      "errors.ts",
      "files/",
      "native/",
      "paths.ts",
      "text/",
      "wire/",
      "node:",
    ],
    because: "a server bounds what its peers cost, whatever it is that they ask for",
  },
  {
    of: "daemon/members/policy.ts",
    may: ["daemon/members/rules.ts", "config/", "environment.ts", "errors.ts", "files/", "valibot", "node:"],
    because: "a policy decides by itself who may vend what, whatever socket and daemon there are",
  },
  {
    of: "audit/",
    may: ["credentials.ts", "errors.ts", "files/", "paths.ts", "text/", "node:"],
    because: "the daemon writes the lines that the client reads",
  },
  {
    of: "sources/",
    may: [
      "config/",
      "credentials.ts",
      "surroundings.ts",
      "environment.ts",
      "errors.ts",
      "files/",
      "loop.ts",
      "native/",
      "text/",
      "version.ts",
      "@aws-sdk/",
      "@smithy/",
      "node:",
      "bun",
      "clock.ts",
    ],
    because: "the only folder that may import the AWS SDK",
  },
  {
    of: "daemon/",
    may: [
      "arguments.ts",
      "audit/",
      "clock.ts",
      "config/",
      "credentials.ts",
      "surroundings.ts",
      "environment.ts",
      "errors.ts",
      "files/",
      "grants/",
      "loop.ts",
      "native/",
      "paths.ts",
      "server/",
      "settings.ts",
      "signer/host.ts",
      "signer/protocol.ts",
      "signer/request.ts",
      "sources/",
      "text/",
      "valibot",
      "version.ts",
      "wire/",
      "node:",
    ],
    because: "it meets the client in the wire alone",
  },
  {
    of: "signer/",
    may: [
      "clock.ts",
      "errors.ts",
      "grants/grant.ts",
      "native/load.ts",
      // Who connected.
      "native/native.ts",
      "server/descriptors.ts",
      // Which process has its port.
      "server/peer-program.ts",
      "server/ratelimiter.ts",
      // How the daemon speaks with its children.
      "text/lines.ts",
      "sources/sts/worker-protocol.ts",
      // Which proxy an environment means.
      "sources/sts/proxy.ts",
      "text/suggest.ts",
      "version.ts",
      "node:",
    ],
    because: "it parses what a hostile sandbox sends, and has one grant's credentials: the less it reaches, the better",
  },
  { of: "native/", may: ["bun:ffi", "errors.ts"], because: "libc and nothing else, and why it cannot be called" },
  {
    of: "build/",
    // The last ones are what the C files say, whose header is made of them (build/express/make.ts).
    may: [
      "node:",
      "@aws-sdk/core/client",
      "@smithy/core/endpoints",
      "signer/table.ts",
      "client/express.ts",
      "cli/stdout.ts",
      "cli/vending/",
      "environment.ts",
      "errors.ts",
      "loop.ts",
    ],
    because: "the static linker is a tool of build.ts and no part of the product",
  },
];

/** `process.*` and clocks, each where it may be read. */
const owners: readonly { readonly what: RegExp; readonly where: readonly string[]; readonly because: string }[] = [
  {
    what: /\bprocess\.argv\b/,
    where: ["main.ts", "build/express/make.ts", "build/vendor/regenerate.ts"],
    because: "only the entry point knows where its words begin",
  },
  {
    what: /\bprocess\.exit\b/,
    where: [
      "main.ts",
      "cli/main.ts",
      "daemon/main.ts",
      "files/reader.ts",
      "signer/main.ts",
      "sources/resolve/resolver.ts",
      "sources/sts/worker.ts",
    ],
    because: "a function that ends the process cannot be tested",
  },
  {
    what: /\bprocess\.env\b/,
    where: ["main.ts", "cli/main.ts", "daemon/main.ts", "sources/resolve/resolver.ts", "sources/resolve/walk.ts"],
    because: "the environment is a parameter",
  },
  {
    what: /\b(?:readFile|readFileSync|createReadStream)\(|\bBun\.file\(|"node:fs\/promises"/,
    where: [
      "files/foreign.ts",
      // Keyhole's own files, the system's, and a file or a stream that the caller's own words name.
      "cli/commands/console.ts",
      "cli/configs/editor.ts",
      "cli/configs/text.ts",
      "cli/daemon/launching.ts",
      "cli/daemon/lock-holder.ts",
      "cli/doctor/daemon.ts",
      "cli/grants/terms.ts",
      "cli/vending/grant-socket.ts",
      "cli/main.ts",
      "cli/programs/carrying.ts",
      "cli/programs/execute.ts",
      "cli/programs/running.ts",
      "cli/runs/inner.ts",
      "cli/service/unit.ts",
      "cli/ui.ts",
      "client/express.ts",
      "client/target.ts",
      "server/starts.ts",
      "server/descriptors.ts",
      "server/peer-program.ts",
      "files/accounts.ts",
      "files/copies.ts",
      "files/reading.ts",
      "grants/policies.ts",
      // What launched it wrote its stdin.
      "daemon/main.ts",
      // A process of its own, which the daemon gives up.
      "signer/ways.ts",
      "sources/resolve/instance.ts",
      // A copy that it has made itself.
      "sources/resolve/sign-in.ts",
    ],
    because: "a file that a variable, a profile or a config names may hang or have no end",
  },
  {
    what: /\breadForeign\(/,
    where: [
      "files/foreign.ts",
      "files/reader.ts",
      "sources/resolve/chain.ts",
      "sources/resolve/sign-in.ts",
      "sources/sts/target.ts",
      "sources/resolve/token.ts",
      "sources/resolve/walk.ts",
      // By way of the host, which reads in a child.
      "cli/command.ts",
      "cli/commands/doctor.ts",
      "cli/doctor/exposure.ts",
      "cli/doctor/shadows.ts",
      "cli/reading-in-child.ts",
      "cli/grants/terms.ts",
      "cli/configs/sso-accounts.ts",
      "cli/web.ts",
    ],
    because: "it may block its process for good, so that it is read in a child that can be left behind",
  },
  { what: /\b(?:Date\.now|new Date\(\))/, where: ["clock.ts", "cli/main.ts"], because: "a clock is a parameter" },
];

const root = join(import.meta.dir, "..", "src");
const files = [...new Glob("**/*.ts").scanSync(root)].toSorted();

/** What a file imports, types included: paths below src/ or package names. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8");
  // A module's name has no spaces, unlike the texts of people that have the word "from" before a quote.
  const found = text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"([^"\s,]+)"/g);
  return [...found].map(([, target]) => (target!.startsWith(".") ? normalize(join(file, "..", target!)) : target!));
}

function withoutComments(file: string): string {
  return readFileSync(join(root, file), "utf8").replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
}

test.each(walls.map((wall) => [wall.of, wall] as const))("the wall around %s stands", (_, wall) => {
  const inside = files.filter((file) => file.startsWith(wall.of));
  expect(inside).not.toBeEmpty();
  const breaches = inside.flatMap((file) =>
    importsOf(file)
      .filter((target) => !target.startsWith(wall.of) && !wall.may.some((allowed) => target.startsWith(allowed)))
      .map((target) => `${file} imports ${target}, but: ${wall.because}`),
  );
  expect(breaches).toEqual([]);
});

test("every file below src/ stands behind a wall or at the root", () => {
  const folders = walls.map((wall) => wall.of);
  const homeless = files.filter((file) => file.includes("/") && !folders.some((folder) => file.startsWith(folder)));
  expect(homeless).toEqual([]);
});

test("before main.ts knows its role it loads the express lane alone, which imports nothing", () => {
  expect(importsOf("main.ts").filter((target) => !/^(?:daemon|sources|signer|cli|files)\//.test(target))).toEqual([
    "client/express.ts",
    "client/prompt.ts",
  ]);
  const main = readFileSync(join(root, "main.ts"), "utf8");
  expect([...main.matchAll(/^import .*"(.+)";$/gm)].map(([, target]) => target)).toEqual(["./client/express.ts"]);
  expect(importsOf("client/express.ts")).toEqual([]);
});

test("the AWS SDK is imported by sources/ alone", () => {
  const importers = files.filter((file) => importsOf(file).some((target) => /^@(?:aws-sdk|smithy)\//.test(target)));
  expect(importers.filter((file) => !file.startsWith("sources/") && !file.startsWith("build/"))).toEqual([]);
});

test("the product never imports what builds it", () => {
  const importers = files.filter((file) => importsOf(file).some((target) => target.startsWith("build/")));
  expect(importers.filter((file) => !file.startsWith("build/"))).toEqual([]);
});

test.each(owners.map((owner) => [String(owner.what), owner] as const))("%s is read where it belongs", (_, owner) => {
  const readers = files.filter((file) => !file.startsWith("build/") && owner.what.test(withoutComments(file)));
  expect(readers.filter((file) => !owner.where.includes(file))).toEqual([]);
});

test("the relay compares what a stranger guesses at in a time that says nothing of it", () => {
  const relay = withoutComments("cli/vending/container-endpoint.ts").replace("given === null", "");
  expect(relay).toContain("timingSafeEqual(bytes, expected)");
  expect(relay).not.toMatch(/\b(?:given|token) *[!=]=|[!=]= *(?:given|token)\b|\.equals\(|\bdeepEquals\(|\bcompare\(/);
});
