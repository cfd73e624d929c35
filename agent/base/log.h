#ifndef HF_BASE_LOG_H
#define HF_BASE_LOG_H

#include "base/err.h"

/** Levels as in syslog; each line goes to standard error as "<N>program: text" under journald, and
 * as "time program level: text" on anything else. Libraries return errors, programs log them. */
enum log_level { LOG_ERROR = 3, LOG_WARN = 4, LOG_NOTE = 5, LOG_INFO = 6, LOG_DEBUG = 7 };

/** log_init() - @program is borrowed for good; lines above @level are dropped */
void log_init(const char *program, enum log_level level);
/** log_level_find() - "error", "warn", "note", "info", "debug"; false for another word */
bool log_level_find(const char *word, enum log_level *ret);
/** log_line() - control characters in the text are shown as \xNN, so a line stays a line */
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);
/** log_err() - "text: chain of @e (NAME)"; @e is borrowed */
void log_err(enum log_level level, const struct err *e, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
