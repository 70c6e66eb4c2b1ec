// Loops among source credentials: a `credential_process` that is keyhole itself, and waits for the session that waits
// for it. A marker in the environment of everything the daemon spawns finds them: the sessions that wait for the
// answer, from the first to the latest, as `name@socket,name@socket`. The socket is percent-encoded except for its
// slashes; it is there because two daemons may have configs of one name.
import { profileOf } from "./config/name.ts";
import { CHAIN_VARIABLE, type Environment } from "./environment.ts";
import { KeyholeError } from "./errors.ts";
import { quotePosix } from "./text/quoting.ts";

/** The sessions that wait for whatever runs in this environment, as they stand in the marker. */
export function chainOf(environment: Environment): readonly string[] {
  return (environment[CHAIN_VARIABLE] ?? "").split(",").filter((link) => link !== "");
}

/** The environment for what is spawned on behalf of the session `name` of the daemon at `socket` (absolute path). */
export function appendChain<E extends Environment>(
  environment: E,
  name: string,
  socket: string,
): E & Record<typeof CHAIN_VARIABLE, string> {
  return { ...environment, [CHAIN_VARIABLE]: [...chainOf(environment), formatLink(name, socket)].join(",") };
}

/**
 * Called before a session is asked for: by the client, which then fails without asking, and by the daemon's `add`,
 * which knows its own socket for certain.
 *
 * @throws KeyholeError `credential-loop` if the session itself waits for this answer.
 */
export function refuseLoop(environment: Environment, name: string, socket: string): void {
  const chain = chainOf(environment);
  const start = chain.indexOf(formatLink(name, socket));
  if (start === -1) return;
  throw loopError([...chain.slice(start).map(nameOf), name].join(" -> "));
}

/** The last link of the marker for what a profile of the environment runs, which keyhole is not to answer. */
const WALK = "!";

/** The environment for what a profile of the environment runs. */
export function markWalk<E extends Environment>(environment: E): E & Record<typeof CHAIN_VARIABLE, string> {
  return { ...environment, [CHAIN_VARIABLE]: [...chainOf(environment), WALK].join(",") };
}

const WALK_PHRASE = "called by the profile in which keyhole looks for its own source credentials";

/**
 * The answer to a profile of the environment that runs keyhole, on whatever way: to be said on stdout as well, because
 * a wrapper may keep one of the two for itself.
 */
export function refusalOfWalk(environment: Environment): KeyholeError | undefined {
  if (chainOf(environment).at(-1) !== WALK) return undefined;
  return new KeyholeError("credential-loop", WALK_PHRASE, "set Session.profile_name in the config");
}

/** Whether that answer stands in what a program said. */
export function callsKeyhole(text: string): boolean {
  return text.includes(WALK_PHRASE);
}

const LOOP_PHRASE = "the source credentials form a loop: ";

/**
 * The refusal of a loop in what a `credential_process` said, if that is what it was: between two keyholes stands an
 * SDK, which passes on nothing but text.
 */
export function findLoop(text: string): KeyholeError | undefined {
  const rest = text.split(LOOP_PHRASE)[1];
  const loop = rest === undefined ? undefined : /^[\w+.%:-]+( -> [\w+.%:-]+)+/.exec(rest)?.[0];
  return loop === undefined ? undefined : loopError(loop);
}

function loopError(loop: string): KeyholeError {
  const first = loop.slice(0, loop.indexOf(" "));
  const profile = profileOf(first);
  const hint =
    profile === undefined
      ? `keyhole config get -n ${first}`
      : `aws configure get credential_process --profile ${quotePosix(profile)}`;
  return new KeyholeError("credential-loop", `${LOOP_PHRASE}${loop}`, hint);
}

function formatLink(name: string, socket: string): string {
  return `${name}@${encodeURIComponent(socket).replaceAll("%2F", "/")}`;
}

function nameOf(link: string): string {
  return link.slice(0, link.indexOf("@"));
}
