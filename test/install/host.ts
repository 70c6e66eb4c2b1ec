// What install.sh meets: a directory of releases, served over HTTP or read as files, a home, and a PATH that holds only
// the tools that a test wants there.
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Result, resultOf } from "../processes.ts";

/** As it is in the repository: without an address. */
export const script = join(import.meta.dir, "..", "..", "install.sh");

/** All that it needs besides a shell, uname, one downloader and one program that computes SHA-256. */
export const baseTools = ["cat", "chmod", "mkdir", "mktemp", "mv", "rm"];
export const usualTools = [...baseTools, "curl", "sha256sum"];

const assets = ["keyhole-linux-x64", "keyhole-linux-arm64", "keyhole-darwin-arm64", "keyhole-darwin-x64"];

/** A stand-in for the executable: it says its version and the file it was released as, and knows of no daemon. */
export function fakeExecutable(version: string, asset: string): string {
  return `#!/bin/sh
case "$*" in
  --version) echo "keyhole ${version}" ;;
  asset) echo "${asset}" ;;
  "daemon status") exit 3 ;;
  help\\ *) exit 2 ;;
  completion\\ *) echo "# keyhole ${version} in $2" ;;
esac
`;
}

export interface InstallOptions {
  /** The shell and its options; sh by default. */
  readonly shell?: readonly string[];
  /** Arguments of the script. */
  readonly words?: readonly string[];
  /** What is in the PATH; `busybox:wget` is BusyBox's. */
  readonly tools?: readonly string[];
  /** What `uname -sm` says; undefined for the real one. */
  readonly machine?: string | undefined;
  /** Added to HOME, PATH and KEYHOLE_BASE_URL, which is the releases as files; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Another script, such as one with an address. */
  readonly script?: string;
}

export type Host = ReturnType<typeof createHost>;

/**
 * Use with `using`: everything lies below one temporary directory, and servers stop.
 *
 * @param published a version
 */
export function createHost(published?: string) {
  const root = fs.mkdtempSync(join(tmpdir(), "keyhole-install-"));
  const home = join(root, "home");
  const bin = join(home, ".local", "bin");
  const paths = { root, home, bin, executable: join(bin, "keyhole"), releases: join(root, "releases") };
  const tools = join(root, "tools");
  for (const directory of [home, paths.releases, tools]) fs.mkdirSync(directory);
  const servers: Bun.Server<undefined>[] = [];

  const host = {
    paths,
    fileUrl: `file://${paths.releases}`,

    addTool: (name: string, text: string) => writeExecutable(join(tools, name), text),

    /** Publishes stand-ins for every platform, as a version and as the latest. */
    publish(version: string) {
      for (const asset of assets) host.publishFile(version, asset, fakeExecutable(version, asset));
    },

    publishFile(version: string, asset: string, content: string | Uint8Array<ArrayBuffer>) {
      for (const [file, bytes] of [
        [asset, content],
        [`${asset}.gz`, Bun.gzipSync(content)],
      ] as const) {
        const line = `${createHash("sha256").update(bytes).digest("hex")}  ${file}`;
        for (const release of [`v${version}`, "latest"]) {
          const directory = join(paths.releases, release);
          const sums = join(directory, "SHA256SUMS");
          fs.mkdirSync(directory, { recursive: true });
          fs.writeFileSync(join(directory, file), bytes);
          const others = fs.existsSync(sums) ? fs.readFileSync(sums, "utf8").trimEnd().split("\n") : [];
          fs.writeFileSync(sums, [...others.filter((other) => !other.endsWith(`  ${file}`)), line, ""].join("\n"));
        }
      }
    },

    /** Changes a file of the latest release behind its sum's back. */
    spoil: (file: string, content: string | Uint8Array) =>
      fs.writeFileSync(join(paths.releases, "latest", file), content),

    /** Serves the releases. `respond` may answer a path in another way. Returns the base URL. */
    serve(respond: (path: string) => Response | undefined = () => undefined, tls?: Bun.TLSOptions): string {
      const server = Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        ...(tls === undefined ? {} : { tls }),
        async fetch({ url }) {
          const path = new URL(url).pathname;
          const file = Bun.file(join(paths.releases, path));
          return respond(path) ?? ((await file.exists()) ? new Response(file) : new Response(null, { status: 404 }));
        },
      });
      servers.push(server);
      return server.url.origin;
    },

    /** What was there before. */
    installOld(version = "0.1.0") {
      fs.mkdirSync(paths.bin, { recursive: true });
      writeExecutable(paths.executable, fakeExecutable(version, "old"));
    },

    /** How to run install.sh here. */
    command(options: InstallOptions = {}) {
      const { shell: [shell, ...flags] = ["sh"], words = [], env = {} } = options;
      for (const tool of options.tools ?? usualTools) linkTool(tools, tool);
      const machine = "machine" in options ? options.machine : "Linux x86_64";
      if (machine === undefined) linkTool(tools, "uname");
      else host.addTool("uname", `#!/bin/sh\n[ "$*" = -sm ] && echo "${machine}"\n`);
      const merged = { HOME: home, PATH: tools, KEYHOLE_BASE_URL: host.fileUrl, ...env };
      const environment = Object.fromEntries(Object.entries(merged).filter((entry) => entry[1] !== undefined));
      return {
        words: [whereIs(shell!), ...flags, options.script ?? script, ...words],
        env: environment as Record<string, string>,
        cwd: home,
      };
    },

    install(options?: InstallOptions): Promise<Result> {
      const { words, env, cwd } = host.command(options);
      return run(words, { env, cwd });
    },

    /** What the installed executable answers. */
    ask: async (word: string) => (await run([paths.executable, word], { env: {}, cwd: home })).stdout.trimEnd(),

    /** All files in the home, temporary ones too. */
    files: () =>
      fs
        .readdirSync(home, { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name).slice(home.length + 1))
        .toSorted(),

    [Symbol.dispose]() {
      for (const server of servers) void server.stop(true);
      fs.rmSync(root, { recursive: true, force: true });
    },
  };
  if (published !== undefined) host.publish(published);
  return host;
}

/** @param stdin what the program reads; without it /dev/null */
export async function run(
  words: readonly string[],
  { env, cwd, stdin }: { env: Record<string, string>; cwd: string; stdin?: string },
): Promise<Result> {
  const child = Bun.spawn([...words], {
    env,
    cwd,
    stdin: stdin === undefined ? "ignore" : Buffer.from(stdin),
    stdout: "pipe",
    stderr: "pipe",
  });
  return resultOf(child);
}

/** The script as a release has it: with an address. */
export function stamped(base: string): string {
  return fs.readFileSync(script, "utf8").replaceAll("@BASE_URL@", base);
}

/** A directory that looks like the repository to the script, with the script in it. */
export function createCheckout(host: Host, text = fs.readFileSync(script, "utf8")): string {
  const checkout = join(host.paths.root, "checkout");
  fs.mkdirSync(join(checkout, "src"), { recursive: true });
  fs.writeFileSync(join(checkout, "src", "main.ts"), "");
  fs.writeFileSync(join(checkout, "package.json"), "{}\n");
  writeExecutable(join(checkout, "install.sh"), text);
  return checkout;
}

/** Replaces a link instead of writing through it. */
function writeExecutable(path: string, text: string): void {
  fs.rmSync(path, { force: true });
  fs.writeFileSync(path, text);
  fs.chmodSync(path, 0o755);
}

function linkTool(directory: string, tool: string): void {
  const [program, name = program] = tool.split(":");
  const link = join(directory, name!);
  if (!fs.existsSync(link)) fs.symlinkSync(whereIs(program!), link);
}

export function whereIs(program: string): string {
  const path = Bun.which(program);
  if (path === null) throw new Error(`${program} is missing`);
  return path;
}

/** For the title of a test that is skipped without them. */
export function missing(...programs: readonly string[]): boolean {
  return programs.some((program) => Bun.which(program.split(":")[0]!) === null);
}
