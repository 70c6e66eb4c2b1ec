// Asks a daemon, or anything that speaks frames (src/wire/PROTOCOL.md#2-frames), as fast as it answers: a closed loop with
// epoll, one request under way on every connection. In C, so that the load is not what limits the result.
//
//   load SOCKET CONNECTIONS MILLISECONDS kept|fresh < REQUESTS
//
// stdin is whole frames; each request is one of them, chosen at random. `fresh` opens a connection for every request
// and counts that in. Prints a line of JSON: requests, failures (an answer that is not the request's), seconds, and
// percentiles of the latency in microseconds.
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST = 65536, MOST_SAMPLES = 1 << 22 };

struct connection {
  int fd;
  double began;
  unsigned char number; // of the message that was asked
  size_t held;
  unsigned char answer[LARGEST];
};

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static unsigned char *requests;
static size_t *starts;
static size_t request_count;
static float *samples;
static size_t answered, failures;
static int is_fresh, poller;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static size_t size_of(const unsigned char *frame) {
  return 4 + ((size_t)frame[0] << 24 | (size_t)frame[1] << 16 | (size_t)frame[2] << 8 | frame[3]);
}

static void read_requests(void) {
  size_t held = 0, room = 1 << 20, got;
  requests = malloc(room);
  while ((got = fread(requests + held, 1, room - held, stdin)) > 0) {
    held += got;
    if (held == room) requests = realloc(requests, room *= 2);
  }
  starts = malloc((held / 6 + 1) * sizeof *starts);
  for (size_t at = 0; at + 6 <= held; at += size_of(requests + at)) starts[request_count++] = at;
  if (request_count == 0) {
    fputs("no requests on stdin\n", stderr);
    exit(2);
  }
}

/** xorshift: which request comes next. */
static size_t pick(void) {
  static uint64_t state = 88172645463325252u;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return request_count == 1 ? 0 : state % request_count;
}

static void open_connection(struct connection *connection) {
  connection->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection->fd < 0) die("socket");
  // Blocks while the backlog is full, as a client would.
  if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0) die("connect");
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, connection->fd, &event) != 0) die("epoll_ctl");
}

static void ask(struct connection *connection) {
  const unsigned char *request = requests + starts[pick()];
  size_t size = size_of(request);
  connection->began = now();
  connection->number = request[5];
  connection->held = 0;
  if (is_fresh) open_connection(connection);
  if (send(connection->fd, request, size, MSG_NOSIGNAL) != (ssize_t)size) die("send");
}

/** Reads what is there. Returns whether the answer is complete. */
static int receive(struct connection *connection) {
  ssize_t got = recv(connection->fd, connection->answer + connection->held, LARGEST - connection->held, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return 0;
  if (got < 0) die("recv");
  if (got == 0) {
    fputs("the server closed a connection\n", stderr);
    exit(1);
  }
  connection->held += got;
  return connection->held >= 4 && connection->held >= size_of(connection->answer);
}

static void finish(struct connection *connection) {
  if (connection->answer[5] != connection->number || connection->held != size_of(connection->answer)) failures++;
  if (is_fresh) close(connection->fd);
  if (answered < MOST_SAMPLES) samples[answered] = now() - connection->began;
  answered++;
}

static int by_value(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  int count = argc == 5 ? atoi(argv[2]) : 0;
  if (count < 1 || count > 4096) {
    fputs("usage: load SOCKET CONNECTIONS MILLISECONDS kept|fresh < REQUESTS\n", stderr);
    return 2;
  }
  strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
  is_fresh = strcmp(argv[4], "fresh") == 0;
  read_requests();
  samples = malloc(MOST_SAMPLES * sizeof *samples);
  poller = epoll_create1(EPOLL_CLOEXEC);
  struct connection *connections = calloc(count, sizeof *connections);

  if (!is_fresh) for (int i = 0; i < count; i++) open_connection(&connections[i]);
  double began = now(), end = began + atof(argv[3]) * 1e3, time = began;
  for (int i = 0; i < count; i++) ask(&connections[i]);
  for (int open = count; open > 0;) {
    struct epoll_event events[256];
    int ready = epoll_wait(poller, events, 256, 10000);
    if (ready <= 0) {
      fputs("no answer in 10 s\n", stderr);
      return 1;
    }
    time = now();
    for (int i = 0; i < ready; i++) {
      struct connection *connection = events[i].data.ptr;
      if (!receive(connection)) continue;
      finish(connection);
      if (time < end) ask(connection);
      else open--;
    }
  }

  size_t kept = answered < MOST_SAMPLES ? answered : MOST_SAMPLES;
  qsort(samples, kept, sizeof *samples, by_value);
  printf("{\"requests\":%zu,\"failures\":%zu,\"seconds\":%.4f,\"min\":%.1f,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f}\n",
    answered, failures, (time - began) / 1e6, samples[0], samples[kept / 2], samples[kept * 99 / 100], samples[kept - 1]);
}
