// The two ends of `keyhole bridge`, each from its pipe to its exit status.
import { answerRequests, createAsker, serveSocket } from "../../bridge/bridge.ts";
import { BRIDGE_USAGE, createPipe, decodeAnswer } from "../../bridge/pipe.ts";
import { definedVariables, type Environment } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import { loadNative } from "../../native/load.ts";
import { identifyPeer, isOwnerOrRoot } from "../../native/native.ts";
import type { CommandContext } from "../command.ts";
import { fetchGrant } from "../vending/grant-socket.ts";
import { textWords } from "./execute.ts";
import { endings, signalled, supervise, watchSignals } from "./supervise.ts";
import { mkdtempSync, rmdirSync, rmSync } from "node:fs";
import { ensurePrivateDirectory } from "../../files/directories.ts";
import { writeAtomically } from "../../files/writing.ts";
import { HOST_MOUNT } from "../../grants/grant.ts";
import { checkMountPath, mountFiles } from "../../grants/mount.ts";
import type { Paths } from "../../paths.ts";

type Context = Pick<CommandContext, "settings" | "environment" | "host" | "ui">;

/** How long the last answers may take to be read, in milliseconds. */
const GRACE = 500;
/** Milliseconds more than the other end waits for the grant, so that its error is the one that is read. */
const MARGIN = 5000;

/** Runs a program whose stdout asks and whose stdin is answered; returns its exit status. */
export async function runAnswered(
  { settings, environment }: Context,
  socket: string,
  words: readonly string[],
  hasTerminal: boolean,
): Promise<number> {
  // Once: a client at the other end asks again while a daemon is being replaced.
  const fetch = () => fetchGrant(socket, settings);
  const program = {
    words: textWords(words),
    environment: definedVariables(environment),
    isApart: false,
    converse: (output: AsyncIterable<Uint8Array>, input: Bun.FileSink) =>
      answerRequests(createPipe(output, input), fetch),
  };
  return supervise(program, { watch: watchSignals, hasTerminal, reap: undefined });
}

/** Serves a directory's socket through our stdin and stdout, until the pipe ends or a signal comes. */
export async function serveDirectory(
  { settings, host, ui }: Context,
  incoming: AsyncIterable<Uint8Array>,
  directory: BridgeDirectory,
): Promise<void> {
  const asker = createAsker(createPipe(incoming, Bun.stdout.writer()));
  const stopped = signalled(endings, watchSignals);
  // Credentials are asked for now all the same: it proves the pipe, and says which grant it leads to.
  const patience = settings.clientTimeout + MARGIN;
  const first = await Promise.race([asker.ask(), stopped, asker.done, host.wait(patience)]);
  if (typeof first === "string") throw new KeyholeError("interrupted", "interrupted");
  if (first === undefined) throw noAnswer(patience);
  const answer = decodeAnswer(first);
  const native = loadNative();
  const own = process.getuid?.() ?? 0;
  const listener = await serveSocket(asker, {
    path: directory.socket,
    identify: (socket) => identifyPeer(native, socket),
    isAllowed: (peer) => isOwnerOrRoot(peer, own),
  });
  try {
    directory.write(answer, host.command);
    ui.notice(`the grant ${answer.grant} is at ${directory.path}`);
    await Promise.race([asker.done, stopped]);
  } finally {
    await listener.close(GRACE);
  }
}

function noAnswer(patience: number): KeyholeError {
  return new KeyholeError(
    "unreachable",
    `the other end of the pipe has not answered in ${Math.round(patience / 1000)} s`,
    BRIDGE_USAGE,
  );
}

/** Each bridge writes its files anew, over those of an earlier one. */
const ANEW = { exclusive: false, durable: false };

/** A directory, and how to leave it as it was. */
interface BridgeDirectory {
  /** Absolute. */
  readonly path: string;
  readonly socket: string;
  /** @param command the words that start keyhole. @throws KeyholeError `usage` for a path that no SDK can be told */
  write(grant: { readonly grant: string; readonly region: string | undefined }, command: readonly string[]): void;
  /** Removes what it made. */
  remove(): void;
}

/**
 * Makes `at`, or a directory of its own under XDG_RUNTIME_DIR, or under keyhole's home.
 *
 * @param at absolute
 * @throws KeyholeError `unsafe-path` if another user could write there, `usage` for a path that SDKs misread
 */
export function openBridgeDirectory(
  at: string | undefined,
  environment: Environment,
  { runDir }: Pick<Paths, "runDir">,
): BridgeDirectory {
  const path = at ?? makeOwn(environment["XDG_RUNTIME_DIR"], runDir);
  checkMountPath(path, at === undefined ? "the directory of the bridge" : "--at");
  ensurePrivateDirectory(path);
  const made: string[] = [];
  return {
    path,
    socket: `${path}/sock`,
    write: ({ grant, region }, command) => {
      const terms = {
        name: grant,
        deliver: "socket",
        mountAt: HOST_MOUNT,
        executable: "none",
        sign: undefined,
        dummy: undefined,
      } as const;
      for (const [name, text] of Object.entries(mountFiles(terms, { directory: path, region, command }))) {
        writeAtomically(`${path}/${name}`, text, ANEW);
        made.push(`${path}/${name}`);
      }
    },
    remove: () => {
      for (const file of made) rmSync(file, { force: true });
      try {
        rmdirSync(path);
      } catch {
        // Another process put something else into it, or works in it: it is not ours to remove.
      }
    },
  };
}

function makeOwn(runtime: string | undefined, runDir: string): string {
  const parent = runtime?.startsWith("/") ? `${runtime}/keyhole` : runDir;
  ensurePrivateDirectory(parent);
  return mkdtempSync(`${parent}/bridge-`);
}
