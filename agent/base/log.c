/*
 * One line a message on standard error. Under systemd the line starts with the priority that
 * journald reads; otherwise with time and level for a person.
 */
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

static const char *log_program = "holdfast";
static enum log_level log_max = LOG_NOTE;
static bool log_journal;

static const char *const level_name[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn",   [LOG_NOTE] = "note",
    [LOG_INFO] = "info",   [LOG_DEBUG] = "debug",
};

/* A child of a service inherits JOURNAL_STREAM, but its standard error may be a terminal: the
 * variable names the device and inode that it is about. Spec: systemd.exec(5), JOURNAL_STREAM */
static bool is_journal(const char *stream)
{
    unsigned long long device, inode;
    struct stat st;

    return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_init(const char *program, enum log_level level)
{
    log_program = program;
    log_max = level;
    log_journal = is_journal(getenv("JOURNAL_STREAM"));
}

bool log_level_find(const char *word, enum log_level *ret)
{
    for (size_t i = LOG_ERROR; i < ARRAY_LEN(level_name); i++) {
        if (strcmp(word, level_name[i]) == 0) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static void emit(enum log_level level, const char *text, const char *chain)
{
    AUTO(auto_free) char *safe = text_safe(view_cstr(text));
    AUTO(auto_free) char *safe_chain = text_safe(view_cstr(chain));
    AUTO(auto_free) char *line = NULL;
    const char *sep = chain[0] != '\0' ? ": " : "";
    char now[WALL_TEXT_BYTES];

    if (safe == NULL || safe_chain == NULL) {
        return;
    }
    if (log_journal) {
        line = text_fmt("<%d>%s: %s%s%s\n", level, log_program, safe, sep, safe_chain);
    } else {
        line = text_fmt("%s %s %s: %s%s%s\n", wall_text(wall_now(), now), log_program,
                        level_name[level], safe, sep, safe_chain);
    }
    if (line != NULL && write(STDERR_FILENO, line, strlen(line)) < 0) {
        return; /* nowhere left to complain */
    }
}

static void PRINTF_LIKE(3, 0) emit_list(enum log_level level, const char *chain, const char *fmt,
                                        va_list ap)
{
    AUTO(auto_free) char *text = NULL;

    if (level > log_max) {
        return;
    }
    if (vasprintf(&text, fmt, ap) < 0) {
        text = NULL;
    }
    emit(level, text != NULL ? text : "out of memory", chain);
}

void log_line(enum log_level level, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    emit_list(level, "", fmt, ap);
    va_end(ap);
}

void log_err(enum log_level level, const struct err *e, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    emit_list(level, err_text(e), fmt, ap);
    va_end(ap);
}
