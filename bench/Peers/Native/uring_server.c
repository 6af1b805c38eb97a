// The least that a server over io_uring can be, with the choices of the toolkit: one thread, deferred task work, a multishot
// accept, a multishot receive into a ring of buffers that the kernel fills piece by piece, and send(2) at once. What a send
// leaves is copied and sent by the ring, and the connection's receive is cancelled meanwhile.
//
//   uring_server echo|bulk      says "listening PORT", and ends with its standard input

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ENTRIES = 256, COMPLETIONS = 4096, BACKLOG = 4096, BUFFERS = 16, BUFFER_SIZE = 64 * 1024 };
enum { INCREMENTAL = 2, BUFFER_HAS_MORE = 1 << 4 }; // newer than the header
enum work { ACCEPT, RECEIVE, SEND, CANCEL, INPUT };

struct held {
    char *data;
    size_t first, last, room;
    bool sending, receiving, ended;
};

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static char *memory;
static size_t offsets[BUFFERS];
static bool echoes;
static struct held *held;
static uint64_t *counts;

static struct io_uring_sqe *next(void)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring);
    while (!entry) {
        io_uring_submit(&ring);
        entry = io_uring_get_sqe(&ring);
    }
    return entry;
}

static void tag(struct io_uring_sqe *entry, enum work work, int fd)
{
    entry->user_data = (uint64_t)work << 32 | (uint32_t)fd;
}

static void accept_all(int listener)
{
    struct io_uring_sqe *entry = next();
    io_uring_prep_multishot_accept(entry, listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    tag(entry, ACCEPT, listener);
}

static void receive(int fd)
{
    struct io_uring_sqe *entry = next();
    io_uring_prep_recv_multishot(entry, fd, NULL, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = 0;
    tag(entry, RECEIVE, fd);
    held[fd].receiving = true;
}

static void send_held(int fd)
{
    struct held *h = &held[fd];
    struct io_uring_sqe *entry = next();
    io_uring_prep_send(entry, fd, h->data + h->first, h->last - h->first, MSG_NOSIGNAL);
    entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
    tag(entry, SEND, fd);
    h->sending = true;
}

static void provide(int id)
{
    offsets[id] = 0;
    io_uring_buf_ring_add(buffers, memory + (size_t)id * BUFFER_SIZE, BUFFER_SIZE, id, BUFFERS - 1, 0);
    io_uring_buf_ring_advance(buffers, 1);
}

static void end(int fd)
{
    struct held *h = &held[fd];
    if (h->sending || h->receiving) {
        h->ended = true;
        shutdown(fd, SHUT_RDWR);
        return;
    }
    free(h->data);
    *h = (struct held){ 0 };
    close(fd);
}

static void keep(int fd, const char *data, size_t length)
{
    struct held *h = &held[fd];
    if (h->last + length > h->room) // more than can come before the cancellation takes effect
        abort();
    memcpy(h->data + h->last, data, length);
    h->last += length;
}

static void stop_receiving(int fd)
{
    struct io_uring_sqe *entry = next();
    io_uring_prep_cancel64(entry, (uint64_t)RECEIVE << 32 | (uint32_t)fd, 0);
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    tag(entry, CANCEL, fd);
}

static void on_data(int fd, const char *data, size_t length)
{
    struct held *h = &held[fd];
    if (!echoes) {
        counts[fd] += length;
        return;
    }
    ssize_t sent = 0;
    if (h->last == 0) {
        sent = send(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent == (ssize_t)length)
            return;
        if (sent < 0) {
            if (errno != EAGAIN) {
                end(fd);
                return;
            }
            sent = 0;
        }
        h->room = (size_t)BUFFERS * BUFFER_SIZE * 4;
        h->data = malloc(h->room);
        h->first = h->last = 0;
        stop_receiving(fd);
    }
    keep(fd, data + sent, length - (size_t)sent);
    if (!h->sending)
        send_held(fd);
}

static void on_received(int fd, const struct io_uring_cqe *completion)
{
    struct held *h = &held[fd];
    bool more = completion->flags & IORING_CQE_F_MORE;
    if (!more)
        h->receiving = false;
    if (completion->flags & IORING_CQE_F_BUFFER) {
        int id = completion->flags >> IORING_CQE_BUFFER_SHIFT;
        if (completion->res > 0) {
            char *data = memory + (size_t)id * BUFFER_SIZE + offsets[id];
            offsets[id] += (size_t)completion->res;
            if (!h->ended)
                on_data(fd, data, (size_t)completion->res);
        }
        if (!(completion->flags & BUFFER_HAS_MORE))
            provide(id);
    }
    if (more)
        return;
    if (h->ended)
        end(fd);
    else if (completion->res > 0 || completion->res == -ENOBUFS || completion->res == -ECANCELED) {
        if (h->last == 0)
            receive(fd);
    } else {
        if (completion->res == 0 && !echoes)
            send(fd, &counts[fd], sizeof counts[fd], MSG_NOSIGNAL);
        end(fd);
    }
}

static void on_sent(int fd, int result)
{
    struct held *h = &held[fd];
    h->sending = false;
    if (h->ended || result < 0) {
        end(fd);
        return;
    }
    h->first += (size_t)result;
    if (h->first < h->last) {
        send_held(fd);
        return;
    }
    free(h->data);
    h->data = NULL;
    h->first = h->last = h->room = 0;
    if (!h->receiving)
        receive(fd);
}

static int unavailable(const char *call, int error)
{
    fprintf(stderr, "%s: %s\n", call, strerror(-error));
    return 1;
}

int main(int count, char **arguments)
{
    echoes = count < 2 || strcmp(arguments[1], "bulk") != 0;

    struct rlimit descriptors;
    getrlimit(RLIMIT_NOFILE, &descriptors);
    descriptors.rlim_cur = descriptors.rlim_max;
    setrlimit(RLIMIT_NOFILE, &descriptors);
    held = calloc(descriptors.rlim_max, sizeof *held);
    counts = calloc(descriptors.rlim_max, sizeof *counts);

    struct io_uring_params parameters = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
        .cq_entries = COMPLETIONS,
    };
    int error = io_uring_queue_init_params(ENTRIES, &ring, &parameters);
    if (error < 0)
        return unavailable("io_uring_setup", error);
    size_t page = 4096;
    buffers = aligned_alloc(page, page);
    memory = aligned_alloc(page, (size_t)BUFFERS * BUFFER_SIZE);
    struct io_uring_buf_reg registration = { .ring_addr = (uintptr_t)buffers, .ring_entries = BUFFERS, .bgid = 0 };
    registration.pad = INCREMENTAL;
    error = io_uring_register_buf_ring(&ring, &registration, 0);
    if (error < 0)
        return unavailable("io_uring_register", error);
    io_uring_buf_ring_init(buffers);
    for (int id = 0; id < BUFFERS; id++)
        provide(id);

    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, BACKLOG) != 0) {
        perror("listen");
        return 1;
    }
    getsockname(listener, (struct sockaddr *)&address, &length);
    accept_all(listener);
    struct io_uring_sqe *entry = next();
    io_uring_prep_poll_add(entry, STDIN_FILENO, POLLIN);
    tag(entry, INPUT, STDIN_FILENO);
    printf("listening %d\n", ntohs(address.sin_port));
    fflush(stdout);

    for (;;) {
        io_uring_submit_and_wait(&ring, 1);
        struct io_uring_cqe *completion;
        unsigned head, seen = 0;
        io_uring_for_each_cqe(&ring, head, completion) {
            seen++;
            int fd = (int)(uint32_t)completion->user_data, one = 1;
            switch (completion->user_data >> 32) {
            case INPUT:
                return 0;
            case ACCEPT:
                if (completion->res >= 0) {
                    setsockopt(completion->res, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    held[completion->res] = (struct held){ 0 };
                    counts[completion->res] = 0;
                    receive(completion->res);
                }
                if (!(completion->flags & IORING_CQE_F_MORE))
                    accept_all(listener);
                break;
            case RECEIVE:
                on_received(fd, completion);
                break;
            case SEND:
                on_sent(fd, completion->res);
                break;
            }
        }
        io_uring_cq_advance(&ring, seen);
    }
}
