// argv ⇄ options: the definitions, in citty's terms, and a strict parser, because citty's accepts whatever it does not
// understand (STYLE.md, E2). Imports citty for its types only: its code would cost each start 2 ms.
import type { BooleanArgDef, EnumArgDef, PositionalArgDef, StringArgDef } from "citty";

/**
 * One option or operand. Names are written as they are typed (`role-arn`); every boolean can be negated (`--no-x`);
 * as in citty an operand is required unless it says `required: false`, an option only if it says `required: true`.
 */
export type ArgDef = { readonly description: string } & (
  | (BooleanArgDef & { readonly type: "boolean" })
  | (StringArgDef & { readonly type: "string"; /** May be given more than once. */ readonly multiple?: true })
  | (EnumArgDef & { readonly type: "enum"; readonly options: string[] })
  | (PositionalArgDef & { readonly type: "positional" })
);

export type ArgsDef = Readonly<Record<string, ArgDef>>;

type Absent<Def extends ArgDef> = Def extends { default: string }
  ? never
  : Def extends { type: "positional"; required: false }
    ? undefined
    : Def extends { type: "positional" } | { required: true }
      ? never
      : undefined;

type ArgValue<Def extends ArgDef> = Def extends { type: "boolean" }
  ? boolean
  : Def extends { multiple: true }
    ? readonly string[]
    : Def extends { type: "enum"; options: readonly (infer Option)[] }
      ? Option | Absent<Def>
      : string | Absent<Def>;

/** What the parser makes of a definition. A boolean that is not given is its default, or false. */
export type ArgValues<Defs extends ArgsDef> = { readonly [Name in keyof Defs]: ArgValue<Defs[Name]> };
