#ifndef HF_IO_WRITER_H
#define HF_IO_WRITER_H

#include <sys/types.h>

#include "io/loop.h"

/**
 * Puts small files on disk without the loop waiting for it: a thread that replaces files whole (see
 * file_replace()), in the order in which they were put. Of several contents for one path, the latest
 * wins: one that still waits is replaced. Nothing is lost at the end: io_writer_free() waits.
 */
struct io_writer;

/** How a write ended: NULL, or why it failed (borrowed). */
typedef void io_written_fn(void *arg, const struct err *e);

/** io_writer_new() - starts the thread, with all signals blocked; NOMEM, or what the system says */
struct err *io_writer_new(struct io_loop *l, struct io_writer **ret) MUST_CHECK;
/** io_writer_free() - io_writer_flush(), then the thread ends; what those put who are told then is
 * written, but not told. Not from inside an io_written_fn */
void io_writer_free(struct io_writer **w);

/**
 * io_writer_put() - have a file written
 * @path:       target; its folder must exist (copied)
 * @content:    moved, also on failure; NULL: the file is to be removed, and may be absent
 * @mode:       permissions of the new file
 * @on_written: told from the loop once the file is durable (a removal need not be), or has failed;
 *              not when it was replaced before it was written. May be NULL
 * Errors: NOMEM; nothing is written then
 */
struct err *io_writer_put(struct io_writer *w, const char *path, struct buf *content, mode_t mode,
                          io_written_fn *on_written, void *arg) MUST_CHECK;
/** io_writer_read() - file_read(), but what still waits to be written counts as written */
struct err *io_writer_read(struct io_writer *w, const char *path, size_t max_bytes, struct buf *out)
    MUST_CHECK;
/** io_writer_flush() - blocks until all that was put is on disk, and tells how it ended */
void io_writer_flush(struct io_writer *w);

#endif
