/* Sends a file to a port of this machine, by sendfile or by reading and writing it, with calls that block: the least that it takes.

       send sendfile|copy PORT PATH        prints the seconds of processor time that took, the second time
*/
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, MOST_PER_CALL = 1024 * 1024 };

static double used(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void fail(const char *call)
{
    perror(call);
    exit(1);
}

static void copy(int to, int file)
{
    static char chunk[CHUNK];
    ssize_t count;
    while ((count = read(file, chunk, sizeof chunk)) > 0) {
        for (ssize_t sent = 0, part; sent < count; sent += part)
            if ((part = write(to, chunk + sent, count - sent)) < 0)
                fail("write");
    }
    if (count < 0)
        fail("read");
}

static double send_once(const char *way, int port, const char *path)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int to = socket(AF_INET, SOCK_STREAM, 0);
    int file = open(path, O_RDONLY);
    if (to < 0 || file < 0 || connect(to, (struct sockaddr *)&address, sizeof address) < 0)
        fail("connect");
    double before = used();
    if (strcmp(way, "sendfile") == 0) {
        ssize_t count;
        while ((count = sendfile(to, file, NULL, MOST_PER_CALL)) > 0)
            ;
        if (count < 0)
            fail("sendfile");
    } else {
        copy(to, file);
    }
    shutdown(to, SHUT_WR);
    char last;
    (void)!read(to, &last, 1); /* the other side has it all */
    double taken = used() - before;
    close(to);
    close(file);
    return taken;
}

int main(int count, char **arguments)
{
    if (count != 4)
        return 2;
    double taken = 0;
    for (int time = 0; time < 2; time++)
        taken = send_once(arguments[1], atoi(arguments[2]), arguments[3]);
    printf("%f\n", taken);
    return 0;
}
