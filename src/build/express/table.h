/* Made by make.ts of the table in ../../client/express.ts. */
#define EXPORT "export"
#define FORMAT "credential-process"
#define SOCKET_WORDS "--socket-path\0" \
  "-sp\0"
#define FORMAT_WORDS "--format\0" \
  "-f\0"
#define NAME_WORDS "--name\0" \
  "-n\0"
#define DECIDING "KEYHOLE_AUTOSTART_ONCE=\0" \
  "KEYHOLE_CHAIN=\0" \
  "KEYHOLE_CLIENT_TIMEOUT=\0" \
  "KEYHOLE_CONFIG_DIR=\0" \
  "KEYHOLE_DISABLE=\0" \
  "KEYHOLE_LOGGING_PATH=\0" \
  "KEYHOLE_MAX_DAEMON_CACHE_SIZE=\0" \
  "KEYHOLE_MAX_UNIX_SOCKET_CONNECTIONS=\0" \
  "KEYHOLE_SOCKET_DIR_MODE=\0" \
  "KEYHOLE_SOCKET_MODE=\0"
#define CHOOSING "AWS_ENDPOINT_URL=\0" \
  "AWS_ENDPOINT_URL_STS=\0" \
  "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=\0"
#define GRANT_SOCKET "sock"
#define GRANT_CONFIG "aws-config"
#define HOME_SOCKET "/sock/daemon.sock"
#define ANSWER_VARIABLE "KEYHOLE_ANSWER="
enum { VERSION = 1, VEND = 2, FETCH = 15, ERROR = 255, LONGEST_NAME = 128, SILENCE = 250, FETCH_DEADLINE = 20000 };
