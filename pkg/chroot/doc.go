// SPDX-License-Identifier: MPL-2.0

// Package chroot runs one command in a root directory as the superuser of a container
// without CAP_SYS_ADMIN, such as a default container of Docker and Kubernetes: without
// namespaces, mounts or control groups.
//
// A process of this program, the keeper, stays beside the command. All descendants of the
// command become children of the keeper when their parents end; the keeper kills them, and
// restores the root, when the command ends or the builder is gone.
//
// A command has less there than in namespaces, and this is not a boundary against a hostile
// command:
//   - It shares the container's processes, host name, System V memory, abstract sockets and,
//     with a network, its loopback. It can signal processes with the same user ids, except for
//     the keeper and the builder if there is a filter.
//   - There is no /proc or /sys: both are empty directories. /dev has the usual devices, but
//     no terminals, and /dev/stdin, /dev/stdout, /dev/stderr and /dev/fd lead nowhere.
//   - Mounts are copies, or the directory itself for the duration of the step: what a step
//     writes to a read-only mount is lost instead of refused.
//   - It cannot leave the root through chroot(2) or devices: it has neither CAP_SYS_CHROOT nor
//     CAP_MKNOD. The builder and the keeper have these, so it cannot trace them.
//   - Without a network there are only unix sockets. That takes a filter, and without
//     CAP_SYS_ADMIN a filter takes no_new_privs: then set-user-ID, set-group-ID and file
//     capabilities have no effect in the step. With a network, such a container has only its
//     own filter.
//
// Only Linux has it.
package chroot
