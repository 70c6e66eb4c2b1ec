/*
 * fuzz SECONDS SEED: what express.c, or with -DSMALL small.c, makes of argv, environment, paths and frames that nobody
 * meant, under the sanitizers of the compiler: every text and frame lies in memory of exactly its size. Prints how many
 * it tried.
 */
/* Not libc's headers: some define what Linux's define. */
void *malloc(unsigned long), *memcpy(void *, const void *, unsigned long), free(void *), abort(void);
int memcmp(const void *, const void *, unsigned long), socketpair(int, int, int, int *), close(int), printf(const char *, ...);
unsigned long strlen(const char *), strtoul(const char *, char **, int);
long write(int, const void *, unsigned long), read(int, void *, unsigned long), atol(const char *);
int fork(void), waitpid(int, int *, int), fcntl(int, int, ...), siginterrupt(int, int);
unsigned ualarm(unsigned, unsigned);
void (*signal(int, void (*)(int)))(int), _exit(int);
#ifdef SMALL
#undef SMALL
#include "../../../src/build/express/small.c"
#else
#include "../../../src/build/express/express.c"
#endif

static u64 state;
static u64 draw(u64 limit) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state % limit;
}

static const char *const known[] = {
  "export", "--socket-path", "-sp", "--format", "-f", "credential-process", "--name", "-n", "dev", "", "--", "json", "/s", "s",
  "HOME=/h", "HOME=", "KEYHOLE_HOME=/k", "KEYHOLE_SOCKET=/s", "KEYHOLE_SOCKET=", "KEYHOLE_AUTOSTART=0", "KEYHOLE_AUTOSTART=1",
  "KEYHOLE_CHAIN=", "KEYHOLE_CHAIN=x", "AWS_ENDPOINT_URL=", "AWS_ENDPOINT_URL=x", "KEYHOLE_DISABLE", "BUN_JSC_x=1", "=", "A",
  "AWS_CONFIG_FILE=/r/c", "AWS_SHARED_CREDENTIALS_FILE=/r/credentials", "KEYHOLE_SOURCE_GIVEN=/r/c", "KEYHOLE_SOURCE_GIVEN="
};

static char *text(void) {
  const char *word = known[draw(sizeof known / sizeof *known)];
  u64 length = draw(4) ? strlen(word) : draw(draw(50) ? 140 : 9000);
  char *made = malloc(length + 1);
  for (u64 at = 0; at < length; at++) made[at] = at < strlen(word) && draw(8) ? word[at] : (char)(1 + draw(255));
  made[length] = 0;
  return made;
}

#ifdef SMALL
static int is_understood(char **words, char **environment) {
  struct question question = {0, 0, 0, 0, 0, 0};
  char *split[16];
  for (char **variable = environment; *variable; variable++) is_walk(*variable);
  for (char **word = words; *word; word++) is_at_host(*word, strlen(*word));
  return split_words(words, split) && read_words(split, &question);
}
#else
static int is_understood(char **words, char **environment) {
  struct question question = {0, 0, 0, 0, 0, 0};
  u8 *name = malloc(LONGEST_NAME);
  int result = read_words(words, &question) && read_environment(environment, &question);
  u64 length = question.name ? copy_name(name, question.name) : 0;
  if (length && (length > LONGEST_NAME || length != strlen(question.name) || memcmp(name, question.name, length))) abort();
  free(name);
  if (result && words[0] && !words[1]) abort();
  return result;
}
#endif

static void try_words(void) {
  char *words[9], *environment[9];
  u64 count = draw(9), variables = draw(9);
  for (u64 at = 0; at < count; at++) words[at] = text();
  for (u64 at = 0; at < variables; at++) environment[at] = text();
  words[count] = environment[variables] = 0;
  is_understood(words, environment);
  for (u64 at = 0; at < count; at++) free(words[at]);
  for (u64 at = 0; at < variables; at++) free(environment[at]);
}

static void try_path(void) {
  char *path = malloc(LONGEST_PATH), *file = text(), *rest = text();
  find_grant(file, path);
  join(path, file, length_of(file), rest);
  free(path), free(file), free(rest);
}

/* A response, whole or with some bytes changed, or its length. */
static u8 *frame(u64 *size, u64 *expected, u8 message) {
  u64 first = draw(200), second = message == FETCH ? 2 + draw(200) : 0, region = draw(2) ? 2 + draw(40) : 0, line = draw(2000);
  u64 length = 6 + 2 + first + second + 1 + region + 4 + line, at = 0;
  u8 *bytes = malloc(length + 1);
  u64 body = length - 4;
  bytes[at++] = 0, bytes[at++] = (u8)(body >> 16), bytes[at++] = (u8)(body >> 8), bytes[at++] = (u8)body;
  bytes[at++] = VERSION, bytes[at++] = message;
  bytes[at++] = (u8)(first >> 8), bytes[at++] = (u8)first;
  for (u64 end = at + first; at < end;) bytes[at++] = 'a';
  if (second) {
    bytes[at++] = (u8)((second - 2) >> 8), bytes[at++] = (u8)(second - 2);
    for (u64 end = at + second - 2; at < end;) bytes[at++] = 'b';
  }
  bytes[at++] = region != 0;
  if (region) {
    bytes[at++] = (u8)((region - 2) >> 8), bytes[at++] = (u8)(region - 2);
    for (u64 end = at + region - 2; at < end;) bytes[at++] = 'r';
  }
  bytes[at++] = 0, bytes[at++] = (u8)(line >> 16), bytes[at++] = (u8)(line >> 8), bytes[at++] = (u8)line;
  while (at < length) bytes[at++] = 'l';
  *size = length, *expected = length - line;
  return bytes;
}

static void try_frame(void) {
  u8 message = draw(2) ? VEND : FETCH;
  u64 size, expected;
  u8 *bytes = frame(&size, &expected, message);
  int is_changed = draw(4) != 0;
  if (!is_changed && find_line(bytes, size, message) != expected) abort();
  for (u64 changes = is_changed ? 1 + draw(6) : 0; changes > 0; changes--) bytes[draw(draw(3) || size < 20 ? size : 20)] = (u8)draw(256);
  u64 cut = draw(3) ? size : draw(size + 1);
  u8 *exact = malloc(cut ? cut : 1);
  memcpy(exact, bytes, cut);
  u64 line = find_line(exact, cut, message);
  if (line && (line < 13 || line > cut || u32_at(exact + line - 4) != cut - line || u32_at(exact) + 4 != cut)) abort();
  if (draw(64) == 0) {
    int ends[2];
    if (socketpair(AF_UNIX, 1, 0, ends) != 0) abort();
    struct answer *answer = malloc(sizeof *answer);
    answer->room = draw(2) ? 65536 : 4 + draw(3000), answer->bytes = malloc(answer->room);
    answer->length = 0, answer->socket = ends[0];
    if (write(ends[1], exact, cut) != (long)cut) abort();
    close(ends[1]);
    int is_whole = receive(answer, now() + 1000);
    if (answer->length > cut || memcmp(answer->bytes, exact, answer->length) != 0) abort();
    if (is_whole && (answer->length < 4 || u32_at(answer->bytes) + 4 > answer->length)) abort();
    close(ends[0]);
    free(answer->bytes), free(answer);
  }
  free(exact), free(bytes);
}

static void ignore(int number) { (void)number; }

/* An answer goes once, byte by byte, through a pipe that is full most of the time, while signals interrupt each call. */
static void try_print(void) {
  int ends[2], status;
  u64 length = 1 + draw(400000);
  u8 *bytes = malloc(length), got[4096];
  for (u64 at = 0; at < length; at++) bytes[at] = (u8)(at * 31 >> 3);
  if (socketpair(AF_UNIX, 1, 0, ends) != 0) abort();
  int child = fork();
  if (child == 0) {
    close(ends[0]);
    u64 at = 0;
    for (long count; (count = read(ends[1], got, 1 + draw(sizeof got))) > 0; at += (u64)count)
      if (at + (u64)count > length || memcmp(got, bytes + at, (u64)count) != 0) _exit(1);
    _exit(at != length);
  }
  close(ends[1]);
  /* O_NONBLOCK */
  if (draw(2)) fcntl(ends[0], F_SETFL, 04000);
  /* SIGALRM */
  signal(14, ignore), siginterrupt(14, 1), ualarm(100, 100);
  long error = print(ends[0], bytes, length);
  ualarm(0, 0);
  close(ends[0]);
  if (error || waitpid(child, &status, 0) != child || status != 0) abort();
  free(bytes);
}

#ifdef SMALL
static void try_names(void) {
  u64 size, expected;
  u8 *bytes = frame(&size, &expected, FETCH);
  char *name = text();
  if (find_line(bytes, size, FETCH)) is_named(bytes, name);
  free(name), free(bytes);
}

/* An error reply, mostly UTF-8, whole or with some bytes changed. */
static void try_reply(void) {
  static const char *const texts[] = {"revoked", "\xc3\xa4", "\xe2\x80\xae", "\xf0\x9f\x98\x80", "\n ", "\x1b[m", "\xed\xa0\x80", "\xc2\x85"};
  u64 parts[2] = {draw(60), draw(60)}, at = 8, has_hint = draw(2);
  u8 *bytes = malloc(1024);
  bytes[4] = VERSION, bytes[5] = ERROR, bytes[6] = 0, bytes[7] = (u8)draw(40);
  for (u64 part = 0; part <= has_hint; part++) {
    u64 start = at += 2;
    for (; parts[part] > 0; parts[part]--)
      for (const char *from = texts[draw(sizeof texts / sizeof *texts)]; *from; from++) bytes[at++] = (u8)*from;
    bytes[start - 2] = (u8)((at - start) >> 8), bytes[start - 1] = (u8)(at - start);
    if (part == 0) bytes[at++] = (u8)has_hint;
  }
  for (u64 changes = draw(4); changes > 0; changes--) bytes[6 + draw(at - 6)] = (u8)draw(256);
  u64 cut = draw(3) ? at : draw(at + 1);
  u8 *exact = malloc(cut ? cut : 1);
  memcpy(exact, bytes, cut);
  struct reply reply;
  if (read_reply(exact, cut, &reply)) {
    if (reply.message.bytes + reply.message.length > exact + cut) abort();
    struct output *output = malloc(sizeof *output);
    output->stream = -1, output->length = 0;
    show(output, reply.message.bytes, reply.message.length, "\n  ");
    show(output, reply.hint.bytes, reply.hint.length, " ");
    for (u64 byte = 0; byte < output->length; byte++)
      if (output->bytes[byte] < ' ' && output->bytes[byte] != '\n' && output->bytes[byte] != '\t') abort();
    free(output);
  }
  free(exact), free(bytes);
}
#else
static void try_names(void) {}
static void try_reply(void) {}
#endif

int main(int count, char **words) {
  long seconds = count > 1 ? atol(words[1]) : 1, end = now() + seconds * 1000, tried = 0;
  state = count > 2 ? strtoul(words[2], 0, 10) | 1 : 1;
  for (int at = 0; at < 10; at++) try_print();
  for (; now() < end; tried += 500)
    for (int at = 0; at < 100; at++) try_words(), try_path(), try_frame(), try_names(), try_reply();
  printf("%ld\n", tried);
  return 0;
}
