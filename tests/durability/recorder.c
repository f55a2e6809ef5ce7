/* Writes down, in their order, all operations on the files of one folder that change them, and makes
 * one of them fail. Loaded into a process by LD_PRELOAD:
 *
 *   DISK_FOLDER   the folder; names are those under it, "" is itself
 *   DISK_RECORD   where the record is written
 *   DISK_FAIL_AT  the number of the operation that fails, from 1; none where it is not set
 *   DISK_ERRNO    how
 *   DISK_STICKY   set where all later ones fail too
 *
 * A record: the operation (one byte), the length of the name (one byte), the name, then in the
 * machine's order the place (eight bytes), the length of the data (eight bytes), the data.
 * What succeeded is written down before the caller hears of it, under one lock, so the order of
 * the record is one in which everything may have happened.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define FILES 4096
#define NAME 256

static char names[FILES][NAME]; /* by descriptor; watched where is_watched */
static char is_watched[FILES];
static const char *folder;
static size_t folder_length;
static int record = -1;
static long fail_at, done;
static int fail_errno, is_sticky;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlink)(const char *);

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("DISK_RECORD"), *at = getenv("DISK_FAIL_AT");
    const char *how = getenv("DISK_ERRNO");
    real_open = dlsym(RTLD_NEXT, "open64");
    real_openat = dlsym(RTLD_NEXT, "openat64");
    real_close = dlsym(RTLD_NEXT, "close");
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    folder = getenv("DISK_FOLDER");
    folder_length = folder ? strlen(folder) : 0;
    fail_at = at ? atol(at) : 0;
    fail_errno = how ? atoi(how) : EIO;
    is_sticky = getenv("DISK_STICKY") != NULL;
    if (path && folder)
        record = real_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* The name of a path inside the folder, or NULL. The index of a log lives in memory alone. */
static const char *inside(const char *path) {
    size_t length = strlen(path);
    if (record < 0 || strncmp(path, folder, folder_length) != 0)
        return NULL;
    if (path[folder_length] == 0)
        return "";
    if (path[folder_length] != '/' || length - folder_length > NAME)
        return NULL;
    if (length > 4 && strcmp(path + length - 4, "-shm") == 0)
        return NULL;
    return path + folder_length + 1;
}

static int watched(int fd) { return fd >= 0 && fd < FILES && is_watched[fd]; }

static int is_to_fail(void) {
    done++;
    return fail_at && (done == fail_at || (is_sticky && done > fail_at));
}

static void put(char what, const char *name, uint64_t place, const void *data, uint64_t length) {
    char head[2 + NAME + 16];
    size_t name_length = strlen(name);
    head[0] = what;
    head[1] = (char)name_length;
    memcpy(head + 2, name, name_length);
    memcpy(head + 2 + name_length, &place, 8);
    memcpy(head + 2 + name_length + 8, &length, 8);
    if (real_write(record, head, 2 + name_length + 16) < 0 ||
        (length && real_write(record, data, length) < 0))
        abort(); /* a record with holes would prove nothing */
}

static void opened(int fd, const char *name, int flags) {
    if (!name || fd < 0 || fd >= FILES)
        return;
    strcpy(names[fd], name);
    is_watched[fd] = 1;
    if (flags & O_CREAT)
        put('c', name, 0, NULL, 0);
    if (flags & O_TRUNC)
        put('t', name, 0, NULL, 0);
}

static int open_any(int at, const char *path, int flags, mode_t mode) {
    const char *name = inside(path);
    int fd;
    pthread_mutex_lock(&turn);
    fd = at == AT_FDCWD ? real_open(path, flags, mode) : real_openat(at, path, flags, mode);
    opened(fd, name, flags);
    pthread_mutex_unlock(&turn);
    return fd;
}

#define MODE(flags)                        \
    mode_t mode = 0;                       \
    if ((flags) & (O_CREAT | __O_TMPFILE)) { \
        va_list rest;                      \
        va_start(rest, flags);             \
        mode = va_arg(rest, mode_t);       \
        va_end(rest);                      \
    }

int open(const char *path, int flags, ...) { MODE(flags) return open_any(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_any(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags) return open_any(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags) return open_any(at, path, flags, mode); }

int close(int fd) {
    int result;
    pthread_mutex_lock(&turn);
    if (watched(fd))
        is_watched[fd] = 0;
    result = real_close(fd);
    pthread_mutex_unlock(&turn);
    return result;
}

/* Runs an operation on a watched file, or lets it fail, and writes it down where it succeeded. */
#define WATCHED(fd, run, succeeded, note)       \
    do {                                        \
        pthread_mutex_lock(&turn);              \
        if (is_to_fail()) {                     \
            errno = fail_errno;                 \
            result = -1;                        \
        } else {                                \
            result = run;                       \
            if (succeeded) {                    \
                int before = errno;             \
                note;                           \
                errno = before;                 \
            }                                   \
        }                                       \
        if (result < 0) {                       \
            int before = errno;                 \
            put('!', names[fd], 0, NULL, 0);    \
            errno = before;                     \
        }                                       \
        pthread_mutex_unlock(&turn);            \
    } while (0)

ssize_t write(int fd, const void *data, size_t length) {
    ssize_t result;
    off_t place;
    if (!watched(fd))
        return real_write(fd, data, length);
    if (strcmp(names[fd], "acknowledged") == 0) { /* the test's own note in the record */
        pthread_mutex_lock(&turn);
        put('a', names[fd], 0, data, length);
        pthread_mutex_unlock(&turn);
        return (ssize_t)length;
    }
    place = lseek(fd, 0, SEEK_CUR);
    WATCHED(fd, real_write(fd, data, length), result > 0,
            put('w', names[fd], (uint64_t)place, data, (uint64_t)result));
    return result;
}

static ssize_t pwrite_any(int fd, const void *data, size_t length, off_t place) {
    ssize_t result;
    if (!watched(fd))
        return real_pwrite(fd, data, length, place);
    WATCHED(fd, real_pwrite(fd, data, length, place), result > 0,
            put('w', names[fd], (uint64_t)place, data, (uint64_t)result));
    return result;
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at) { return pwrite_any(fd, data, n, at); }
ssize_t pwrite64(int fd, const void *data, size_t n, off_t at) { return pwrite_any(fd, data, n, at); }

static int ftruncate_any(int fd, off_t size) {
    int result;
    if (!watched(fd))
        return real_ftruncate(fd, size);
    WATCHED(fd, real_ftruncate(fd, size), result == 0,
            put('t', names[fd], (uint64_t)size, NULL, 0));
    return result;
}

int ftruncate(int fd, off_t size) { return ftruncate_any(fd, size); }
int ftruncate64(int fd, off_t size) { return ftruncate_any(fd, size); }

static int sync_any(int fd, int (*real)(int)) {
    int result;
    if (!watched(fd))
        return real(fd);
    WATCHED(fd, real(fd), result == 0, put('s', names[fd], 0, NULL, 0));
    return result;
}

int fsync(int fd) { return sync_any(fd, real_fsync); }
int fdatasync(int fd) { return sync_any(fd, real_fdatasync); }

int unlink(const char *path) {
    const char *name = inside(path);
    int result;
    if (!name)
        return real_unlink(path);
    pthread_mutex_lock(&turn);
    result = real_unlink(path);
    if (result == 0)
        put('u', name, 0, NULL, 0);
    pthread_mutex_unlock(&turn);
    return result;
}
