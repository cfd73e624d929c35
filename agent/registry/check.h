#ifndef HF_REGISTRY_CHECK_H
#define HF_REGISTRY_CHECK_H

#include "registry/kind.h"

/* Forms that texts in a spec can have. Each is a registry_text_check: INPUT says what is wanted, and
 * does not repeat the text, which may be a secret in the wrong place. */

/** registry_check_utf8() - valid UTF-8 without control, bidirectional or invisible characters */
struct err *registry_check_utf8(const char *text) MUST_CHECK;
/** registry_check_url() - "https://host[:port][/path]": no user, query or fragment */
struct err *registry_check_url(const char *text) MUST_CHECK;
/** registry_check_proxy() - "[scheme://]host[:port]": no user, no password */
struct err *registry_check_proxy(const char *text) MUST_CHECK;
/** registry_check_path() - of a mount or namespace in Vault: "team/ssh" */
struct err *registry_check_path(const char *text) MUST_CHECK;
/** registry_check_segment() - a name in Vault that is one part of a path: a role */
struct err *registry_check_segment(const char *text) MUST_CHECK;
/** registry_check_file() - an absolute path of this machine */
struct err *registry_check_file(const char *text) MUST_CHECK;
/** registry_check_variable() - name of an environment variable: [A-Z_][A-Z0-9_]* */
struct err *registry_check_variable(const char *text) MUST_CHECK;
/** registry_check_credential() - name of a systemd credential */
struct err *registry_check_credential(const char *text) MUST_CHECK;
/** registry_check_host() - host name or IP address, nothing that a command line could misread */
struct err *registry_check_host(const char *text) MUST_CHECK;
/** registry_check_user() - login name or principal: no white space, comma or leading '-' */
struct err *registry_check_user(const char *text) MUST_CHECK;
/** registry_check_duration() - "90", "15m", "8h": above 0 */
struct err *registry_check_duration(const char *text) MUST_CHECK;
/** registry_check_option() - of a certificate: "permit-pty", "force-command=uptime" */
struct err *registry_check_option(const char *text) MUST_CHECK;
/** registry_check_tag() - 1..64 characters, no white space or comma */
struct err *registry_check_tag(const char *text) MUST_CHECK;
/** registry_check_public_key() - "ssh-ed25519 AAAA... [comment]", one line
 * Spec: RFC 4253, 6.6 */
struct err *registry_check_public_key(const char *text) MUST_CHECK;
/** registry_check_key_uri() - a PKCS#11 URI without a PIN in it; DENIED for pin-value
 * Spec: RFC 7512, 2.3 */
struct err *registry_check_key_uri(const char *text) MUST_CHECK;
/** registry_check_token() - name of a token of holdfast.yaml, or a PKCS#11 URI as above */
struct err *registry_check_token(const char *text) MUST_CHECK;

#endif
