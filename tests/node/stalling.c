/* Lets a process wait for its disk for as long as a file is there. Loaded into it by LD_PRELOAD:
 *
 *   STALL_FILE   while it exists, no sync returns
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static int stalled(const char *name, int file) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  const char *stall = getenv("STALL_FILE");
  while (stall != NULL && access(stall, F_OK) == 0) usleep(10000);
  return real(file);
}

int fsync(int file) { return stalled("fsync", file); }
int fdatasync(int file) { return stalled("fdatasync", file); }
