// Runs commands and measures them from outside: posix_spawn, read stdout to its end, wait4. Little noise of its own,
// where a harness in a managed runtime adds a millisecond.
//
//   spawn rounds N COMMAND ::: COMMAND …    interleaved: every command once in each of N rounds
//   spawn shuffled N COMMAND ::: COMMAND …  likewise, each round in another order: what runs behind a large process
//                                           finds cold caches
//   spawn together N COMMAND                N processes, started without waiting for any
//
// Prints a line of JSON for each command: wall and CPU time in microseconds and peak RSS in KiB for every process, how
// many failed, and how many different outputs there were.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

struct run {
  double wall, cpu;
  long rss;
  uint64_t hash;
};

struct command {
  char **words;
  struct run *runs;
  int count, failures;
};

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static double microseconds(struct timeval time) { return time.tv_sec * 1e6 + time.tv_usec; }

/** Starts a process; `*output` is the end of the pipe to read. */
static pid_t start(char **words, int *output) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) die("pipe2");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  pid_t pid;
  errno = posix_spawnp(&pid, words[0], &actions, NULL, words, environ);
  if (errno != 0) die(words[0]);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  *output = ends[0];
  return pid;
}

/** FNV-1a of what was printed. */
static uint64_t drain(int output) {
  static unsigned char buffer[65536];
  uint64_t hash = 14695981039346656037u;
  ssize_t got;
  while ((got = read(output, buffer, sizeof buffer)) != 0) {
    if (got < 0) die("read");
    for (ssize_t i = 0; i < got; i++) hash = (hash ^ buffer[i]) * 1099511628211u;
  }
  close(output);
  return hash;
}

static void record(struct command *command, double began, int status, const struct rusage *usage, uint64_t hash) {
  struct run run = {
    now() - began, microseconds(usage->ru_utime) + microseconds(usage->ru_stime), usage->ru_maxrss, hash,
  };
  command->runs[command->count++] = run;
  if (status != 0) command->failures++;
}

static void measure(struct command *command) {
  int output, status;
  struct rusage usage;
  double began = now();
  pid_t pid = start(command->words, &output);
  uint64_t hash = drain(output);
  if (wait4(pid, &status, 0, &usage) != pid) die("wait4");
  record(command, began, status, &usage, hash);
}

struct child {
  pid_t pid;
  int output;
  double began;
};

/** Reaps one child, if one has ended or `options` says to wait. Returns whether there was one. */
static int reap(struct command *command, const struct child *children, int options) {
  int status, i = 0;
  struct rusage usage;
  pid_t pid = wait4(-1, &status, options, &usage);
  if (pid == 0 || (pid < 0 && options == WNOHANG)) return 0;
  if (pid < 0) die("wait4");
  while (children[i].pid != pid) i++;
  record(command, children[i].began, status, &usage, drain(children[i].output));
  return 1;
}

/** What a process prints must fit into a pipe (64 KiB): nobody reads before it has ended. */
static void measure_together(struct command *command, int count) {
  struct child *children = calloc(count, sizeof *children);
  int left = count;
  for (int i = 0; i < count; i++) {
    children[i].began = now();
    children[i].pid = start(command->words, &children[i].output);
    while (reap(command, children, WNOHANG)) left--;
  }
  while (left > 0) left -= reap(command, children, 0);
}

static int by_value(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static int count_different(const struct command *command) {
  uint64_t *hashes = calloc(command->count, sizeof *hashes);
  int different = 0;
  for (int i = 0; i < command->count; i++) hashes[i] = command->runs[i].hash;
  qsort(hashes, command->count, sizeof *hashes, by_value);
  for (int i = 0; i < command->count; i++) different += i == 0 || hashes[i] != hashes[i - 1];
  free(hashes);
  return different;
}

static void print(const struct command *command) {
  printf("{\"failures\":%d,\"outputs\":%d,\"wall\":[", command->failures, count_different(command));
  for (int i = 0; i < command->count; i++) printf("%s%.1f", i ? "," : "", command->runs[i].wall);
  printf("],\"cpu\":[");
  for (int i = 0; i < command->count; i++) printf("%s%.0f", i ? "," : "", command->runs[i].cpu);
  printf("],\"rss\":[");
  for (int i = 0; i < command->count; i++) printf("%s%ld", i ? "," : "", command->runs[i].rss);
  printf("]}\n");
}

int main(int argc, char **argv) {
  int count = argc > 3 ? atoi(argv[2]) : 0;
  if (count < 1) {
    fputs("usage: spawn rounds|shuffled|together N COMMAND ::: COMMAND …\n", stderr);
    return 2;
  }
  struct rlimit descriptors;
  getrlimit(RLIMIT_NOFILE, &descriptors);
  descriptors.rlim_cur = descriptors.rlim_max;
  setrlimit(RLIMIT_NOFILE, &descriptors);

  struct command commands[16] = {{.words = argv + 3}};
  int last = 0;
  for (int i = 3; i < argc; i++) {
    if (strcmp(argv[i], ":::") != 0) continue;
    argv[i] = NULL;
    if (last == 15) return 2;
    commands[++last].words = argv + i + 1;
  }
  for (int i = 0; i <= last; i++) commands[i].runs = calloc(count, sizeof(struct run));

  if (strcmp(argv[1], "together") == 0) {
    measure_together(&commands[0], count);
  } else {
    struct command *order[16];
    for (int i = 0; i <= last; i++) order[i] = &commands[i];
    for (int round = 0; round < count; round++) {
      for (int i = strcmp(argv[1], "shuffled") == 0 ? last : 0; i > 0; i--) {
        int other = rand() % (i + 1);
        struct command *moved = order[i];
        order[i] = order[other], order[other] = moved;
      }
      for (int i = 0; i <= last; i++) measure(order[i]);
    }
  }
  for (int i = 0; i <= last; i++) print(&commands[i]);
}
