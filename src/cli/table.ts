// All commands: a new one is a file and a line. Each is loaded when it is called, but for `export`: that is the one that
// SDKs call, and one file less to load for them.
import type { CommandGroup } from "./command.ts";
import exportCommand from "./commands/export.ts";

export const root: CommandGroup = {
  meta: { name: "", description: "Short-lived AWS credentials for every tool on this machine, always fresh" },
  commands: {
    export: () => Promise.resolve({ default: exportCommand }),
    exec: () => import("./commands/exec.ts"),
    shell: () => import("./commands/shell.ts"),
    whoami: () => import("./commands/whoami.ts"),
    relay: () => import("./commands/relay.ts"),
    bridge: () => import("./commands/bridge.ts"),
    daemon: {
      meta: { name: "daemon", description: "Start, stop and inspect the daemon and its sessions" },
      commands: {
        start: () => import("./commands/daemon/start.ts"),
        stop: () => import("./commands/daemon/stop.ts"),
        restart: () => import("./commands/daemon/restart.ts"),
        kill: () => import("./commands/daemon/kill.ts"),
        status: () => import("./commands/daemon/status.ts"),
        logs: () => import("./commands/daemon/logs.ts"),
        list: () => import("./commands/daemon/list.ts"),
        add: () => import("./commands/daemon/add.ts"),
        remove: () => import("./commands/daemon/remove.ts"),
      },
    },
    config: {
      meta: { name: "config", description: "Save, change and check the parameters of roles" },
      commands: {
        add: () => import("./commands/config/add.ts"),
        get: () => import("./commands/config/get.ts"),
        list: () => import("./commands/config/list.ts"),
        meta: () => import("./commands/config/meta.ts"),
        update: () => import("./commands/config/update.ts"),
        rename: () => import("./commands/config/rename.ts"),
        remove: () => import("./commands/config/remove.ts"),
        validate: () => import("./commands/config/validate.ts"),
      },
    },
    audit: () => import("./commands/audit.ts"),
    doctor: () => import("./commands/doctor.ts"),
    grant: {
      meta: { name: "grant", description: "Give sandboxes one identity each, and take it back" },
      commands: {
        add: () => import("./commands/grant/add.ts"),
        list: () => import("./commands/grant/list.ts"),
        show: () => import("./commands/grant/show.ts"),
        path: () => import("./commands/grant/path.ts"),
        revoke: () => import("./commands/grant/revoke.ts"),
        remove: () => import("./commands/grant/remove.ts"),
        confirm: () => import("./commands/grant/confirm.ts"),
      },
    },
    setup: {
      meta: { name: "setup", description: "Prepare this machine for a shared daemon" },
      commands: { "agent-access": () => import("./commands/setup/agent-access.ts") },
    },
    service: {
      meta: { name: "service", description: "Let systemd or launchd run the daemon" },
      commands: {
        install: () => import("./commands/service/install.ts"),
        uninstall: () => import("./commands/service/uninstall.ts"),
        status: () => import("./commands/service/status.ts"),
      },
    },
    completion: () => import("./commands/completion.ts"),
  },
};
