#ifndef HF_BASE_FILE_H
#define HF_BASE_FILE_H

#include <sys/types.h>

#include "base/buf.h"

/** file_read() - a whole file into @out; LIMIT above @max_bytes, else as errno says */
struct err *file_read(const char *path, size_t max_bytes, struct buf *out) MUST_CHECK;

/**
 * file_replace() - write a file so that a reader, or a crash, sees the old or the new one whole
 * @path: target; its folder must exist
 * @mode: permissions of the new file
 * Temporary file in the same folder, fsync, rename, fsync of the folder.
 * Errors: STORE (disk full, ...), DENIED, NOT_FOUND; the old file is untouched then, unless it is
 *         the folder's fsync that failed
 */
struct err *file_replace(const char *path, struct view content, mode_t mode) MUST_CHECK;

/** file_make_folder() - mkdir -p; folders that are made get @mode, those that exist are left;
 * NOT_FOUND when something else stands in the way, INPUT for "" */
struct err *file_make_folder(const char *path, mode_t mode) MUST_CHECK;

#endif
