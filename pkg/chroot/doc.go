// SPDX-License-Identifier: MPL-2.0

// Package chroot runs one command in a root directory as the superuser of a container
// that has no CAP_SYS_ADMIN, such as the default one of Docker and Kubernetes: without
// namespaces, mounts or control groups.
//
// A process of this program, the keeper, stays beside the command. All processes that
// descend from the command become children of the keeper when their parents end; it kills
// them, and puts the root back in order, when the command ends or the builder is gone.
//
// What a command has there is less than in namespaces, and this is not a boundary against a
// hostile one:
//   - It shares the container's processes, host name, System V memory, abstract sockets and,
//     with a network, its loopback. It can signal processes of the same user ids, but for
//     the keeper and the builder where there is a filter.
//   - There is no /proc and /sys: both are empty directories. /dev has the usual devices, but
//     no terminals, and /dev/stdin, /dev/stdout, /dev/stderr and /dev/fd lead nowhere.
//   - Mounts are copies, or the directory itself for the time of the step: what a step
//     writes into one that is only for reading is lost, instead of refused.
//   - It leaves the root neither through chroot(2), nor through devices: it has neither
//     CAP_SYS_CHROOT nor CAP_MKNOD. The builder and the keeper have, so that it cannot trace them.
//   - Without a network there are no sockets but unix ones. That takes a filter, and a filter takes
//     no_new_privs where there is no CAP_SYS_ADMIN: then set-user-ID, set-group-ID and file
//     capabilities have no effect in the step. With a network there is no filter in such a
//     container but its own.
//
// Only Linux has it.
package chroot
