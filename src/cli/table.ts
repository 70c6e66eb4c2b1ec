// All commands: a new one is a file and a line. Each is loaded when it is called.
import type { AnyCommand, CommandGroup, CommandLoader } from "./command.ts";

/** The file of a command exports it as its default. */
function load(file: () => Promise<{ readonly default: AnyCommand }>): CommandLoader {
  return async () => (await file()).default;
}

export const root: CommandGroup = {
  meta: { name: "", description: "Short-lived AWS credentials for every tool on this machine, always fresh" },
  aliases: {
    status: ["daemon", "status"],
    list: ["daemon", "list"],
    ls: ["daemon", "list"],
    version: ["--version"],
    "daemon ls": ["daemon", "list"],
    "config edit": ["config", "update", "--editor"],
    "config show": ["config", "get"],
    "config ls": ["config", "list"],
    "grant ls": ["grant", "list"],
  },
  subCommands: {
    export: load(() => import("./commands/export.ts")),
    exec: async () => (await import("./commands/exec.ts")).exec,
    shell: async () => (await import("./commands/exec.ts")).shell,
    prompt: load(() => import("./commands/prompt.ts")),
    whoami: load(() => import("./commands/whoami.ts")),
    console: load(() => import("./commands/console.ts")),
    login: load(() => import("./commands/login.ts")),
    run: load(() => import("./commands/run.ts")),
    pending: async () => (await import("./commands/codes.ts")).pending,
    answer: async () => (await import("./commands/codes.ts")).answer,
    relay: load(() => import("./commands/relay.ts")),
    bridge: load(() => import("./commands/bridge.ts")),
    daemon: {
      meta: { name: "daemon", description: "Start, stop and inspect the daemon and its sessions" },
      subCommands: {
        start: load(() => import("./commands/daemon/start.ts")),
        stop: async () => (await import("./commands/daemon/stop.ts")).stop,
        restart: load(() => import("./commands/daemon/restart.ts")),
        kill: async () => (await import("./commands/daemon/stop.ts")).kill,
        status: load(() => import("./commands/daemon/status.ts")),
        logs: load(() => import("./commands/daemon/logs.ts")),
        list: async () => (await import("./commands/daemon/sessions.ts")).list,
        add: async () => (await import("./commands/daemon/sessions.ts")).add,
        remove: async () => (await import("./commands/daemon/sessions.ts")).remove,
      },
    },
    config: {
      meta: { name: "config", description: "Save, change and check the parameters of roles" },
      subCommands: {
        add: load(() => import("./commands/config/add.ts")),
        get: async () => (await import("./commands/config/show.ts")).get,
        list: async () => (await import("./commands/config/show.ts")).list,
        meta: async () => (await import("./commands/config/show.ts")).meta,
        update: load(() => import("./commands/config/update.ts")),
        rename: async () => (await import("./commands/config/remove.ts")).rename,
        remove: async () => (await import("./commands/config/remove.ts")).remove,
        validate: load(() => import("./commands/config/validate.ts")),
        import: load(() => import("./commands/config/import.ts")),
        "export-profile": load(() => import("./commands/config/export-profile.ts")),
      },
    },
    top: load(() => import("./commands/top.ts")),
    audit: load(() => import("./commands/audit.ts")),
    doctor: load(() => import("./commands/doctor.ts")),
    grant: {
      meta: { name: "grant", description: "Give sandboxes one identity each, and take it back" },
      subCommands: {
        add: async () => (await import("./commands/grant/add.ts")).add,
        list: async () => (await import("./commands/grant/show.ts")).list,
        show: async () => (await import("./commands/grant/show.ts")).show,
        path: async () => (await import("./commands/grant/show.ts")).path,
        set: async () => (await import("./commands/grant/add.ts")).set,
        revoke: async () => (await import("./commands/grant/revoke.ts")).revoke,
        remove: async () => (await import("./commands/grant/revoke.ts")).remove,
        confirm: load(() => import("./commands/grant/confirm.ts")),
      },
    },
    setup: {
      meta: { name: "setup", description: "Prepare this machine for a shared daemon" },
      subCommands: { "agent-access": load(() => import("./commands/agent-access.ts")) },
    },
    service: {
      meta: { name: "service", description: "Let systemd or launchd run the daemon" },
      subCommands: {
        install: async () => (await import("./commands/service.ts")).install,
        uninstall: async () => (await import("./commands/service.ts")).uninstall,
        status: async () => (await import("./commands/service.ts")).status,
      },
    },
    demo: load(() => import("./commands/demo.ts")),
    completion: load(() => import("./commands/completion.ts")),
    help: load(() => import("./commands/help.ts")),
  },
};
