// Names that are not taken from the archive, and why. Nothing else may be missing.

/** Functions and data that the linker makes itself. No C identifier looks like these. */
export const synthetic = {
  /** A function that returns 0. */
  returnZero: "<returns zero>",
  /** 16 zero bytes. */
  zeroes: "<zeroes>",
  /** What runs before the program's own entry (express.ts). */
  express: "<express>",
} as const;

/** libstdc++'s std::call_once calls the function that this thread stored here. */
export const onceCall = "_ZSt11__once_call";
/** What libstdc++'s std::call_once gives to pthread_once: calls `onceCall`. */
export const onceProxy = "__once_proxy";
/**
 * The thread-local variables of libraries that the linker knows: both belong to std::call_once, one word each. Their
 * real home, libstdc++'s mutex.o, would need thread-local relocations.
 */
export const threadVariables: readonly string[] = ["_ZSt15__once_callable", onceCall];

/**
 * Bun is compiled without exceptions (as is all of WebKit): whatever would throw, or handle what was thrown, ends the
 * process, as it does in the dynamically linked executable where no handler catches it.
 */
const wouldThrow = [
  "_ZSt17__throw_bad_allocv",
  "_ZSt19__throw_logic_errorPKc",
  "_ZSt20__throw_length_errorPKc",
  "_ZSt20__throw_system_errori",
  "_ZSt24__throw_out_of_range_fmtPKcz",
  "_ZSt25__throw_bad_function_callv",
  "_ZSt28__throw_bad_array_new_lengthv",
  "_ZSt9terminatev",
  "_ZSt10unexpectedv",
  "__cxa_allocate_exception",
  "__cxa_bad_typeid",
  "__cxa_begin_catch",
  "__cxa_call_terminate",
  "__cxa_call_unexpected",
  "__cxa_end_catch",
  "__cxa_free_exception",
  "__cxa_pure_virtual",
  "__cxa_rethrow",
  "__cxa_throw",
  "__gxx_personality_v0",
  "_Unwind_Resume",
];

/** Name → the name that stands in for it, unless the program defines it itself. */
export const substitutes: ReadonlyMap<string, string> = new Map([
  ...wouldThrow.map((name) => [name, "abort"] as const),
  // std::set_terminate and std::get_new_handler: no handler was there before, and none is set.
  ["_ZSt13set_terminatePFvvE", synthetic.returnZero],
  ["_ZSt15get_new_handlerv", synthetic.returnZero],
  // operator new and delete. Without exceptions, new answers null where it would throw.
  ["_Znwm", "malloc"],
  ["_ZdlPv", "free"],
  ["_ZdlPvm", "free"],
  // glibc's flag "this process has one thread": libstdc++ may skip atomic instructions if it is set. It never is.
  ["__libc_single_threaded", synthetic.zeroes],
  // libgcc's flag "this CPU has LSE atomics", set by a constructor: without it the older instructions are used, which
  // every CPU has. Only libgcc's own helpers read it.
  ["__aarch64_have_lse_atomics", synthetic.zeroes],
]);

/**
 * Weak symbols that a static program does not define either, and whose users test them against 0 first. Any other
 * stops the build.
 */
export const absentWeak: ReadonlySet<string> = new Set([
  // musl: a static program has no dynamic section.
  "_DYNAMIC",
  // GCC's start files in the program: transactional memory, registration of frames for unwinding.
  "_ITM_deregisterTMCloneTable",
  "_ITM_registerTMCloneTable",
  "__deregister_frame_info",
  "__register_frame_info",
  // glibc's destructors of thread-local objects. Where it is absent, as in musl, the program has its own.
  "__cxa_thread_atexit_impl",
  // zstd's hooks for tracing.
  "ZSTD_trace_compress_begin",
  "ZSTD_trace_compress_end",
  "ZSTD_trace_decompress_begin",
  "ZSTD_trace_decompress_end",
]);
