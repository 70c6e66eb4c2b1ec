// systemd's units: a service and its socket, for a user's own daemon and for a shared one. Every directive has its
// reason beside it, and so has every one that a reader may miss.
import { directoryOf } from "../../paths.ts";
import type { ToolCommand } from "../programs/tools.ts";
import { HEADING, type ServiceDaemon, type ServicePlan, type SharedDaemon } from "./unit.ts";

/** A user's own daemon. @param directory of units, absolute: `~/.config/systemd/user` */
export function planUserService(daemon: ServiceDaemon, directory: string): ServicePlan {
  const units = ["keyhole.socket", "keyhole.service"];
  const service = `# ${HEADING}. Put changes into a drop-in: systemctl --user edit keyhole.service
[Unit]
Description=keyhole, a broker for short-lived AWS credentials
Requires=keyhole.socket
After=keyhole.socket
${LIMITS}
[Service]
${serviceLines(daemon)}
# Left out, unlike in the shared unit: ProtectSystem= and every directive that needs a mount namespace. A user's systemd
# makes one inside a user namespace only, where each other user's uid reads as 65534 (nobody). And a credential_process
# may write anywhere below the home.

[Install]
WantedBy=default.target
Also=keyhole.socket
`;
  const socket = `# ${HEADING}
[Unit]
Description=keyhole's control socket

[Socket]
ListenStream=${escapeSpecifiers(daemon.socket)}
FileDescriptorName=control
# For this user alone. Requests wait here while the daemon is down.
SocketMode=0600
DirectoryMode=0700
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
`;
  return {
    name: "keyhole.service",
    files: [
      { path: `${directory}/keyhole.service`, text: service },
      { path: `${directory}/keyhole.socket`, text: socket },
    ],
    ...commandsFor(units, ["systemctl", "--user"]),
    remarks: ["to keep it while you are logged out: loginctl enable-linger"],
  };
}

/** A shared daemon, which the system starts. */
export function planSharedService(daemon: SharedDaemon): ServicePlan {
  const units = ["keyhole-shared.socket", "keyhole-shared.service"];
  const { user, group, home, userHome } = daemon;
  const directory = directoryOf(daemon.sharedSocket);
  const runtime = /^(?:\/var)?\/run\/([^/]+)$/.exec(directory)?.[1];
  const runtimeLines = runtime === undefined ? "" : `${RUNTIME}RuntimeDirectory=${escapeSpecifiers(runtime)}\n`;
  const service = `# ${HEADING} --shared. Put changes into a drop-in: systemctl edit keyhole-shared.service
[Unit]
Description=keyhole, a broker for short-lived AWS credentials, shared with the group ${group}
Requires=keyhole-shared.socket
After=keyhole-shared.socket network-online.target
Wants=network-online.target
${LIMITS}
[Service]
User=${user}
Group=${group}
${serviceLines(daemon)}
${runtimeLines}
# The file system is read-only but for keyhole's home and the AWS CLI's caches (SSO and assumed roles), which
# credential sources write.
ProtectSystem=strict
ReadWritePaths=${quoteWord(home)} ${quoteWord(`-${userHome}/.aws`)}
CapabilityBoundingSet=
AmbientCapabilities=
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
# Left out: ProtectHome=, because configs, profiles and SSO tokens are in the operator's home. PrivateTmp= and
# PrivateDevices=, because agents (ssh, gpg) have their sockets in /tmp, and security keys are devices. ProtectProc=,
# because the audit names the programs that ask. IPAddressDeny=, because STS has no fixed addresses.

[Install]
WantedBy=multi-user.target
Also=keyhole-shared.socket
`;
  const socket = `# ${HEADING} --shared
[Unit]
Description=keyhole's shared socket, for the group ${group}

[Socket]
# Created before each start, because /run is empty after a boot. Set-group-ID: what is in it belongs to the group.
# Members may list it; only the operator may write to it.
ExecStartPre=/usr/bin/env install -d -m 2750 -o ${quoteCommandWord(user)} -g ${quoteCommandWord(group)} ${quoteCommandWord(directory)}
ListenStream=${escapeSpecifiers(withoutLink(daemon.sharedSocket))}
FileDescriptorName=shared
SocketUser=${user}
SocketGroup=${group}
SocketMode=0660
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
`;
  return {
    name: "keyhole-shared.service",
    files: [
      { path: "/etc/systemd/system/keyhole-shared.service", text: service },
      { path: "/etc/systemd/system/keyhole-shared.socket", text: socket },
    ],
    ...commandsFor(
      units,
      ["systemctl"],
      [
        // As the operator, whose home it is: root would follow a link there. A view of files cannot be made of what is not.
        ["runuser", "-u", user, "--", "mkdir", "-p", "-m", "0700", home],
      ],
    ),
    remarks: [
      `as ${user}, say who may have what in ${home}/shared.yaml: allow: [{ group: ${group}, configs: [NAME] }]`,
    ],
  };
}

const RUNTIME = `# The mode that the socket's unit sets. Kept when the service stops, because the socket is in it.
RuntimeDirectoryMode=2750
RuntimeDirectoryPreserve=yes
`;

/** By default systemd gives up after five starts in ten seconds, and stops the socket as well. */
const LIMITS = `# No limit on starts: a failed one costs 15 ms, and each "daemon restart" counts as one.
StartLimitIntervalSec=0
`;

/** systemd calls the way over /var/run, a link, a legacy, and says so in the journal. */
function withoutLink(path: string): string {
  return path.replace(/^\/var\/run\//, "/run/");
}

/** What both have in common. */
function serviceLines({ command, words, environment }: ServiceDaemon): string {
  const variables = Object.entries(environment).map(
    ([name, value]) => `Environment=${quoteWord(`${name}=${value}`)}\n`,
  );
  return `Type=notify
NotifyAccess=main
ExecStart=${[...command, "--daemon", ...words].map(quoteCommandWord).join(" ")}
${variables.join("")}# Rereads grants and the policy, and reopens the logs.
ExecReload=/bin/sh -c "kill -HUP $$MAINPID"
Restart=on-failure
RestartSec=500ms
# The daemon sends a keep-alive every 30 s.
WatchdogSec=60
# Requests in progress are answered for up to 2 s.
TimeoutStopSec=10
UMask=0077
# Secrets reach no disk: no core file, no swap.
LimitCORE=0
MemorySwapMax=0
LimitNOFILE=16384
# So a credential_process or an MFA command cannot use sudo.
NoNewPrivileges=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RestrictRealtime=yes
SystemCallArchitectures=native
# AF_NETLINK: name resolution in children reads this machine's addresses with it.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
# Left out: MemoryDenyWriteExecute=, because the runtime compiles while it runs. RestrictNamespaces= and
# SystemCallFilter=, because a credential_process may be any program, a container among them.`;
}

function commandsFor(units: readonly string[], systemctl: ToolCommand, before: readonly ToolCommand[] = []) {
  const [, service] = units;
  return {
    install: [
      ...before,
      [...systemctl, "daemon-reload"],
      [...systemctl, "enable", ...units],
      // Anew, for one that runs with an older unit. The service comes with its socket.
      [...systemctl, "restart", ...units],
    ],
    uninstall: [[...systemctl, "disable", "--now", ...units]],
    forget: [[...systemctl, "daemon-reload"]],
    status: [...systemctl, "show", "--property=ActiveState,SubState,UnitFileState,MainPID,NRestarts", service!],
  } as const satisfies Partial<ServicePlan>;
}

/** A word of ExecStart= (systemd.service(5), "Command lines"): `$` begins a variable there. */
function quoteCommandWord(word: string): string {
  return quoteWord(word).replaceAll("$", "$$$$");
}

/** A word of a directive that takes several (systemd.syntax(7), "Quoting"). */
function quoteWord(word: string): string {
  const escaped = escapeSpecifiers(word);
  return /^[\w./=:@,+%-]+$/.test(word) ? escaped : `"${escaped.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}

/** `%h` and its like mean something everywhere. */
function escapeSpecifiers(text: string): string {
  return text.replaceAll("%", "%%");
}
