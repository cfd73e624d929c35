#ifndef HF_IPC_SANDBOX_H
#define HF_IPC_SANDBOX_H

#include "base/base.h"

/** What a program gives up for good, once it is set up. */
struct sandbox {
    bool allow_exec;                /* connect: ssh-keyscan; token: a module that runs programs */
    bool allow_inet;                /* token: network HSMs */
    const char *const *write_paths; /* NULL-terminated; Landlock, where the kernel has it; NULL:
                                       anywhere */
};

enum { SANDBOX_TEXT_BYTES = 128 };

/**
 * sandbox_enter() - no new privileges, not dumpable, a seccomp deny-list (ptrace, process_vm_*,
 * bpf, perf_event_open, keyctl, mount, kexec, userfaultfd, io_uring, setns/unshare, and exec and
 * inet sockets unless allowed), Landlock for writes
 * @ret_text: what was reached, for status: "seccomp, landlock 4" ([SANDBOX_TEXT_BYTES])
 * A kernel or build without a part goes on without it and says so in @ret_text. Call it before
 * threads are started. Denied calls fail with EPERM, sockets with EAFNOSUPPORT; /dev/null stays
 * writable. Builds with AddressSanitizer keep ptrace, which its leak check needs.
 */
struct err *sandbox_enter(const struct sandbox *s, char *ret_text) MUST_CHECK;

#endif
