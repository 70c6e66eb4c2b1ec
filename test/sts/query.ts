// The parameters of AWS's Query protocol: `Name=value`, lists as `Name.member.N`, lists of structures as
// `Name.member.N.Field`. Numbers start at 1.
import { StsError } from "./error.ts";

export type Parameters = ReadonlyMap<string, string>;

/** Takes form data apart, out of a body or a query string. */
export function parseParameters(form: string): Parameters {
  return new Map(new URLSearchParams(form));
}

/** The values of a list of strings, in their order. @throws StsError for a member that is not a plain value. */
export function stringMembers(parameters: Parameters, list: string): string[] {
  return structureMembers(parameters, list, [""]).map((member) => member[""]!);
}

/** One structure of a list: the fields that were sent. */
export type Member = Readonly<Record<string, string | undefined>>;

/** The structures of a list, in their order. @throws StsError for a field that is not among `fields`. */
export function structureMembers(parameters: Parameters, list: string, fields: readonly string[]): Member[] {
  const byNumber = new Map<number, Record<string, string>>();
  for (const [name, value] of parameters) {
    if (!name.startsWith(`${list}.`)) continue;
    const [, number, field = ""] = /^member\.([1-9]\d*)(?:\.(.+))?$/.exec(name.slice(list.length + 1)) ?? [];
    // AWS ignores parameters that it does not know; a list in the wrong shape would be ignored with them, and a
    // test would pass that should not.
    if (number === undefined || !fields.includes(field)) {
      throw new StsError("MalformedInput", `Unexpected list element: ${name}`);
    }
    const member = byNumber.get(Number(number)) ?? {};
    member[field] = value;
    byNumber.set(Number(number), member);
  }
  return [...byNumber.entries()].toSorted(([left], [right]) => left - right).map(([, member]) => member);
}
