/*
 * The small executable: express.c alone, for the directory of a grant. What the other one hands over is done here, in
 * the words of ../../cli/vending: an error reply is printed, a daemon that is being replaced is asked again, a blocked
 * socket and a name are what they are there. Settings are not read. The linker (../express.ts) writes the address of
 * the version's text where the other one has the address to go on at. No writable data here either.
 */
#define SMALL
#include "express.c"
#include <linux/mman.h>

/* A status, a message and a hint, as the ones that table.h has of the commands' own errors. */
#define OTHER_WORDS 2, "the small executable of a grant answers credential_process alone", \
  "on the host: keyhole grant set NAME --executable full"
#define NO_GRANT 2, "no grant's socket lies beside this executable", "on the host: keyhole grant add NAME --config CONFIG"
#define NO_MEMORY 1, "there is no memory for the answer", "ulimit -v 4096"
#define HELP ", the small executable of a grant\n\n" \
  "usage: keyhole [--socket-path PATH] [export --format credential-process] [--name NAME]\n\n" \
  "Prints the grant's credentials as credential_process wants them. For every other command, on the host:\n" \
  "keyhole grant set NAME --executable full\n"
/* Bytes, and characters of the name of a grant's directory (../../grants/directory.ts). */
enum { LARGEST_FRAME = 1048582, DIRECTORY_NAME = 22 };

/* What is printed, gathered to be one write where it is short. */
struct output { int stream; u64 length; u8 bytes[1024]; };

static void flush(struct output *output) { print(output->stream, output->bytes, output->length), output->length = 0; }
static void put(struct output *output, u8 byte) {
  if (output->length == sizeof output->bytes) flush(output);
  output->bytes[output->length++] = byte;
}
static void put_text(struct output *output, const char *text) { while (*text) put(output, (u8)*text++); }

static _Noreturn void end(int status) { for (;;) kernel(__NR_exit_group, status, 0, 0, 0, 0); }

/* The character at `at`, which is moved behind it; -1 for what is no UTF-8, as the Encoding Standard has it. */
static long next_character(const u8 *text, u64 length, u64 *at) {
  u8 first = text[(*at)++];
  if (first < 0x80) return first;
  u64 more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  if (first < 0xc2 || first > 0xf4 || length - *at < more) return -1;
  long character = first & (0x3f >> more);
  for (u64 left = more; left > 0; left--) {
    u8 byte = text[(*at)++];
    if ((byte & 0xc0) != 0x80) return -1;
    character = character << 6 | (byte & 0x3f);
  }
  int is_short = (more == 2 && character < 0x800) || (more == 3 && character < 0x10000);
  return is_short || character > 0x10ffff || (character >= 0xd800 && character <= 0xdfff) ? -1 : character;
}

static int is_text(const u8 *text, u64 length) {
  for (u64 at = 0; at < length;)
    if (next_character(text, length, &at) < 0) return 0;
  return 1;
}

/* What a terminal would obey, or what would turn the order of a text (../../controls.ts). */
static int is_control(long c) {
  int is_mark = c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
  return (c < 0x20 && c != '\t') || (c >= 0x7f && c < 0xa0) || is_mark;
}

/* What ECMAScript's trimStart() takes off, as far as it is no control. */
static int is_space(long c) {
  int is_wide = c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x202f || c == 0x205f || c == 0x3000 || c == 0xfeff;
  return c == ' ' || c == '\t' || c == 0xa0 || is_wide;
}

/* Text of the daemon's, with controls in their visible form. Behind a newline no space is left. */
static void show(struct output *output, const u8 *text, u64 length, const char *newline) {
  int begins = 0;
  for (u64 at = 0, start; start = at, at < length;) {
    long character = next_character(text, length, &at);
    if (character == '\n') {
      put_text(output, newline);
      begins = *newline == '\n';
    } else if (!begins || !is_space(character)) {
      begins = 0;
      int is_shown = !is_control(character), digits = character > 0xff ? 4 : 2;
      if (!is_shown) put_text(output, digits == 4 ? "\\u" : "\\x");
      for (; !is_shown && digits > 0; digits--) put(output, (u8)"0123456789abcdef"[character >> (4 * digits - 4) & 15]);
      for (; is_shown && start < at; start++) put(output, text[start]);
    }
  }
}

struct text { const u8 *bytes; u64 length; };

static _Noreturn void fail_with(int status, struct text message, struct text hint) {
  struct output output;
  output.stream = 2, output.length = 0;
  put_text(&output, "keyhole: error: ");
  show(&output, message.bytes, message.length, "\n  ");
  if (hint.bytes) put_text(&output, "\nkeyhole: hint: ");
  if (hint.bytes) show(&output, hint.bytes, hint.length, " ");
  put(&output, '\n');
  flush(&output);
  end(status);
}

static struct text text_of(const char *text) { return (struct text){(const u8 *)text, length_of(text)}; }

/* With a row of table.h. */
static _Noreturn void fail(int status, const char *message, const char *hint) {
  fail_with(status, text_of(message), text_of(hint));
}

/* Prints the answer, and ends. */
static _Noreturn void finish(const u8 *bytes, u64 length) {
  long error = print(1, bytes, length);
  if (error == -EPIPE) end(ENDED_BY_SIGPIPE);
  if (error) fail(UNWRITABLE);
  end(0);
}

/* An error reply, as ../../wire has it: number, message, hint or none. Whatever else it is is not understood. */
struct reply { u64 number; struct text message, hint; };
static int read_reply(const u8 *frame, u64 length, struct reply *reply) {
  if (length < 10) return 0;
  u64 size = u16_at(frame + 8), at = 10 + size;
  if (at + 1 > length || frame[at] > 1) return 0;
  reply->number = u16_at(frame + 6);
  reply->message.bytes = frame + 10, reply->message.length = size;
  reply->hint.bytes = 0, reply->hint.length = 0;
  if (frame[at++]) {
    if (at + 2 > length) return 0;
    reply->hint.bytes = frame + at + 2, reply->hint.length = u16_at(frame + at);
    at += 2 + reply->hint.length;
  }
  return at == length && is_text(frame + 10, size) && is_text(reply->hint.bytes, reply->hint.length);
}

/* With the exit status of ../../errors.ts, and its hint where the reply has none. A new number is an internal error. */
static _Noreturn void refuse(const struct reply *reply) {
  static const u8 exits[] = EXITS;
  u64 number = reply->number < sizeof exits ? reply->number : 0;
  const char *hint = HINTS;
  for (u64 skipped = 0; skipped < number; skipped++) hint += length_of(hint) + 1;
  struct text usual = text_of(hint), none = {0, 0};
  fail_with(exits[number], reply->message, reply->hint.bytes ? reply->hint : *hint ? usual : none);
}

/* Whether a grant or its config has this name; find_line() has found the names of both inside of the frame. */
static int is_named(const u8 *frame, const char *name) {
  int is_same = 0;
  for (u64 at = 6, names = 2; names > 0; at += 2 + u16_at(frame + at), names--) {
    u64 size = u16_at(frame + at), same = 0;
    while (same < size && name[same] && (u8)name[same] == frame[at + 2 + same]) same++;
    is_same |= same == size && !name[same];
  }
  return is_same;
}

/* Prints the line of a whole response, or says why there is none. Returns where the daemon is being replaced. */
static void conclude(struct answer *answer, const char *name, struct reply *reply) {
  u64 length = u32_at(answer->bytes) + 4, line = find_line(answer->bytes, length, FETCH);
  if (length >= 6 && answer->bytes[5] == ERROR && read_reply(answer->bytes, length, reply)) {
    if (reply->number == SHUTTING_DOWN) return;
    /* A daemon of another release speaks of versions, in its own. */
    if (reply->number != UNSUPPORTED_VERSION || answer->bytes[4] == VERSION) refuse(reply);
  }
  if (!line) fail(MALFORMED);
  if (name && !is_named(answer->bytes, name)) fail(OTHER_NAME);
  finish(answer->bytes + line, length - line);
}

/* How the kernel, seccomp filters and security modules refuse socket(2) and connect(2). */
static int is_prohibition(long error) {
  return error == -EPERM || error == -EACCES || error == -EOPNOTSUPP || error == -EAFNOSUPPORT || error == -ENOSYS;
}

/* Which refuses with the errno of a socket at which nobody listens. */
static int is_gvisor(void) {
  u8 text[512];
  long file = kernel(__NR_openat, AT_FDCWD, (long)"/proc/version", O_RDONLY | O_CLOEXEC, 0, 0);
  long length = file < 0 ? 0 : kernel(__NR_read, file, (long)text, sizeof text - 1, 0, 0);
  text[length < 0 ? 0 : length] = 0;
  for (const char *from = (const char *)text; *from; from++)
    if (after(from, GVISOR)) return 1;
  return 0;
}

/* Whether a directory has the name that it has on the host; `length` bytes of a path, up to its last slash. */
static int is_at_host(const char *path, u64 length) {
  u64 size = 0;
  for (char c; size < length && (c = path[length - 1 - size]) != '/'; size++)
    if (!is_name_character(c)) return 0;
  return size == DIRECTORY_NAME;
}

/* Than there is room for; an answer is a line below 8 KiB and two names. */
static int is_larger(const struct answer *answer) { return answer->length >= 4 && u32_at(answer->bytes) + 4 > answer->room; }
static void enlarge(struct answer *answer) {
  long memory = kernel(__NR_mmap, 0, LARGEST_FRAME, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  if (memory < 0 && memory > -4096) fail(NO_MEMORY);
  u8 *room = (u8 *)memory;
  for (u64 at = 0; at < answer->length; at++) room[at] = answer->bytes[at];
  answer->bytes = room, answer->room = LARGEST_FRAME;
}

/* Asks the socket of a grant until there is something to say. */
static _Noreturn void fetch(char *path, const char *name, struct answer *answer) {
  u64 slash = length_of(path);
  while (slash > 0 && path[slash] != '/') slash--;
  int is_host = is_at_host(path, slash);
  /* The kernel takes 108 bytes. */
  if (slash > 0 && length_of(path) >= sizeof((struct sockaddr_un *)0)->sun_path) {
    path[slash] = 0;
    if (kernel(__NR_chdir, (long)path, 0, 0, 0, 0)) fail(UNREACHABLE);
    path += slash + 1;
  }
  struct reply reply = {0, {0, 0}, {0, 0}};
  for (long pause = 10, waited = 0;; waited += pause, pause = pause > 50 ? 100 : 2 * pause) {
    long deadline = now() + FETCH_DEADLINE;
    reply.number = 0, answer->length = 0;
    long socket = reach(path, FETCH_DEADLINE);
    if (is_prohibition(socket)) {
      if (is_host) fail(BLOCKED_AT_HOST);
      fail(BLOCKED);
    }
    if (socket >= 0) {
      answer->socket = (int)socket;
      /* A daemon that refuses a peer says so unasked, and does not listen. */
      send(answer->socket, fetch_request, sizeof fetch_request);
      int is_whole = receive(answer, deadline);
      if (!is_whole && is_larger(answer)) enlarge(answer), is_whole = receive(answer, deadline);
      if (is_whole) conclude(answer, name, &reply);
      else if (is_larger(answer)) fail(MALFORMED);
      kernel(__NR_close, socket, 0, 0, 0, 0);
    }
    if (socket == -EAGAIN || now() >= deadline) fail(TIMEOUT);
    if (waited >= PATIENCE) break;
    struct __kernel_timespec time = {0, pause * 1000000};
    kernel(__NR_ppoll, 0, 0, (long)&time, 0, 8);
  }
  struct stat status;
  if (reply.number) refuse(&reply);
  if (look_at(path, &status) && is_gvisor()) {
    if (is_host) fail(GVISOR_AT_HOST);
    fail(GVISOR_BLOCKED);
  }
  fail(UNREACHABLE);
}

/* `--name=VALUE` as two words: the bytes are this process's own. False for more words than any that are understood. */
static int split_words(char **words, char **split) {
  u64 count = 0;
  for (; *words; words++) {
    char *from = *words;
    if (count + 3 > 16) return 0;
    split[count++] = from;
    while (*from && *from != '=') from++;
    if (**words != '-' || !*from) continue;
    *from = 0;
    split[count++] = from + 1;
  }
  split[count] = 0;
  return 1;
}

/* Whether KEYHOLE_CHAIN ends with the mark of a walk (../../loop.ts), which is not to be answered. */
static int is_walk(const char *chain) {
  u64 length = length_of(chain);
  while (length > 0 && chain[length - 1] == ',') length--;
  return length > 0 && chain[length - 1] == '!' && (length == 1 || chain[length - 2] == ',');
}

static _Noreturn void tell(const char *text) {
  extern const char *const go_on __attribute__((visibility("hidden")));
  struct output output;
  output.stream = 1, output.length = 0;
  put_text(&output, "keyhole "), put_text(&output, go_on), put_text(&output, text);
  finish(output.bytes, output.length);
}

/* The first code of the process. `stack` is as the kernel left it: argc, argv, 0, envp, 0, auxv. */
void express(u64 *stack) {
  u8 bytes[8192]; /* Where an answer is longer, enlarge() asks for more. */
  char path[LONGEST_PATH], *split[16], **words = (char **)stack + 1, **environment = words + stack[0] + 1;
  struct question question = {0, 0, 0, 0, 0, 0};
  const char *word = stack[0] == 2 ? words[1] : "", *socket = 0, *value;
  for (char **variable = environment; *variable; variable++) {
    if (!socket && (value = after(*variable, SOCKET_VARIABLE)) && *value) socket = value;
    if (!(value = after(*variable, CHAIN_VARIABLE)) || !is_walk(value)) continue;
    print(1, WALK "\n", sizeof WALK);
    fail(LOOP);
  }
  if (equals(word, "--version")) tell("\n");
  if (equals(word, "--help") || equals(word, "-h")) tell(HELP);
  if (stack[0] > 0 && (!split_words(words + 1, split) || (*split && !read_words(split, &question)))) fail(OTHER_WORDS);
  if (question.socket) socket = question.socket;
  if (!socket && find_own_grant(environment, path) > 0) socket = path;
  if (!socket || !*socket) fail(NO_GRANT);
  if (kernel(__NR_fcntl, 1, F_GETFD, 0, 0, 0) == -EBADF) fail(CLOSED);
  /* No socket that is used takes the place of stdin or stderr where those are closed. */
  long filler = 0;
  while (filler >= 0 && filler < 3) filler = kernel(__NR_socket, AF_UNIX, SOCK_STREAM, 0, 0, 0);
  if (filler >= 0) kernel(__NR_close, filler, 0, 0, 0, 0);
  fetch((char *)socket, question.name, &(struct answer){bytes, sizeof bytes, 0, -1});
}
