// All checks of a sandbox: a new one is a function and a line.
import {
  checkAwsFiles,
  checkControlSocket,
  checkEngines,
  checkKeyholeHome,
  checkOtherGrants,
  checkSshAgent,
} from "./exposure.ts";
import type { CheckTable } from "./finding.ts";
import type { InsideMachine } from "./insidemachine.ts";
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
  checkWebIdentity,
} from "./shadows.ts";
import {
  checkDirectory,
  checkLease,
  checkLeaseClock,
  checkMount,
  checkPeer,
  checkProcess,
  checkRelay,
  checkSocket,
} from "./transports.ts";

export const insideChecks: CheckTable<InsideMachine> = {
  grant: checkDirectory,
  socket: checkSocket,
  lease: checkLease,
  "lease-clock": checkLeaseClock,
  relay: checkRelay,
  "credential-process": checkProcess,
  "read-only": checkMount,
  peer: checkPeer,
  "environment-keys": checkKeys,
  "environment-expiration": checkExpiration,
  profile: checkProfile,
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
