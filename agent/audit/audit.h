#ifndef HF_AUDIT_AUDIT_H
#define HF_AUDIT_AUDIT_H

#include "io/io.h"

/**
 * The audit trail: one line of JSON for each thing that a person may have to account for later.
 *   {"seq":7,"prev":"9f2c...","time":"2026-11-23T05:00:00Z","event":"certificate-issued",...}
 * "prev" is the SHA-256 of the line before, without its newline, so that a line that was changed or
 * taken out shows. Facts are strings. No secret is ever a fact.
 */
struct audit;

enum { AUDIT_TAIL_MAX = 1000, AUDIT_FACT_MAX_BYTES = 4096, AUDIT_FILE_BYTES = 16 * 1024 * 1024 };

/** A detail; one whose value is NULL is left out, one that is too long ends in "...". */
struct audit_fact {
    const char *name, *value;
};

/**
 * audit_new() - a trail in @path, whose folder must exist; nothing is opened before the first line
 * Several processes may share a file. A line that a crash tore is cut off with the next line. A
 * file of AUDIT_FILE_BYTES is set aside as "PATH.NUMBER OF ITS FIRST LINE", and the chain goes on.
 * NOMEM
 */
struct err *audit_new(struct io_loop *l, const char *path, struct audit **ret) MUST_CHECK;
/** audit_free() - when all is on disk; readers that wait are not told */
void audit_free(struct audit **a);

/**
 * audit_note() - add a line, written with fsync by a thread soon after
 * @a:     NULL: nothing is kept
 * @event: "certificate-issued"
 * @facts: ends with a NULL name; copied
 * What cannot be written is told in the log, and by audit_error() until it can be again; its lines
 * wait, AUDIT_FILE_BYTES of them at most.
 */
void audit_note(struct audit *a, const char *event, const struct audit_fact *facts);
/** audit_error() - why lines cannot be written at present; NULL when they can. Borrowed */
const struct err *audit_error(const struct audit *a);

/** Takes an error, or gets lines (borrowed), oldest first. */
typedef void audit_lines_fn(void *arg, struct err *e, struct view lines);
/** audit_tail() - the last @n lines of the file, at most AUDIT_TAIL_MAX; what was noted before is in it */
void audit_tail(struct audit *a, size_t n, audit_lines_fn *on_done, void *arg);
/** Takes an error (CERT: the chain is broken, and where), or gets how many lines hold. */
typedef void audit_verified_fn(void *arg, struct err *e, uint64_t lines);
/** audit_verify() - follow the chain through all files that are there */
void audit_verify(struct audit *a, audit_verified_fn *on_done, void *arg);

#endif
