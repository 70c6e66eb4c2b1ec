// All checks, of the host and of a sandbox: a new one is a function and a line.
import { checkAudit, checkFileSystem, checkLeaseDirectory, checkLeftovers, checkMemory } from "./disk.ts";
import {
  checkConfigKeys,
  checkConfigs,
  checkEndpoints,
  checkProxies,
  checkSourceLoop,
  checkSourceProfile,
} from "./sources.ts";
import {
  checkClock,
  checkDaemon,
  checkDescriptors,
  checkLock,
  checkSharedPolicy,
  checkSharedSocket,
  checkSocket,
  checkVersion,
} from "./daemon.ts";
import type { CheckTable } from "./finding.ts";
import { checkGrants, checkSessions } from "./grants.ts";
import { checkPlaces } from "./owners.ts";
import { checkOwnExecutable, checkProcesses, checkShell } from "./shell.ts";
import type { HostMachine, InsideMachine } from "./machines.ts";
import {
  checkAwsFiles,
  checkControlSocket,
  checkEngines,
  checkKeyholeHome,
  checkOtherGrants,
  checkSshAgent,
} from "./exposure.ts";
import {
  checkBearerToken,
  checkBoto,
  checkConfigFile,
  checkContainer,
  checkCredentialsFile,
  checkExpiration,
  checkKeys,
  checkMetadata,
  checkProfile,
  checkSigning,
  checkWebIdentity,
} from "./shadows.ts";
import {
  checkDirectory,
  checkGrantSocket,
  checkLease,
  checkLeaseClock,
  checkMount,
  checkPeer,
  checkProcess,
  checkRelay,
} from "./transports.ts";

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

export const insideChecks: CheckTable<InsideMachine> = {
  grant: checkDirectory,
  socket: checkGrantSocket,
  lease: checkLease,
  "lease-clock": checkLeaseClock,
  relay: checkRelay,
  "credential-process": checkProcess,
  "read-only": checkMount,
  peer: checkPeer,
  "environment-keys": checkKeys,
  "environment-expiration": checkExpiration,
  profile: checkProfile,
  signing: checkSigning,
  "web-identity": checkWebIdentity,
  "container-endpoint": checkContainer,
  "bearer-token": checkBearerToken,
  "config-file": checkConfigFile,
  "credentials-file": checkCredentialsFile,
  boto: checkBoto,
  "instance-metadata": checkMetadata,
  "aws-files": checkAwsFiles,
  "keyhole-home": checkKeyholeHome,
  "control-socket": checkControlSocket,
  "other-grants": checkOtherGrants,
  "container-engine": checkEngines,
  "ssh-agent": checkSshAgent,
};
