// All commands: a new one is a file and a line. Each is loaded when it is called, but for `export`: that is the one that
// SDKs call, and one file less to load for them.
import type { AnyCommand, CommandGroup, CommandLoader } from "./command.ts";
import exportCommand from "./commands/export.ts";

/** The file of a command exports it as its default. */
function load(file: () => Promise<{ readonly default: AnyCommand }>): CommandLoader {
  return async () => (await file()).default;
}

export const root: CommandGroup = {
  meta: { name: "", description: "Short-lived AWS credentials for every tool on this machine, always fresh" },
  subCommands: {
    export: () => Promise.resolve(exportCommand),
    exec: load(() => import("./commands/exec.ts")),
    shell: load(() => import("./commands/shell.ts")),
    whoami: load(() => import("./commands/whoami.ts")),
    run: load(() => import("./commands/run.ts")),
    relay: load(() => import("./commands/relay.ts")),
    bridge: load(() => import("./commands/bridge.ts")),
    daemon: {
      meta: { name: "daemon", description: "Start, stop and inspect the daemon and its sessions" },
      subCommands: {
        start: load(() => import("./commands/daemon/start.ts")),
        stop: load(() => import("./commands/daemon/stop.ts")),
        restart: load(() => import("./commands/daemon/restart.ts")),
        kill: load(() => import("./commands/daemon/kill.ts")),
        status: load(() => import("./commands/daemon/status.ts")),
        logs: load(() => import("./commands/daemon/logs.ts")),
        list: load(() => import("./commands/daemon/list.ts")),
        add: load(() => import("./commands/daemon/add.ts")),
        remove: load(() => import("./commands/daemon/remove.ts")),
      },
    },
    config: {
      meta: { name: "config", description: "Save, change and check the parameters of roles" },
      subCommands: {
        add: load(() => import("./commands/config/add.ts")),
        get: load(() => import("./commands/config/get.ts")),
        list: load(() => import("./commands/config/list.ts")),
        meta: load(() => import("./commands/config/meta.ts")),
        update: load(() => import("./commands/config/update.ts")),
        rename: load(() => import("./commands/config/rename.ts")),
        remove: load(() => import("./commands/config/remove.ts")),
        validate: load(() => import("./commands/config/validate.ts")),
      },
    },
    audit: load(() => import("./commands/audit.ts")),
    doctor: load(() => import("./commands/doctor.ts")),
    grant: {
      meta: { name: "grant", description: "Give sandboxes one identity each, and take it back" },
      subCommands: {
        add: load(() => import("./commands/grant/add.ts")),
        list: load(() => import("./commands/grant/list.ts")),
        show: load(() => import("./commands/grant/show.ts")),
        path: load(() => import("./commands/grant/path.ts")),
        set: load(() => import("./commands/grant/set.ts")),
        revoke: load(() => import("./commands/grant/revoke.ts")),
        remove: load(() => import("./commands/grant/remove.ts")),
        confirm: load(() => import("./commands/grant/confirm.ts")),
      },
    },
    setup: {
      meta: { name: "setup", description: "Prepare this machine for a shared daemon" },
      subCommands: { "agent-access": load(() => import("./commands/setup/agent-access.ts")) },
    },
    service: {
      meta: { name: "service", description: "Let systemd or launchd run the daemon" },
      subCommands: {
        install: load(() => import("./commands/service/install.ts")),
        uninstall: load(() => import("./commands/service/uninstall.ts")),
        status: load(() => import("./commands/service/status.ts")),
      },
    },
    completion: load(() => import("./commands/completion.ts")),
  },
};
