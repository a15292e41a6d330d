/* Loaded before the C library into a client: kills the process before a boundary, and tells nobody.
 *
 * KILL_AFTER  so many boundaries pass, and the next is the last: a write to a file, a sync of one, or a datagram sent. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long left;
static int counts;

static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);
static ssize_t (*real_sendmsg)(int, const struct msghdr *, int);
static int (*real_sendmmsg)(int, struct mmsghdr *, unsigned int, int);

__attribute__((constructor)) static void begin(void) {
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_sendmsg = dlsym(RTLD_NEXT, "sendmsg");
    real_sendmmsg = dlsym(RTLD_NEXT, "sendmmsg");
    const char *after = getenv("KILL_AFTER");
    if (after) {
        atomic_store(&left, atol(after));
        counts = 1;
    }
}

static void boundary(void) {
    if (counts && atomic_fetch_sub(&left, 1) <= 0) kill(getpid(), SIGKILL);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    boundary();
    return real_pwrite(fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    boundary();
    return real_pwrite(fd, bytes, length, (off64_t)offset);
}

int fdatasync(int fd) {
    boundary();
    return real_fdatasync(fd);
}

int fsync(int fd) {
    boundary();
    return real_fsync(fd);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    boundary();
    return real_sendmsg(fd, message, flags);
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags) {
    boundary();
    return real_sendmmsg(fd, messages, count, flags);
}
