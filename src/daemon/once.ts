// A daemon that serves one client and ends: `--once`.
import { messages } from "../wire/messages.ts";
import type { Caller, Dispatch } from "../server/dispatch.ts";

/** What follows one client: the dispatch to serve it with, and what is to be called when a connection is closed. */
export interface OneClient {
  readonly dispatch: Dispatch;
  readonly closed: (caller: Caller) => void;
}

/**
 * The client is the peer that asks first. A Hello does not count: with one the client that started the daemon makes sure
 * that it is there.
 *
 * @param end called when the client's connection is closed
 */
export function serveOne(dispatch: Dispatch, end: () => void): OneClient {
  let client: number | undefined;
  return {
    dispatch: (frame, caller) => {
      if (frame.message !== messages.Hello.number) client ??= caller.connection;
      return dispatch(frame, caller);
    },
    closed: ({ connection }) => {
      if (connection === client) end();
    },
  };
}
