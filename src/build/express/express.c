/*
 * What every SDK asks, answered before Bun starts: the words of ../../client/express.ts, under the same conditions. The
 * linker (../express.ts) makes this the entry point. What is not answered here goes on to Bun's own entry, with
 * stack and registers as the kernel left them. Freestanding: no libc, no relocations, no writable data. A length that
 * comes from outside is compared with what is there before it is used; only bytes of a whole frame are written.
 */
#include <asm/errno.h>
#include <asm/poll.h>
#include <asm/socket.h>
#include <asm/stat.h>
#include <asm/unistd.h>
#include <linux/auxvec.h>
#include <linux/fcntl.h>
#include <linux/stat.h>
#include <linux/time.h>
#include <linux/un.h>
#include "table.h"

typedef unsigned char u8; typedef unsigned long u64;
/* socket(2), with SOCK_CLOEXEC; send(2); memfd_create(2). */
enum { AF_UNIX = 1, SOCK_STREAM = 1 | 02000000, MSG_NOSIGNAL = 0x4000, MFD_CLOEXEC = 1, LONGEST_PATH = 512 };

/* At offset 8 of the code stands the address to go on at, which the linker writes. */
#if defined(__x86_64__)
__asm__(".section .text.start,\"ax\"\n.globl _start, go_on\n_start: jmp 1f\n.balign 8\ngo_on: .quad 0\n"
        "1: mov %rsp, %rdi\nand $-16, %rsp\ncall express\nud2\n.text\n");
#define GO_ON "mov %0, %%rsp\nmov go_on(%%rip), %%rax\nmov %%rax, -8(%%rsp)\n.irp r,eax,ebx,ecx,edx,esi,edi,ebp,r8d,r9d,r10d," \
  "r11d,r12d,r13d,r14d,r15d\nxor %%\\r, %%\\r\n.endr\njmp *-8(%%rsp)"
static long kernel(long number, long a, long b, long c, long d, long e) {
  register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = 0;
  __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return number;
}
#elif defined(__aarch64__)
__asm__(".section .text.start,\"ax\"\n.globl _start, go_on\n_start: b 1f\nnop\ngo_on: .quad 0\n"
        "1: mov x0, sp\nbl express\nbrk #1\n.text\n");
#define GO_ON "mov sp, %0\nldr x16, go_on\n.irp r,0,1,2,3,4,5,6,7,8,29,30\nmov x\\r, #0\n.endr\nbr x16"
static long kernel(long number, long a, long b, long c, long d, long e) {
  register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = 0;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#endif
static u64 length_of(const char *text) {
  const char *end = text;
  for (; *end; end++);
  return (u64)(end - text);
}
/* What follows `start` in `text`; null if it begins otherwise. */
static const char *after(const char *text, const char *start) {
  while (*start && *text == *start) text++, start++;
  return *start ? 0 : text;
}
static int equals(const char *one, const char *other) { return after(one, other) && !*after(one, other); }
/* In a list each word ends with a zero byte, the list with an empty word. */
static int is_among(const char *list, const char *word) {
  while (*list && !equals(word, list)) list += length_of(list) + 1;
  return *list != 0;
}

struct answer { u8 *bytes; u64 room, length; int socket; };
struct question { int is_export; const char *socket, *name, *usual_socket, *home, *keyhole_home; };
/* Only words that are certain: long and short spellings with a separate value, each once. */
static int read_words(char **words, struct question *question) {
  const char *format = 0;
  for (; *words; words++) {
    if (!question->is_export && equals(*words, EXPORT) && ++question->is_export) continue;
    const char **slot = is_among(SOCKET_WORDS, *words) ? &question->socket : 0;
    if (question->is_export && is_among(FORMAT_WORDS, *words)) slot = &format;
    if (question->is_export && is_among(NAME_WORDS, *words)) slot = &question->name;
    if (!slot || *slot || !words[1]) return 0;
    *slot = *++words;
  }
  return question->is_export ? format && equals(format, FORMAT) : !question->socket;
}

/* False if the path of `length` bytes of `first`, and `second`, does not fit. */
static int join(char *path, const char *first, u64 length, const char *second) {
  if (length + length_of(second) >= LONGEST_PATH) return 0;
  for (u64 at = 0; at < length; at++) path[at] = first[at];
  while ((path[length++] = *second++));
  return 1;
}

static int is_name_character(u8 c) { return (u8)((c | 32) - 'a') < 26 || (u8)(c - '0') < 10 || c == '_' || c == '-'; }
/* Not statx(2), which some seccomp profiles do not know. */
static int look_at(const char *path, struct stat *to) { return !kernel(__NR_newfstatat, AT_FDCWD, (long)path, (long)to, 0, 0); }

/* Whether `file` lies in the directory of a grant, whose socket `path` is then; -1 where there is no room to find out. */
static int find_grant(const char *file, char *path) {
  struct stat status;
  u64 length = length_of(file);
  while (length > 0 && file[length - 1] != '/') length--;
  if (length == 0 || !join(path, file, length, GRANT_CONFIG)) return length == 0 ? 0 : -1;
  return look_at(path, &status) && status.st_size > 0 && join(path, file, length, GRANT_SOCKET);
}

/* Beside the path that this program was started by (getauxval(3), AT_EXECFN), or beside the file that it is. */
static int find_own_grant(char **environment, char *path) {
  char file[LONGEST_PATH];
  int found;
  while (*environment) environment++;
  for (u64 *entry = (u64 *)environment + 1; entry[0]; entry += 2)
    if (entry[0] == AT_EXECFN && (found = find_grant((const char *)entry[1], path))) return found;
  long length = kernel(__NR_readlinkat, AT_FDCWD, (long)"/proc/self/exe", (long)file, sizeof file - 1, 0);
  file[length > 0 ? length : 0] = 0;
  return length < (long)sizeof file - 1 ? find_grant(file, path) : -1;
}
static u64 u16_at(const u8 *bytes) { return (u64)bytes[0] << 8 | bytes[1]; }
static u64 u32_at(const u8 *bytes) { return u16_at(bytes) << 16 | u16_at(bytes + 2); }

/* Where the line of a whole response begins; 0 for anything else, error replies among it. */
static u64 find_line(const u8 *bytes, u64 length, u8 message) {
  u64 at = 6;
  if (length < at || u32_at(bytes) + 4 != length || bytes[4] != VERSION || bytes[5] != message) return 0;
  /* The config's name, and before it the grant's; then the region, after a byte that says whether there is one. */
  for (int names = message == FETCH ? 2 : 1; names > 0; names--, at += 2 + u16_at(bytes + at))
    if (at + 2 > length) return 0;
  if (at + 3 > length || bytes[at] > 1) return 0;
  at += bytes[at] ? 3 + u16_at(bytes + at + 1) : 1;
  return at + 4 <= length && u32_at(bytes + at) == length - at - 4 ? at + 4 : 0;
}
static long now(void) {
  struct __kernel_timespec time;
  kernel(__NR_clock_gettime, CLOCK_MONOTONIC, (long)&time, 0, 0, 0);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* A connected socket, or the error. */
static int reach(const char *path, long milliseconds) {
  struct sockaddr_un address;
  struct __kernel_old_timeval limit = {milliseconds / 1000, milliseconds % 1000 * 1000};
  u64 length = length_of(path);
  if (length >= sizeof address.sun_path) return -ENAMETOOLONG;
  address.sun_family = AF_UNIX;
  for (u64 at = 0; at <= length; at++) address.sun_path[at] = path[at];
  long socket = kernel(__NR_socket, AF_UNIX, SOCK_STREAM, 0, 0, 0);
  if (socket < 0) return (int)socket;
  /* Bounds connect(2) too, which waits while the daemon's queue is full. */
  kernel(__NR_setsockopt, socket, SOL_SOCKET, SO_SNDTIMEO, (long)&limit, sizeof limit);
  /* Where stdin, stdout or stderr is closed the socket would take its place. */
  long result = socket < 3 ? -EBADF : kernel(__NR_connect, socket, (long)&address, (long)(2 + length + 1), 0, 0);
  if (result == 0) return (int)socket;
  kernel(__NR_close, socket, 0, 0, 0, 0);
  return (int)result;
}

/* Reads until a frame is whole: true. False where the peer closes, the buffer is full or the time is over. */
static int receive(struct answer *answer, long deadline) {
  for (;;) {
    u64 length = answer->length, whole = length < 4 ? 4 : u32_at(answer->bytes) + 4;
    if (length >= 4 && (length >= whole || whole > answer->room)) return length >= whole;
    long left = deadline - now();
    struct __kernel_timespec time = {left / 1000, left % 1000 * 1000000};
    struct pollfd poll = {answer->socket, POLLIN, 0};
    if (left <= 0 || kernel(__NR_ppoll, (long)&poll, 1, (long)&time, 0, 8) != 1) return 0;
    long count = kernel(__NR_read, answer->socket, (long)(answer->bytes + length), (long)(answer->room - length), 0, 0);
    if (count <= 0) return 0;
    answer->length = length + (u64)count;
  }
}

/* Writes to what may be a full pipe that does not wait; what is begun is not begun anew. 0, or the error. */
static long print(int stream, const void *text, u64 length) {
  for (const u8 *from = text; length > 0;) {
    long count = kernel(__NR_write, stream, (long)from, (long)length, 0, 0);
    struct pollfd poll = {stream, POLLOUT, 0};
    if ((count == -EAGAIN && (count = kernel(__NR_ppoll, (long)&poll, 1, 0, 0, 8)) == 1) || count == -EINTR) continue;
    if (count <= 0) return count ? count : -EIO;
    from += count, length -= (u64)count;
  }
  return 0;
}
static long send(int socket, const u8 *request, long length) {
  return kernel(__NR_sendto, socket, (long)request, length, MSG_NOSIGNAL, 0);
}
static const u8 fetch_request[] = {0, 0, 0, 2, VERSION, FETCH};

#ifndef SMALL
static int decides(const char *list, const char *variable) {
  for (const char *value; *list; list += length_of(list) + 1)
    if ((value = after(variable, list)) && *value) return 1;
  return 0;
}
/* False for a second value: a variable that stands there twice may mean one thing here and another to Bun. */
static int take(const char **slot, const char *value) { return !value || (!*slot && (*slot = value)); }
/* Whether both files, where they are named, are those that keyhole gave: beside the config that of credentials. */
static int are_given(const char *config, const char *credentials, const char *given) {
  const char *name = given = given ? given : "";
  if (config && *config && !equals(config, given)) return 0;
  if (!credentials || !*credentials) return 1;
  for (const char *at = given; *at; at++) name = *at == '/' ? at + 1 : name;
  for (; given < name && *given == *credentials; given++) credentials++;
  return given == name && equals(credentials, GIVEN_CREDENTIALS);
}
/* False where the environment decides what is not decided here. */
static int read_environment(char **environment, struct question *question) {
  const char *autostart = 0, *config = 0, *credentials = 0, *given = 0;
  for (const char *variable; (variable = *environment); environment++) {
    if (decides(DECIDING, variable) || (question->name && decides(CHOOSING, variable))) return 0;
    if (!take(&question->home, after(variable, "HOME=")) || !take(&autostart, after(variable, "KEYHOLE_AUTOSTART="))) return 0;
    if (!take(&question->keyhole_home, after(variable, "KEYHOLE_HOME="))) return 0;
    if (!take(&question->usual_socket, after(variable, SOCKET_VARIABLE)) || !take(&config, after(variable, FILE_VARIABLE)) ||
        !take(&credentials, after(variable, CREDENTIALS_VARIABLE)) || !take(&given, after(variable, GIVEN_VARIABLE))) return 0;
  }
  return (!autostart || !*autostart || equals(autostart, "0")) && (!question->name || are_given(config, credentials, given));
}
/* Copies the name of a config. Its length; 0 for what is none. */
static u64 copy_name(u8 *to, const char *name) {
  u64 length = 0;
  for (u8 c; (c = (u8)name[length]); to[length++] = c)
    if (length == LONGEST_NAME || !is_name_character(c)) return 0;
  return length;
}

static unsigned own_user(void) { return (unsigned)kernel(__NR_geteuid, 0, 0, 0, 0, 0); }
/* Asks `path`, and ends where the answer could be printed. Whether the request was taken. */
static int exchange(const char *path, const u8 *request, long length, long milliseconds, struct answer *answer) {
  struct { int pid; unsigned uid, gid; } peer; unsigned size = sizeof peer;
  long deadline = now() + milliseconds;
  if ((answer->socket = reach(path, milliseconds)) < 0) return 0;
  int is_known = !kernel(__NR_getsockopt, answer->socket, SOL_SOCKET, SO_PEERCRED, (long)&peer, (long)&size);
  /* Between its check and connect(2) the file of a control socket may have become another's. */
  if ((request[5] == FETCH || (is_known && peer.uid == own_user())) && send(answer->socket, request, length) == length) {
    u64 line = receive(answer, deadline) ? find_line(answer->bytes, answer->length, request[5]) : 0;
    if (line && !print(1, answer->bytes + line, answer->length - line)) kernel(__NR_exit_group, 0, 0, 0, 0, 0);
    return 1;
  }
  kernel(__NR_close, answer->socket, 0, 0, 0, 0);
  return 0;
}

/* A control socket, which is told a config's name, is the caller's own and open to no other user. */
static void vend(const char *path, const char *name, struct answer *answer) {
  struct stat status;
  u8 request[8 + LONGEST_NAME];
  u64 length = copy_name(request + 8, name);
  if (!length || !look_at(path, &status) || status.st_mode != (S_IFSOCK | 0600) || status.st_uid != own_user()) return;
  request[0] = request[1] = request[2] = request[6] = 0, request[4] = VERSION, request[5] = VEND;
  request[3] = (u8)(4 + length), request[7] = (u8)length;
  if (exchange(path, request, 8 + (long)length, SILENCE, answer)) kernel(__NR_close, answer->socket, 0, 0, 0, 0);
}

/* What a grant sent so far, and its socket: a grant that took a request is never asked twice. False without room for it. */
static int describe(const struct answer *answer, char *text) {
  long memory = kernel(__NR_memfd_create, (long)"answer", MFD_CLOEXEC, 0, 0, 0);
  if (memory < 0) return 0;
  if (kernel(__NR_pwrite64, memory, (long)answer->bytes, (long)answer->length, 0, 0) != (long)answer->length) return 0;
  for (const char *from = ANSWER_VARIABLE; *from;) *text++ = *from++;
  for (long number = answer->socket, at = 19; at-- > 0; number = at == 9 ? memory : number / 10)
    text[at] = at == 9 ? ',' : (char)('0' + number % 10);
  text[19] = 0;
  return 1;
}
/* BUN_JSC_* sets options of the runtime, some of which end it; ANSWER_VARIABLE is this program's own. */
static int is_dropped(const char *variable) { return after(variable, "BUN_JSC_") || after(variable, ANSWER_VARIABLE); }

/* Goes on with the stack as it was, or below it with a copy in which a variable is gone or new. */
static _Noreturn void hand_over(u64 *stack, char **environment, const struct answer *answer) {
  char text[64];
  int is_added = answer && describe(answer, text), is_changed = is_added;
  u64 *end = (u64 *)environment, *auxiliary, *from = stack;
  for (; *end; end++) is_changed |= is_dropped((char *)*end);
  for (auxiliary = end + 1; auxiliary[0]; auxiliary += 2);
  u64 copy[(u64)(auxiliary + 2 - stack) + 3];
  u64 *to = stack = is_changed ? (u64 *)(((u64)copy + 15) & ~15UL) : stack; /* A multiple of 16, as the psABIs want. */
  for (; is_changed && from < auxiliary + 2; from++) {
    if (from == end && is_added) *to++ = (u64)text;
    if (from < (u64 *)environment || from >= end || !is_dropped((char *)*from)) *to++ = *from;
  }
  __asm__ volatile(GO_ON : : "r"(stack) : "memory");
  __builtin_unreachable();
}

/* Whether a grant took the request: only what it sends is to be read then. Ends where it can answer. */
static int answer(char **words, char **environment, struct answer *answer) {
  struct question question = {0, 0, 0, 0, 0, 0};
  char path[LONGEST_PATH];
  if (!*words || !read_words(words + 1, &question) || !read_environment(environment, &question)) return 0;
  const char *socket = question.socket, *name = question.name, *home = question.keyhole_home, *rest = HOME_SOCKET;
  if (!socket && question.usual_socket && *question.usual_socket) socket = question.usual_socket;
  int is_beside = !socket && find_own_grant(environment, path), is_named = socket && !name && question.is_export;
  if (is_named) is_named = *socket == '/' && find_grant(socket, path) > 0 && equals(path, socket);
  if ((is_beside > 0 && !name) || is_named) return exchange(path, fetch_request, sizeof fetch_request, FETCH_DEADLINE, answer);
  if (!home || !*home) home = question.home, rest = "/.keyhole" HOME_SOCKET;
  if (!socket && home && *home && join(path, home, length_of(home), rest)) socket = path;
  if (name && !is_beside && socket && *socket == '/') vend(socket, name, answer);
  return 0;
}

/* The first code of the process. `stack` is as the kernel left it: argc, argv, 0, envp, 0, auxv. */
void express(u64 *stack) {
  /* An answer is a line below 8 KiB and two names; for a longer one Bun has the memory. */
  u8 bytes[16384];
  struct answer received = {bytes, sizeof bytes, 0, -1};
  char **words = (char **)stack + 1, **environment = words + stack[0] + 1;
  hand_over(stack, environment, answer(words, environment, &received) ? &received : 0);
}
#endif
