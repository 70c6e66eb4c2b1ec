// What of a long list fits into one response. No I/O, no package.
import { encode } from "./codec.ts";
import { RESPONSE_LIMIT } from "./frame.ts";
import { messages, type SessionInfo } from "./messages.ts";

/** Bytes that the other fields of a response may take: those of Status are paths and numbers. */
const OTHER_FIELDS = 64 * 1024;

/** The last of these sessions, as many as fit into a response of List or Status (PROTOCOL.md, "List"). */
export function fitSessions(sessions: readonly SessionInfo[]): readonly SessionInfo[] {
  let room = RESPONSE_LIMIT - OTHER_FIELDS;
  for (let index = sessions.length - 1; index >= 0; index -= 1) {
    room -= encode(messages.Add.response, sessions[index]!).length;
    if (room < 0) return sessions.slice(index + 1);
  }
  return sessions;
}
