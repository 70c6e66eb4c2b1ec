// The token of a config's web identity: out of a file that its maker replaces before the token ends, or from a command.
import type { WebIdentitySection } from "../../config/config.ts";
import { KeyholeError } from "../../errors.ts";
import { readForeign } from "../../files/foreign.ts";
import { surroundingsWanted } from "../../surroundings.ts";
import { quotePosix, splitWords } from "../../text/quoting.ts";
import type { ChainRequest } from "./chain.ts";
import { HelperLate } from "../helper.ts";
import { runProgram } from "../run-program.ts";
import { lastWords } from "../redact.ts";

/** Bytes; STS takes 20,000 characters. */
const LARGEST = 64 * 1024;

type Request = Pick<
  ChainRequest,
  "name" | "environment" | "helper" | "asksSurroundings" | "timeout" | "clock" | "waitsFor"
>;

/** @throws KeyholeError `no-source-credentials`, `person-needed`, `surroundings-wanted`, `invalid-config` */
export async function obtainToken(section: WebIdentitySection, request: Request): Promise<string> {
  const token =
    section.token_file === undefined ? await runCommand(section, request) : await readToken(section.token_file);
  if (/^[!-~]{4,20000}$/.test(token)) return token;
  const place = section.token_file ?? "WebIdentity.command";
  throw new KeyholeError("no-source-credentials", `${place} gives no web identity token`, editOf(request));
}

/** @throws KeyholeError `no-source-credentials` for one that cannot be read */
export async function readToken(path: string): Promise<string> {
  const token = await readForeign(path);
  if (token !== undefined) return token.trim();
  const what = `the web identity token ${path} cannot be read`;
  throw new KeyholeError("no-source-credentials", what, `ls -l ${quotePosix(path)}`);
}

async function runCommand({ command: line = "" }: WebIdentitySection, request: Request): Promise<string> {
  const { name, helper, asksSurroundings, timeout, clock, waitsFor } = request;
  const what = `WebIdentity.command of config ${name}`;
  if (asksSurroundings) throw surroundingsWanted(what);
  const command = typeof line === "string" ? splitWords(line) : line;
  if (!command?.[0]) throw new KeyholeError("invalid-config", "WebIdentity.command is empty, or has an open quote");
  waitsFor(what, timeout);
  const environment = helper?.environment ?? request.environment;
  const end = await runProgram({
    command,
    environment,
    workingDirectory: helper?.workingDirectory,
    deadline: timeout,
    largestOutput: LARGEST,
    sharesGroup: true,
    clock,
    signal: new AbortController().signal,
  });
  if (end.kind === "ended" && end.exit === 0) return end.stdout.trim();
  if (end.kind === "timeout")
    throw new HelperLate(
      "person-needed",
      `WebIdentity.command did not end within ${timeout / 1_000} s`,
      editOf(request),
    );
  const failed = end.kind === "ended" ? `failed with status ${end.exit}` : "cannot be run";
  const said = end.kind === "ended" ? lastWords(end.stderr, environment) : "";
  const message = `WebIdentity.command ${failed}${helper?.lacks ?? ""}`;
  throw new KeyholeError("no-source-credentials", message, editOf(request), said);
}

function editOf({ name }: Request): string {
  return `keyhole config update -n ${name}`;
}
