#ifndef CONTROL_SAMPLES_H
#define CONTROL_SAMPLES_H

/*
 * Public lines made by ssh-keygen; the private halves are gone. The first certificate has serial
 * 2^64-1, principals deploy and root, 2020-01-01 to 2100-01-01, force-command=id; the second one no
 * end and no critical option.
 */
static const char line_web[] =
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBJ1BRmjTr9TcCnQ9"
    "nmFXTOTMCY81Nmg2+5UwjSYloWSGXj1uXd1OzNSOREUv8rMuqQfx86fKjxVRMX5nNfdap74=";
static const char line_rsa[] =
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDN2pJGsHqkkKyEY3TSgCjkHh2bTqDE+1dk0VXJ3+7dcw3jW6bN"
    "/1t4HZxh8D9hb7uZIhD8hOuTp30kiKfxlYp0NW8OrKHXft2J41nGRTdJem0Fka19bBuhERFr56rygVinJupZZfQr"
    "zIIiGzb6C3VIVUUevufEg6bZHqSxYVirBHwnH8SnExcccsiEB+fY2xwqdte5a2ZhejfKGhgv8kV9KDgV6t6Gy+GC"
    "2oERTmvUbFtwDd/cGxdfCy9KKbYk/zk/626FeUwP/iu6SxxXPy41dXoizoGhpnStqtkUIHLbmKMjribwWt06jMoe"
    "9nNWrF23bCiX/jgyp7g48QMIJsEv";
static const char line_ca[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID0Mh0hbHQICe2guCHPLi8yTgPrz7JI7p92Ir1W1dZiB";
static const char line_cert[] =
    "ecdsa-sha2-nistp256-cert-v01@openssh.com AAAAKGVjZHNhLXNoYTItbmlzdHAyNTYtY2VydC12MDFAb3B"
    "lbnNzaC5jb20AAAAgj0NYb0PXAF1n+1nkyRqjlefS4xl8jP19FDZwOhRj2hoAAAAIbmlzdHAyNTYAAABBBJ1BRmj"
    "Tr9TcCnQ9nmFXTOTMCY81Nmg2+5UwjSYloWSGXj1uXd1OzNSOREUv8rMuqQfx86fKjxVRMX5nNfdap77////////"
    "//wAAAAEAAAAGd2ViLWlkAAAAEgAAAAZkZXBsb3kAAAAEcm9vdAAAAABeC+EAAAAAAPSGVwAAAAAbAAAADWZvcmN"
    "lLWNvbW1hbmQAAAAGAAAAAmlkAAAAggAAABVwZXJtaXQtWDExLWZvcndhcmRpbmcAAAAAAAAAF3Blcm1pdC1hZ2V"
    "udC1mb3J3YXJkaW5nAAAAAAAAABZwZXJtaXQtcG9ydC1mb3J3YXJkaW5nAAAAAAAAAApwZXJtaXQtcHR5AAAAAAA"
    "AAA5wZXJtaXQtdXNlci1yYwAAAAAAAAAAAAAAMwAAAAtzc2gtZWQyNTUxOQAAACA9DIdIWx0CAntoLghzy4vMk4D"
    "68+ySO6fdiK9VtXWYgQAAAFMAAAALc3NoLWVkMjU1MTkAAABAJuI4+2haAjCd6oRX2BhBgvQfs/IGRI/IUTl6uvn"
    "ydUNkMLraX/8hedeGRjJDFBae6f0HoVbb8ggTEAWDDzxHDg==";
static const char line_forever[] =
    "ecdsa-sha2-nistp256-cert-v01@openssh.com AAAAKGVjZHNhLXNoYTItbmlzdHAyNTYtY2VydC12MDFAb3B"
    "lbnNzaC5jb20AAAAgg4GzJ9WtAp93Es6t+3sdzDykqdGJw1BClQLopt8QIZYAAAAIbmlzdHAyNTYAAABBBJ1BRmj"
    "Tr9TcCnQ9nmFXTOTMCY81Nmg2+5UwjSYloWSGXj1uXd1OzNSOREUv8rMuqQfx86fKjxVRMX5nNfdap74AAAAAAAA"
    "AAAAAAAEAAAAGd2ViLWlkAAAACgAAAAZkZXBsb3kAAAAAAAAAAP//////////AAAAAAAAAIIAAAAVcGVybWl0LVg"
    "xMS1mb3J3YXJkaW5nAAAAAAAAABdwZXJtaXQtYWdlbnQtZm9yd2FyZGluZwAAAAAAAAAWcGVybWl0LXBvcnQtZm9"
    "yd2FyZGluZwAAAAAAAAAKcGVybWl0LXB0eQAAAAAAAAAOcGVybWl0LXVzZXItcmMAAAAAAAAAAAAAADMAAAALc3N"
    "oLWVkMjU1MTkAAAAgPQyHSFsdAgJ7aC4Ic8uLzJOA+vPskjun3YivVbV1mIEAAABTAAAAC3NzaC1lZDI1NTE5AAA"
    "AQG8DFOiZUp+y15zyNQV7j0t8LuEvpsx6TIL/KEo1aK/61Qhcdrl8f0yRjksgKwwgr06dW4qY8zEHPfPo6oWywwM"
    "=";

#define FINGERPRINT_WEB "SHA256:suGHv9upxWulaoVAnSzSa4GTcUHztkMoLR7SSTq4V9o"
#define FINGERPRINT_CA "SHA256:7Spt+5Qkx0vFHqwqnZkXFLIdD0hLVtVCI1shY51ejJU"

#endif
