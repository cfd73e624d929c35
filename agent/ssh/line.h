#ifndef HF_SSH_LINE_H
#define HF_SSH_LINE_H

/* Between the files of ssh/ only. */
#include "base/base.h"

/** ssh_line_read() - the blob of "type base64 [comment]"; one newline may follow
 * @blob: empty
 * Errors: INPUT (no such line, or the type is not the blob's), LIMIT */
struct err *ssh_line_read(const char *line, struct buf *blob) MUST_CHECK;
/** ssh_line_write() - "type base64 comment" without newline (caller owns; NULL when out of
 * memory). @comment may be NULL; what would break the line is escaped as text_safe() does */
char *ssh_line_write(const char *type, struct view blob, const char *comment);

#endif
