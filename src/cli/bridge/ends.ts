// The two ends of `keyhole bridge`, each from its pipe to its last word.
import { answerRequests, createAsker, serveSocket } from "../../bridge/bridge.ts";
import { BRIDGE_USAGE, createPipe, decodeAnswer } from "../../bridge/pipe.ts";
import { definedVariables } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import { loadNative } from "../../native/load.ts";
import { identifyPeer, isOwnerOrRoot } from "../../native/native.ts";
import type { BridgeDirectory } from "./directory.ts";
import type { CommandContext } from "../command.ts";
import { fetchGrant } from "../vending/grant-socket.ts";
import { endings, signalled, supervise, watchSignals } from "../programs/supervise.ts";

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
    words,
    environment: definedVariables(environment),
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
    `nobody at the other end of the pipe has answered in ${Math.round(patience / 1000)} s`,
    BRIDGE_USAGE,
  );
}
