/*
 * The small executable: express.c alone, for the directory of a grant, where nothing needs to be handed over. The linker
 * (../express.ts) writes the address of the version's text where the other one has the address to go on at.
 */
#define SMALL
#include "express.c"

static void say(int stream, const char *text) { kernel(__NR_write, stream, (long)text, (long)length_of(text), 0, 0); }

static _Noreturn void end(int status) {
  kernel(__NR_exit_group, status, 0, 0, 0, 0);
  __builtin_unreachable();
}

static const char *version(void) {
  extern const char *const go_on __attribute__((visibility("hidden")));
  return go_on;
}

/* The first code of the process. `stack` is as the kernel left it: argc, argv, 0, envp, 0, auxv. */
void express(u64 *stack) {
  struct answer received;
  char **words = (char **)stack + 1, **environment = words + stack[0] + 1;
  if (words[0] && words[1] && !words[2] && equals(words[1], "--version")) {
    say(1, "keyhole "), say(1, version()), say(1, "\n");
    end(0);
  }
  answer(words, environment, &received);
  say(2, "keyhole: error: the grant did not answer\n");
  end(3);
}
