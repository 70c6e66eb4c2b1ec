// All checks of the host: a new one is a function and a line.
import { checkAudit } from "./audit.ts";
import { checkConfigKeys, checkConfigs } from "./configs.ts";
import { checkClock, checkDaemon, checkDescriptors, checkLock, checkSocket, checkVersion } from "./daemon.ts";
import type { CheckTable } from "./finding.ts";
import { checkGrants, checkSessions } from "./grants.ts";
import { checkFileSystem, checkLeaseDirectory } from "./filesystems.ts";
import { checkLeftovers, checkMemory } from "./leftovers.ts";
import { checkPlaces } from "./places.ts";
import { checkOwnExecutable, checkProcesses, checkShell } from "./shell.ts";
import { checkEndpoints, checkProxies } from "./reach.ts";
import { checkSharedPolicy, checkSharedSocket } from "./shared.ts";
import { checkSourceLoop, checkSourceProfile } from "./sources.ts";
import type { HostMachine } from "./hostmachine.ts";

export const hostChecks: CheckTable<HostMachine> = {
  daemon: checkDaemon,
  "daemon-version": checkVersion,
  "daemon-lock": checkLock,
  "daemon-socket": checkSocket,
  "clock-skew": checkClock,
  "descriptor-limit": checkDescriptors,
  places: checkPlaces,
  leftovers: checkLeftovers,
  "memory-file": checkMemory,
  "home-file-system": checkFileSystem,
  "lease-directory": checkLeaseDirectory,
  sessions: checkSessions,
  grants: checkGrants,
  configs: checkConfigs,
  "config-keys": checkConfigKeys,
  "source-profile": checkSourceProfile,
  "source-loop": checkSourceLoop,
  endpoints: checkEndpoints,
  proxies: checkProxies,
  shell: checkShell,
  "credential-process": checkProcesses,
  "path-executable": checkOwnExecutable,
  "audit-log": checkAudit,
  "shared-socket": checkSharedSocket,
  "shared-policy": checkSharedPolicy,
};
