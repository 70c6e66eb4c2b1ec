// All commands: a new one is a file and a line. Each is loaded when it is called.
import type { CommandGroup } from "./command.ts";

export const root: CommandGroup = {
  meta: { name: "", description: "Short-lived AWS credentials for every tool on this machine, always fresh" },
  commands: {
    export: () => import("./commands/export.ts"),
    exec: () => import("./commands/exec.ts"),
    shell: () => import("./commands/shell.ts"),
    whoami: () => import("./commands/whoami.ts"),
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
    completion: () => import("./commands/completion.ts"),
  },
};
