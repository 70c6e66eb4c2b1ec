// The least that a client can be: one Vend (src/wire/PROTOCOL.md#vend-2), its line on stdout. What a warm `export` is
// measured against; what lies between the two is the price of the runtime. Built with `gcc -O2 -static`.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static unsigned char frame[1 << 20];

static void die(const char *what) {
  perror(what);
  _exit(1);
}

static uint32_t get32(const unsigned char *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint16_t get16(const unsigned char *at) { return (uint16_t)(at[0] << 8 | at[1]); }

int main(int argc, char **argv) {
  if (argc != 3 || strlen(argv[2]) > 255) {
    fputs("usage: client SOCKET NAME\n", stderr);
    return 2;
  }
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) die("connect");

  size_t name = strlen(argv[2]);
  unsigned char request[8 + 255] = {0, 0, (4 + name) >> 8, (4 + name) & 255, 1, 2, 0, name};
  memcpy(request + 8, argv[2], name);
  if (write(fd, request, 8 + name) != (ssize_t)(8 + name)) die("write");

  size_t held = 0;
  while (held < 4 || held < 4 + get32(frame)) {
    ssize_t got = read(fd, frame + held, sizeof frame - held);
    if (got <= 0) die("read");
    held += got;
  }
  if (frame[5] != 2) {
    fputs("the daemon refused\n", stderr);
    return 1;
  }
  unsigned char *at = frame + 6;
  at += 2 + get16(at);                      // config
  at += *at == 0 ? 1 : 3 + get16(at + 1);   // optional region
  uint32_t length = get32(at);
  return write(1, at + 4, length) == (ssize_t)length ? 0 : 1;
}
