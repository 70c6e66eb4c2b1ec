// What of a long list fits into one response. No I/O, no package.
import { type Codec, encode } from "./codec.ts";
import { RESPONSE_LIMIT } from "./frame.ts";
import { type GrantInfo, messages, type SessionInfo } from "./messages.ts";

/** Bytes that the other fields of a response may take: those of Status are paths and numbers. */
const OTHER_FIELDS = 64 * 1024;

/** The last of these sessions, as many as fit into a response of List or Status (PROTOCOL.md#list-5). */
export function fitSessions(sessions: readonly SessionInfo[]): readonly SessionInfo[] {
  return fitLast(messages.Add.response, sessions);
}

/** The youngest of these grants, in the order they have, as many as fit into a response (PROTOCOL.md#grantslist-24). */
export function fitGrants(grants: readonly GrantInfo[]): readonly GrantInfo[] {
  const byAge = grants.toSorted((one, other) => one.createdAt - other.createdAt);
  const fitting = new Set(fitLast(messages.GrantMake.response, byAge));
  return grants.filter((grant) => fitting.has(grant));
}

function fitLast<Value>(codec: Codec<Value>, values: readonly Value[]): readonly Value[] {
  let room = RESPONSE_LIMIT - OTHER_FIELDS;
  for (let index = values.length - 1; index >= 0; index -= 1) {
    room -= encode(codec, values[index]!).length;
    if (room < 0) return values.slice(index + 1);
  }
  return values;
}
