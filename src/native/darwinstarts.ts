// When a process began, on macOS. As darwin.ts, not run by this project's tests.
import { openLibc } from "./libc.ts";

/** sys/proc_info.h: struct proc_bsdinfo, of which pbi_status and pbi_start_tvsec. */
const PROC_PIDTBSDINFO = 3;
const INFO_BYTES = 136;
const STATUS_AT = 4;
const START_AT = 120;
/** sys/proc.h */
const SZOMB = 5;

export function loadDarwinStartOf(): (pid: number) => string | undefined {
  const libc = openLibc({ proc_pidinfo: { args: ["i32", "i32", "u64", "buffer", "i32"], returns: "i32" } });
  const info = new DataView(new ArrayBuffer(INFO_BYTES));
  return (pid) => {
    const length = libc.proc_pidinfo(pid, PROC_PIDTBSDINFO, 0n, info, INFO_BYTES);
    if (length !== INFO_BYTES || info.getUint32(STATUS_AT, true) === SZOMB) return undefined;
    return `${info.getBigUint64(START_AT, true)}.${info.getBigUint64(START_AT + 8, true)}`;
  };
}
