/*
 * What a program gives up for good. holdfast-token runs vendor code that nobody can list the needs
 * of, so this is a deny-list: calls that reach into other processes or the kernel, that open new
 * worlds (namespaces, mounts), or that slip past the filter (io_uring). A denied call fails with
 * EPERM, as it would for lack of privilege: libraries cope with that, a kill they would not.
 *
 * Landlock takes away writing to files outside the given folders; reading stays. Both parts are
 * best effort on older kernels, and what was reached is reported in words, not assumed.
 *
 * Call it before threads are started: Landlock holds for the calling thread and those it starts.
 */
#include "ipc/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef HAVE_SECCOMP
#include <seccomp.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#ifndef UNDER_SANITIZER
#define UNDER_SANITIZER 0 /* LeakSanitizer reads its own process with ptrace at exit */
#endif

/* Rights that came after the oldest headers we build with (ABI 2 and 3). */
#define WRITE_REFER (1ULL << 13)
#define WRITE_TRUNCATE (1ULL << 14)
#define WRITE_FILES LANDLOCK_ACCESS_FS_WRITE_FILE
#define WRITE_FOLDERS                                                                              \
    (LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                              \
     LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |    \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
     LANDLOCK_ACCESS_FS_MAKE_SYM)

#ifdef HAVE_SECCOMP
static const int never[] = {
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(process_madvise),
    SCMP_SYS(kcmp),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(open_tree),
    SCMP_SYS(move_mount),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount),
    SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(setns),
    SCMP_SYS(unshare),
};

/* User namespaces by clone(); its flags are the first argument but on s390. clone3() keeps them in
 * memory where no filter can look: ENOSYS makes the C library fall back to clone(). */
static int deny_namespaces(scmp_filter_ctx filter)
{
#if defined(__s390__) || defined(__s390x__)
    const unsigned flags_arg = 1;
#else
    const unsigned flags_arg = 0;
#endif
    const struct scmp_arg_cmp new_user =
        SCMP_CMP(flags_arg, SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER);
    int failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

    return failed != 0 ? failed
                       : seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                                &new_user);
}

static int deny_families(scmp_filter_ctx filter, bool allow_inet)
{
    static const int family[] = {AF_PACKET, AF_VSOCK, AF_INET, AF_INET6};
    const size_t n = allow_inet ? 2 : ARRAY_LEN(family);
    int failed = 0;

    for (size_t i = 0; failed == 0 && i < n; i++) {
        const struct scmp_arg_cmp is_family = {
            /* the kernel looks at the low half only */
            .arg = 0,
            .op = SCMP_CMP_MASKED_EQ,
            .datum_a = UINT32_MAX,
            .datum_b = (unsigned)family[i],
        };

        failed = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                                        &is_family);
    }
    return failed;
}

static int deny(scmp_filter_ctx filter, int call)
{
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0);
}

static int add_rules(scmp_filter_ctx filter, const struct sandbox *s)
{
    int failed = 0;

    for (size_t i = 0; failed == 0 && i < ARRAY_LEN(never); i++) {
        failed = deny(filter, never[i]);
    }
    if (failed == 0 && !UNDER_SANITIZER) {
        failed = deny(filter, SCMP_SYS(ptrace));
    }
    if (failed == 0 && !s->allow_exec) {
        failed = deny(filter, SCMP_SYS(execve));
        failed = failed != 0 ? failed : deny(filter, SCMP_SYS(execveat));
    }
    if (failed == 0) {
        failed = deny_namespaces(filter);
    }
    return failed != 0 ? failed : deny_families(filter, s->allow_inet);
}

static const char *enter_seccomp(const struct sandbox *s)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int failed = filter == NULL ? -ENOMEM : 0;

    if (failed == 0) {
        failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    }
    if (failed == 0) {
        failed = add_rules(filter, s);
    }
    if (failed == 0) {
        failed = seccomp_load(filter);
    }
    seccomp_release(filter);
    return failed == 0 ? "seccomp" : "no seccomp (the kernel refused the filter)";
}
#else
static const char *enter_seccomp(const struct sandbox *s)
{
    (void)s;
    return "no seccomp (built without libseccomp)";
}
#endif

static int landlock_abi(void)
{
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static uint64_t rights_of(int abi)
{
    return WRITE_FILES | WRITE_FOLDERS | (abi >= 2 ? WRITE_REFER : 0) |
           (abi >= 3 ? WRITE_TRUNCATE : 0);
}

/* A path that does not exist cannot be written to either, so it needs no rule. */
static bool allow_below(int ruleset, const char *path, uint64_t rights)
{
    AUTO(auto_close) int fd = open(path, O_PATH | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        return errno == ENOENT;
    }
    if (!S_ISDIR(st.st_mode)) {
        rights &= WRITE_FILES | WRITE_TRUNCATE;
    }
    const struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};

    return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

static bool restrict_writes(const char *const *paths, uint64_t rights)
{
    const struct landlock_ruleset_attr attr = {.handled_access_fs = rights};
    AUTO(auto_close) int ruleset =
        (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0);
    bool ok = ruleset >= 0 && allow_below(ruleset, "/dev/null", rights);

    for (; ok && *paths != NULL; paths++) {
        ok = allow_below(ruleset, *paths, rights);
    }
    return ok && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
}

static void enter_landlock(const struct sandbox *s, char *ret, size_t size)
{
    int abi = landlock_abi();

    if (s->write_paths == NULL) {
        snprintf(ret, size, "writes not limited");
    } else if (abi < 1) {
        snprintf(ret, size, "no landlock (not in this kernel)");
    } else if (!restrict_writes(s->write_paths, rights_of(abi))) {
        snprintf(ret, size, "no landlock (%s)", strerror(errno));
    } else {
        snprintf(ret, size, "landlock %d", abi);
    }
}

struct err *sandbox_enter(const struct sandbox *s, char *ret_text)
{
    char landlock[64];

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return err_sys(errno, "give up new privileges");
    }
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
        return err_sys(errno, "forbid dumps");
    }
    enter_landlock(s, landlock, sizeof landlock);
    snprintf(ret_text, SANDBOX_TEXT_BYTES, "%s, %s", enter_seccomp(s), landlock);
    return NULL;
}
