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
# Not here, although they are in the unit of shared mode: ProtectSystem= and all that gives a service another view of the
# files. A user's systemd can do that in a user namespace alone, in which the kernel shows the daemon "nobody" for every
# user but this one; and a credential_process may write anywhere below the home.

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
# Only this user asks; requests wait here while the daemon is away.
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
# Not here: ProtectHome=, because configs, profiles and SSO tokens are in the operator's home. PrivateTmp= and
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
# Made anew after a boot; set-group-ID, so that whatever is in it is the group's. The members look into it, and only the
# operator may put anything there.
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

const RUNTIME = `# As the socket's unit makes it; kept when the service stops, because the socket is in it.
RuntimeDirectoryMode=2750
RuntimeDirectoryPreserve=yes
`;

/** By default the fifth start in ten seconds is the last one, and takes the socket with it. */
const LIMITS = `# As many starts as it takes: one that fails costs 15 ms, and each "daemon restart" is one.
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
${variables.join("")}# Reads grants and the policy again, and opens its logs anew.
ExecReload=/bin/sh -c "kill -HUP $$MAINPID"
Restart=on-failure
RestartSec=500ms
# The daemon says every 30 s that it is alive.
WatchdogSec=60
# Answers under way take 2 s at most.
TimeoutStopSec=10
UMask=0077
# Nothing of it reaches a disk.
LimitCORE=0
MemorySwapMax=0
LimitNOFILE=16384
# A credential_process or an MFA command that needs sudo cannot have it.
NoNewPrivileges=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RestrictRealtime=yes
SystemCallArchitectures=native
# AF_NETLINK: resolvers of children ask the kernel for this machine's addresses with it.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
# Not here: MemoryDenyWriteExecute=, because the runtime compiles while it runs. RestrictNamespaces= and
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
