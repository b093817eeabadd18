/*
 * Stalls the disk: delays fsync and fdatasync at random. The example write_consistency compiles this and loads it into the
 * gateway with LD_PRELOAD.
 *
 * STALLED_DISK_PER_MILLE  calls in a thousand that are delayed
 * STALLED_DISK_MAX_MS     maximum delay in milliseconds; each delay is random, from 0 to this
 * STALLED_DISK_SEED       seed of the random numbers
 * STALLED_DISK_LOG        file to which one byte is written for each delay
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static atomic_uint_fast64_t calls;

static uint64_t number(const char *name) {
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : 0;
}

/* SplitMix64 of a seed and a count. */
static uint64_t draw(void) {
    uint64_t mixed = number("STALLED_DISK_SEED") + 0x9E3779B97F4A7C15u * (atomic_fetch_add(&calls, 1) + 1);
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return mixed ^ (mixed >> 31);
}

static void stall(void) {
    uint64_t drawn = draw();
    if (drawn % 1000 >= number("STALLED_DISK_PER_MILLE")) return;
    const char *log = getenv("STALLED_DISK_LOG");
    int file = log ? open(log, O_WRONLY | O_APPEND | O_CREAT, 0600) : -1;
    if (file >= 0) {
        ssize_t written = write(file, "x", 1);
        (void)written;
        close(file);
    }
    uint64_t wait = (drawn >> 32) % (number("STALLED_DISK_MAX_MS") + 1);
    struct timespec time = {(time_t)(wait / 1000), (long)(wait % 1000) * 1000000};
    nanosleep(&time, NULL);
}

static int delayed(const char *name, int file) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    stall();
    return real(file);
}

int fsync(int file) { return delayed("fsync", file); }
int fdatasync(int file) { return delayed("fdatasync", file); }
