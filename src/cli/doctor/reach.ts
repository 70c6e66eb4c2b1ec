// How AWS is reached from this shell: through the daemon's proxy or another, and whether it is AWS.
import { ENDPOINT_VARIABLES } from "../../environment.ts";
import { quotePosix } from "../../text/quoting.ts";
import { parseSessionName } from "../../config/name.ts";
import { type Proxies, proxiesOf } from "../../sources/proxy.ts";
import { readConfigs } from "./configs.ts";
import { type Verdict, verdicts, warning } from "./finding.ts";
import type { HostMachine } from "./hostmachine.ts";

/** Requests of a shell go through its own proxies, if it names any, else through the daemon's; so do renewals. */
export function checkProxies({ daemon, environment }: HostMachine): readonly Verdict[] {
  if (!("status" in daemon) || daemon.proxies === undefined) return [];
  const theirs = proxiesOf(Object.fromEntries(daemon.proxies.map(({ name, value }) => [name, value])));
  const [own, other] = [describe(proxiesOf(environment)), describe(theirs)];
  const wrong =
    own === other ? [] : [warning(`the daemon has ${other}, and this shell has ${own}`, "keyhole daemon restart")];
  return verdicts(wrong, `the daemon has ${other}, as this shell`);
}

function describe({ https, http }: Proxies): string {
  const hosts = new Set([https, http].flatMap((proxy) => (proxy === undefined ? [] : [hostOf(proxy)])));
  return hosts.size === 0 ? "no proxy" : `the proxy ${[...hosts].join(" and ")}`;
}

/** Without user and password. */
function hostOf(proxy: string): string {
  return proxy
    .replace(/^[a-z0-9]+:\/\//i, "")
    .replace(/^.*@/, "")
    .replace(/\/.*$/, "");
}

/** An STS that is not AWS's gives credentials that are none of AWS's. */
export function checkEndpoints(machine: HostMachine): readonly Verdict[] {
  const { daemon, environment } = machine;
  const set = ENDPOINT_VARIABLES.filter((name) => environment[name]);
  const open = readConfigs(machine).filter(([, { STS }]) => STS?.endpoint_url === undefined);
  const sessions = "status" in daemon ? daemon.status.sessions : [];
  const wrong = [
    ...(set.length === 0 || open.length === 0
      ? []
      : [
          warning(
            `${set.join(", ")} of this shell: another STS is asked for ${open.length} of the configs`,
            `unset ${set.join(" ")}`,
          ),
        ]),
    ...sessions.flatMap(({ config: name }) => {
      const endpoint = parseSessionName(name)?.endpoint;
      if (endpoint === undefined) return [];
      return [
        warning(
          `the session ${name} is of an STS that a variable names`,
          `keyhole daemon remove -n ${quotePosix(name)}`,
        ),
      ];
    }),
  ];
  return verdicts(wrong, "no variable names another STS");
}
