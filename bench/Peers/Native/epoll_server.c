// The least that a server can be: epoll, level-triggered, one receive and one send per event, one receive buffer for all
// connections. Output is held only when a send was short, and nothing is received meanwhile.
//
//   epoll_server echo|bulk [BUFFER_SIZE]      says "listening PORT", and ends with its standard input

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 1024, BACKLOG = 4096, DEFAULT_BUFFER = 256 * 1024 };

struct held {
    char *data;
    size_t first, last;
};

static int epoll;
static bool echoes;
static char *buffer;
static size_t buffer_size = DEFAULT_BUFFER;
static struct held *held;      // by descriptor: what could not be sent yet
static uint64_t *counts;       // by descriptor: bytes received, of a one-way stream

static void watch(int fd, int operation, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };
    epoll_ctl(epoll, operation, fd, &event);
}

static void accept_all(int listener)
{
    int one = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (!echoes)
            counts[fd] = 0;
        watch(fd, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void end(int fd)
{
    free(held[fd].data);
    held[fd] = (struct held){ 0 };
    close(fd);
}

static void on_readable(int fd)
{
    ssize_t n = recv(fd, buffer, buffer_size, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        if (n == 0 && !echoes)
            send(fd, &counts[fd], sizeof counts[fd], MSG_NOSIGNAL);
        end(fd);
        return;
    }
    if (!echoes) {
        counts[fd] += (uint64_t)n;
        return;
    }

    ssize_t sent = send(fd, buffer, (size_t)n, MSG_NOSIGNAL);
    if (sent == n)
        return;
    if (sent < 0) {
        if (errno != EAGAIN) {
            end(fd);
            return;
        }
        sent = 0;
    }
    held[fd] = (struct held){ .data = malloc((size_t)(n - sent)), .last = (size_t)(n - sent) };
    memcpy(held[fd].data, buffer + sent, held[fd].last);
    watch(fd, EPOLL_CTL_MOD, EPOLLOUT);
}

static void on_writable(int fd)
{
    struct held *h = &held[fd];
    ssize_t sent = send(fd, h->data + h->first, h->last - h->first, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN)
            end(fd);
        return;
    }
    h->first += (size_t)sent;
    if (h->first == h->last) {
        free(h->data);
        *h = (struct held){ 0 };
        watch(fd, EPOLL_CTL_MOD, EPOLLIN);
    }
}

int main(int count, char **arguments)
{
    echoes = count < 2 || strcmp(arguments[1], "bulk") != 0;
    if (count > 2)
        buffer_size = (size_t)atol(arguments[2]);

    struct rlimit descriptors;
    getrlimit(RLIMIT_NOFILE, &descriptors);
    descriptors.rlim_cur = descriptors.rlim_max;
    setrlimit(RLIMIT_NOFILE, &descriptors);
    held = calloc(descriptors.rlim_max, sizeof *held);
    counts = calloc(descriptors.rlim_max, sizeof *counts);
    buffer = malloc(buffer_size);
    epoll = epoll_create1(EPOLL_CLOEXEC);

    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, BACKLOG) != 0) {
        perror("listen");
        return 1;
    }
    getsockname(listener, (struct sockaddr *)&address, &length);
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    watch(STDIN_FILENO, EPOLL_CTL_ADD, EPOLLIN);
    printf("listening %d\n", ntohs(address.sin_port));
    fflush(stdout);

    static struct epoll_event events[EVENTS];
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == STDIN_FILENO)
                return 0;
            if (fd == listener)
                accept_all(listener);
            else if (events[i].events & EPOLLOUT)
                on_writable(fd);
            else
                on_readable(fd);
        }
    }
}
