// bubblewrap, which shows this machine or some of it.
import { quotePosix } from "../../../src/text/quoting.ts";
import { as } from "../../e2e/daemons.ts";
import type { Rig } from "../../interop/rigs.ts";
import type { AgentHost } from "../agenthost.ts";
import { guard, type Namespaces, openNamespaces } from "../rigs/namespaces.ts";
import { places, rigs } from "../rigs/rigs.ts";
import { openShell } from "../shell.ts";
import { environment, type Reach, withSts } from "./reach.ts";

/** Puts the SDKs of the Debian root on top of this machine's programs, for one mount namespace. */
export const ADD_SDK = `mount --make-rprivate /; mount --bind ${quotePosix(`${places.debian}/usr/local`)} /usr/local`;

/** This machine, with SDKs and a network of its own. */
export function machineReach(
  needs: readonly Rig[],
  commandOf: (host: AgentHost, grant: string, options: readonly string[]) => Promise<readonly string[]>,
): Omit<Reach, "uid" | "terms"> {
  let namespaces: Namespaces | undefined;
  return {
    needs: [...needs, rigs.debian, rigs.sdk, rigs.socat],
    async open() {
      namespaces = await openNamespaces();
    },
    network: () => namespaces!.enter,
    async start(host, grant, options = []) {
      // Not its processes: where the kernel's own are not seen, firejail takes itself for sandboxed, and does nothing.
      const network = namespaces!.enter.filter((word) => word !== "--mount" && word !== "--pid");
      const setup = ["unshare", "--mount", "sh", "-c", `${ADD_SDK}; exec "$@"`, "sh"];
      const command = [...guard, ...network, ...setup, ...(await commandOf(host, grant, options))];
      return withSts(host, openShell(command, environment));
    },
    close: async () => namespaces?.stop(),
  };
}

/** @param uid who runs it */
export function bubblewrapReach(uid: number): Reach {
  return {
    ...machineReach([rigs.bubblewrap], async (host, grant, options) => {
      const recipe = await host.recipe(grant, "bwrap");
      const directory = quotePosix(`${host.machine.home}/work`);
      const words = [...as(uid), "bwrap", ...options].map(quotePosix).join(" ");
      return ["sh", "-c", `cd ${directory}; bwrap() { exec ${words} "$@"; }\n${recipe}`];
    }),
    uid,
    terms: [],
  };
}

/** bubblewrap with what a test names, instead of a recipe. */
export function plainReach(): Reach {
  return {
    ...machineReach([rigs.bubblewrap], async (_host, _grant, options) => {
      const base = ["--unshare-all", "--share-net", "--die-with-parent", "--clearenv"];
      const settings = ["--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin", "--setenv", "HOME", "/tmp"];
      return ["bwrap", ...base, ...settings, ...options, "--", "sh"];
    }),
    uid: 0,
    terms: [],
  };
}
