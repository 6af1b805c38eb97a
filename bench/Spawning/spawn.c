/* The least that starting a child and waiting for it can be: posix_spawn and waitpid, one after the other.
 * Prints the microseconds of each, and the processor time of this process in all. */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static double used(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 100;
    char *arguments[] = {"/bin/true", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", 1, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1, 0);
    double before = used();
    for (int i = 0; i < count; i++) {
        double start = now();
        pid_t pid;
        int status;
        if (posix_spawn(&pid, arguments[0], &actions, NULL, arguments, environ) != 0 || waitpid(pid, &status, 0) != pid)
            return 1;
        printf("%.1f\n", now() - start);
    }
    printf("%.1f\n", used() - before);
    return 0;
}
