// SPDX-License-Identifier: MPL-2.0

// Package creds is a model of a process's credentials: how set*id(2), setgroups(2), capset(2),
// prctl(PR_SET_KEEPCAPS) and execve(2) change them, and what they permit. It follows
// kernel/sys.c, kernel/groups.c and security/commoncap.c of Linux.
//
// It leaves out securebits, ambient capabilities and security modules. User ids are those that
// a step sees, all of them mapped.
package creds
