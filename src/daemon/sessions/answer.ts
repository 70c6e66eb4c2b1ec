// Finished answers that carry credentials, kept with the issue, so that a warm one is a lookup and a write.
import { regionOf } from "../../environment.ts";
import { encode } from "../../wire/codec.ts";
import { encodeFrame } from "../../wire/frame.ts";
import { messages, type ResponseOf } from "../../wire/messages.ts";
import type { Grant } from "../../grants/grant.ts";
import type { Issue } from "./issue.ts";

/**
 * The answer to Vend. For how long its bytes may be read: see `Issue.line`.
 *
 * @param config what the session was asked for by; always the same for a session
 */
export function answerVend(issue: Issue, config = issue.config): Uint8Array {
  const { region, line } = issue;
  issue.answer ??= finish("Vend", { config, region, line });
  return issue.answer;
}

/** The answer to Fetch on the socket of a grant whose session the issue is of. As `answerVend`. */
export function answerFetch(
  issue: Issue,
  { name, config, environment }: Pick<Grant, "name" | "config" | "environment">,
) {
  const { region = regionOf(environment), line } = issue;
  issue.answer ??= finish("Fetch", { grant: name, config, region, line });
  return issue.answer;
}

function finish<Name extends "Vend" | "Fetch">(name: Name, answer: ResponseOf<Name>): Uint8Array {
  const { number, response } = messages[name];
  // The table ties each name to its types; here, where either may come, only `any` spans them.
  const body = encode<any>(response, answer);
  const frame = encodeFrame(number, body);
  body.fill(0);
  return frame;
}
