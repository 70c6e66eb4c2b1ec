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
  "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=\0" \
  "KEYHOLE_SOURCE_AWS_CONFIG_FILE=\0" \
  "KEYHOLE_SOURCE_AWS_SHARED_CREDENTIALS_FILE=\0"
#define FILE_VARIABLE "AWS_CONFIG_FILE="
#define CREDENTIALS_VARIABLE "AWS_SHARED_CREDENTIALS_FILE="
#define GIVEN_VARIABLE "KEYHOLE_SOURCE_GIVEN="
#define GIVEN_CREDENTIALS "credentials"
#define GRANT_SOCKET "sock"
#define GRANT_CONFIG "aws-config"
#define HOME_SOCKET "/sock/daemon.sock"
#define SOCKET_VARIABLE "KEYHOLE_SOCKET="
#define ANSWER_VARIABLE "KEYHOLE_ANSWER="
#define CHAIN_VARIABLE "KEYHOLE_CHAIN="
#define GVISOR "#1 SMP Sun Jan 10 15:06:54 PST 2016"
#define WALK "called by the profile in which keyhole looks for its own source credentials"
#define LOOP 1, "called by the profile in which keyhole looks for its own source credentials", "set Session.profile_name in the config"
#define UNREACHABLE 3, "the daemon does not answer for this grant", "on the host: keyhole daemon start"
#define BLOCKED 8, "this sandbox does not permit Unix sockets", "on the host: keyhole grant add NAME --config CONFIG --deliver file"
#define BLOCKED_AT_HOST 8, "this sandbox does not permit Unix sockets", "on the host: keyhole grant add NAME --config CONFIG --deliver file --mount-at host"
#define GVISOR_BLOCKED 8, "gVisor does not permit Unix sockets of the host", "on the host: runsc --host-uds=open, or keyhole grant add NAME --config CONFIG --deliver file"
#define GVISOR_AT_HOST 8, "gVisor does not permit Unix sockets of the host", "on the host: runsc --host-uds=open, or keyhole grant add NAME --config CONFIG --deliver file --mount-at host"
#define TIMEOUT 7, "no answer came in time", "on the host: keyhole daemon status"
#define MALFORMED 1, "the daemon's answer is not understood here", "on the host: keyhole daemon restart"
#define OTHER_NAME 9, "this grant is for another name than the one given", "keyhole export"
#define CLOSED 1, "stdout is closed", "end the command with >FILE, or with >/dev/null"
#define UNWRITABLE 1, "stdout cannot be written to", "keyhole daemon logs"
#define EXITS {1, 1, 2, 1, 1, 4, 4, 3, 3, 1, 1, 5, 5, 6, 7, 7, 7, 7, 8, 9, 1, 1, 1, 1, 3, 126, 127, 130, 4, 1, 1, 9, 9, 9, 9, 2, 5, 5}
#define HINTS "keyhole daemon logs\0" \
  "keyhole daemon logs\0" \
  "keyhole --help\0" \
  "keyhole config validate\0" \
  "\0" \
  "keyhole config list\0" \
  "keyhole daemon list\0" \
  "keyhole daemon start\0" \
  "keyhole daemon logs\0" \
  "keyhole daemon status\0" \
  "\0" \
  "\0" \
  "aws configure list\0" \
  "\0" \
  "try again in a few seconds\0" \
  "check the network, the proxy and AWS_ENDPOINT_URL_STS\0" \
  "keyhole daemon status\0" \
  "raise AssumeRole.DurationSeconds, and check this machine's clock\0" \
  "keyhole grant add NAME --config CONFIG --deliver file\0" \
  "\0" \
  "\0" \
  "\0" \
  "keyhole daemon restart\0" \
  "keyhole daemon restart\0" \
  "keyhole daemon start\0" \
  "\0" \
  "\0" \
  "\0" \
  "keyhole grant list\0" \
  "keyhole grant list\0" \
  "keyhole grant add --help\0" \
  "ask the owner of this grant for a new one\0" \
  "ask the owner of this grant for a new one\0" \
  "ask the owner of this grant for a new one\0" \
  "ask the owner of this grant to allow it, and try again\0" \
  "keyhole export -n NAME\0" \
  "keyhole daemon restart\0" \
  "keyhole pending\0"
enum { VERSION = 1, VEND = 2, FETCH = 15, ERROR = 255, LONGEST_NAME = 128, SILENCE = 250, FETCH_DEADLINE = 20000, SHUTTING_DOWN = 24, UNSUPPORTED_VERSION = 23, PATIENCE = 2000, ENDED_BY_SIGPIPE = 141 };
