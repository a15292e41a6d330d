/* Loaded before the C library into a process whose database is to lose its power: it remembers every write to files named
 * "db" since their last sync, with what stood there before, and ends the process in the middle of its work.
 *
 * CUT_LOG    file for the writes that no sync has covered: for each, offset and length (8 bytes each, native), the bytes
 *            before (zeros beyond the file's end), the bytes written. What a sync has covered is cut off it.
 * CUT_AFTER  the process ends after so many writes.
 * FAIL_SYNC  the sync of this number, and every third one after it, fails with EIO; the others succeed.
 * FULL_AFTER after so many writes every further one fails with ENOSPC, as on a full disk.
 * READ_ONLY  after so many writes every further one fails with EROFS, as on a disk that the system has set so after a fault.
 *
 * A write counts as durable once an fsync or fdatasync of its file that began after it has returned. sync_file_range does
 * nothing here, as it promises nothing about a power cut. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static long left = -1, good = -1, syncs, fail_sync;
static int refusal;

static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static ssize_t (*real_pread)(int, void *, size_t, off64_t);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);

__attribute__((constructor)) static void begin(void) {
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_pread = dlsym(RTLD_NEXT, "pread64");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    const char *log = getenv("CUT_LOG"), *after = getenv("CUT_AFTER"), *fail = getenv("FAIL_SYNC");
    if (log) log_fd = open(log, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (after) left = atol(after);
    if (fail) fail_sync = atol(fail);
    const char *full = getenv("FULL_AFTER"), *read_only = getenv("READ_ONLY");
    if (full) {
        good = atol(full);
        refusal = ENOSPC;
    }
    if (read_only) {
        good = atol(read_only);
        refusal = EROFS;
    }
}

static int is_database(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 3) return 0;
    path[length] = 0;
    return strcmp(path + length - 3, "/db") == 0;
}

static void append_all(const void *bytes, size_t length) {
    for (size_t done = 0; done < length;) {
        ssize_t written = write(log_fd, (const char *)bytes + done, length - done);
        if (written <= 0) _exit(70);
        done += (size_t)written;
    }
}

/* Whether this write to the database fails; counts it. */
static int is_refused(int fd) {
    if (!refusal || !is_database(fd)) return 0;
    pthread_mutex_lock(&lock);
    int refused = good <= 0;
    good--;
    pthread_mutex_unlock(&lock);
    if (refused) errno = refusal;
    return refused;
}

static ssize_t noted_pwrite(int fd, const void *bytes, size_t length, off64_t offset) {
    if (is_refused(fd)) return -1;
    if (log_fd < 0 || !is_database(fd)) return real_pwrite(fd, bytes, length, offset);
    pthread_mutex_lock(&lock);
    char *before = calloc(1, length ? length : 1);
    if (!before) _exit(70);
    for (size_t done = 0; done < length;) {
        ssize_t got = real_pread(fd, before + done, length - done, offset + (off64_t)done);
        if (got <= 0) break;
        done += (size_t)got;
    }
    ssize_t written = real_pwrite(fd, bytes, length, offset);
    if (written > 0) {
        unsigned long long head[2] = {(unsigned long long)offset, (unsigned long long)written};
        append_all(head, sizeof head);
        append_all(before, (size_t)written);
        append_all(bytes, (size_t)written);
    }
    free(before);
    if (left > 0 && --left == 0) _exit(99);
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    return noted_pwrite(fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    return noted_pwrite(fd, bytes, length, (off64_t)offset);
}

/* Under the lock from beginning to end, so that what it covers is what is in the log. */
static int noted_sync(int fd, int (*real)(int)) {
    if (!is_database(fd)) return real(fd);
    pthread_mutex_lock(&lock);
    syncs++;
    int result = 0;
    if (fail_sync && syncs >= fail_sync && (syncs - fail_sync) % 3 == 0) {
        errno = EIO;
        result = -1;
    } else {
        result = real(fd);
        if (result == 0 && log_fd >= 0 && (ftruncate(log_fd, 0) != 0 || lseek(log_fd, 0, SEEK_SET) != 0)) _exit(70);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int fdatasync(int fd) { return noted_sync(fd, real_fdatasync); }
int fsync(int fd) { return noted_sync(fd, real_fsync); }
int sync_file_range(int fd, off64_t offset, off64_t count, unsigned int flags) {
    (void)fd, (void)offset, (void)count, (void)flags;
    return 0;
}
