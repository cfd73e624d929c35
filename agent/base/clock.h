#ifndef HF_BASE_CLOCK_H
#define HF_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/** Monotonic time, for deadlines: it never steps. */
struct mono {
    int64_t ms;
};

/** Wall time, for certificates: it may step. Seconds since 1970. */
struct wall {
    int64_t s;
};

/** mono_now(), wall_now() - through the seam below */
struct mono mono_now(void);
struct wall wall_now(void);
/** mono_in() - now plus @ms; INT64_MAX means never */
struct mono mono_in(int64_t ms);
/** mono_left_ms() - until @t; 0 when it has passed */
int64_t mono_left_ms(struct mono t);
bool mono_passed(struct mono t);
/** mono_kernel_in() - @ms from now as pthread_cond_clockwait() and others want it with CLOCK_MONOTONIC,
 * which stands still while the machine sleeps: who waits longer than a minute looks at mono_now() again */
struct timespec mono_kernel_in(int64_t ms);

struct asn1_string_st; /* OpenSSL's ASN1_TIME */
/** wall_of_asn1() - a time out of a certificate; 1970 for NULL and for one that cannot be read
 * Spec: RFC 5280, 4.1.2.5 */
struct wall wall_of_asn1(const struct asn1_string_st *t);

/** clock_set_for_test() - replace both clocks (NULL: the kernel's again) */
void clock_set_for_test(struct mono (*mono)(void), struct wall (*wall)(void));

enum { WALL_TEXT_BYTES = 32 };
/** wall_text() - "2026-11-23T02:40:00Z" into @out[WALL_TEXT_BYTES]; returns @out */
const char *wall_text(struct wall t, char *out);
/** wall_of_text() - what wall_text() wrote, up to the year 9999; 1970 for NULL and another text */
struct wall wall_of_text(const char *text);

#endif
