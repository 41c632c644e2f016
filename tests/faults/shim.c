/* Fails the Nth call that touches the disk below a folder, as a full, read-only or broken disk would.
 *
 * Loaded by LD_PRELOAD, it stands between every library and libc. What it does is said in a file that the test maps as
 * well (its path is in FAULTS_STATE), so that a process forked from the test, and its children, share one count.
 * tests/faults/injection.py holds the other side of `struct state`.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OFF, WRITES, READS };

static struct state {
    int32_t kind;     /* which calls are counted */
    int32_t number;   /* errno of a failing call */
    int32_t for_ever; /* whether the calls after it fail too */
    int32_t failed;   /* how many calls have failed */
    int32_t walker;   /* the process that asks at each of its calls, see `ask`; 0: none */
    int32_t ask;      /* its descriptors: to ask by, */
    int32_t answer;   /* and to be answered by */
    int64_t fail_at;  /* the first call to fail, from 1; 0: none */
    int64_t count;    /* calls so far */
    char first[64];   /* name of the first call that failed */
    char root[PATH_MAX];
} *state;

__attribute__((constructor)) static void map_state(void) {
    const char *name = getenv("FAULTS_STATE");
    int descriptor = name == NULL ? -1 : open(name, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) return;
    void *mapped = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (mapped != MAP_FAILED) state = mapped;
    close(descriptor);
}

static int counts(int kind) { return state != NULL && state->kind == kind; }

static int is_below(const char *path) {
    size_t length = strlen(state->root);
    return strncmp(path, state->root, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static int descriptor_is_below(int descriptor) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = '\0';
    return is_below(path);
}

static int path_is_below(int folder, const char *path) {
    char here[PATH_MAX];
    if (path == NULL) return 0;
    if (path[0] == '/') return is_below(path);
    if (folder != AT_FDCWD) return descriptor_is_below(folder);
    return getcwd(here, sizeof here) != NULL && is_below(here);
}

/* --- A walk: one run, of which a copy meets each fault at each call. tests/faults/walk.py asks for it. --- */

enum { AT_A_CALL, COPY_ENDED };
struct message { int32_t what, value, num_threads; };
struct order { int32_t number, for_ever, timeout_s; }; /* number 0: go on */
enum { CANNOT_COPY = 99 };
static const char HELD[] = ".held"; /* the walker's own workspace is aside, under this suffix, while a copy runs */

/* A copy is the walker to whatever asks: locks, for one, are bound to the process that made them. */
static pid_t passes_for;

pid_t getpid(void) { return passes_for != 0 ? passes_for : (pid_t)syscall(SYS_getpid); }

static int num_threads(void) {
    int count = 0;
    DIR *folder = opendir("/proc/self/task");
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) count += entry->d_name[0] != '.';
    if (folder != NULL) closedir(folder);
    return count;
}

/* The place in the copy of the workspace of a place in the one that is aside. 0: it is elsewhere. */
static int place_in_copy(const char *held, char *path) {
    size_t length = strlen(state->root), suffix = sizeof HELD - 1;
    if (strncmp(held, state->root, length) != 0 || strncmp(held + length, HELD, suffix) != 0) return 0;
    const char *rest = held + length + suffix;
    if (rest[0] != '/' && rest[0] != '\0') return 0;
    snprintf(path, PATH_MAX, "%s%s", state->root, rest);
    return 1;
}

/* Files that the walker writes through memory are no copies. */
static int maps_are_copied(void) {
    char line[PATH_MAX + 128], mode[8], path[PATH_MAX], place[PATH_MAX];
    FILE *maps = fopen("/proc/self/maps", "r");
    int copied = maps != NULL;
    while (copied && fgets(line, sizeof line, maps) != NULL)
        if (sscanf(line, "%*s %7s %*s %*s %*s %4095[^\n]", mode, path) == 2 && mode[1] == 'w' && mode[3] == 's')
            copied = !place_in_copy(path, place);
    if (maps != NULL) fclose(maps);
    return copied;
}

/* Open files and the working folder become those of the copy, at the same place in each file. 0: it cannot be done. */
static int move_into_copy(void) {
    char link[64], held[PATH_MAX], path[PATH_MAX];
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL || !maps_are_copied()) return 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        int descriptor = atoi(entry->d_name);
        if (entry->d_name[0] == '.') continue;
        snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
        ssize_t length = readlink(link, held, sizeof held - 1);
        if (length < 0) continue;
        held[length] = '\0';
        if (!place_in_copy(held, path)) continue;
        long long place;
        int flags;
        snprintf(link, sizeof link, "/proc/self/fdinfo/%d", descriptor);
        FILE *facts = fopen(link, "r");
        if (facts == NULL || fscanf(facts, "pos: %lld flags: %o", &place, &flags) != 2) return 0;
        fclose(facts);
        int own = open(path, flags & ~(O_CREAT | O_EXCL | O_TRUNC)); /* a file that has no name any more has no copy */
        if (own < 0) return 0;
        if (place > 0 && lseek(own, place, SEEK_SET) < 0) return 0;
        if (dup3(own, descriptor, flags & O_CLOEXEC) < 0) return 0;
        close(own);
    }
    closedir(folder);
    return getcwd(held, sizeof held) == NULL || !place_in_copy(held, path) || chdir(path) == 0;
}

/* Before a call that could fail: for each fault that is asked for, a copy of this process goes on with it. */
static void walk(int meets_full_disk) {
    static int64_t asked;
    if (state->walker != getpid() || asked == state->count + 1) return;
    asked = state->count + 1;
    struct message message = {AT_A_CALL, meets_full_disk, num_threads()};
    for (;;) {
        struct order order;
        if (write(state->ask, &message, sizeof message) != sizeof message) _exit(1);
        if (read(state->answer, &order, sizeof order) != sizeof order) _exit(1);
        if (order.number == 0) return;
        pid_t copy = fork();
        if (copy == 0) {
            alarm(order.timeout_s);
            state->kind = OFF;
            if (!move_into_copy()) _exit(CANNOT_COPY);
            state->number = order.number, state->for_ever = order.for_ever, state->fail_at = asked;
            state->kind = WRITES;
            passes_for = state->walker;
            state->walker = 0;
            return;
        }
        message.what = COPY_ENDED;
        while (waitpid(copy, &message.value, 0) < 0 && errno == EINTR) {}
    }
}

/* 1: fail this call. */
static int fails_where(const char *name, int meets_full_disk) {
    walk(meets_full_disk);
    int64_t count = __atomic_add_fetch(&state->count, 1, __ATOMIC_SEQ_CST);
    if (state->fail_at == 0 || count < state->fail_at || (count > state->fail_at && !state->for_ever)) return 0;
    if (__atomic_fetch_add(&state->failed, 1, __ATOMIC_SEQ_CST) == 0) strncpy(state->first, name, sizeof state->first - 1);
    errno = state->number;
    return 1;
}

static int fails(const char *name) { return fails_where(name, 1); }
static int spaceless_fails(const char *name) { return fails_where(name, 0); }

/* A full disk still lets files be removed and their modes be changed. */
static int needs_space(void) { return state->number == ENOSPC; }

#define REAL(name) \
    static __typeof__(name) *real; \
    if (real == NULL) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define FAIL_DESCRIPTOR(kind, descriptor, name, value) \
    if (counts(kind) && descriptor_is_below(descriptor) && fails(name)) return value
#define FAIL_PATH(folder, path, name, value) \
    if (counts(WRITES) && path_is_below(folder, path) && fails(name)) return value

/* The first write that a full disk refuses takes what still fits; the next one fails. */
#define TAKES_HALF(descriptor, size) \
    (counts(WRITES) && descriptor_is_below(descriptor) && (walk(1), 1) && state->number == ENOSPC && state->for_ever && (size) > 1 && \
     state->count + 1 == state->fail_at)

ssize_t write(int descriptor, const void *data, size_t size) {
    REAL(write);
    if (TAKES_HALF(descriptor, size)) { fails("write"); return real(descriptor, data, size / 2); }
    FAIL_DESCRIPTOR(WRITES, descriptor, "write", -1);
    return real(descriptor, data, size);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset) {
    REAL(pwrite);
    if (TAKES_HALF(descriptor, size)) { fails("pwrite"); return real(descriptor, data, size / 2, offset); }
    FAIL_DESCRIPTOR(WRITES, descriptor, "pwrite", -1);
    return real(descriptor, data, size, offset);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset) {
    REAL(pwrite64);
    if (TAKES_HALF(descriptor, size)) { fails("pwrite64"); return real(descriptor, data, size / 2, offset); }
    FAIL_DESCRIPTOR(WRITES, descriptor, "pwrite64", -1);
    return real(descriptor, data, size, offset);
}

ssize_t writev(int descriptor, const struct iovec *parts, int num_parts) {
    REAL(writev);
    FAIL_DESCRIPTOR(WRITES, descriptor, "writev", -1);
    return real(descriptor, parts, num_parts);
}

ssize_t sendfile(int target, int source, off_t *offset, size_t size) {
    static ssize_t (*real)(int, int, off_t *, size_t);
    if (real == NULL) real = dlsym(RTLD_NEXT, "sendfile");
    FAIL_DESCRIPTOR(WRITES, target, "sendfile", -1);
    FAIL_DESCRIPTOR(READS, source, "sendfile", -1);
    return real(target, source, offset, size);
}

ssize_t sendfile64(int target, int source, off64_t *offset, size_t size) {
    static ssize_t (*real)(int, int, off64_t *, size_t);
    if (real == NULL) real = dlsym(RTLD_NEXT, "sendfile64");
    FAIL_DESCRIPTOR(WRITES, target, "sendfile", -1);
    FAIL_DESCRIPTOR(READS, source, "sendfile", -1);
    return real(target, source, offset, size);
}

ssize_t copy_file_range(int source, off64_t *from, int target, off64_t *to, size_t size, unsigned flags) {
    REAL(copy_file_range);
    FAIL_DESCRIPTOR(WRITES, target, "copy_file_range", -1);
    FAIL_DESCRIPTOR(READS, source, "copy_file_range", -1);
    return real(source, from, target, to, size, flags);
}

int fsync(int descriptor) { REAL(fsync); FAIL_DESCRIPTOR(WRITES, descriptor, "fsync", -1); return real(descriptor); }
int fdatasync(int descriptor) { REAL(fdatasync); FAIL_DESCRIPTOR(WRITES, descriptor, "fdatasync", -1); return real(descriptor); }
int ftruncate(int descriptor, off_t size) { REAL(ftruncate); FAIL_DESCRIPTOR(WRITES, descriptor, "ftruncate", -1); return real(descriptor, size); }
int ftruncate64(int descriptor, off64_t size) { REAL(ftruncate64); FAIL_DESCRIPTOR(WRITES, descriptor, "ftruncate", -1); return real(descriptor, size); }
int posix_fallocate(int descriptor, off_t start, off_t size) { REAL(posix_fallocate); FAIL_DESCRIPTOR(WRITES, descriptor, "posix_fallocate", state->number); return real(descriptor, start, size); }
int posix_fallocate64(int descriptor, off64_t start, off64_t size) { REAL(posix_fallocate64); FAIL_DESCRIPTOR(WRITES, descriptor, "posix_fallocate", state->number); return real(descriptor, start, size); }

/* Opening: for writing, or for reading. */
static int opening_fails(int folder, const char *path, int flags) {
    int writes = (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_ACCMODE) != O_RDONLY;
    if (flags & O_PATH) return 0;
    if (counts(WRITES) && writes && path_is_below(folder, path)) return fails("open");
    if (counts(READS) && !writes && path_is_below(folder, path)) return fails("open");
    return 0;
}

#define MODE_OF(flags, mode) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *path, int flags, ...) { MODE_OF(flags, mode); REAL(open); return opening_fails(AT_FDCWD, path, flags) ? -1 : real(path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE_OF(flags, mode); REAL(open64); return opening_fails(AT_FDCWD, path, flags) ? -1 : real(path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE_OF(flags, mode); REAL(openat); return opening_fails(folder, path, flags) ? -1 : real(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE_OF(flags, mode); REAL(openat64); return opening_fails(folder, path, flags) ? -1 : real(folder, path, flags, mode); }

static int flags_of(const char *mode) {
    if (strchr(mode, 'w') != NULL) return O_WRONLY | O_CREAT | O_TRUNC;
    return strpbrk(mode, "a+") != NULL ? O_WRONLY : O_RDONLY;
}

FILE *fopen(const char *path, const char *mode) { REAL(fopen); return opening_fails(AT_FDCWD, path, flags_of(mode)) ? NULL : real(path, mode); }
FILE *fopen64(const char *path, const char *mode) { REAL(fopen64); return opening_fails(AT_FDCWD, path, flags_of(mode)) ? NULL : real(path, mode); }

/* C streams: libc writes their buffers by calls of its own, which no library stands between. */
size_t fwrite(const void *data, size_t size, size_t count, FILE *stream) {
    REAL(fwrite);
    FAIL_DESCRIPTOR(WRITES, fileno(stream), "fwrite", 0);
    return real(data, size, count, stream);
}

int fflush(FILE *stream) {
    REAL(fflush);
    if (stream != NULL && __fwritable(stream)) FAIL_DESCRIPTOR(WRITES, fileno(stream), "fflush", EOF);
    return real(stream);
}

int fclose(FILE *stream) {
    REAL(fclose);
    int failing = counts(WRITES) && __fwritable(stream) && descriptor_is_below(fileno(stream)) && fails("fclose");
    int number = errno, result = real(stream);
    if (!failing) return result;
    errno = number;
    return EOF;
}

size_t fread(void *data, size_t size, size_t count, FILE *stream) {
    REAL(fread);
    FAIL_DESCRIPTOR(READS, fileno(stream), "fread", 0);
    return real(data, size, count, stream);
}

/* Names. */
#define ON_PATH(result, name, parameters, folder, path, arguments) \
    result name parameters { REAL(name); FAIL_PATH(folder, path, #name, -1); return real arguments; }
ON_PATH(int, mkdir, (const char *path, mode_t mode), AT_FDCWD, path, (path, mode))
ON_PATH(int, mkdirat, (int folder, const char *path, mode_t mode), folder, path, (folder, path, mode))
ON_PATH(int, rename, (const char *from, const char *to), AT_FDCWD, to, (from, to))
ON_PATH(int, renameat, (int a, const char *from, int b, const char *to), b, to, (a, from, b, to))
ON_PATH(int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags), b, to, (a, from, b, to, flags))
ON_PATH(int, link, (const char *from, const char *to), AT_FDCWD, to, (from, to))
ON_PATH(int, linkat, (int a, const char *from, int b, const char *to, int flags), b, to, (a, from, b, to, flags))
ON_PATH(int, symlink, (const char *target, const char *path), AT_FDCWD, path, (target, path))
ON_PATH(int, symlinkat, (const char *target, int folder, const char *path), folder, path, (target, folder, path))
ON_PATH(int, truncate, (const char *path, off_t size), AT_FDCWD, path, (path, size))

#define WITHOUT_SPACE(result, name, parameters, folder, path, arguments) \
    result name parameters { REAL(name); if (counts(WRITES) && !needs_space() && path_is_below(folder, path) && spaceless_fails(#name)) return -1; return real arguments; }
WITHOUT_SPACE(int, unlink, (const char *path), AT_FDCWD, path, (path))
WITHOUT_SPACE(int, unlinkat, (int folder, const char *path, int flags), folder, path, (folder, path, flags))
WITHOUT_SPACE(int, rmdir, (const char *path), AT_FDCWD, path, (path))
WITHOUT_SPACE(int, chmod, (const char *path, mode_t mode), AT_FDCWD, path, (path, mode))
WITHOUT_SPACE(int, fchmodat, (int folder, const char *path, mode_t mode, int flags), folder, path, (folder, path, mode, flags))
int fchmod(int descriptor, mode_t mode) { REAL(fchmod); if (counts(WRITES) && !needs_space() && descriptor_is_below(descriptor) && spaceless_fails("fchmod")) return -1; return real(descriptor, mode); }

/* Reading. */
ssize_t read(int descriptor, void *data, size_t size) { REAL(read); FAIL_DESCRIPTOR(READS, descriptor, "read", -1); return real(descriptor, data, size); }
ssize_t pread(int descriptor, void *data, size_t size, off_t offset) { REAL(pread); FAIL_DESCRIPTOR(READS, descriptor, "pread", -1); return real(descriptor, data, size, offset); }
ssize_t pread64(int descriptor, void *data, size_t size, off64_t offset) { REAL(pread64); FAIL_DESCRIPTOR(READS, descriptor, "pread64", -1); return real(descriptor, data, size, offset); }
ssize_t readv(int descriptor, const struct iovec *parts, int num_parts) { REAL(readv); FAIL_DESCRIPTOR(READS, descriptor, "readv", -1); return real(descriptor, parts, num_parts); }

DIR *opendir(const char *path) { REAL(opendir); if (counts(READS) && path_is_below(AT_FDCWD, path) && fails("opendir")) return NULL; return real(path); }
