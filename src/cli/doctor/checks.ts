// All checks, of the host and of a sandbox: a new one is a function and a line.
import * as disk from "./disk.ts";
import * as sources from "./sources.ts";
import * as daemon from "./daemon.ts";
import type { CheckTable } from "./finding.ts";
import * as grants from "./grants.ts";
import * as owners from "./owners.ts";
import * as shell from "./shell.ts";
import type { HostMachine, InsideMachine } from "./machines.ts";
import * as exposure from "./exposure.ts";
import * as shadows from "./shadows.ts";
import * as transports from "./transports.ts";

export const hostChecks: CheckTable<HostMachine> = {
  daemon: daemon.checkDaemon,
  "daemon-version": daemon.checkVersion,
  "daemon-lock": daemon.checkLock,
  "daemon-socket": daemon.checkSocket,
  "clock-skew": daemon.checkClock,
  "descriptor-limit": daemon.checkDescriptors,
  places: owners.checkPlaces,
  leftovers: disk.checkLeftovers,
  "memory-file": disk.checkMemory,
  "home-file-system": disk.checkFileSystem,
  "lease-directory": disk.checkLeaseDirectory,
  sessions: grants.checkSessions,
  grants: grants.checkGrants,
  configs: sources.checkConfigs,
  "config-keys": sources.checkConfigKeys,
  "source-profile": sources.checkSourceProfile,
  "source-loop": sources.checkSourceLoop,
  endpoints: sources.checkEndpoints,
  proxies: sources.checkProxies,
  shell: shell.checkShell,
  "credential-process": shell.checkProcesses,
  "path-executable": shell.checkOwnExecutable,
  "audit-log": disk.checkAudit,
  "shared-socket": daemon.checkSharedSocket,
  "shared-policy": daemon.checkSharedPolicy,
};

export const insideChecks: CheckTable<InsideMachine> = {
  grant: transports.checkDirectory,
  socket: transports.checkGrantSocket,
  lease: transports.checkLease,
  "lease-clock": transports.checkLeaseClock,
  relay: transports.checkRelay,
  "credential-process": transports.checkProcess,
  "read-only": transports.checkMount,
  peer: transports.checkPeer,
  "environment-keys": shadows.checkKeys,
  "environment-expiration": shadows.checkExpiration,
  profile: shadows.checkProfile,
  signing: shadows.checkSigning,
  "web-identity": shadows.checkWebIdentity,
  "container-endpoint": shadows.checkContainer,
  "bearer-token": shadows.checkBearerToken,
  "config-file": shadows.checkConfigFile,
  "credentials-file": shadows.checkCredentialsFile,
  boto: shadows.checkBoto,
  "instance-metadata": shadows.checkMetadata,
  "aws-files": exposure.checkAwsFiles,
  "keyhole-home": exposure.checkKeyholeHome,
  "control-socket": exposure.checkControlSocket,
  "other-grants": exposure.checkOtherGrants,
  "container-engine": exposure.checkEngines,
  "ssh-agent": exposure.checkSshAgent,
};
