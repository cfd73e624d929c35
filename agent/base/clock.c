/*
 * Two clocks that cannot be mixed up, behind a seam for tests. Deadlines and back-off use the
 * monotonic one; only certificate windows look at the wall clock.
 */
#include "base/clock.h"

#include <openssl/asn1.h>
#include <stdio.h>
#include <time.h>

static struct mono kernel_mono(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_BOOTTIME, &ts); /* goes on during suspend: a resume renews at once */
    return (struct mono){(int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000};
}

static struct wall kernel_wall(void)
{
    return (struct wall){(int64_t)time(NULL)};
}

static struct mono (*mono_source)(void) = kernel_mono;
static struct wall (*wall_source)(void) = kernel_wall;

void clock_set_for_test(struct mono (*mono)(void), struct wall (*wall)(void))
{
    mono_source = mono != NULL ? mono : kernel_mono;
    wall_source = wall != NULL ? wall : kernel_wall;
}

struct mono mono_now(void)
{
    return mono_source();
}

struct wall wall_now(void)
{
    return wall_source();
}

struct timespec mono_kernel_in(int64_t ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

struct mono mono_in(int64_t ms)
{
    int64_t now = mono_now().ms;

    return (struct mono){ms > INT64_MAX - now ? INT64_MAX : now + ms};
}

int64_t mono_left_ms(struct mono t)
{
    int64_t left = t.ms - mono_now().ms;

    return left > 0 ? left : 0;
}

bool mono_passed(struct mono t)
{
    return mono_now().ms >= t.ms;
}

struct wall wall_of_asn1(const struct asn1_string_st *t)
{
    struct tm tm;

    return (struct wall){t != NULL && ASN1_TIME_to_tm(t, &tm) == 1 ? timegm(&tm) : 0};
}

const char *wall_text(struct wall t, char *out)
{
    time_t s = (time_t)t.s;
    struct tm tm;

    if (gmtime_r(&s, &tm) == NULL ||
        strftime(out, WALL_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        snprintf(out, WALL_TEXT_BYTES, "?");
    }
    return out;
}

struct wall wall_of_text(const char *text)
{
    struct tm tm = {0};
    const char *end = text != NULL ? strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) : NULL;

    return (struct wall){end != NULL && *end == '\0' ? timegm(&tm) : 0};
}
