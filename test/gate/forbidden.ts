// The one answer to whatever is no Fetch.
import { expect } from "bun:test";
import { errors } from "../../src/errors.ts";
import { decode } from "../../src/wire/codec.ts";
import { ERROR_NUMBER, errorReply } from "../../src/wire/messages.ts";
import { attack, attackBy, PYTHON } from "./holder.ts";

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

interface Answers {
  readonly alone: readonly (readonly string[])[];
  readonly together: readonly string[];
}

/**
 * That a holder's requests, each alone and all of them on one connection, get the same bytes, which say `forbidden`.
 *
 * @param by runs a program in a sandbox of another kind
 */
export async function expectForbidden(
  directory: string,
  requests: readonly Uint8Array[],
  by?: (directory: string, program: readonly string[]) => readonly string[],
): Promise<void> {
  const parameters = { requests: requests.map(hex) };
  const { alone, together } = await (by === undefined
    ? attack<Answers>(directory, "send", parameters)
    : attackBy<Answers>(by(directory, [...PYTHON, "send"]), parameters));
  const refusal = alone[0]![0]!;
  expect(alone.map((answers) => answers.join(" "))).toEqual(requests.map(() => refusal));
  expect(together.filter((answer) => answer !== refusal)).toEqual([]);
  const bytes = Buffer.from(refusal, "hex");
  expect(bytes[5]).toBe(ERROR_NUMBER);
  expect(decode(errorReply, bytes.subarray(6)).number).toBe(errors.forbidden.number);
}
