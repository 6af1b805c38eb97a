// A server on libuv as its guide has it, with one receive buffer for all connections. A write goes out at once if it can
// (uv_try_write); what is left is copied and queued, and nothing is received meanwhile.
//
// Datagrams are received in batches (UV_UDP_RECVMMSG), and each is answered by uv_udp_try_send; what would block is lost.
//
//   libuv_server echo|bulk|datagrams      says "listening PORT", and ends with its standard input;   --version says which libuv

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

enum { BUFFER = 64 * 1024, BACKLOG = 4096 };

struct connection {
    uv_tcp_t tcp;
    uint64_t count;
};

struct pending {
    uv_write_t request;
    char data[];
};

static uv_loop_t *loop;
static bool echoes;
static char buffer[BUFFER];

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *data);

static void lend_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *data)
{
    (void)handle;
    (void)suggested;
    *data = uv_buf_init(buffer, sizeof buffer);
}

static void on_closed(uv_handle_t *handle) { free(handle); }

static void end(uv_stream_t *stream)
{
    if (!uv_is_closing((uv_handle_t *)stream))
        uv_close((uv_handle_t *)stream, on_closed);
}

static void on_written(uv_write_t *request, int status)
{
    uv_stream_t *stream = request->handle;
    free(request);
    if (status < 0)
        end(stream);
    else
        uv_read_start(stream, lend_buffer, on_read);
}

static void echo(uv_stream_t *stream, const char *data, size_t length)
{
    uv_buf_t now = uv_buf_init((char *)data, (unsigned)length);
    int sent = uv_try_write(stream, &now, 1);
    if (sent == (int)length)
        return;
    if (sent < 0) {
        if (sent != UV_EAGAIN) {
            end(stream);
            return;
        }
        sent = 0;
    }

    size_t left = length - (size_t)sent;
    struct pending *pending = malloc(sizeof *pending + left);
    memcpy(pending->data, data + sent, left);
    uv_buf_t later = uv_buf_init(pending->data, (unsigned)left);
    uv_read_stop(stream);
    uv_write(&pending->request, stream, &later, 1, on_written);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *data)
{
    struct connection *c = (struct connection *)stream;
    if (n > 0 && echoes)
        echo(stream, data->base, (size_t)n);
    else if (n > 0)
        c->count += (uint64_t)n;
    else if (n < 0) {
        if (n == UV_EOF && !echoes) {
            uv_buf_t count = uv_buf_init((char *)&c->count, sizeof c->count);
            uv_try_write(stream, &count, 1);
        }
        end(stream);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    if (status < 0)
        return;
    struct connection *c = calloc(1, sizeof *c);
    uv_tcp_init(loop, &c->tcp);
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0) {
        end((uv_stream_t *)&c->tcp);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start((uv_stream_t *)&c->tcp, lend_buffer, on_read);
}

static char batch[20 * 64 * 1024]; // as many as libuv receives at once into one buffer, each of the longest

static void lend_batch(uv_handle_t *handle, size_t suggested, uv_buf_t *data)
{
    (void)handle;
    (void)suggested;
    *data = uv_buf_init(batch, sizeof batch);
}

static void on_datagram(uv_udp_t *socket, ssize_t n, const uv_buf_t *data, const struct sockaddr *from, unsigned flags)
{
    (void)flags;
    if (n < 0 || from == NULL)
        return; // there are no more, or the buffer is free
    uv_buf_t answer = uv_buf_init(data->base, (unsigned)n);
    uv_udp_try_send(socket, &answer, 1, from);
}

static int serve_datagrams(uv_udp_t *socket, struct sockaddr_in *address)
{
    int length = sizeof *address;
    uv_udp_init_ex(loop, socket, AF_INET | UV_UDP_RECVMMSG);
    int error = uv_udp_bind(socket, (struct sockaddr *)address, 0);
    if (error == 0)
        error = uv_udp_recv_start(socket, lend_batch, on_datagram);
    uv_udp_getsockname(socket, (struct sockaddr *)address, &length);
    return error;
}

static void on_input(uv_poll_t *handle, int status, int events)
{
    (void)handle;
    (void)status;
    (void)events;
    exit(0);
}

int main(int count, char **arguments)
{
    if (count > 1 && strcmp(arguments[1], "--version") == 0) {
        puts(uv_version_string());
        return 0;
    }
    echoes = count < 2 || strcmp(arguments[1], "bulk") != 0;

    struct rlimit descriptors;
    getrlimit(RLIMIT_NOFILE, &descriptors);
    descriptors.rlim_cur = descriptors.rlim_max;
    setrlimit(RLIMIT_NOFILE, &descriptors);

    loop = uv_default_loop();
    struct sockaddr_in address;
    int length = sizeof address;
    uv_tcp_t listener;
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_udp_t socket;
    bool is_udp = count > 1 && strcmp(arguments[1], "datagrams") == 0;
    int error;
    if (is_udp) {
        error = serve_datagrams(&socket, &address);
    } else {
        uv_tcp_init(loop, &listener);
        uv_tcp_bind(&listener, (struct sockaddr *)&address, 0);
        error = uv_listen((uv_stream_t *)&listener, BACKLOG, on_connection);
        uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &length);
    }
    if (error != 0) {
        fprintf(stderr, "listen: %s\n", uv_strerror(error));
        return 1;
    }

    uv_poll_t input;
    uv_poll_init(loop, &input, 0);
    uv_poll_start(&input, UV_READABLE | UV_DISCONNECT, on_input);
    printf("listening %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}
