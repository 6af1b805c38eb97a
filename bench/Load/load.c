// The load generator: one thread, one epoll, raw sockets, and none of the toolkit. It keeps messages in flight, checks every
// byte that comes back, and reads the CPU time of the server and its own at the edges of the window that it measures.
//
//   load WORKLOAD PORT PID CONNECTIONS DEPTH SIZE WINDOW_MS LEAST_WARM_UP_MS MOST_WARM_UP_MS
//
//   echo   DEPTH messages in flight on each connection
//   bulk   one way; the server counts, and says at the end how much there was
//   churn  connect, echo, reset; CONNECTIONS at a time
//   idle   each connection echoes once and is held
//   datagrams   as echo, over UDP; one that is lost ends it
//   slow   the first connection echoes, and alone is measured; each of the others sends a byte a second
//
// Compiled with TLS, it speaks TLS 1.3 on each connection, whose handshake is a full one: no session is kept.
//
// It is warm when two windows have agreed within 5 % after the least time, or when the most is over.
//
// It speaks in lines, and waits for a line after each: "ready" when it is warm (or holds its connections), "measured" after the
// window, while all connections are open. The last line is the result as JSON. What must not happen ends it with a message and
// status 1.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

enum { PERIOD = 4093, CHUNK = 256 * 1024, EVENTS = 1024, TIMEOUT_S = 10, CONNECT_BATCH = 128 };
enum { SUB_BUCKETS = 64, BUCKETS = 64 * SUB_BUCKETS };

#define CONNECTIONS_PER_ADDRESS 8000u
#define SECOND 1000000000ull
#define MILLISECOND 1000000ull

enum workload { ECHO, BULK, CHURN, IDLE, SLOW, DATAGRAMS };

// Messages that were sent together.
struct batch {
    uint64_t time;
    uint64_t count;
};

struct connection {
    int fd;
    bool connecting;
    bool shaking;           // in the handshake of what is between it and the socket, if there is anything
    bool wants_writable;
#ifdef TLS
    SSL *tls;
#endif
    uint32_t offset;        // where in the pattern its stream starts
    uint64_t allowed;       // bytes that may have been sent
    uint64_t sent;
    uint64_t received;
    struct batch *batches;  // in flight: a ring of DEPTH
    uint32_t first, used;
};

// What can be read at an edge of a window.
struct edge {
    uint64_t time, requests, bytes, server_cpu, load_cpu, busy, stolen;
};

static enum workload workload;
static struct sockaddr_in server;
static clockid_t server_clock;
static uint32_t connection_count, depth, size;
static struct connection *connections;
static int epoll;
static uint64_t requests, bytes_received;
static uint64_t trickle_start, trickled;
static uint64_t histogram[BUCKETS];

// Every stream is this pattern, over and over, from an offset of its own. It is laid out so that a chunk can start anywhere.
static char pattern[PERIOD + CHUNK];
static char incoming[CHUNK];

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

static uint64_t read_clock(clockid_t clock)
{
    struct timespec time;
    if (clock_gettime(clock, &time) != 0)
        die("the server is gone");
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

static uint64_t now(void) { return read_clock(CLOCK_MONOTONIC); }

static void make_pattern(void)
{
    uint32_t x = 2463534242u;
    for (int i = 0; i < PERIOD; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        pattern[i] = (char)x;
    }
    for (size_t i = PERIOD; i < sizeof pattern; i++)
        pattern[i] = pattern[i - PERIOD];
}

static const char *pattern_at(const struct connection *c, uint64_t position)
{
    return pattern + (c->offset + position) % PERIOD;
}

static void check(const struct connection *c, const char *data, size_t length)
{
    if (memcmp(data, pattern_at(c, c->received), length) != 0)
        die("wrong bytes after %llu", (unsigned long long)c->received);
    if (c->received + length > c->sent)
        die("%llu bytes came back of %llu", (unsigned long long)(c->received + length), (unsigned long long)c->sent);
}

// --- The wire: what is between a connection and its socket ------------------------------------------------------------
//
// Sends and receives like a socket: -1 with EAGAIN when nothing goes, 0 at the end.

static void want_writable(struct connection *c, bool wanted);

#ifdef TLS

static SSL_CTX *context;

static void prepare_wire(void)
{
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1)
        die("OpenSSL has no TLS 1.3");
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static void open_wire(struct connection *c)
{
    c->tls = SSL_new(context);
    SSL_set_fd(c->tls, c->fd);
    SSL_set_tlsext_host_name(c->tls, "localhost");
    SSL_set_connect_state(c->tls);
    c->shaking = true;
}

static void close_wire(struct connection *c) { SSL_free(c->tls); }

static ssize_t result_of(struct connection *c, int n)
{
    if (n > 0)
        return n;
    switch (SSL_get_error(c->tls, n)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        return errno == 0 ? 0 : -1;
    default:
        die("TLS: %s", ERR_reason_error_string(ERR_peek_error()));
    }
}

// Whether the handshake is done.
static bool shake_hands(struct connection *c)
{
    int n = SSL_do_handshake(c->tls);
    if (n == 1) {
        c->shaking = false;
        return true;
    }
    if (result_of(c, n) == 0 || errno != EAGAIN)
        die("the server ended a handshake");
    want_writable(c, SSL_want_write(c->tls));
    return false;
}

static ssize_t wire_send(struct connection *c, const void *data, size_t length)
{
    return result_of(c, SSL_write(c->tls, data, (int)length));
}

static ssize_t wire_receive(struct connection *c, void *data, size_t length)
{
    return result_of(c, SSL_read(c->tls, data, (int)length));
}

#else

static void prepare_wire(void) { }
static void open_wire(struct connection *c) { c->shaking = false; }
static void close_wire(struct connection *c) { (void)c; }
static bool shake_hands(struct connection *c) { return !c->shaking; }

static ssize_t wire_send(struct connection *c, const void *data, size_t length)
{
    return send(c->fd, data, length, MSG_NOSIGNAL);
}

static ssize_t wire_receive(struct connection *c, void *data, size_t length)
{
    return recv(c->fd, data, length, 0);
}

#endif

// --- Latencies: a histogram with buckets of 1.6 % ---------------------------------------------------------------------

static unsigned bucket_of(uint64_t value)
{
    if (value < SUB_BUCKETS)
        return (unsigned)value;
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - 6;
    return (shift + 1) * SUB_BUCKETS + (unsigned)((value >> shift) - SUB_BUCKETS);
}

static double middle_of(unsigned bucket)
{
    if (bucket < SUB_BUCKETS)
        return bucket;
    unsigned shift = bucket / SUB_BUCKETS - 1;
    return ((double)(bucket % SUB_BUCKETS + SUB_BUCKETS) + 0.5) * (double)(1ull << shift);
}

static double quantile_us(double share)
{
    uint64_t total = 0, seen = 0;
    for (unsigned i = 0; i < BUCKETS; i++)
        total += histogram[i];
    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += histogram[i];
        if (seen > 0 && (double)seen >= share * (double)total)
            return middle_of(i) / 1000;
    }
    return 0;
}

// --- Connections ------------------------------------------------------------------------------------------------------

static void watch(struct connection *c, int operation, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = c };
    if (epoll_ctl(epoll, operation, c->fd, &event) != 0)
        die("epoll_ctl: %s", strerror(errno));
}

static void want_writable(struct connection *c, bool wanted)
{
    if (c->wants_writable == wanted)
        return;
    c->wants_writable = wanted;
    watch(c, EPOLL_CTL_MOD, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static int open_socket(int flags)
{
    int one = 1;
    int type = workload == DATAGRAMS ? SOCK_DGRAM : SOCK_STREAM;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | flags, 0);
    if (fd < 0)
        die("socket: %s", strerror(errno));
    if (workload != DATAGRAMS)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

// The kernel searches for a free port, for milliseconds once half of those of an address are taken. So thousands of connections
// come from several addresses of the loopback range.
static void spread_source(struct connection *c)
{
    uint32_t address = (uint32_t)(c - connections) / CONNECTIONS_PER_ADDRESS;
    if (address == 0)
        return;
    int one = 1;
    struct sockaddr_in source = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + address) };
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(c->fd, (struct sockaddr *)&source, sizeof source) != 0)
        die("bind: %s", strerror(errno));
}

static void connect_blocking(struct connection *c)
{
    struct timeval timeout = { .tv_sec = TIMEOUT_S };
    c->fd = open_socket(0);
    spread_source(c);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    if (connect(c->fd, (struct sockaddr *)&server, sizeof server) != 0)
        die("connect: %s", strerror(errno));
    open_wire(c);
    if (!shake_hands(c))
        die("the server does not answer the handshake");
}

static void send_allowed(struct connection *c)
{
    uint64_t most = workload == DATAGRAMS ? size : CHUNK;
    while (c->sent < c->allowed) {
        uint64_t length = c->allowed - c->sent;
        ssize_t n = wire_send(c, pattern_at(c, c->sent), length < most ? length : most);
        if (n < 0) {
            if (errno == EAGAIN)
                break;
            die("send: %s", strerror(errno));
        }
        c->sent += (uint64_t)n;
    }
    want_writable(c, workload == BULK || c->sent < c->allowed);
}

static void send_messages(struct connection *c, uint64_t count, uint64_t time)
{
    c->batches[(c->first + c->used++) % depth] = (struct batch){ time, count };
    c->allowed += count * size;
    send_allowed(c);
}

static void note_latencies(struct connection *c, uint64_t count, uint64_t time)
{
    requests += count;
    while (count > 0) {
        struct batch *oldest = &c->batches[c->first];
        uint64_t taken = count < oldest->count ? count : oldest->count;
        histogram[bucket_of(time - oldest->time)] += taken;
        oldest->count -= taken;
        count -= taken;
        if (oldest->count == 0) {
            c->first = (c->first + 1) % depth;
            c->used--;
        }
    }
}

static void begin_newcomer(struct connection *c)
{
    c->fd = open_socket(SOCK_NONBLOCK);
    c->connecting = true;
    c->wants_writable = true;
    c->allowed = c->sent = c->received = 0;
    c->first = c->used = 0;
    c->batches[0] = (struct batch){ now(), 1 };
    c->used = 1;
    if (connect(c->fd, (struct sockaddr *)&server, sizeof server) != 0 && errno != EINPROGRESS)
        die("connect: %s", strerror(errno));
    watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

// By a reset, which leaves no port behind that waits.
static void end_newcomer(struct connection *c)
{
    struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close_wire(c);
    close(c->fd);
    begin_newcomer(c);
}

static void receive_echo(struct connection *c)
{
    ssize_t n = wire_receive(c, incoming, sizeof incoming);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        die("the server ended a connection: %s", n == 0 ? "end of stream" : strerror(errno));
    if (workload == DATAGRAMS && n != (ssize_t)size)
        die("a datagram of %zd bytes came back", n);

    check(c, incoming, (size_t)n);
    uint64_t complete = (c->received + (uint64_t)n) / size - c->received / size;
    c->received += (uint64_t)n;
    bytes_received += (uint64_t)n;
    if (complete == 0 || (workload == SLOW && c != connections))
        return;

    uint64_t time = now();
    note_latencies(c, complete, time);
    if (workload == CHURN)
        end_newcomer(c);
    else
        send_messages(c, complete, time);
}

static void on_event(struct connection *c, uint32_t events)
{
    if (c->connecting) {
        int error = 0;
        socklen_t length = sizeof error;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error != 0)
            die("connect: %s", strerror(error));
        c->connecting = false;
        open_wire(c);
        c->allowed = size;
    }
    if (c->shaking) {
        if (!shake_hands(c))
            return;
        send_allowed(c);
    }
    if (events & EPOLLOUT) {
        if (workload == BULK)
            c->allowed += CHUNK;
        send_allowed(c);
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        receive_echo(c);
}

// The slow ones, one after the other, so that each has its turn once a second. There is always something to wake for.
static void trickle(void)
{
    uint32_t slow = connection_count - 1;
    uint64_t due = (uint64_t)((double)(now() - trickle_start) / SECOND * slow);
    for (; trickled < due; trickled++) {
        struct connection *c = &connections[1 + trickled % slow];
        c->allowed++;
        send_allowed(c);
    }
}

static void run_for(uint64_t duration)
{
    struct epoll_event events[EVENTS];
    uint64_t start = now();
    while (now() - start < duration) {
        int count = epoll_wait(epoll, events, EVENTS, 100);
        if (count < 0 && errno != EINTR)
            die("epoll_wait: %s", strerror(errno));
        for (int i = 0; i < count; i++)
            on_event(events[i].data.ptr, events[i].events);
        if (workload == SLOW)
            trickle();
    }
}

// --- Windows ----------------------------------------------------------------------------------------------------------

// What the machine did, whoever asked for it: without it, nobody knows whether the window was quiet.
static void read_machine(uint64_t *busy, uint64_t *stolen)
{
    unsigned long long user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, soft_irq = 0, steal = 0;
    FILE *file = fopen("/proc/stat", "re");
    if (file != NULL) {
        if (fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu",
                &user, &nice, &system, &idle, &wait, &irq, &soft_irq, &steal) != 8)
            steal = 0;
        fclose(file);
    }
    uint64_t tick = SECOND / (uint64_t)sysconf(_SC_CLK_TCK);
    *busy = (user + nice + system + irq + soft_irq) * tick;
    *stolen = steal * tick;
}

// Of a one-way stream, what the server's side has taken.
static uint64_t bytes_taken(void)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < connection_count; i++) {
        int queued = 0;
        ioctl(connections[i].fd, SIOCOUTQ, &queued);
        total += connections[i].sent - (uint64_t)queued;
    }
    return total;
}

static struct edge read_edge(void)
{
    struct edge edge = { .requests = requests, .bytes = workload == BULK ? bytes_taken() : bytes_received };
    edge.time = now();
    edge.server_cpu = read_clock(server_clock);
    edge.load_cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    read_machine(&edge.busy, &edge.stolen);
    return edge;
}

static double requests_between(const struct edge *from, const struct edge *to)
{
    return workload == BULK ? (double)(to->bytes - from->bytes) / size : (double)(to->requests - from->requests);
}

static double rate_of(const struct edge *from, const struct edge *to)
{
    return requests_between(from, to) / (double)(to->time - from->time);
}

static double cost_of(const struct edge *from, const struct edge *to)
{
    return (double)(to->server_cpu - from->server_cpu) / requests_between(from, to);
}

static bool agree(double a, double b) { return a < b * 1.05 && b < a * 1.05; }

static bool warm_up(uint64_t window, uint64_t least, uint64_t most, int *windows)
{
    double rate = 0, cost = 0;
    uint64_t start = now(), elapsed;
    do {
        struct edge from = read_edge();
        run_for(window);
        struct edge to = read_edge();
        if (requests_between(&from, &to) == 0)
            die("nothing came back within a window");
        ++*windows;
        elapsed = to.time - start;
        bool settled = agree(rate, rate_of(&from, &to)) && agree(cost, cost_of(&from, &to));
        rate = rate_of(&from, &to);
        cost = cost_of(&from, &to);
        if (settled && elapsed >= least)
            return true;
    } while (elapsed < most);
    return false;
}

// Whoever started us may look at the server now, and says when to go on.
static void halt(const char *where)
{
    char line[16];
    puts(where);
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL)
        die("nobody listens");
}

static double seconds(uint64_t duration) { return (double)duration / (double)SECOND; }

static void measure(uint64_t window, uint64_t least, uint64_t most)
{
    int windows = 0;
    bool settled = warm_up(window, least, most, &windows);
    struct edge paused = read_edge();
    halt("ready");
    run_for(50 * MILLISECOND); // what piled up meanwhile is not measured

    memset(histogram, 0, sizeof histogram);
    struct edge from = read_edge();
    run_for(window);
    struct edge to = read_edge();
    halt("measured");

    uint64_t ours = to.server_cpu - from.server_cpu + to.load_cpu - from.load_cpu;
    uint64_t busy = to.busy - from.busy;
    printf("{\"seconds\":%.6f,\"requests\":%.3f,\"requestsSincePause\":%.3f,\"bytes\":%llu,\"serverCpu\":%.9f,"
        "\"loadCpu\":%.9f,\"p50\":%.3f,\"p99\":%.3f,\"warmUps\":%d,\"settled\":%s,\"stolen\":%.3f,\"others\":%.3f}\n",
        seconds(to.time - from.time), requests_between(&from, &to), requests_between(&paused, &to),
        (unsigned long long)(to.bytes - from.bytes), seconds(to.server_cpu - from.server_cpu),
        seconds(to.load_cpu - from.load_cpu), quantile_us(0.5), quantile_us(0.99), windows, settled ? "true" : "false",
        seconds(to.stolen - from.stolen), seconds(busy > ours ? busy - ours : 0));
}

// --- Workloads --------------------------------------------------------------------------------------------------------

static void open_all(void)
{
    for (uint32_t i = 0; i < connection_count; i++) {
        struct connection *c = &connections[i];
        connect_blocking(c);
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        c->wants_writable = workload == BULK;
        watch(c, EPOLL_CTL_ADD, workload == BULK ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
}

static void receive_exactly(struct connection *c, void *data, size_t length)
{
    for (size_t had = 0; had < length;) {
        ssize_t n = wire_receive(c, (char *)data + had, length - had);
        if (n <= 0)
            die("%zu of %zu bytes came back: %s", had, length, n < 0 ? strerror(errno) : "end of stream");
        had += (size_t)n;
    }
}

// At the end of a one-way stream the server says how many bytes it has had.
static void check_counts(void)
{
    for (uint32_t i = 0; i < connection_count; i++) {
        struct connection *c = &connections[i];
        uint64_t counted = 0;
        fcntl(c->fd, F_SETFL, 0); // without TLS: nobody counts a stream that is encrypted
        shutdown(c->fd, SHUT_WR);
        receive_exactly(c, &counted, sizeof counted);
        if (counted != c->sent)
            die("the server had %llu bytes of %llu", (unsigned long long)counted, (unsigned long long)c->sent);
    }
}

static void echo_once(uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i < last; i++) {
        struct connection *c = &connections[i];
        if (wire_send(c, pattern_at(c, c->sent), size) != (ssize_t)size)
            die("send: %s", strerror(errno));
        c->sent += size;
    }
    for (uint32_t i = first; i < last; i++) {
        struct connection *c = &connections[i];
        receive_exactly(c, incoming, size);
        check(c, incoming, size);
        c->received += size;
    }
}

static void hold_idle(void)
{
    for (uint32_t first = 0; first < connection_count; first += CONNECT_BATCH) {
        uint32_t last = first + CONNECT_BATCH < connection_count ? first + CONNECT_BATCH : connection_count;
        for (uint32_t i = first; i < last; i++)
            connect_blocking(&connections[i]);
        echo_once(first, last);
    }
    halt("ready");
    echo_once(0, connection_count); // they live
    puts("{}");
}

int main(int count, char **arguments)
{
    static const char *const names[] = { "echo", "bulk", "churn", "idle", "slow", "datagrams" };
    if (count != 10)
        die("load WORKLOAD PORT PID CONNECTIONS DEPTH SIZE WINDOW_MS LEAST_WARM_UP_MS MOST_WARM_UP_MS");
    while (workload <= DATAGRAMS && strcmp(arguments[1], names[workload]) != 0)
        workload++;
    if (workload > DATAGRAMS)
        die("no workload is called %s", arguments[1]);
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(arguments[2]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (clock_getcpuclockid(atoi(arguments[3]), &server_clock) != 0)
        die("there is no process %s", arguments[3]);
    connection_count = (uint32_t)atoi(arguments[4]);
    depth = (uint32_t)atoi(arguments[5]);
    size = (uint32_t)atoi(arguments[6]);
    uint64_t window = (uint64_t)atoi(arguments[7]) * MILLISECOND;
    uint64_t least = (uint64_t)atoi(arguments[8]) * MILLISECOND;
    uint64_t most = (uint64_t)atoi(arguments[9]) * MILLISECOND;
    if (workload == IDLE && size > sizeof incoming)
        die("an idle connection echoes one small message");

    struct rlimit descriptors;
    getrlimit(RLIMIT_NOFILE, &descriptors);
    descriptors.rlim_cur = descriptors.rlim_max;
    setrlimit(RLIMIT_NOFILE, &descriptors);

    make_pattern();
    prepare_wire();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    connections = calloc(connection_count, sizeof *connections);
    for (uint32_t i = 0; i < connection_count; i++) {
        connections[i].offset = i * 97 % PERIOD;
        connections[i].batches = calloc(depth, sizeof(struct batch));
    }

    switch (workload) {
    case ECHO:
    case DATAGRAMS:
        open_all();
        for (uint32_t i = 0; i < connection_count; i++)
            send_messages(&connections[i], depth, now());
        measure(window, least, most);
        break;
    case SLOW:
        if (connection_count < 2)
            die("slow connections are those after the first");
        open_all();
        trickle_start = now();
        send_messages(&connections[0], depth, now());
        measure(window, least, most);
        break;
    case BULK:
        open_all();
        measure(window, least, most);
        check_counts();
        break;
    case CHURN:
        for (uint32_t i = 0; i < connection_count; i++)
            begin_newcomer(&connections[i]);
        measure(window, least, most);
        break;
    case IDLE:
        hold_idle();
        break;
    }
    return 0;
}
