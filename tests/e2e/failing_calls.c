// LD_PRELOAD: system calls on named files that fail. FAIL_CALLS holds "CALL:ENDING:ERRNO[:AFTER]", separated by commas:
// CALL on a path that ends in ENDING ("*": any) fails with ERRNO, from its call number AFTER on (counted from 0). CALL is
// stat, open, opendir, readdir, flock, fsync, pread or rename; of a descriptor, the path is that of its file. A negative ERRNO is
// a signal that ends the process instead, 1000 a call that does not return, and 1000 + N one that takes N milliseconds and
// succeeds. With FAIL_WHILE only while that file exists, with FAIL_RANK only on this rank of mpirun.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int counts[32];

static int fails(const char* call, const char* path) {
  const char* rule = getenv("FAIL_CALLS");
  const char* rank = getenv("FAIL_RANK");
  const char* own = getenv("OMPI_COMM_WORLD_RANK");
  const char* while_there = getenv("FAIL_WHILE");
  if (while_there != NULL) {
    struct stat ignored;
    const int before = errno;
    const int is_missing = NEXT(stat)(while_there, &ignored) != 0;
    errno = before;
    if (is_missing) return 0;
  }
  if (rank != NULL && (own == NULL || strcmp(rank, own) != 0)) return 0;
  for (int i = 0; rule != NULL && *rule != '\0' && i < 32; ++i) {
    char name[16], ending[512];
    int number = 0, after = 0;
    if (sscanf(rule, "%15[^:]:%511[^:]:%d:%d", name, ending, &number, &after) >= 3 && strcmp(name, call) == 0 &&
        (strcmp(ending, "*") == 0 ||
         (strlen(path) >= strlen(ending) && strcmp(path + strlen(path) - strlen(ending), ending) == 0)) &&
        counts[i]++ >= after) {
      if (number < 0) kill(getpid(), -number);
      while (number == 1000) pause();
      if (number > 1000) {
        usleep((number - 1000) * 1000);
        return 0;
      }
      errno = number;
      return 1;
    }
    rule = strchr(rule, ',');
    if (rule != NULL) ++rule;
  }
  return 0;
}

static int fails_on(const char* call, int descriptor) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = '\0';
  return fails(call, path);
}

int stat(const char* path, struct stat* status) { return fails("stat", path) ? -1 : NEXT(stat)(path, status); }

int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = va_arg(more, mode_t);
  va_end(more);
  return fails("open", path) ? -1 : NEXT(open)(path, flags, mode);
}

// The C++ library opens folders by openat().
int openat(int folder, const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = va_arg(more, mode_t);
  va_end(more);
  return (flags & O_DIRECTORY) != 0 && fails("opendir", path) ? -1 : NEXT(openat)(folder, path, flags, mode);
}

struct dirent* readdir(DIR* folder) { return fails_on("readdir", dirfd(folder)) ? NULL : NEXT(readdir)(folder); }

int flock(int descriptor, int operation) { return fails_on("flock", descriptor) ? -1 : NEXT(flock)(descriptor, operation); }

int fsync(int descriptor) { return fails_on("fsync", descriptor) ? -1 : NEXT(fsync)(descriptor); }

ssize_t pread(int descriptor, void* to, size_t bytes, off_t from) {
  return fails_on("pread", descriptor) ? -1 : NEXT(pread)(descriptor, to, bytes, from);
}

ssize_t pread64(int descriptor, void* to, size_t bytes, off_t from) {
  return fails_on("pread", descriptor) ? -1 : NEXT(pread)(descriptor, to, bytes, from);
}

int rename(const char* from, const char* to) { return fails("rename", from) ? -1 : NEXT(rename)(from, to); }
